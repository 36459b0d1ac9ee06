"""What the agent does next about one task: a state machine without I/O, clock or thread.

It is fed with what happened (`Happening`) and answers with what to do (`Intent`); the shell around it carries the
intents out and feeds back what came of them. The same machine runs under the agent's threads and, on virtual time,
in the hub's simulation. One file, though a long one: a machine is understood as a whole or not at all.

::

    NEW --journaled--> STARTING --started--> RUNNING --exited--> SPOOLING --spooled--> FLUSHING --> REPORTING --> DONE
     |                    ^  |                  |                   ^  ^
     |                    |  +---> STOPPING <---+ (time-out, cancel, lease lost, agent stops)
     |                    |           +-----------------exited------+  |
     +--> CONFIRMING -----+                                            |
     |  (a first renewal) |                                            |
     |         v          |                                            |
     +--> FETCHING -------+                                            |
        (its secrets) -----------------one of them is not there--------+

    A lease that is refused while the task does not run leads straight to DONE. An agent that restarts enters at
    FLUSHING: with the spooled result, or handing the task back.

Rules it holds, and what breaks otherwise:

- Nothing starts before the claim is on disk: after a crash nobody would know what to kill and to hand back.
- A task that must never start twice starts only once a renewal has been answered: a claim whose answer was late may
  be another's by then.
- The values of secrets do not go through this machine: it only knows whether they are there. They are the last thing
  before the start, and until they are there the journal says that nothing was started.
- A result is on disk before it is reported, and stays until the hub has recorded or refused it.
- The agent never judges its lease by its own clock: while the hub is away it keeps working, and asks again at most
  `RETRY_SECONDS` apart; only the hub says that a lease is lost.
- A cancel is believed only from the answer to a renewal, so there is one way to learn the truth about a lease.
"""

# ruff: noqa: ARG002 - every handler has the same signature

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Callable, Dict, List, Optional, Type

from nexomatic_agent import happenings as told
from nexomatic_agent.intents import (
    Call,
    FetchSecrets,
    Forget,
    Intent,
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

RETRY_SECONDS = 5.0
"""The longest wait between two tries of a call while the hub does not answer."""
FIRST_RETRY_SECONDS = 0.5
RIDE_BYTES = 40 * 1024
"""So much log goes with the report itself; what is above it is sent in chunks before."""
CHUNK_BYTES = 64 * 1024
"""A chunk is sent as soon as so much log waits."""
CHUNK_SECONDS = 10.0
WATCHED_CHUNK_SECONDS = 1.0
"""How long a line waits at most: while nobody reads along, and while somebody does."""


class Phase(Enum):
    """Where the task stands; see the diagram above."""

    NEW = "new"
    CONFIRMING = "confirming"
    FETCHING = "fetching"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FLUSHING = "flushing"
    SPOOLING = "spooling"
    REPORTING = "reporting"
    DONE = "done"


_BEFORE_THE_START = (Phase.NEW, Phase.CONFIRMING, Phase.FETCHING)


@dataclass
class Task:
    """One attempt in this agent's hands. Feed it with `handle`, and call again with `Tick` at `wake_at`."""

    event_id: str
    token: str
    lease_seconds: float
    timeout_seconds: float
    confirm: bool = False
    """It may start only once a renewal has been answered."""
    spread: float = 0.5
    """0 to 1, drawn once for each task: keeps many tasks from calling in the same instant."""
    secrets: bool = False
    """It may start only once its secrets have been fetched."""
    phase: Phase = Phase.NEW
    watched: bool = False
    call: Optional[Call] = None
    """The call whose answer decides what comes next; answers to other calls are late ones."""
    result: Optional[TaskResult] = None
    stop_reason: Optional[StopReason] = None
    lease_lost: Optional[str] = None
    pending_bytes: int = 0
    renew_at: Optional[float] = None
    chunk_at: Optional[float] = None
    retry_at: Optional[float] = None
    times_out_at: Optional[float] = None
    _failures: int = field(default=0, repr=False)
    _downgraded: bool = field(default=False, repr=False)
    _ask_again: bool = field(default=False, repr=False)

    # --- beginnings

    def begin(self, now: float) -> List[Intent]:
        """A poll's answer brought this task."""
        self.renew_at = now + self._renew_seconds()
        return [WriteJournal(started=self._may_start)]

    def resume(self, result: Optional[TaskResult], started: bool, pending_bytes: int = 0) -> List[Intent]:
        """The agent restarted and found this task on disk: report what was spooled, or hand it back."""
        self.result = result or TaskResult("RETURNED", message="the agent restarted", started=started)
        self.pending_bytes = pending_bytes
        return self._flush()

    # --- the one entrance

    def handle(self, happening: object, now: float) -> List[Intent]:
        """What to do about what happened. What no longer matters (a late answer) answers with nothing."""
        if self.phase is Phase.DONE:
            return []
        intents = _HANDLERS[type(happening)](self, happening, now)
        return intents + self._due(now)

    @property
    def wake_at(self) -> Optional[float]:
        """When to send the next `Tick`; None: nothing is due by time alone."""
        if self.phase is Phase.DONE:
            return None
        times = [self.times_out_at if self.phase is Phase.RUNNING else None]
        if self.call is None:
            times += [self.retry_at] if self.retry_at is not None else self._calls_at()
        known = [at for at in times if at is not None]
        return min(known) if known else None

    # --- what happened to the claim and the lease

    def _journaled(self, _: told.Journaled, now: float) -> List[Intent]:
        if self.phase in _BEFORE_THE_START and self._may_start:
            self.phase = Phase.STARTING
            return [StartChild()]
        if self.phase is Phase.NEW and self.confirm:
            self.phase = Phase.CONFIRMING
            self.renew_at = now
        elif self.phase is Phase.NEW:
            self.phase = Phase.FETCHING
        return []

    def _journal_failed(self, happening: told.JournalFailed, now: float) -> List[Intent]:
        if self.phase not in _BEFORE_THE_START:
            return []
        return self._hand_back(f"the agent could not write to its disk: {happening.message}", started=False)

    def _renewed(self, answer: told.Renewed, now: float) -> List[Intent]:
        if self.call is Call.RENEW:
            self._answered()
        self._take_lease(answer, now)
        if self.phase is Phase.CONFIRMING and self.confirm:
            self.confirm = False
            if self._may_start:
                return [WriteJournal(started=True)]
            self.phase = Phase.FETCHING
        return []

    def _secrets_fetched(self, _: told.SecretsFetched, now: float) -> List[Intent]:
        if self.call is not Call.SECRETS:
            return []
        self._answered()
        self.secrets = False
        return [WriteJournal(started=True)]

    def _lease_refused(self, refusal: told.LeaseRefused, now: float) -> List[Intent]:
        if self.call is not refusal.call:
            return []  # a late answer: what was asked since will be answered too
        self.call = None
        self.lease_lost = refusal.reason
        if self.phase in (Phase.STARTING, Phase.RUNNING):
            return self._stop(StopReason.CANCELLED if refusal.reason == "cancelled" else StopReason.LEASE_LOST)
        if self.phase in (Phase.STOPPING, Phase.SPOOLING):
            return []
        if self.phase is Phase.FLUSHING:
            return self._report()  # it may have been recorded in this agent's last life: the report's answer tells
        return self._finish(lost=refusal.reason)

    def _cancel_heard(self, _: told.CancelHeard, now: float) -> List[Intent]:
        self.renew_at = now
        self._ask_again = self.call is not None  # the answer to that call may be older than the cancel
        return []

    # --- what happened to a call

    def _call_failed(self, failure: told.CallFailed, now: float) -> List[Intent]:
        if self.call is not failure.call:
            return []
        self.call = None
        wait = min(RETRY_SECONDS, FIRST_RETRY_SECONDS * 2**self._failures)
        self._failures = min(self._failures + 1, 10)
        self.retry_at = now + wait * (0.75 + self.spread / 4)
        return []

    def _call_refused(self, refusal: told.CallRefused, now: float) -> List[Intent]:
        if self.call is not refusal.call:
            return []
        if refusal.call is Call.CHUNK:
            # These lines cannot be kept; those behind them, the task and its result still can.
            self._answered()
            self.chunk_at = None
            self._note_pending(refusal.pending_bytes, now)
            return self._flush() if self.phase is Phase.FLUSHING else []
        if refusal.call is Call.REPORT:
            return self._report_refused(refusal.message)
        if refusal.call is Call.SECRETS:
            return self._end_unstarted("SECRET_UNAVAILABLE", refusal.message)
        return self._call_failed(told.CallFailed(refusal.call), now)

    def _report_refused(self, message: str) -> List[Intent]:
        if self._downgraded or self.result is None:
            return self._finish(lost=message)
        # The hub will not take what the module returned (too large, say). That it failed so is worth recording.
        self._downgraded = True
        self.result = TaskResult("ERROR", "RESULT_REFUSED", message[:1000])
        return self._report()

    def _chunk_stored(self, answer: told.ChunkStored, now: float) -> List[Intent]:
        if answer.renewed is not None:
            self._take_lease(answer.renewed, now)
        if self.call is not Call.CHUNK:
            return []
        self._answered()
        self.chunk_at = None
        self._note_pending(answer.pending_bytes, now)
        return self._flush() if self.phase is Phase.FLUSHING else []

    def _recorded(self, _: told.Recorded, now: float) -> List[Intent]:
        return self._finish() if self.phase is Phase.REPORTING else []

    # --- what happened to the child

    def _started(self, _: told.Started, now: float) -> List[Intent]:
        if self.phase is Phase.STARTING:
            self.phase = Phase.RUNNING
            self.times_out_at = now + self.timeout_seconds
        return []

    def _logged(self, happening: told.Logged, now: float) -> List[Intent]:
        self._note_pending(happening.pending_bytes, now)
        return []

    def _exited(self, happening: told.Exited, now: float) -> List[Intent]:
        if self.phase not in (Phase.STARTING, Phase.RUNNING, Phase.STOPPING):
            return []
        self.result = happening.result
        self.pending_bytes = happening.pending_bytes
        if self.lease_lost is not None:
            return self._finish(lost=self.lease_lost)
        if self.stop_reason is StopReason.HAND_BACK:
            self.result = TaskResult("RETURNED", message="the agent was stopped", started=True)
        self.phase = Phase.SPOOLING
        return [WriteSpool(self.result)]

    def _spooled(self, _: told.Spooled, now: float) -> List[Intent]:
        if self.phase is not Phase.SPOOLING:
            return []
        if self.lease_lost is not None:
            return self._finish(lost=self.lease_lost)
        if self.call is Call.CHUNK:
            self.phase = Phase.FLUSHING  # goes on when the chunk in flight is answered: the lines keep their order
            return []
        return self._flush()

    # --- what happened to the agent, and time

    def _stopping(self, _: told.HandBack, now: float) -> List[Intent]:
        if self.phase in _BEFORE_THE_START:
            return self._hand_back("the agent was stopped", started=False)
        if self.phase in (Phase.STARTING, Phase.RUNNING):
            return self._stop(StopReason.HAND_BACK)
        return []

    def _ticked(self, _: told.Tick, now: float) -> List[Intent]:
        return []

    def _due(self, now: float) -> List[Intent]:
        intents: List[Intent] = []
        if self.phase is Phase.RUNNING and self.times_out_at is not None and now >= self.times_out_at:
            intents += self._stop(StopReason.TIMEOUT)
        if self.call is not None or (self.retry_at is not None and now < self.retry_at):
            return intents
        retrying, self.retry_at = self.retry_at is not None, None
        if self.phase is Phase.REPORTING:
            return intents + (self._report() if retrying else [])
        if self.phase is Phase.FLUSHING:
            return intents + (self._flush() if retrying else [])
        return intents + self._due_call(now)

    def _due_call(self, now: float) -> List[Intent]:
        renew_at, chunk_at = self._calls_at()
        renew = renew_at is not None and now >= renew_at
        if chunk_at is not None and (renew or now >= chunk_at):  # a renewal takes along what waits
            self.call = Call.CHUNK
            return [SendChunk(self.token, renew)]
        if renew:
            self.call = Call.RENEW
            return [SendRenewal(self.token)]
        if self.phase is Phase.FETCHING and self.secrets:
            self.call = Call.SECRETS
            return [FetchSecrets(self.token)]
        return []

    def _calls_at(self) -> List[Optional[float]]:
        """When the lease is to be renewed, and when a chunk is to be sent."""
        running = self.phase in (Phase.STARTING, Phase.RUNNING, Phase.STOPPING)
        held = self.lease_lost is None and (running or self.phase in (Phase.CONFIRMING, Phase.FETCHING))
        return [self.renew_at if held else None, self.chunk_at if held and running and self.pending_bytes else None]

    # --- small moves

    @property
    def _may_start(self) -> bool:
        return not (self.confirm or self.secrets)

    def _renew_seconds(self) -> float:
        return self.lease_seconds / 3 * (0.9 + self.spread / 10)

    def _answered(self) -> None:
        self.call = None
        self.retry_at = None
        self._failures = 0

    def _take_lease(self, answer: told.Renewed, now: float) -> None:
        self.token = answer.token
        self.lease_seconds = answer.lease_seconds
        self.renew_at = now if self._ask_again else now + self._renew_seconds()
        self._ask_again = False
        if answer.watched and not self.watched and self.chunk_at is not None:
            self.chunk_at = min(self.chunk_at, now + WATCHED_CHUNK_SECONDS)
        self.watched = answer.watched

    def _note_pending(self, pending_bytes: int, now: float) -> None:
        self.pending_bytes = pending_bytes
        if pending_bytes and self.chunk_at is None:
            self.chunk_at = now + (WATCHED_CHUNK_SECONDS if self.watched else CHUNK_SECONDS)
        if pending_bytes >= CHUNK_BYTES:
            self.chunk_at = now

    def _stop(self, reason: StopReason) -> List[Intent]:
        self.phase = Phase.STOPPING
        self.stop_reason = reason
        return [StopChild(reason)]

    def _end_unstarted(self, code: str, message: str) -> List[Intent]:
        self.call = None
        self.result = TaskResult("ERROR", code, message[:1000], started=False)
        self.phase = Phase.SPOOLING
        return [WriteSpool(self.result)]

    def _hand_back(self, message: str, started: bool) -> List[Intent]:
        self.result = TaskResult("RETURNED", message=message, started=started)
        return self._report()

    def _flush(self) -> List[Intent]:
        if self.pending_bytes <= RIDE_BYTES:
            return self._report()
        self.phase = Phase.FLUSHING
        self.call = Call.CHUNK
        return [SendChunk(self.token, renew=True)]

    def _report(self) -> List[Intent]:
        self.phase = Phase.REPORTING
        self.call = Call.REPORT
        assert self.result is not None
        return [SendReport(self.token, self.result)]

    def _finish(self, lost: Optional[str] = None) -> List[Intent]:
        self.phase = Phase.DONE
        self.call = None
        return [Forget(lost, self.result if lost else None)]


_HANDLERS: Dict[Type[object], Callable[[Task, Any, float], List[Intent]]] = {
    told.Journaled: Task._journaled,
    told.JournalFailed: Task._journal_failed,
    told.Renewed: Task._renewed,
    told.LeaseRefused: Task._lease_refused,
    told.CancelHeard: Task._cancel_heard,
    told.CallFailed: Task._call_failed,
    told.CallRefused: Task._call_refused,
    told.SecretsFetched: Task._secrets_fetched,
    told.ChunkStored: Task._chunk_stored,
    told.Recorded: Task._recorded,
    told.Started: Task._started,
    told.Logged: Task._logged,
    told.Exited: Task._exited,
    told.Spooled: Task._spooled,
    told.HandBack: Task._stopping,
    told.Tick: Task._ticked,
}
