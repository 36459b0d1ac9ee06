"""One task in the hands of a simulated agent: the real machine, its intents carried out, their outcomes told back."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from nexomatic_agent import happenings as told
from nexomatic_agent.answers import LEASE_REASONS
from nexomatic_agent.intents import (
    Call,
    FetchSecrets,
    Forget,
    KeepAside,
    SendChunk,
    SendRenewal,
    SendReport,
    StartChild,
    StopChild,
    StopReason,
    TaskResult,
    WriteJournal,
    WriteSpool,
)
from nexomatic_agent.task import Phase, Task

from hub import wire
from tests.simulation.network import NoAnswer, Refused
from tests.simulation.process import Process
from tests.simulation.sim_surroundings import Calls, Disk, Entry, Surroundings, Work

STOP_GRACE_SECONDS = 2.0
LINE_BYTES = 60_000


class Keeper(Protocol):
    """The agent that holds the task, as its holder sees it."""

    name: str
    process: Process
    disk: Disk
    around: Surroundings

    async def unstalled(self) -> None: ...
    async def at_intent(self, what: str, do: Callable[[], None]) -> None: ...
    def let_go(self, claim: str) -> None: ...


class Holder:
    """One task in the hands of one life of an agent."""

    def __init__(self, agent: Keeper, claim: str, entry: Entry, task: Task, work: Work | None) -> None:
        self._agent = agent
        self._claim = claim
        self.entry = entry
        self._task = task
        self._work = work
        self._inbox: deque[object] = deque()
        self._bell = asyncio.Event()
        self._stop = asyncio.Event()
        self._stop_reason: StopReason | None = None
        self._pending = entry.log_bytes
        self._sent_lines = entry.sent_lines
        self._wrote = entry.wrote_bytes
        self._child: asyncio.Task[None] | None = None
        self._secrets: dict[str, str] = {}
        """In memory only: the disk has no place for them."""

    def tell(self, happening: object) -> None:
        self._inbox.append(happening)
        self._bell.set()

    async def run(self, intents: list[Any]) -> None:
        """Carry out intents and feed the machine, until it is done with the task."""
        loop = asyncio.get_running_loop()
        while True:
            for intent in intents:
                await self._agent.unstalled()
                self._trace(intent)
                await self._carry_out(intent)
            if self._task.phase is Phase.DONE:
                return
            happening = await self._next()
            await self._agent.unstalled()
            intents = self._task.handle(happening, loop.time())

    async def _next(self) -> object:
        if not self._inbox:
            self._bell.clear()
            loop, wake_at = asyncio.get_running_loop(), self._task.wake_at
            alarm = loop.call_at(max(wake_at, loop.time()), self._bell.set) if wake_at is not None else None
            await self._bell.wait()
            if alarm is not None:
                alarm.cancel()
        return self._inbox.popleft() if self._inbox else told.Tick()

    async def _carry_out(self, intent: object) -> None:
        agent, what = self._agent, type(intent).__name__
        match intent:
            case WriteJournal():
                await agent.at_intent(what, lambda: self._journal(intent.started))
                self.tell(told.Journaled())
            case StartChild():
                await agent.at_intent(what, self._start_child)
                self.tell(told.Started())
            case StopChild():
                self._stop_reason = intent.reason
                await agent.at_intent(what, self._stop.set)
            case WriteSpool():
                await agent.at_intent(what, lambda: self._spool(intent.result))
                self.tell(told.Spooled())
            case KeepAside():
                await agent.at_intent(what, lambda: None)  # only people look at it
            case Forget():
                await agent.at_intent(what, lambda: self._forget(intent))
            case FetchSecrets() | SendRenewal() | SendChunk() | SendReport():
                await agent.at_intent(what, lambda: self._send(intent))
            case _:
                raise TypeError(f"an unknown intent: {intent!r}")

    def _send(self, intent: FetchSecrets | SendRenewal | SendChunk | SendReport) -> None:
        match intent:
            case FetchSecrets():
                self._agent.process.start(self._fetch(intent))
            case SendRenewal():
                self._agent.process.start(self._renew(intent))
            case SendChunk():
                self._agent.process.start(self._chunk(intent))
            case SendReport():
                self._agent.process.start(self._report(intent))

    # --- the disk

    def _journal(self, started: bool) -> None:
        self._write(replace(self.entry, started=started, token=self._task.token))

    def _spool(self, result: TaskResult) -> None:
        entry = replace(self.entry, result=result, token=self._task.token)
        self._write(replace(entry, log_bytes=self._pending, sent_lines=self._sent_lines, wrote_bytes=self._wrote))

    def _write(self, entry: Entry) -> None:
        """What is on disk is the entry as it was then: a token renewed since is only in memory."""
        self.entry = entry
        self._agent.disk.entries[self._claim] = entry

    def _forget(self, intent: Forget) -> None:
        self._agent.disk.entries.pop(self._claim, None)
        self._agent.around.ledger.let_go(self._agent.name, self.entry.event_id, self.entry.attempt, intent.lost)
        self._agent.let_go(self._claim)

    # --- the child

    def _start_child(self) -> None:
        assert self._work is not None, "a resumed task is never started"
        ledger, entry = self._agent.around.ledger, self.entry
        ledger.child_started(self._agent.name, entry.event_id, entry.attempt, self._secrets)
        self._child = self._agent.process.start(self._run_child(self._work))

    async def _run_child(self, work: Work) -> None:
        stopped = await self._sleep_or_stop(work, work.seconds / 2)
        if not stopped and work.log_bytes:
            self._pending += work.log_bytes
            self._wrote += work.log_bytes
            self.tell(told.Logged(self._pending))
        stopped = stopped or await self._sleep_or_stop(work, work.seconds / 2)
        if not self._agent.process.alive:
            return  # the next life of the agent kills what this one left behind
        result = TaskResult(work.state, work.code, data=work.data)
        if stopped:
            result = TaskResult("ERROR", "STOPPED", f"stopped: {self._stop_reason}")
        self.tell(told.Exited(result, self._pending))

    async def _sleep_or_stop(self, work: Work, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return False
        await asyncio.sleep(work.stubborn_seconds + self._agent.around.rng.uniform(0.0, STOP_GRACE_SECONDS))
        return True

    # --- the calls

    async def _fetch(self, intent: FetchSecrets) -> None:
        asked_at = asyncio.get_running_loop().time()
        body = wire.Need(token=intent.token)
        try:
            answer = await self._calls.secrets(self._agent.process, self._agent.name, self.entry.event_id, body)
        except (NoAnswer, Refused) as error:
            self.tell(_failure(error, Call.SECRETS))
            return
        self._secrets = {each.name: each.value for each in answer.secrets if each.value is not None}
        self._agent.around.ledger.given(self._agent.name, self.entry.event_id, self.entry.attempt, asked_at)
        self.tell(told.SecretsFetched())

    async def _renew(self, intent: SendRenewal) -> None:
        body = wire.Renew(token=intent.token)
        try:
            answer = await self._calls.renew(self._agent.process, self._agent.name, self.entry.event_id, body)
        except (NoAnswer, Refused) as error:
            self.tell(_failure(error, Call.RENEW))
        else:
            self.tell(told.Renewed(answer.token, answer.lease_seconds, answer.watched))

    async def _chunk(self, intent: SendChunk) -> None:
        chunk, size = self._lines()
        body = wire.Logs(token=intent.token, chunk=chunk, renew=intent.renew)
        try:
            answer = await self._calls.logs(self._agent.process, self._agent.name, self.entry.event_id, body)
        except (NoAnswer, Refused) as error:
            self.tell(_failure(error, Call.CHUNK))
            return
        self._sent_lines += len(chunk.lines)
        self._pending -= size
        renewed = told.Renewed(answer.token, answer.lease_seconds, answer.watched) if intent.renew else None
        self.tell(told.ChunkStored(self._pending, renewed))

    async def _report(self, intent: SendReport) -> None:
        result = intent.result
        body = wire.Result(
            token=intent.token,
            state=wire.ResultState(result.state),
            code=result.code,
            message=result.message,
            data=result.data,
            started=result.started,
            logs=(self._lines()[0],) if self._pending else (),
        )
        try:
            await self._calls.result(self._agent.process, self._agent.name, self.entry.event_id, body)
        except (NoAnswer, Refused) as error:
            self.tell(_failure(error, Call.REPORT))
        else:
            ledger, entry = self._agent.around.ledger, self.entry
            ledger.recorded(self._agent.name, entry.event_id, entry.attempt, result, self._wrote)
            self.tell(told.Recorded())

    @property
    def _calls(self) -> Calls:
        return self._agent.around.calls

    def _lines(self) -> tuple[wire.Chunk, int]:
        """The oldest waiting line: a chunk of one, as long as the wire allows."""
        size = min(self._pending, LINE_BYTES)
        now = asyncio.get_running_loop().time()
        line = self._agent.around.log_line(now, "x" * size)
        return wire.Chunk(first=self._sent_lines + 1, lines=(line,)), size

    def _trace(self, intent: object) -> None:
        self._agent.around.trace.add(self._agent.process.name, type(intent).__name__, self._claim, _brief(intent))


def _failure(error: NoAnswer | Refused, call: Call) -> object:
    if isinstance(error, NoAnswer):
        return told.CallFailed(call)
    if error.status == 409 and error.reason in LEASE_REASONS:
        return told.LeaseRefused(call, error.reason)
    if error.status == 409:
        return told.CallFailed(call)  # as the real client takes a 409 that is not about whose the lease is
    return told.CallRefused(call, error.reason)


def _brief(intent: object) -> str | None:
    match intent:
        case StopChild():
            return intent.reason.value
        case WriteSpool() | SendReport():
            return intent.result.state
        case Forget():
            return f"lost: {intent.lost}" if intent.lost else None
    return None
