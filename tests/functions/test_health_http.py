"""Liveness and readiness, with each part that a hub depends on gone: as anybody may ask, over the public routes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from hosting.azurite import Azurite, start_azurite
from hub import process
from hub.clock import SystemClock
from hub.errors import Unavailable
from hub.model.health import WORDS, Reason
from hub.secrets.keyvault import keepers
from hub.storage.azure import Patience, open_azure
from hub.upkeep import health
from hub.version import VERSION
from hub.wiring import Hub
from tests.contract.test_secrets import random
from tests.functions.shell import Shell, opened_shell
from tests.vault_server import vault_of, vault_server

UP: dict[str, Any] = {"status": "up", "reasons": [], "version": None, "heartbeat_age_seconds": None}


@pytest.fixture(scope="module")
def own_azurite() -> Iterator[Azurite]:
    """One whose hub has the clock that a test gives it."""
    with start_azurite() as started:
        yield started


@pytest.fixture
def mortal_azurite() -> Iterator[Azurite]:
    """One that the test may take away: tests of this file run in any order."""
    with start_azurite() as started:
        yield started


def degraded(*reasons: Reason) -> dict[str, Any]:
    return UP | {"status": "degraded", "reasons": told(*reasons)}


def told(*reasons: Reason) -> list[dict[str, str]]:
    return [{"code": each.value, "words": WORDS[each]} for each in reasons]


async def ready(shell: Shell) -> Any:
    return await shell.ok("GET", "/api/health", token=None)


async def not_ready(shell: Shell, **options: Any) -> Any:
    reply = await shell("GET", "/api/health", **{"token": None, **options})
    assert reply.headers["retry-after"] == "2"
    document = reply.problem(503)
    assert document["type"] == "urn:nexomatic:problem:not-ready"
    return document["reasons"]


def opened_azure(azurite: str, off_seconds: float = 0.0) -> Any:
    class Off(SystemClock):
        def now(self) -> datetime:
            return super().now() + timedelta(seconds=off_seconds)

    patient = Patience(connect_seconds=60.0, read_seconds=60.0, budget_seconds=120.0)
    return open_azure(azurite, clock=Off(), patience=patient)


@asynccontextmanager
async def shell_on(azurite: str, **options: Any) -> Any:
    async with opened_shell(storage=await opened_azure(azurite, **options)) as shell:
        yield shell


async def test_anybody_is_told_that_the_hub_is_up_and_who_is_signed_in_also_which_it_is(shell: Shell) -> None:
    assert await ready(shell) == UP
    await shell.hub.upkeep.tick()
    shell.clock.seconds += 7
    assert await ready(shell) == UP
    assert await shell.ok("GET", "/api/health") == UP | {"version": VERSION, "heartbeat_age_seconds": 7.0}


async def test_an_old_heartbeat_is_a_reason_in_whatever_process_and_without_any_traffic(shell: Shell) -> None:
    await shell.hub.upkeep.tick()
    shell.clock.seconds += 180
    assert await ready(shell) == UP
    shell.clock.seconds += 6
    assert await ready(shell) == degraded(Reason.TIMER)
    await shell.hub.upkeep.tick()
    shell.clock.seconds += 6
    assert await ready(shell) == UP


async def test_a_timer_that_has_never_run_is_given_three_minutes_from_the_start(shell: Shell) -> None:
    shell.clock.seconds += 179
    assert await ready(shell) == UP
    shell.clock.seconds += 6
    assert await ready(shell) == degraded(Reason.TIMER)


@pytest.mark.parametrize("outage", ["drop", "500", "hang", "forbidden"])
async def test_a_vault_that_does_not_answer_is_a_reason_until_half_a_minute_after_it_does(
    outage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        vault_server() as server,
        vault_of(server, read_seconds=2.0) as vault,
        opened_shell(lambda clock: keepers(vault, "nexomatic-", clock, random)) as shell,
    ):
        await shell.hub.upkeep.tick()
        assert await ready(shell) == UP
        called = len(server.calls)
        if outage == "forbidden":
            server.forbidden.add("GET")
        else:
            server.outage = outage
        shell.clock.seconds += 24
        assert await ready(shell) == UP
        assert len(server.calls) == called, "the vault is asked every 30 s"
        shell.clock.seconds += 7
        if outage == "hang":
            monkeypatch.setattr(health, "LOOK_SECONDS", 0.3)
        assert await ready(shell) == degraded(Reason.KEY_VAULT)
        server.outage = None
        server.forbidden.clear()
        async with asyncio.timeout(10):
            while await ready(shell) != UP:  # a call that hangs is still under way
                await asyncio.sleep(0.05)
                shell.clock.seconds += 31
                await shell.hub.upkeep.tick()


@pytest.mark.azurite
@pytest.mark.parametrize(("off", "expected"), [(3.5, degraded(Reason.CLOCK)), (-3.5, degraded(Reason.CLOCK)), (0, UP)])
async def test_a_clock_too_far_from_storages_is_a_reason(own_azurite: Azurite, off: float, expected: Any) -> None:
    async with shell_on(own_azurite.connection_string, off_seconds=off) as shell:
        await shell.hub.upkeep.tick()
        assert await ready(shell) == expected


@pytest.mark.azurite
async def test_storage_that_does_not_answer_is_503_whoever_asks_and_liveness_goes_on(
    mortal_azurite: Azurite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with shell_on(mortal_azurite.connection_string) as shell:
        await shell.hub.upkeep.tick()
        assert await ready(shell) == UP
        monkeypatch.setattr(health, "LOOK_SECONDS", 0.5)
        os.kill(mortal_azurite.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(20):  # storage itself would be waited for much longer
                shell.clock.seconds += 6
                assert await not_ready(shell) == told(Reason.STORAGE)
                shell.clock.seconds += 6  # who signs in cannot be looked up, and is told all the same
                assert await not_ready(shell, token=shell.token) == told(Reason.STORAGE)
            assert await shell.ok("GET", "/api/health/live", token=None) == {"status": "up"}
        finally:
            os.kill(mortal_azurite.pid, signal.SIGCONT)
        mortal_azurite.kill()
        shell.clock.seconds += 6
        document = (await shell("GET", "/api/health", token=None)).body.decode()
        assert "STORAGE" in document
        assert "127.0.0.1" not in document
        assert "devstoreaccount" not in document
        assert "health: STORAGE" in caplog.text


@pytest.mark.parametrize("part", ["tables", "queues", "blobs"])
async def test_storage_is_tables_and_queues_and_blobs(shell: Shell, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> None:
        raise Unavailable("host example.invalid said no")

    ask = {"tables": "get", "queues": "depth", "blobs": "get"}
    monkeypatch.setattr(getattr(shell.hub.storage, part), ask[part], away)
    assert await not_ready(shell) == told(Reason.STORAGE)


async def test_one_look_is_shared_by_all_who_ask_within_five_seconds(shell: Shell) -> None:
    await ready(shell)
    shell.clock.seconds += 6
    before = shell.hub.storage.operations.total
    await asyncio.gather(*(ready(shell) for _ in range(20)))
    shell.clock.seconds += 4
    await ready(shell)
    assert shell.hub.storage.operations.total - before == 3


async def test_a_hub_that_cannot_start_says_so_and_is_alive(monkeypatch: pytest.MonkeyPatch, shell: Shell) -> None:
    async def never() -> Hub:
        raise Unavailable("the account examplestore refused the key")

    process._hubs.keep(asyncio.create_task(never()))
    monkeypatch.setattr(process, "_open", never)
    assert await not_ready(shell) == told(Reason.NOT_STARTED)
    assert await shell.ok("GET", "/api/health/live", token=None) == {"status": "up"}


async def test_liveness_looks_at_no_credential_and_takes_only_get(shell: Shell) -> None:
    assert await shell.ok("GET", "/api/health/live", token="nxt_no-such") == {"status": "up"}
    (await shell("POST", "/api/health/live", token=None)).problem(405)
