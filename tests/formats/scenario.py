"""What a release writes that a later one must read: made through the hub's own functions, with nothing secret in it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from hub.storage.ports import Storage
from tests.functions.browsers import invited
from tests.functions.shell import Shell, opened_shell

SECRET: Final = "no secret: recorded for tests"
LONG: Final = "long " * 20_000
"""More than fits into a row: payload and result become blobs."""
NEEDS: Final = [{"name": "token", "type": "SECRET", "value": "api-token"}]


async def write(storage: Storage) -> dict[str, Any]:
    """Play it, close the storage, and say what a reader needs to know: ids, the sink's credential, the time."""
    async with opened_shell(storage=storage) as shell:
        await shell.ok("PUT", "/api/secrets/api-token", {"value": SECRET})
        hook = await shell.configure(
            {"rate": {"limit": 100, "per_seconds": 60}, "dedupe": {"path": "body.n"}},
            max_running=5,
        )
        await shell.ok("PATCH", "/api/actions/go", {"parameters": NEEDS})
        await shell.ok("PUT", "/api/sources/nightly", {"kind": "SCHEDULE", "cron": "0 3 * * *", "event_types": ["GO"]})
        await invited(shell, "ada")
        token = await shell.ok("POST", "/api/tokens", {"name": "ci", "role": "VIEWER"})
        credential = await shell.enrol()
        pushed = await shell("POST", hook, {"n": 1}, token=None)
        assert pushed.status == 202, pushed.body
        done = await _run(shell, credential, "SUCCESS")
        shell.clock.seconds += 5
        big = await shell.fire(LONG)
        await _run(shell, credential, "ERROR")
        refused = await shell("POST", hook, data=b"{", token=None, content_type="application/json")
        assert refused.status == 400, refused.body
        shell.clock.seconds += 3 * 3600  # whole hours are counted
        await shell.hub.stats.write()
        await shell.hub.upkeep.tick()
        held = await shell.fire({"held": True})
        task = await shell.claim(credential)
        assert (await shell.ok("GET", "/api/me", token=token["token"]))["role"] == "VIEWER"
        cancelled = await shell.fire({"cancelled": True})
        await _cancelled(shell, cancelled)
        waiting = await shell.fire({"waiting": True})
        now = shell.clock.seconds
    return {
        "done": done, "big": big, "held": held, "held_token": task["token"], "cancelled": cancelled,
        "waiting": waiting, "credential": credential, "viewer": token["token"], "hook": hook, "seconds": now,
        "status_url": pushed.json["status_url"],
    }  # fmt: skip


async def _run(shell: Shell, credential: str, state: str) -> str:
    """Run what waits, to this end, with a log and the secret."""
    task = await shell.claim(credential)
    event_id: str = task["event_id"]
    lines = [{"time": "2026-03-01T12:00:00Z", "stream": "stdout", "level": "INFO", "text": f"line {n}"} for n in (1, 2)]
    url = f"/agent/events/{event_id}"
    await shell.ok("POST", f"{url}/secrets", {"token": task["token"]}, token=credential)
    chunk = {"first": 1, "lines": lines[:1]}
    await shell.ok("POST", f"{url}/logs", {"token": task["token"], "chunk": chunk}, token=credential)
    result = {"token": task["token"], "state": state, "data": LONG, "logs": [{"first": 2, "lines": lines[1:]}]}
    await shell.ok("POST", f"{url}/result", result, token=credential)
    return event_id


async def _cancelled(shell: Shell, event_id: str) -> None:
    """By an operation, whose filter means nothing else."""
    shell.clock.seconds += 1
    made = await shell("POST", "/api/events/bulk", {"action": "cancel", "filter": {"search": event_id}})
    assert made.status == 202, made.body
    await asyncio.wait_for(shell.hub.operations.idle(), 60)
