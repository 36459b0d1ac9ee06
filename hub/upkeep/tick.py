"""The one timer's work, and who does it when the timer has stopped (timers on Flex Consumption are known to).

Each step may run in any number of processes at once: races are decided by ETags, and what is derived is derived twice
alike.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from hub.audit.wiring import Audit
from hub.clock import Clock
from hub.errors import NexomaticError
from hub.life.operations import Operations
from hub.model.snapshot import Snapshot
from hub.secrets.tidying import SecretTidying
from hub.sources.schedules import Schedules
from hub.upkeep.departures import Departures
from hub.upkeep.heartbeat import Heartbeat
from hub.upkeep.reconcile import Reconciler
from hub.upkeep.retention import Retention
from hub.upkeep.stats import StatsBook
from hub.upkeep.sweep import Sweep

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(minutes=1)
"""How often a process with traffic looks at the heartbeat. One operation."""


class Upkeep:
    """Keeps the hub in order, once a minute."""

    def __init__(
        self,
        heartbeat: Heartbeat,
        clock: Clock,
        reconciler: Reconciler,
        retention: Retention,
        stats: StatsBook,
        secrets: SecretTidying,
        sweep: Sweep,
        schedules: Schedules,
        audit: Audit,
        departures: Departures,
        operations: Operations,
        configuration: Callable[[], Awaitable[Snapshot]],
    ) -> None:
        self._heartbeat = heartbeat
        self._clock = clock
        self._reconciler = reconciler
        self._retention = retention
        self._stats = stats
        self._secrets = secrets
        self._sweep = sweep
        self._schedules = schedules
        self._audit = audit
        self._departures = departures
        self._operations = operations
        self._configuration = configuration
        self._looked_at = clock.now()
        self._standing_in: asyncio.Task[None] | None = None
        self.degraded = False
        """The timer's heartbeat was too old when this process last looked."""

    async def tick(self) -> None:
        """One step of everything."""
        await self._steps()
        await self._heartbeat.beat()

    async def _steps(self) -> None:
        """All of them, whichever fail: on a full disk it is retention that makes room. Raises the first failure."""
        failures: list[NexomaticError] = []
        for step in (
            self._schedules.step,
            self._reconciler.step,
            self._operations.step,
            self._retention.step,
            self._stats.roll,
            self._secrets.step,
            self._sweep.step,
            self._audit.step,
            self._depart,
        ):
            try:
                await step()
            except NexomaticError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    async def _depart(self) -> None:
        await self._departures.step(await self._configuration())

    async def reconcile(self) -> int:
        """One step of reconcile out of turn, for an admin who will not wait for the timer; how many it touched."""
        return await self._reconciler.step()

    def traffic(self) -> None:
        """Something came: once a minute, see whether the timer still runs, and stand in for it if not."""
        now = self._clock.now()
        if abs(now - self._looked_at) < LOOK_EVERY or (self._standing_in and not self._standing_in.done()):
            return
        self._looked_at = now
        self._standing_in = asyncio.create_task(self._stand_in(), name="stand in for the timer")

    async def _stand_in(self) -> None:
        try:
            last = await self._heartbeat.last()
            late = self._heartbeat.is_late(last)
            if late and not self.degraded:
                log.warning("the timer's last heartbeat was at %s: this process does its work meanwhile", last)
            self.degraded = late
            if late:
                await self._steps()
        except NexomaticError as error:
            log.warning("upkeep failed and will be tried again: %s", error)
