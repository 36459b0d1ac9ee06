"""One run: a scenario and its faults, from the first event until everything is settled, judged by the oracle."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from hub import wire, wiring
from hub.audit.release_list import WantedRelease
from hub.audit.verifying import Walk
from hub.audit.wanted import Wanted
from hub.clock import Clock
from hub.evaluation import InlineEvaluator
from hub.life.terms import Terms
from hub.model.sink import Sink
from hub.options import Options
from hub.rules.keeping import Keeping
from hub.signing import RootKey
from hub.storage.configuration import ConfigurationRows, Edit, Entry, RowKind
from hub.storage.embedded import open_embedded
from hub.storage.keys import SLOTS, overflow_of, queue_of_sink_type
from hub.storage.log_rows import LINES_PER_ATTEMPT
from hub.storage.ports import Storage
from hub.wiring import Hub
from tests.simulation.agent_pool import AgentPool
from tests.simulation.agent_wire import AgentWire
from tests.simulation.book import Claim
from tests.simulation.delays import Interval, merged
from tests.simulation.faults import Faults, Hit, Plan, Step
from tests.simulation.hub_pool import SimHub, Timer
from tests.simulation.network import Network
from tests.simulation.oracle import End, Oracle, Violation
from tests.simulation.people import People
from tests.simulation.record import RecordedStorage
from tests.simulation.scenario import Scenario
from tests.simulation.schedule_rules import standing_of
from tests.simulation.sim_surroundings import Surroundings
from tests.simulation.trace import Trace
from tests.simulation.virtual_loop import EPOCH, VirtualClock, VirtualLoop, seconds_at

ROOT_KEY = RootKey(b"nothing here is kept from anybody"[:32])
LOOK_SECONDS = 1.0
TIDY_SECONDS = 120.0
"""How long after the last event is settled the last message and slot may be there."""


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    scenario: Scenario
    violations: list[Violation]
    hits: list[Hit]
    steps: list[Step]
    trace: Trace
    seconds: float
    """Of virtual time."""

    def report(self, *, lines: int = 400) -> str:
        """Everything somebody needs who looks into it."""
        about = self.violations[0].event_id if self.violations and len(self.violations[0].event_id) > 1 else None
        head = [f"scenario {self.scenario.name}, seed {self.scenario.seed}"]
        head += [f"  fault: {hit.at:.3f} s {hit.step} {hit.fault.value} ({hit.seconds:.2f} s)" for hit in self.hits]
        head += [f"  VIOLATION: {violation}" for violation in self.violations]
        shown = self.trace.lines(about)
        return "\n".join([*head, f"  trace{' of ' + about if about else ''}:", *shown[:lines]])


def run(scenario: Scenario, plan: Plan, *, keep_steps: bool = False) -> Outcome:
    """Run the scenario to its end under this plan of faults."""
    loop = VirtualLoop()
    return loop.run(_World(loop, scenario, plan, keep_steps).run())


class _World:
    def __init__(self, loop: VirtualLoop, scenario: Scenario, plan: Plan, keep_steps: bool) -> None:
        self._loop = loop
        self._scenario = scenario
        self._faults = Faults(plan, scenario.outages, keep_steps=keep_steps)
        self._trace = Trace(loop)
        self._news = asyncio.Event()
        """Somebody has an answer, an event's row was written, an agent has let go of a task."""
        self._oracle = Oracle(scenario, self._news.set)
        engine = open_embedded(None, VirtualClock(loop))
        self._engine: Storage = RecordedStorage(engine, self._oracle.record)
        self._hubs = [
            SimHub(f"hub-{index}", offset, self._engine, self._build, self._faults, self._trace)
            for index, offset in enumerate(scenario.hubs)
        ]
        self._network: Network = Network(self._hubs, self._faults, scenario.rng("network"), self._trace)
        self._agents: list[AgentPool] = []
        self._asked = 0
        """How many people still wait for their answer."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._broken: BaseException | None = None
        self._surprises: list[str] = []
        loop.set_exception_handler(self._surprise)

    async def run(self) -> Outcome:
        await self._configure()
        self._start_everybody()
        await self._until_quiet()
        end = await self._end()
        violations = self._oracle.finish(end)
        await self._engine.close()
        return Outcome(
            self._scenario, violations, self._faults.hits, self._faults.steps, self._trace, self._loop.time()
        )

    # --- beginnings

    async def _configure(self) -> None:
        at = EPOCH
        entries = [Entry(RowKind.SINK_TYPE, each.name, each) for each in self._scenario.sink_types]
        for kind in self._scenario.kinds:
            entries.append(Entry(RowKind.ACTION, kind.action.name, kind.action))
            entries.append(Entry(RowKind.EVENT_TYPE, kind.name, kind.event_type))
        entries += [Entry(RowKind.SINK, name, sink) for name, sink in self._sinks(at).items()]
        entries += [
            Entry(RowKind.SOURCE, each.name, each, standing=standing_of(each)) for each in self._scenario.schedules
        ]
        rows = ConfigurationRows(self._engine.tables)
        await rows.write(await rows.load({}), Edit(put=entries), "1")
        admin = self._build(self._engine, VirtualClock(self._loop), self._scenario.rng("admin"))
        for name, value in self._scenario.secrets.items():
            await admin.secrets.put(name, value)

    def _sinks(self, at: datetime) -> dict[str, Sink]:
        pools = self._scenario.pools
        return {pool.name: Sink(name=pool.name, sink_type=pool.sink_type, enrolled_at=at) for pool in pools}

    def _build(self, storage: Storage, clock: Clock, rng: Random) -> Hub:
        options = Options(
            root_key=ROOT_KEY,
            terms=Terms(**self._scenario.terms),
            keeping=Keeping.all_for(self._scenario.retention_days),
        )
        return wiring.build(options, storage, clock, InlineEvaluator(), lambda: rng.getrandbits(128))

    def _start_everybody(self) -> None:
        scenario, start = self._scenario, self._start
        for hub in self._hubs:
            start(hub.live_for_ever(scenario.rng(hub.name), scenario.restart_seconds))
        timer = Timer(self._hubs, scenario.tick_seconds or 0.0, scenario.rng("timer"), self._trace)
        timer.surprises = self._surprises
        start(timer.run_at(scenario.tick_at) if scenario.tick_seconds is None else timer.run())
        around = Surroundings(
            calls=AgentWire(self._network, self._sinks(EPOCH)),
            ledger=self._oracle.book,
            faults=self._faults,
            trace=self._trace,
            rng=scenario.rng("agents"),
            log_line=_line,
        )
        for pool in scenario.pools:
            agent = AgentPool(pool, around, self._oracle.book, scenario.restart_seconds)
            self._agents.append(agent)
            start(agent.live_for_ever())
        people = People(scenario, self._network, self._oracle.book, scenario.rng("people"))
        for pool in scenario.pools:
            if pool.commands:
                self._ask(people.command(pool))
        for post in scenario.posts:
            self._ask(people.post(post))
            if post.cancel_at is not None:
                self._ask(people.cancel(post))
            if post.rerun_at is not None:
                self._ask(people.rerun(post))
            if post.watched_at is not None:
                start(people.watch(post))

    def _ask(self, work: Coroutine[Any, Any, None]) -> None:
        """Somebody wants something: the run is not over before they have their answer."""
        self._asked += 1
        self._start(work).add_done_callback(self._answered)

    def _answered(self, _: asyncio.Task[None]) -> None:
        self._asked -= 1
        self._news.set()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._broken = task.exception()
            self._news.set()

    def _check_alive(self) -> None:
        """A part of the simulation that broke would look like a hub that does nothing."""
        if self._broken is not None:
            raise AssertionError("the simulation itself is broken") from self._broken

    def _surprise(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._surprises.append(f"{context.get('message')}: {context.get('exception')!r}")

    # --- the end

    async def _until_quiet(self) -> None:
        """Until everybody has their answer and every event is settled, then until storage is tidy."""
        while not self._settled() and self._loop.time() < self._scenario.horizon:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._scenario.horizon):
                    await self._news.wait()
            self._check_alive()
        tidy_by = self._loop.time() + TIDY_SECONDS
        while self._loop.time() < tidy_by and (await self._messages() or await self._slots()):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)  # storage does not tell when something is taken from it
        self._check_alive()

    def _settled(self) -> bool:
        if self._oracle.record.open or self._oracle.awaits_ticks or any(agent.busy for agent in self._agents):
            return False
        return not self._asked

    async def _messages(self) -> int:
        """Left on the queues that somebody polls: nobody else could take them away."""
        polled = {queue_of_sink_type(agent.sink_type) for agent in self._agents if not agent.gone}
        both = [each for queue in sorted(polled) for each in (queue, overflow_of(queue))]
        return sum([await self._engine.queues.depth(queue) for queue in both])

    async def _slots(self) -> int:
        """Slot rows that would still keep somebody waiting."""
        found = 0
        for kind in self._scenario.kinds:
            rows = await self._engine.tables.query(SLOTS, kind.name.casefold())
            ends = [seconds_at(datetime.fromisoformat(str(row.values["lease_until"]))) for row in rows]
            found += sum(end > self._loop.time() for end in ends)
        return found

    async def _logs(self) -> dict[Claim, int]:
        """What a fresh hub reads of the logs of all attempts that wrote any."""
        hub = self._build(self._engine, VirtualClock(self._loop), self._scenario.rng("reader"))
        found: dict[Claim, int] = {}
        for event_id in sorted({claim[0] for claim, wrote in self._oracle.book.wrote.items() if wrote}):
            if event_id not in self._oracle.record.rows:
                continue
            after, complete = 0, False
            while not complete:
                page = await hub.logs.read(event_id, after=after)
                for line in page.lines:
                    claim = (event_id, line.seq // LINES_PER_ATTEMPT)
                    found[claim] = found.get(claim, 0) + len(line.text)
                    after = line.seq
                complete = page.complete or not page.lines
        return found

    async def _audit(self) -> tuple[list[str], Counter[tuple[str, str]]]:
        """Where a fresh hub finds the audit broken, and which sink it says was given the secrets of which event."""
        audit = self._build(self._engine, VirtualClock(self._loop), self._scenario.rng("auditor")).audit
        breaks: list[str] = []
        walk = Walk()
        while walk.stage != "over":
            done = await audit.verifying.step(walk)
            breaks += [f"{each.chain} at {each.seq}: {each.what}" for each in done.breaks]
            walk = done.walk
        released: Counter[tuple[str, str]] = Counter()
        after = None
        while True:
            page = await audit.release_list.page(WantedRelease(Wanted()), after=after, limit=200)
            for each in page.items:
                entry = each.entry
                released[entry.resource.removeprefix("events/"), str(entry.actor).removeprefix("sinks/")] += 1
            after = page.reached
            if after is None:
                return breaks, released

    async def _end(self) -> End:
        breaks, released = await self._audit()
        takers: dict[str, list[Interval]] = {}
        for agent in self._agents:
            takers.setdefault(agent.sink_type, []).extend(agent.there(self._loop.time()))
        return End(
            at=self._loop.time(),
            hits=self._faults.hits,
            takers={sink_type: merged(intervals) for sink_type, intervals in takers.items()},
            messages=await self._messages(),
            slots=await self._slots(),
            logs=await self._logs(),
            audit_breaks=breaks,
            released=released,
            surprises=[*self._surprises, *self._network.surprises],
        )


def _line(at: float, written: str) -> wire.Line:
    return wire.Line(time=EPOCH, stream="stdout", level="INFO", text=written)
