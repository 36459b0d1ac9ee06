"""Who got this version of this secret, over HTTP; and nobody gets one without a record."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from hub.audit.releases import Releases
from hub.errors import Unavailable
from hub.storage.keys import RELEASES
from hub.storage.release_rows import hour_of
from tests.functions.shell import Shell

PARAMETERS = [{"name": "p", "type": "SECRET", "value": "api-token"}]
VALUE = "hunter2-and-more"


async def held(shell: Shell) -> tuple[Any, str]:
    """A task that needs a secret, and the credential of the sink that holds it."""
    await shell.configure()
    await shell.ok("PUT", "/api/secrets/api-token", {"value": VALUE})
    await shell.ok("PATCH", "/api/actions/go", {"parameters": PARAMETERS})
    credential = await shell.enrol("box")
    await shell.fire()
    return await shell.claim(credential), credential


async def ask(shell: Shell, task: Any, credential: str) -> Any:
    url = f"/agent/events/{task['event_id']}/secrets"
    return await shell("POST", url, {"token": task["token"]}, token=credential)


async def test_a_release_says_who_got_which_version_for_what(shell: Shell) -> None:
    task, credential = await held(shell)
    version = (await shell.ok("GET", "/api/secrets/api-token"))["version"]
    (given,) = (await ask(shell, task, credential)).json["secrets"]
    assert given["value"] == VALUE

    (entry,) = (await shell.ok("GET", f"/api/audit?secret=API-token&version={version}"))["items"]
    assert (entry["actor"], entry["resource"]) == ("sinks/box", f"events/{task['event_id']}")
    assert entry["secrets"] == [{"name": "api-token", "version": version}]
    assert (entry["result"], entry["action"]) == ("DONE", "POST /agent/events/{id}/secrets")
    for none in ("secret=other", "secret=api-token&version=0", "secret=api-token&actor=sinks/other"):
        assert (await shell.ok("GET", f"/api/audit?{none}"))["items"] == []
    assert (await shell.ok("GET", "/api/audit?releases=true"))["items"] == [entry]
    assert entry not in (await shell.ok("GET", "/api/audit"))["items"]
    hour = hour_of(datetime.fromisoformat(entry["at"]))
    rows = await shell.hub.storage.tables.query(RELEASES, f"{hour:08d}-{entry['chain']}")
    assert VALUE not in repr([dict(row.values) for row in rows])
    assert len(rows) == 1


async def test_nothing_is_given_that_cannot_be_recorded(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    task, credential = await held(shell)

    async def unavailable(*_: Any) -> None:
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr(Releases, "record", unavailable)
        reply = await ask(shell, task, credential)
    reply.problem(503)
    assert VALUE not in reply.body.decode()
    assert (await ask(shell, task, credential)).status == 200


async def test_nothing_is_given_when_the_lease_ended_while_it_was_recorded(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, credential = await held(shell)

    async def slow(*_: Any) -> None:
        shell.clock.seconds += 3600

    monkeypatch.setattr(Releases, "record", slow)
    reply = await ask(shell, task, credential)
    reply.problem(409)
    assert VALUE not in reply.body.decode()


async def test_a_version_is_of_a_secret(shell: Shell) -> None:
    assert "without secret" in (await shell("GET", "/api/audit?version=1")).errors()["version"]


async def test_cursors_of_the_two_lists_are_not_mixed_up(shell: Shell) -> None:
    for name in "AB":
        await shell.ok("PUT", f"/api/sink-types/{name}", {})
    cursor = (await shell.ok("GET", "/api/audit?limit=1"))["cursor"]
    assert "cursor" in (await shell("GET", f"/api/audit?releases=true&cursor={cursor}")).errors()
