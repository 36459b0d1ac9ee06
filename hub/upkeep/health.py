"""Readiness: one look at storage, the key vault, the clock and the timer, shared by all who ask within 5 s.

A look costs three storage operations, at most one call to the vault in half a minute, and nobody waits for it longer
than 5 s. What it finds is said in fixed words; the log says more, once for each change.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Final, TypeVar

from hub.clock import Clock
from hub.errors import Missing, NexomaticError, NotReady
from hub.model.health import WORDS, Reason, Report
from hub.secrets.memory import Memory
from hub.secrets.port import Values
from hub.storage.keys import PAYLOADS
from hub.storage.ports import Storage
from hub.upkeep.heartbeat import Heartbeat

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 5.0
"""So long one report stands, and so long anything may take to answer."""
VAULT_SECONDS: Final = 30.0
_NOBODYS: Final = "nexomatic-health"
"""The name of a queue, a blob and a secret that nobody makes: asked for them, storage and vault say so."""

T = TypeVar("T")


class Health:
    """Of one process."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        heartbeat: Heartbeat,
        clock_is_right: Callable[[], bool],
        vault: Values | None,
    ) -> None:
        """`vault`: who reads in the key vault, if there is one."""
        self._storage = storage
        self._clock = clock
        self._heartbeat = heartbeat
        self._clock_is_right = clock_is_right
        self._vault = vault
        self._reports: Memory[Report] = Memory(clock, LOOK_SECONDS)
        self._vaults_answers: Memory[bool] = Memory(clock, VAULT_SECONDS)
        self._last = Report()

    async def report(self) -> Report:
        """How this process stands, as it was at most 5 s ago."""
        return await self._reports.get("report", self._look)

    async def _look(self) -> Report:
        beat, queues, blobs, vault = await asyncio.gather(
            _answered("tables", self._heartbeat.last),
            _answered("queues", lambda: self._storage.queues.depth(_NOBODYS)),
            _answered("blobs", self._ask_blobs),
            self._vault_answers(),
        )
        storage = beat is not None and queues is not None and blobs is not None
        last = beat[0] if beat is not None else None
        report = Report(self._reasons(storage, vault, beat), self._age(last))
        if report.reasons != self._last.reasons:
            log.warning("health: %s", ", ".join(report.reasons) or "as it should be")
        self._last = report
        return report

    def _reasons(self, storage: bool, vault: bool, beat: tuple[datetime | None] | None) -> tuple[Reason, ...]:
        found = {
            Reason.STORAGE: not storage,
            Reason.KEY_VAULT: not vault,
            Reason.CLOCK: not self._clock_is_right(),
            Reason.TIMER: beat is not None and self._heartbeat.is_late(beat[0]),
            Reason.DISK: not self._storage.room().enough,
        }
        return tuple(reason for reason, so in found.items() if so)

    def _age(self, last: datetime | None) -> float | None:
        return None if last is None else round((self._clock.now() - last).total_seconds(), 1)

    async def _ask_blobs(self) -> None:
        with suppress(Missing):
            await self._storage.blobs.get(PAYLOADS, _NOBODYS)

    async def _vault_answers(self) -> bool:
        vault = self._vault
        if vault is None:
            return True

        async def ask() -> None:
            with suppress(Missing):
                await vault.read(_NOBODYS, "")

        async def look() -> bool:
            return await _answered("the key vault", ask) is not None

        return await self._vaults_answers.get("vault", look)


def not_ready(reasons: Iterable[Reason]) -> NotReady:
    """The refusal that says why."""
    return NotReady({reason.value: WORDS[reason] for reason in reasons})


async def _answered(what: str, ask: Callable[[], Awaitable[T]]) -> tuple[T] | None:
    """What it answered; None if it did not, or not in time. Raises what is a bug."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return (await ask(),)
    except (NexomaticError, TimeoutError) as error:
        log.info("health: %s: %s", what, error)
        return None
