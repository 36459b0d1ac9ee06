"""Authorization levels and function keys."""

from __future__ import annotations

from pathlib import Path

import azure.functions as func
import pytest

from hosting.keys import Keys, Level, keys_from
from tests.hosting.support import ask, hosted

SETTINGS = {
    "host.master": "master",
    "host.function.default": "all",
    "host.function.next": "all-too",
    "functions.needs_key.default": "one",
    "functions.other.default": "other",
    "host.systemKey.eventgrid_extension": "events",
}
KEY = "x-functions-key"


def guarded() -> func.FunctionApp:
    """One function of each level; the level of the app, and so of `needs_key`, is FUNCTION by default."""
    app = func.FunctionApp()

    @app.route("open", auth_level=func.AuthLevel.ANONYMOUS)
    async def is_open(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("in")

    @app.route("key")
    async def needs_key(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("in")

    @app.route("master", auth_level=func.AuthLevel.ADMIN)
    async def needs_master(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("in")

    return app


@pytest.mark.parametrize(
    ("target", "key", "status"),
    [
        ("/open", None, 200),
        ("/open", "wrong", 200),
        ("/open?code=wrong", None, 200),
        ("/key", None, 401),
        ("/key", "wrong", 401),
        ("/key", "", 401),
        ("/key", "one", 200),
        ("/key", "all", 200),
        ("/key", "all-too", 200),
        ("/key", "master", 200),
        ("/key", "other", 401),
        ("/key", "events", 401),
        ("/key?code=one", None, 200),
        ("/key?code=one", "wrong", 401),
        ("/key?code=wrong", "one", 200),
        ("/master", "master", 200),
        ("/master", "all", 401),
        ("/master", None, 401),
        ("/MASTER", None, 401),
        ("/nowhere", None, 404),
    ],
)
async def test_who_may_call_what(tmp_path: Path, target: str, key: str | None, status: int) -> None:
    async with hosted(guarded(), tmp_path, SETTINGS) as host:
        reply = await ask(host, target, headers=[] if key is None else [(KEY, key)])
    assert reply.status == status
    assert reply.body == (b"in" if status == 200 else b"")


@pytest.mark.parametrize("target", ["/open", "/key", "/master"])
async def test_without_any_key_set_only_anonymous_functions_can_be_called(tmp_path: Path, target: str) -> None:
    async with hosted(guarded(), tmp_path) as host:
        assert (await ask(host, target, headers=[(KEY, "")])).status == (200 if target == "/open" else 401)


@pytest.mark.parametrize("target", ["/open", "/key", "/master", "/admin/host/status"])
async def test_unchecked_everybody_is_an_admin_as_with_func_start(tmp_path: Path, target: str) -> None:
    async with hosted(guarded(), tmp_path, check_keys=False) as host:
        assert (await ask(host, target)).status == 200


@pytest.mark.parametrize("name", ["AzureWebJobs.needs_key.Disabled", "AzureWebJobs_needs_key_Disabled"])
async def test_a_disabled_function_is_404_after_the_key_and_runs_for_the_master(tmp_path: Path, name: str) -> None:
    async with hosted(guarded(), tmp_path, {**SETTINGS, name: "true"}) as host:
        assert (await ask(host, "/key")).status == 401
        assert (await ask(host, "/key", headers=[(KEY, "one")])).status == 404
        assert (await ask(host, "/key", headers=[(KEY, "master")])).status == 200


async def test_a_body_is_not_even_read_without_the_key(tmp_path: Path) -> None:
    async with hosted(guarded(), tmp_path, SETTINGS) as host:
        reply = await ask(host, "/key", "POST", [("Content-Length", "1000000")])  # which never comes
    assert reply.status == 401


def test_keys_are_not_in_their_own_text() -> None:
    assert "master" not in repr(keys_from(SETTINGS)).replace("host.master", "")


@pytest.mark.parametrize(
    ("settings", "level", "opened"),
    [
        ({}, Level.ANONYMOUS, True),
        ({}, Level.FUNCTION, False),
        ({"host.function.x": "k"}, Level.FUNCTION, True),
        ({"functions.F.x": "k"}, Level.FUNCTION, True),
        ({"functions.other.x": "k"}, Level.FUNCTION, False),
        ({"host.function.x": "k"}, Level.ADMIN, False),
        ({"host.master": "k"}, Level.ADMIN, True),
    ],
)
def test_the_host_knows_which_functions_no_key_opens(settings: dict[str, str], level: Level, opened: bool) -> None:
    assert keys_from(settings).can_open("f", level) is opened
    assert Keys(checked=False).can_open("f", level)
