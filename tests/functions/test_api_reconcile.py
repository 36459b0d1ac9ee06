"""Upkeep on demand."""

from __future__ import annotations

from tests.functions.shell import Shell


async def test_an_admin_need_not_wait_for_the_timer(shell: Shell) -> None:
    await shell.configure(queue_timeout_seconds=60)
    event_id = await shell.fire()
    assert await shell.ok("POST", "/api/reconcile") == {"touched": 0}
    shell.clock.seconds += 61

    assert await shell.ok("POST", "/api/reconcile") == {"touched": 1}

    event = await shell.ok("GET", f"/api/events/{event_id}")
    assert (event["state"], event["result_code"]) == ("ERROR", "QUEUE_TIMEOUT")
    assert await shell.ok("POST", "/api/reconcile") == {"touched": 0}
