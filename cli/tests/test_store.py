"""Where tokens are kept: the system's keyring first, a file for this user alone where there is none."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backend
import keyring.errors
import pytest
from nexo_cli import store
from nexo_cli.errors import Exit, NexoError

URL = "https://hub.example.com"


class Ring(keyring.backend.KeyringBackend):
    """A keyring in memory, which can be locked."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the library says no types here
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        self._look()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._look()
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._look()
        del self.kept[service, username]

    def _look(self) -> None:
        if self.locked:
            raise keyring.errors.KeyringLocked("locked")


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ring]:
    for name in (store.TOKEN_VARIABLE, store.HUB_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(store.HOME_VARIABLE, str(tmp_path / "nexo"))
    before, found = keyring.get_keyring(), Ring()
    keyring.set_keyring(found)
    yield found
    keyring.set_keyring(before)


def _files(tmp_path: Path) -> str:
    return "".join(path.read_text() for path in (tmp_path / "nexo").iterdir())


def test_a_keyring_has_the_token_and_no_file_does(ring: Ring, tmp_path: Path) -> None:
    assert "keyring" in store.keep(URL, "nxt_secret")
    assert store.find(None).token == "nxt_secret"
    assert "nxt_secret" not in _files(tmp_path) + repr(store.find(None))
    store.forget(URL)
    assert ring.kept == {}
    with pytest.raises(NexoError, match="not signed in"):
        store.find(URL)


def test_without_a_keyring_a_file_for_its_owner_has_it(ring: Ring, tmp_path: Path) -> None:
    ring.locked = True
    where = store.keep(URL, "nxt_secret")
    assert stat.S_IMODE(Path(where).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "nexo").stat().st_mode) == 0o700
    assert store.find(URL).token == "nxt_secret"
    ring.locked = False
    store.keep(URL, "nxt_newer")
    assert json.loads(Path(where).read_text()) == {"format": 1}, "what the keyring has lies in no file any more"
    ring.locked = True
    with pytest.raises(NexoError, match="does not answer") as error:
        store.find(URL)
    assert "NEXO_TOKEN" in (error.value.hint or "")


def test_several_hubs(ring: Ring) -> None:
    store.keep(URL, "one")
    store.keep("http://127.0.0.1:7071", "two")
    assert store.hubs() == ("http://127.0.0.1:7071", ["http://127.0.0.1:7071", URL])
    assert (store.find(None).token, store.find(URL + "/").token) == ("two", "one")
    store.forget("http://127.0.0.1:7071")
    assert store.hubs() == (URL, [URL])
    with pytest.raises(NexoError) as error:
        store.find("https://other.example.com")
    assert error.value.exit_code is Exit.NOT_ALLOWED
