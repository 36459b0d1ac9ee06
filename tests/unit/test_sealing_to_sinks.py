"""Secrets sealed by the hub and opened by the agent, or by nobody."""

from __future__ import annotations

import base64
import importlib.util
import json
import logging
import secrets
import stat
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nexomatic_agent.answers import Refused
from nexomatic_agent.unsealing import Unsealer, is_release, public_key

from hub.secrets.to_sink import ReleaseContext, SealedValues, UnusableKey, seal

VALUE = "hunter2 für alle 🔑\nund noch eine Zeile"
CONTEXT = ReleaseContext("01EVENT", 3, "box", [("api-token", "v1"), ("other", "v2")])
VALUES = {"api-token": VALUE, "other": "x"}


@pytest.fixture
def key(tmp_path: Path) -> str:
    made = public_key(tmp_path)
    assert made is not None
    return made


def random() -> int:
    return secrets.randbits(256)


def released(sealed: SealedValues, context: ReleaseContext = CONTEXT) -> Mapping[str, Any]:
    """As the hub answers."""
    bare = [{"name": name, "version": version, "value": None} for name, version in context.versions]
    return {"secrets": bare, "sealed": {"key": sealed.key, "ciphertext": sealed.ciphertext}}


def opened(
    folder: Path, document: Mapping[str, Any], *, event: str = "01EVENT", attempt: int = 3, sink: str = "box"
) -> Any:
    return Unsealer(folder, sink).values(event, attempt, document)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text("abc-", min_size=1), st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_what_is_sealed_is_opened_by_who_has_the_key(tmp_path: Path, values: dict[str, str]) -> None:
    made = public_key(tmp_path)
    assert made is not None
    context = replace(CONTEXT, versions=[(name, "1") for name in values])
    assert opened(tmp_path, released(seal(values, made, context, random), context)) == values


def test_nothing_of_a_value_shows_and_no_two_are_alike(tmp_path: Path, key: str) -> None:
    one, two = (seal(VALUES, key, CONTEXT, random) for _ in range(2))
    assert one.key != two.key
    assert one.ciphertext != two.ciphertext
    assert VALUE.encode() not in base64.b64decode(one.ciphertext)
    assert json.dumps(VALUE).encode()[1:8] not in base64.b64decode(one.ciphertext)


@pytest.mark.parametrize("other", [{"event": "01OTHER"}, {"attempt": 4}, {"sink": "other"}])
def test_it_opens_for_no_other_event_attempt_or_sink(tmp_path: Path, key: str, other: dict[str, Any]) -> None:
    sealed = released(seal(VALUES, key, CONTEXT, random))
    assert opened(tmp_path, sealed) == VALUES
    with pytest.raises(Refused, match="sealed to another key than this sink has, or for another task"):
        opened(tmp_path, sealed, **other)


@pytest.mark.parametrize("field", ["name", "version"])
def test_no_name_and_no_version_can_be_exchanged(tmp_path: Path, key: str, field: str) -> None:
    document = released(seal(VALUES, key, CONTEXT, random))
    one, two = document["secrets"]
    one[field], two[field] = two[field], one[field]
    with pytest.raises(Refused):
        opened(tmp_path, document)


def test_another_key_opens_nothing(tmp_path: Path, key: str) -> None:
    elsewhere = tmp_path / "other"
    elsewhere.mkdir()
    assert public_key(elsewhere) != key
    for folder in (elsewhere, tmp_path / "none"):
        with pytest.raises(Refused) as refused:
            opened(folder, released(seal(VALUES, key, CONTEXT, random)))
        assert VALUE not in str(refused.value)


@pytest.mark.parametrize(
    "sealed", [{}, {"key": "", "ciphertext": ""}, {"key": "AAAA", "ciphertext": "A"}, {"key": 1, "ciphertext": None}]
)
def test_what_is_no_seal_is_refused(tmp_path: Path, key: str, sealed: Any) -> None:
    with pytest.raises(Refused):
        opened(tmp_path, {**released(seal(VALUES, key, CONTEXT, random)), "sealed": sealed})


@pytest.mark.parametrize("key", ["", "AAAA", "!", base64.b64encode(bytes(32)).decode()])
def test_what_is_no_key_is_not_sealed_to(key: str) -> None:
    with pytest.raises(UnusableKey):
        seal(VALUES, key, CONTEXT, random)


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path, key: str) -> None:
    assert public_key(tmp_path) == key
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key not in file.read_text()


def test_a_file_that_cannot_be_read_is_replaced_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "sealing.json").write_text("{")
    assert public_key(tmp_path)
    assert "the sealing key cannot be read" in caplog.text


def test_an_agent_without_the_package_goes_on_without_a_key_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert public_key(tmp_path) is None
    assert "install the package cryptography for the agent, and enrol again" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_has_gone_since_is_named(tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = released(seal(VALUES, key, CONTEXT, random))
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(Refused, match="install the package cryptography"):
        opened(tmp_path, sealed)


def test_what_is_not_sealed_is_taken_as_it_is(tmp_path: Path) -> None:
    document = {"secrets": [{"name": "a", "version": "1", "value": VALUE}], "sealed": None}
    assert is_release(document)
    assert opened(tmp_path, document) == {"a": VALUE}
    assert not is_release({"secrets": [{"name": "a", "version": "1", "value": None}]})
    assert not is_release({"secrets": [], "sealed": "x"})
    assert not is_release({})
