"""An agent on virtual time: the real task machine, with a simulated disk, child process and network around it.

Like the real shell it carries out what the machine asks for and tells it what came of it. What it keeps on disk
(`Disk`) survives when it is killed; everything else is lost, and the next life resumes from the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nexomatic_agent import happenings as told
from nexomatic_agent.task import Task

from hub import wire
from hub.model.sink import Command
from tests.simulation.faults import Fault, Layer
from tests.simulation.network import NoAnswer, Refused
from tests.simulation.process import Process
from tests.simulation.sim_holder import Holder
from tests.simulation.sim_surroundings import Disk, Entry, Surroundings

COMMANDS = (Command.DRAIN, Command.RESUME, Command.RESTART)


class SimAgent:
    """One life of an agent's process."""

    def __init__(self, name: str, capacity: int, disk: Disk, around: Surroundings, life: int) -> None:
        self.name = name
        self.process = Process(f"{name}.{life}")
        self.capacity = capacity
        self.disk = disk
        self.around = around
        self.stalled_until = 0.0
        self.draining = False
        self.holders: dict[str, Holder] = {}
        self.freed = asyncio.Event()
        """Set when a slot becomes free, or the agent begins to drain."""
        self.commanded: Callable[[], None] = lambda: None
        """Told of each new command."""

    async def live(self) -> None:
        """Until drained: resume what is on disk, then poll and work."""
        self.disk.begin_instance(f"{self.around.rng.getrandbits(64):016x}")
        self.disk.begin_life()
        for claim, entry in list(self.disk.entries.items()):
            self._resume(claim, entry)
        # The life before may have been killed when a command was on disk, and before it could say so.
        self.around.ledger.drained(self.name, self.disk.drained)
        await self._poll_until_drained(self.disk.instance, self.disk.replaces)
        while self.holders:
            self.freed.clear()
            await self.freed.wait()

    def drain(self, *, hand_back: bool) -> None:
        """SIGTERM: take nothing new; hand back what runs, or wait for it."""
        self.draining = True
        self.freed.set()
        if hand_back:
            for holder in self.holders.values():
                holder.tell(told.HandBack())

    def let_go(self, claim: str) -> None:
        del self.holders[claim]
        self.freed.set()

    async def unstalled(self) -> None:
        """Returns when the process is scheduled again: at once, unless its machine stands still."""
        await self.process.pass_on()
        now = asyncio.get_running_loop().time()
        if now < self.stalled_until:
            await asyncio.sleep(self.stalled_until - now)
            await self.process.pass_on()

    async def at_intent(self, what: str, do: Callable[[], None]) -> None:
        """Do something on this machine, unless the agent is killed before; it may be killed after."""
        hit = self.around.faults.at(Layer.AGENT, self.process.name, what, asyncio.get_running_loop().time())
        if hit is None:
            do()
            return
        self.around.trace.add(self.process.name, f"!! {what}", hit.fault.value)
        if hit.fault in (Fault.CRASH_AFTER, Fault.GONE_AFTER):
            do()
            await asyncio.sleep(0)  # a request that was sent is on its way
        self.process.kill()
        await self.process.pass_on()

    def _resume(self, claim: str, entry: Entry) -> None:
        task = Task(entry.event_id, entry.token, entry.lease_seconds, entry.timeout_seconds, spread=0.5)
        holder = Holder(self, claim, entry, task, None)
        self.holders[claim] = holder
        now = asyncio.get_running_loop().time()
        self.process.start(holder.run(task.resume(entry.result, entry.started, entry.log_bytes, now)))

    async def _poll_until_drained(self, instance: str, replaces: str | None) -> None:
        known, hold = False, 50.0
        while not self.draining:
            await self.unstalled()
            self.freed.clear()
            body = wire.Poll(
                slots=0 if self.disk.drained else max(0, self.capacity - len(self.holders)),
                running=tuple({holder.entry.event_id for holder in self.holders.values()}),
                version="1.0",
                instance=instance,
                replaces=replaces,
                draining=self.draining or self.disk.drained,
                leaving=False if self.disk.drained else None,
                command=self.disk.command,
                capabilities=None if known else wire.Capabilities(platform="simulated", commands=COMMANDS),
            )
            try:
                answer = await self._poll(body, hold)
            except (NoAnswer, Refused):
                await asyncio.sleep(self.around.rng.uniform(0.5, 3.0))
                continue
            if answer is None:
                continue
            known = self.disk.answered = True
            hold = await self._take(answer)

    async def _poll(self, body: wire.Poll, hold: float) -> wire.Polled | None:
        """The answer; None when it was not worth waiting for any more: a poll without slots, and one became free."""
        call = asyncio.create_task(self.around.calls.poll(self.process, self.name, body, hold))
        if body.slots > 0:
            return await call
        freed = asyncio.create_task(self.freed.wait())
        await asyncio.wait((call, freed), return_when=asyncio.FIRST_COMPLETED)
        freed.cancel()
        if call.done():
            return call.result()
        call.cancel()
        return None

    async def _take(self, answer: wire.Polled) -> float:
        await self.unstalled()
        for task in answer.tasks:
            self._hold(task)
        for command in answer.commands:
            if isinstance(command, wire.Do):
                await self._command(command)
                continue
            for holder in self.holders.values():
                if holder.entry.event_id == command.event_id:
                    holder.tell(told.CancelHeard())
        await asyncio.sleep(answer.settings.pause)
        return answer.settings.hold

    async def _command(self, do: wire.Do) -> None:
        new: list[str] = []

        def write() -> None:
            if self.disk.take(do):
                self.around.ledger.commanded(self.name, do.id)
                new.append(do.id)

        await self.at_intent("WriteCommand", write)
        if not new:
            return
        self.around.ledger.drained(self.name, self.disk.drained)
        self.commanded()
        if do.command is Command.RESTART:
            self.drain(hand_back=True)

    def _hold(self, said: wire.Task) -> None:
        spread = self.around.rng.random()
        entry = Entry(said.token, said.event_id, said.attempt, said.lease_seconds, said.timeout_seconds, False)
        secrets = any(isinstance(each, wire.SecretParameter) for each in said.parameters)
        task = Task(said.event_id, said.token, said.lease_seconds, said.timeout_seconds, said.confirm, spread, secrets)
        claim = f"{said.event_id}/{said.attempt}"
        self.around.ledger.held(self.name, said)
        holder = Holder(self, claim, entry, task, self.around.ledger.work_of(said))
        self.holders[claim] = holder
        self.process.start(holder.run(task.begin(asyncio.get_running_loop().time())))
