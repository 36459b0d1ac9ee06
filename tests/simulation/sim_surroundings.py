"""What surrounds a simulated agent: its disk, the work its tasks do, its calls, and who watches it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from nexomatic_agent.intents import TaskResult

from hub import wire
from hub.model.sink import Command, CommandState
from tests.simulation.faults import Faults
from tests.simulation.process import Process
from tests.simulation.trace import Trace


@dataclass(frozen=True)
class Entry:
    """What the disk knows of one claim."""

    token: str
    event_id: str
    attempt: int
    lease_seconds: float
    timeout_seconds: float
    started: bool
    result: TaskResult | None = None
    log_bytes: int = 0
    """Waiting to be sent."""
    sent_lines: int = 0
    wrote_bytes: int = 0
    """By the task in all."""


@dataclass
class Disk:
    """What survives the agent's process."""

    instance: str = ""
    replaces: str | None = None
    answered: bool = False
    """A poll of this instance was answered, so that the hub knows it."""
    entries: dict[str, Entry] = field(default_factory=dict)
    """By claim: event id and attempt."""
    command: wire.Heard | None = None
    drained: bool = False

    def begin_instance(self, drawn: str) -> None:
        """The instance of a start: the one before it again, unless the hub may know that one (`identity.py`)."""
        if self.instance and not self.answered:
            return
        self.instance, self.replaces, self.answered = drawn, self.instance or None, False

    def begin_life(self) -> None:
        """Whoever starts is the process after the one that was to restart (`commands.py`)."""
        if self.command is not None and self.command.command == Command.RESTART:
            self.command = self.command.model_copy(update={"state": CommandState.DONE})

    def take(self, do: wire.Do) -> bool:
        """The hub said this. Whether it is new."""
        if self.command is not None and self.command.id == do.id:
            return False
        heard = wire.Heard(id=do.id, command=do.command, state=CommandState.TAKEN)
        if do.command is Command.RESUME:
            heard = heard.model_copy(update={"state": CommandState.DONE})
        self.command = heard
        if do.command is not Command.RESTART:
            self.drained = do.command is Command.DRAIN
        return True


@dataclass(frozen=True)
class Work:
    """What a task's process will do, once it is started."""

    seconds: float
    state: str = "SUCCESS"
    code: str | None = None
    data: Any = None
    log_bytes: int = 0
    """Written half way through, if it comes so far."""
    stubborn_seconds: float = 0.0
    """How long it goes on when it is told to stop."""


class Calls(Protocol):
    """The calls of an agent, as a client makes them. Raise `NoAnswer` and `Refused`."""

    async def poll(self, caller: Process, sink: str, body: wire.Poll, hold: float) -> wire.Polled: ...
    async def secrets(self, caller: Process, sink: str, event_id: str, body: wire.Need) -> wire.Released: ...
    async def renew(self, caller: Process, sink: str, event_id: str, body: wire.Renew) -> wire.Leased: ...
    async def logs(self, caller: Process, sink: str, event_id: str, body: wire.Logs) -> wire.Leased: ...
    async def result(self, caller: Process, sink: str, event_id: str, body: wire.Result) -> wire.Recorded: ...


class Ledger(Protocol):
    """Who watches what agents do in the real world."""

    def held(self, sink: str, task: wire.Task) -> None: ...
    def drained(self, sink: str, drained: bool) -> None: ...
    def commanded(self, sink: str, command_id: str) -> None: ...
    def given(self, sink: str, event_id: str, attempt: int, asked_at: float) -> None: ...
    def child_started(self, sink: str, event_id: str, attempt: int, secrets: Mapping[str, str]) -> None: ...
    def recorded(self, sink: str, event_id: str, attempt: int, result: TaskResult, wrote_bytes: int) -> None: ...
    def let_go(self, sink: str, event_id: str, attempt: int, lost: str | None) -> None: ...
    def work_of(self, task: wire.Task) -> Work: ...


@dataclass(frozen=True)
class Surroundings:
    """What all agents of a run share."""

    calls: Calls
    ledger: Ledger
    faults: Faults
    trace: Trace
    rng: Random
    log_line: Callable[[float, str], wire.Line]
