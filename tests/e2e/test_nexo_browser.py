"""`nexo login --browser`, with a real hub, a real provider, and a program in the place of the browser."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from nexo_cli.errors import Exit

from tests.e2e.nexo import Nexo
from tests.functions.providers import CLIENT_ID, CLIENT_SECRET, real_provider
from tests.size.hub_process import HubProcess

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

BROWSER: Final = '''
import json, re, sys, urllib.parse, requests
log, answer, url = sys.argv[1:]
session, seen = requests.Session(), []

def go(method, url, **more):
    """As a browser goes: through whatever it is sent on to, and it notes where it was."""
    while True:
        seen.append(url)
        said = session.request(method, url, allow_redirects=False, timeout=30, **more)
        if not said.is_redirect:
            return said
        method, more, url = "GET", {}, urllib.parse.urljoin(url, said.headers["Location"])

said = go("GET", url)
while 'name="prompt"' in said.text:  # the provider's forms
    prompt = "login" if 'name="password"' in said.text else "consent"
    said = go("POST", said.url, data={"prompt": prompt, "login": "ada", "password": "any"})
page = said.text
form = dict(re.findall(r'<input type="hidden" name="(\\w+)" value="([^"]*)">', page))
parts = urllib.parse.urlsplit(said.url)
action = urllib.parse.urljoin(said.url, re.search(r'action="([^"]+)"', page)[1])
said = go("POST", action, data={**form, "answer": answer}, headers={"Origin": f"{parts.scheme}://{parts.netloc}"})
open(log, "w").write(json.dumps({"seen": seen, "page": page, "told": said.text}))
'''


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    hub = HubProcess(tmp_path_factory.mktemp("hub"))
    accounts = {"ada": {"groups": ["ops"], "name": "Ada Lovelace"}}
    with real_provider(accounts, claims_in_token=True, hub=hub.url) as issuer:
        hub.environ = {
            "NEXOMATIC_OIDC_ISSUER": issuer,
            "NEXOMATIC_OIDC_CLIENT_ID": CLIENT_ID,
            "NEXOMATIC_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "NEXOMATIC_OIDC_ADMINS": "ops",
            "PYTHON_ENABLE_DEBUG_LOGGING": "1",
            "AzureFunctionsJobHost__logging__logLevel__default": "Debug",
        }
        with hub:
            yield hub


def browser(folder: Path, answer: str) -> dict[str, str]:
    """What makes a program press this button where nexo opens a browser."""
    script = folder / "browser.py"
    script.write_text(BROWSER)
    return {"BROWSER": f"{sys.executable} {script} {folder / 'seen.json'} {answer} %s"}


def test_people_of_a_provider_sign_in(hub: HubProcess, tmp_path: Path) -> None:
    nexo = Nexo(tmp_path / "home", browser(tmp_path, "allow"))
    with nexo.start("login", hub.url, "--browser", "--json", stdin=-3, stdout=-1, stderr=-1) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    assert json.loads(out)["me"]["role"] == "ADMIN"
    me = nexo("whoami", "--json").json
    assert me["name"].startswith("oidc:")
    assert me["token"].startswith("nexo-")
    entries = nexo("audit", "list", "--json").json
    (entry,) = [each for each in entries if each["action"] == "POST /api/session/nexo"]
    assert (entry["actor"], entry["result"]) == (f"users/{me['name']}", "DONE")

    seen = json.loads((tmp_path / "seen.json").read_text())
    assert "Ada Lovelace (oidc:" in seen["page"]
    assert "Admin: everything" in seen["page"]
    assert "your answer: yes" in seen["told"]
    code = seen["seen"][-1].partition("?code=")[2].partition("&")[0]
    assert len(code) > 100
    token = json.loads((tmp_path / "home/tokens.json").read_text())
    kept = [code, code.partition("%")[0], *[each for each in str(token).split("'") if each.startswith("nxt_")]]
    assert len(kept) == 3
    for each in kept:
        assert each not in hub.log() + err.decode() + out.decode()
    assert "challenge=" not in hub.log()

    nexo("logout")
    assert nexo("whoami", code=Exit.NOT_ALLOWED).err


def test_a_no_makes_no_token(hub: HubProcess, tmp_path: Path) -> None:
    nexo = Nexo(tmp_path / "home", browser(tmp_path, "deny"))
    with nexo.start("login", hub.url, "--browser", stdin=-3, stdout=-1, stderr=-1) as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == Exit.NOT_ALLOWED
    assert "denied in the browser" in err.decode()
    assert "your answer: no" in json.loads((tmp_path / "seen.json").read_text())["told"]
