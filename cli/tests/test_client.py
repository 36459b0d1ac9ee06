"""The client, against something that answers what no hub should."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli_testing.serving import Heard, serving
from nexo_cli import api, store
from nexo_cli.client import Hub, checked_url
from nexo_cli.errors import Exit, NexoError, Problem


@contextmanager
def _answering(status: int, content: bytes, **headers: str) -> Iterator[tuple[str, Heard]]:
    with serving(lambda _: (status, content, headers)) as found:
        yield found


@pytest.mark.parametrize(
    ("status", "content", "code", "said"),
    [
        (200, b"<html>", Exit.UNAVAILABLE, "not JSON"),
        (502, b"<html>", Exit.UNAVAILABLE, "502"),
        (401, b"", Exit.NOT_ALLOWED, "401"),
        (412, json.dumps({"detail": "x", "type": "urn:nexomatic:problem:changed"}).encode(), Exit.CONFLICT, "x"),
        (400, b'{"detail": "no", "errors": [{"field": "a", "message": "b"}]}', Exit.USAGE, "no"),
        (500, b'["detail"]', Exit.FAILED, "500"),
    ],
)
def test_every_answer_becomes_words_and_a_code(status: int, content: bytes, code: Exit, said: str) -> None:
    with _answering(status, content) as (url, _), pytest.raises(NexoError, match=said) as error:
        Hub(url, "t").call(api.GET_ME)
    assert error.value.exit_code is code
    assert error.value.hint is not None or status in (400, 500)


def test_a_token_is_sent_to_its_hub_and_nowhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with (
        _answering(200, b"{}") as (elsewhere, heard_elsewhere),
        _answering(302, b"", Location=f"{elsewhere}/api/me") as (url, heard),
    ):
        with pytest.raises(NexoError, match="sends on to"):
            Hub(url, "secret").call(api.GET_ME)
        with pytest.raises(NexoError, match="sends on to"):
            Hub(url, None).call(api.GET_ME)
    assert [each.get("Authorization") for each in heard] == ["Bearer secret", None]
    assert heard_elsewhere == []


def test_nobody_there() -> None:
    with _answering(200, b"") as (url, _):
        pass
    with pytest.raises(NexoError, match="no answer from") as error:
        Hub(url, "t").call(api.GET_ME)
    assert error.value.exit_code is Exit.UNAVAILABLE


@pytest.mark.parametrize("url", ["ftp://a", "https://", "https://u:p@a", "https://a/?q=1", "http://hub.example.com"])
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(NexoError) as error:
        checked_url(url)
    assert error.value.exit_code is Exit.USAGE


def test_addresses_that_are_taken() -> None:
    assert checked_url("hub.example.com") == "https://hub.example.com"
    assert checked_url("https://hub.example.com/") == "https://hub.example.com"
    assert checked_url("http://127.0.0.1:7071") == "http://127.0.0.1:7071"


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_be_another_route(name: str) -> None:
    with pytest.raises(NexoError, match="is no name"):
        Hub("http://127.0.0.1:1", "t").call(api.DELETE_SECRETS_NAME, name=name)


def test_a_file_that_is_not_ours_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NEXO_HOME", str(tmp_path))
    (tmp_path / "hubs.json").write_text("[")
    with pytest.raises(NexoError, match="cannot be read"):
        store.find(None)


def test_a_problem_names_its_fields() -> None:
    content = b'{"detail": "no", "type": "urn:nexomatic:problem:invalid", "errors": [{"field": "a", "message": "b"}]}'
    with _answering(400, content) as (url, _), pytest.raises(Problem) as error:
        Hub(url, "t").call(api.GET_ME)
    assert (error.value.slug, error.value.fields) == ("invalid", [("a", "b")])
