"""The parts of `make run` that a kill could catch at a bad moment."""

from __future__ import annotations

import json
import secrets
import stat
from pathlib import Path
from typing import Any, cast

import pytest

from hosting.hub_client import HubClient
from hosting.ready import Ready
from hosting.run import FirstAdmin, admin_token, event_grid_key, first_admin


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


class Hub:
    """What `make run` asks of users."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {}

    def get(self, path: str) -> Any:
        if path.startswith("/api/users?"):
            return {"items": list(self.users.values())}
        return self.users.get(path.rpartition("/")[2])

    def post(self, path: str, document: Any) -> Any:
        assert path == "/api/users"
        self.users[document["name"]] = {**document, "must_change_password": True}
        return self.users[document["name"]]


def test_a_new_platform_has_an_admin_whose_password_is_told_until_they_change_it(tmp_path: Path) -> None:
    hub, path = Hub(), tmp_path / "admin.password"
    client = cast(HubClient, hub)
    first = first_admin(client, path)
    assert first.user == "admin"
    assert first.password is not None
    assert hub.users["admin"]["password"] == first.password
    assert len(first.password) == 16
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert first_admin(client, path) == first
    assert first.password in first.said()
    assert first.password not in repr(first)
    hub.users["admin"]["must_change_password"] = False
    assert first_admin(client, path) == FirstAdmin("admin", None)


def test_an_admin_who_was_removed_is_not_made_again(tmp_path: Path) -> None:
    hub = Hub()
    hub.users["ada"] = {"must_change_password": False}
    assert first_admin(cast(HubClient, hub), tmp_path / "admin.password") == FirstAdmin(None, None)
    assert set(hub.users) == {"ada"}


def test_ready_json_says_who_signs_in_with_what(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    ready = Ready(path, "http://127.0.0.1:1", "nxt_x")
    ready.write("admin", "first")
    assert json.loads(path.read_text()) == {
        "url": "http://127.0.0.1:1",
        "user": "admin",
        "password": "first",
        "token": "nxt_x",
        "pids": {},
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
