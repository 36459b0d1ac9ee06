"""What a `nexo login` in a browser asks and is answered, for the tests."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from hub.rules.pkce import challenge_of
from tests.functions.browsers import Browser
from tests.functions.shell import Reply

VERIFIER: Final = "v" * 43
CHALLENGE: Final = challenge_of(VERIFIER)
ASKED: Final = {"port": "50123", "challenge": CHALLENGE, "name": "box-1"}
PAGE: Final = f"/api/session/nexo?{urlencode(ASKED)}"


def fields_of(page: str) -> dict[str, str]:
    """The hidden fields of the page's form."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))


async def answer(browser: Browser, said: str = "allow", page: str = PAGE, **fields: str) -> Reply:
    """Press a button of the page, as a browser does: without any header that only a script could set."""
    reply = await browser("GET", page)
    assert reply.status == 200, reply.body
    form = {**fields_of(reply.body.decode()), "answer": said, **fields}
    return await browser("POST", "/api/session/nexo/answer", urlencode(form).encode(), x_csrf_token=None)


def told(reply: Reply) -> dict[str, str]:
    """What the browser tells nexo."""
    assert reply.status == 303, reply.body
    url = urlsplit(reply.headers["location"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == "http://127.0.0.1:50123/"
    return {name: value for name, (value,) in parse_qs(url.query).items()}


async def allowed(browser: Browser) -> str:
    """The code of who has allowed it."""
    said = told(await answer(browser))
    assert set(said) == {"code", "state"}
    assert said["state"] == CHALLENGE
    return said["code"]
