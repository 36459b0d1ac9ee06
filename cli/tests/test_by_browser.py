"""The end of nexo's own: what it listens for, and what it does not take for an answer."""

from __future__ import annotations

import json
import socket

import pytest
import requests
from cli_testing.serving import serving
from nexo_cli import by_browser
from nexo_cli.by_browser import Answer, answer_in, listening
from nexo_cli.commands import people_here
from nexo_cli.errors import Exit, NexoError

STATE = "s" * 43


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (f"/?code=a.b-c_D.9&state={STATE}", "a.b-c_D.9"),
        (f"/?error=denied&state={STATE}", ""),
        (f"/?code=abc&state={'t' * 43}", None),
        ("/?code=abc", None),
        ("/?error=denied", None),
        ("/?code=abc&state=", None),
        (f"/?code=abc&state={STATE}&state={STATE}", None),
        (f"/?code=abc&code=abd&state={STATE}", None),
        (f"/?code=abc&error=denied&state={STATE}", None),
        (f"/?code=abc&more=x&state={STATE}", None),
        (f"/?code=&state={STATE}", None),
        (f"/?code=a%20b&state={STATE}", None),
        (f"/?code=a%0ab&state={STATE}", None),
        (f"/?code={'a' * 2000}&state={STATE}", None),
        (f"/callback?code=abc&state={STATE}", None),
        (f"http://evil.example.com/?code=abc&state={STATE}", None),
        (f"//evil.example.com/?code=abc&state={STATE}", None),
        (f"/?state={STATE}", None),
        ("/?code=abc&state=%ff%fe", None),
        ("/favicon.ico", None),
        ("/", None),
    ],
)
def test_what_is_an_answer(target: str, found: str | None) -> None:
    assert answer_in(target, STATE) == found


def test_it_listens_for_one_answer_and_takes_nothing_else(capfd: pytest.CaptureFixture[str]) -> None:
    with listening(STATE) as answer:
        url, right = f"http://127.0.0.1:{answer.port}", f"/?code=the-code&state={STATE}"
        for method, target, headers, status in (
            ("GET", "/favicon.ico", {}, 404),
            ("GET", f"/?code=x&state={'t' * 43}", {}, 404),
            ("GET", right, {"Host": "evil.example.com"}, 404),
            ("POST", right, {}, 501),
            ("OPTIONS", right, {}, 501),
        ):
            assert requests.request(method, url + target, headers=headers, timeout=10).status_code == status, target
        said = requests.get(url + right, timeout=10)
        assert "your answer: yes" in said.text
        assert "the-code" not in said.text
        assert said.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert said.headers["Referrer-Policy"] == "no-referrer"
        assert requests.get(f"{url}/?error=denied&state={STATE}", timeout=10).status_code == 404, "the first counts"
        assert answer.code(10) == "the-code"
    with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", answer.port), 10):
        pass
    assert capfd.readouterr() == ("", "")


def test_it_listens_on_this_machine_alone() -> None:
    with listening(STATE) as answer, socket.socket() as other:
        other.bind(("127.0.0.2", answer.port))  # would be taken, were it all addresses
        assert answer.port >= 1024


def test_a_no_and_silence_are_said() -> None:
    answer = Answer(STATE)
    with pytest.raises(NexoError, match="nobody allowed it") as error:
        answer.code(0)
    assert error.value.hint is not None
    answer.take(f"/?error=denied&state={STATE}")
    answer.told()
    with pytest.raises(NexoError, match="denied") as error:
        answer.code(0)
    assert error.value.exit_code is Exit.NOT_ALLOWED


@pytest.mark.parametrize(
    ("oidc", "user", "browser", "terminal", "way"),
    [
        (True, None, None, True, "browser"),
        (True, None, None, False, "password"),
        (True, "ada", None, True, "password"),
        (True, None, False, True, "password"),
        (True, None, True, False, "browser"),
        (False, None, None, True, "password"),
        (False, None, True, True, "no provider"),
    ],
)
def test_which_way_is_taken(
    oidc: bool, user: str | None, browser: bool | None, terminal: bool, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_browser, "signed_in", lambda *_: "browser")
    monkeypatch.setattr(people_here, "_by_password", lambda *_: "password")
    monkeypatch.setattr("sys.stdin.isatty", lambda: terminal, raising=False)
    methods = json.dumps({"password": True, "oidc": oidc}).encode()
    with serving(lambda _: (200, methods, {})) as (url, _):
        if way == "no provider":
            with pytest.raises(NexoError, match=way) as error:
                people_here._signed_in(url, user, browser)
            assert "--token" in str(error.value.hint)
        else:
            assert people_here._signed_in(url, user, browser) == way
