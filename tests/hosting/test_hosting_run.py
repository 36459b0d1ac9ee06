"""The parts of `make run` that a kill could catch at a bad moment."""

from __future__ import annotations

import secrets
import stat
from pathlib import Path

import pytest

from hosting.run import admin_token, event_grid_key


def test_the_admin_s_token_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "admin.token"
    token = admin_token(path)
    assert len(token) > 40
    assert admin_token(path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_token_that_was_never_written_is_made_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(_: int) -> str:
        raise Killed

    path = tmp_path / "admin.token"
    monkeypatch.setattr(secrets, "token_urlsafe", die)
    with pytest.raises(Killed):
        admin_token(path)
    monkeypatch.undo()
    assert len(admin_token(path)) > 40
    assert list(tmp_path.iterdir()) == [path]


def test_the_key_of_event_grid_is_kept_as_the_token_is(tmp_path: Path) -> None:
    path = tmp_path / "eventgrid.key"
    key = event_grid_key(path)
    assert len(key) > 40
    assert event_grid_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
