"""The agents of a run: each under a service manager that starts it again, on the disk its last life left."""

from __future__ import annotations

import asyncio

from tests.simulation.book import Book
from tests.simulation.faults import Fault, Faults
from tests.simulation.scenario import Pool
from tests.simulation.sim_agent import SimAgent
from tests.simulation.sim_surroundings import Disk, Surroundings

AWAY_SECONDS = 5.0
"""How long an agent that was told to stop stays away."""


class AgentPool:
    """One agent, life after life."""

    def __init__(self, pool: Pool, around: Surroundings, book: Book, restart_seconds: tuple[float, float]) -> None:
        self._pool = pool
        self._around = around
        self._book = book
        self._restart_seconds = restart_seconds
        self._disk = Disk()
        self._lives: list[SimAgent] = []
        self.agent: SimAgent | None = None
        self.gone = False
        """Killed, and nobody starts it again."""
        self._lived: list[tuple[float, float]] = []
        self._ready_since: float | None = None

    async def live_for_ever(self) -> None:
        """Start, and start again after each death or drain."""
        await asyncio.sleep(self._pool.begins)
        self._plan_stalls_and_drains()
        while not self.gone:
            drained = await self._live_once()
            away = AWAY_SECONDS if drained else self._around.rng.uniform(*self._restart_seconds)
            await asyncio.sleep(away)

    @property
    def sink_type(self) -> str:
        return self._pool.sink_type

    @property
    def busy(self) -> bool:
        """Whether it has anything in its hands, or will find something on its disk."""
        held = self.agent is not None and bool(self.agent.holders)
        return not self.gone and (held or bool(self._disk.entries))

    def there(self, now: float) -> list[tuple[float, float]]:
        """From when until when it would have taken work."""
        return [*self._lived, *([] if self._ready_since is None else [(self._ready_since, now)])]

    async def _live_once(self) -> bool:
        """One life; whether it ended by itself, drained."""
        life = len(self._lives) + 1
        agent = self.agent = SimAgent(self._pool.name, self._pool.capacity, self._disk, self._around, life)
        agent.commanded = self._commanded
        self._lives.append(agent)
        self._around.trace.add(agent.process.name, "started")
        for entry in self._disk.entries.values():
            self._book.resumed(self._pool.name, entry.event_id, entry.attempt)
        self._commanded()
        living = agent.process.start(agent.live())
        death = asyncio.create_task(agent.process.died.wait())
        await asyncio.wait((living, death), return_when=asyncio.FIRST_COMPLETED)
        death.cancel()
        agent.process.check()
        self.gone = _for_good(self._around.faults, agent)
        self.agent = None
        self._not_ready()
        self._book.died(self._pool.name)
        self._around.trace.add(agent.process.name, "drained" if living.done() else "killed", "for good" * self.gone)
        agent.process.kill()
        return living.done()

    def _plan_stalls_and_drains(self) -> None:
        loop = asyncio.get_running_loop()
        for at, seconds in self._pool.stalls:
            loop.call_at(at, self._stall, at + seconds)
        for at, hand_back in self._pool.drains:
            loop.call_at(at, self._drain, hand_back)

    def _stall(self, until: float) -> None:
        if self.agent is not None:
            self._around.trace.add(self._pool.name, "stands still", f"until {until:.3f}")
            self.agent.stalled_until = until

    def _drain(self, hand_back: bool) -> None:
        if self.agent is not None:
            self._around.trace.add(self._pool.name, "drains", "hands back" if hand_back else "")
            self.agent.drain(hand_back=hand_back)
            self._not_ready()

    def _commanded(self) -> None:
        """It takes work from now on, unless it is to drain."""
        if self._disk.drained:
            self._not_ready()
        elif self._ready_since is None:
            self._ready_since = asyncio.get_running_loop().time()

    def _not_ready(self) -> None:
        if self._ready_since is not None:
            self._lived.append((self._ready_since, asyncio.get_running_loop().time()))
            self._ready_since = None


def _for_good(faults: Faults, agent: SimAgent) -> bool:
    """Whether the fault that killed this life said that there is no other."""
    last = [hit.fault for hit in faults.hits if hit.step.who == agent.process.name]
    return bool(last) and last[-1] in (Fault.GONE_BEFORE, Fault.GONE_AFTER)
