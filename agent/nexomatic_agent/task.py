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
  before the start, and until they are there the journal says that nothing was started. If they cannot be had for half
  of the run time-out, the task goes back to its queue: an outage of who keeps them fails nothing.
- A result is on disk before it is reported, and stays until the hub has recorded or refused it.
- The agent never judges its lease by its own clock: while the hub is away it keeps working, and asks again at most
  `RETRY_SECONDS` apart (pace.py), or when it was asked to; only the hub says that a lease is lost.
- The lease is renewed until the result is recorded, and by a call of its own where the call that delivers is slow or
  keeps failing: what is between agent and hub may let the one through and not the other. But not past the run
  time-out: the hub would take the task for one that still runs, and end it.
- A cancel is believed only from the answer to a renewal, so there is one way to learn the truth about a lease.
"""

# ruff: noqa: ARG002 - every handler has the same signature

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Callable, Dict, List, Optional, Tuple, Type

from nexomatic_agent import happenings as told
from nexomatic_agent.intents import (
    Call,
    FetchSecrets,
    Forget,
    Intent,
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
from nexomatic_agent.pace import Pace

SLOW_SECONDS = 5.0
"""A chunk or report that is under way for so long gets a renewal beside it."""
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
    renewing: bool = False
    """A renewal of its own is in flight."""
    call: Optional[Call] = None
    """What else is: the question for secrets, a chunk, or the report. Answers to other calls are late ones."""
    result: Optional[TaskResult] = None
    stop_reason: Optional[StopReason] = None
    lease_lost: Optional[str] = None
    pending_bytes: int = 0
    renew_at: Optional[float] = None
    chunk_at: Optional[float] = None
    times_out_at: Optional[float] = None
    _pace: Pace = field(init=False, repr=False)
    _speaks: bool = field(default=False, repr=False)
    """That call speaks for the lease, whose renewal was due."""
    _fetch_until: float = field(default=0.0, repr=False)
    """When to stop asking for secrets: the hub counts its run time-out from the claim."""
    _downgraded: bool = field(default=False, repr=False)
    _ask_again: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        self._pace = Pace(self.spread)

    # --- beginnings

    def begin(self, now: float) -> List[Intent]:
        """A poll's answer brought this task."""
        self.renew_at = now + self._renew_seconds()
        self._fetch_until = now + self.timeout_seconds / 2
        return [WriteJournal(started=self._may_start)]

    def resume(self, result: Optional[TaskResult], started: bool, pending_bytes: int, now: float) -> List[Intent]:
        """The agent restarted and found this task on disk: report what was spooled, or hand it back."""
        self.result = result or TaskResult("RETURNED", message="the agent restarted", started=started)
        self.pending_bytes = pending_bytes
        self.phase = Phase.FLUSHING
        return self._due(now)

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
        timeout = self.times_out_at if self.phase is Phase.RUNNING else None
        call = self._next_call()
        known = [at for at in (timeout, self._next_renewal(), call and call[1]) if at is not None]
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
        self.renewing = False
        self._pace.answered(Call.RENEW)
        self._take_lease(answer, now)
        if self._ask_again:
            self._ask_again, self.renew_at = False, now
        if self.phase is Phase.CONFIRMING and self.confirm:
            self.confirm = False
            if self._may_start:
                return [WriteJournal(started=True)]
            self.phase = Phase.FETCHING
        return []

    def _secrets_fetched(self, _: told.SecretsFetched, now: float) -> List[Intent]:
        if not self._came_back(Call.SECRETS):
            return []
        self._pace.answered(Call.SECRETS)
        self.secrets = False
        return [WriteJournal(started=True)]

    def _lease_refused(self, refusal: told.LeaseRefused, now: float) -> List[Intent]:
        if not self._came_back(refusal.call):
            return []  # a late answer: what was asked since will be answered too
        self.lease_lost = refusal.reason
        if self.phase in (Phase.STARTING, Phase.RUNNING):
            return self._stop(StopReason.CANCELLED if refusal.reason == "cancelled" else StopReason.LEASE_LOST)
        if self.phase in (Phase.STOPPING, Phase.SPOOLING, Phase.FLUSHING):
            return []
        if self.phase is Phase.REPORTING and refusal.call is not Call.REPORT:
            return []  # it may have been recorded, in this life or the last: only the report's own answer tells
        return self._finish(lost=refusal.reason)

    def _cancel_heard(self, _: told.CancelHeard, now: float) -> List[Intent]:
        if self.result is None:  # else the answer to the report tells
            self.renew_at = now
            self._ask_again = self.renewing  # the answer to that call may be older than the cancel
        return []

    # --- what happened to a call

    def _call_failed(self, failure: told.CallFailed, now: float) -> List[Intent]:
        if not self._came_back(failure.call):
            return []
        self._pace.failed(failure.call, failure.retry_after, self.lease_seconds, now)
        if failure.call is Call.SECRETS and self.phase is Phase.FETCHING and now >= self._fetch_until:
            return self._hand_back("the hub could not give the task its secrets", started=False)
        if failure.call is not Call.RENEW and self._speaks:
            self.renew_at = self._pace.not_before(failure.call, now)  # it did not speak
        return []

    def _call_refused(self, refusal: told.CallRefused, now: float) -> List[Intent]:
        if refusal.call is Call.RENEW:
            return self._call_failed(told.CallFailed(refusal.call), now)
        if not self._came_back(refusal.call):
            return []
        self._pace.answered(refusal.call)
        if refusal.call is Call.REPORT:
            return self._report_refused(refusal.message)
        if refusal.call is Call.SECRETS:
            return self._end_unstarted("SECRET_UNAVAILABLE", refusal.message)
        # These lines cannot be kept; those behind them, the task and its result still can.
        self.renew_at = now if self._speaks else self.renew_at
        self.chunk_at = None
        self._note_pending(refusal.pending_bytes, now)
        return []

    def _report_refused(self, message: str) -> List[Intent]:
        if self._downgraded or self.result is None:
            return self._finish(lost=message)
        # The hub will not take what the module returned (too large, say). That it failed so is worth recording.
        kept = KeepAside(message, self.result)
        self._downgraded = True
        self.result = TaskResult("ERROR", "RESULT_REFUSED", message[:1000])
        return [kept]

    def _chunk_stored(self, answer: told.ChunkStored, now: float) -> List[Intent]:
        if answer.renewed is not None:
            self._pace.answered(Call.RENEW)
            self._take_lease(answer.renewed, now)
        if not self._came_back(Call.CHUNK):
            return []
        self._pace.answered(Call.CHUNK)
        self.chunk_at = None
        self._note_pending(answer.pending_bytes, now)
        return []

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
        self.phase = Phase.FLUSHING  # goes on when a chunk in flight is answered: the lines keep their order
        return []

    # --- what happened to the agent, and time

    def _stopping(self, _: told.HandBack, now: float) -> List[Intent]:
        if self.phase in _BEFORE_THE_START:
            return self._hand_back("the agent was stopped", started=False)
        if self.phase in (Phase.STARTING, Phase.RUNNING):
            return self._stop(StopReason.HAND_BACK)
        return []

    def _ticked(self, _: told.Tick, now: float) -> List[Intent]:
        return []

    # --- which call comes next

    def _due(self, now: float) -> List[Intent]:
        intents: List[Intent] = []
        if self.phase is Phase.RUNNING and self.times_out_at is not None and now >= self.times_out_at:
            intents += self._stop(StopReason.TIMEOUT)
        self._flushed()
        renewal, following = self._next_renewal(), self._next_call()
        renew = renewal is not None and now >= renewal
        call = following[0] if following is not None and now >= following[1] else None
        # What has just failed lets a renewal go first, alone: each gets its turn, and a hub that is away hears of each
        # task one call at a time.
        if call is not None and not (renew and self._pace.failed_last is call):
            intents.append(self._make(call, renew, now))
            renew = renew and not self._speaks
        if renew:
            self.renewing = True
            intents.append(SendRenewal(self.token))
        return intents

    def _next_renewal(self) -> Optional[float]:
        """When the lease is to be renewed next; None while that is under way, or there is nothing to renew."""
        if self.renewing or self.lease_lost is not None or self.renew_at is None or self.phase not in _HOLDING:
            return None
        at = self._pace.not_before(Call.RENEW, self.renew_at)
        return at if self._worth_keeping(at) else None

    def _worth_keeping(self, at: float) -> bool:
        """Whether it helps to renew the lease at this time."""
        if self.result is None:
            return True
        if self.result.state == "RETURNED":
            return False  # if it cannot be handed back, it is better lost soon
        return self.times_out_at is not None and at < self.times_out_at

    def _next_call(self) -> Optional[Tuple[Call, float]]:
        """What else is to be said next, and when; None while such a call is under way, or there is nothing to say."""
        call = _CALLS.get(self.phase, Call.CHUNK)
        if self.call is not None or (self.renewing and self._pace.failing(call)):
            return None
        if self.phase in (Phase.FLUSHING, Phase.REPORTING) or (self.phase is Phase.FETCHING and self.secrets):
            return call, self._pace.not_before(call, 0.0)
        alive = self.phase in (Phase.STARTING, Phase.RUNNING, Phase.STOPPING) and self.lease_lost is None
        if not alive or self.chunk_at is None or not self.pending_bytes:
            return None
        renewal = self._next_renewal()  # takes along what waits
        return call, self._pace.not_before(call, self.chunk_at if renewal is None else min(self.chunk_at, renewal))

    def _make(self, call: Call, renew: bool, now: float) -> Intent:
        """Make this call; `renew`: the lease is due too. A chunk renews it, and a report needs it no more."""
        self.call = call
        if call is Call.SECRETS:
            self._speaks = False
            return FetchSecrets(self.token)
        # What is left when the task has ended goes out as fast as it can, and takes the lease along each time.
        self._speaks = renew or (self.phase is Phase.FLUSHING and self._worth_keeping(now))
        if self._speaks and self.renew_at is not None:
            self.renew_at = max(self.renew_at, now + SLOW_SECONDS)
        if call is Call.CHUNK:
            return SendChunk(self.token, self._speaks)
        assert self.result is not None
        return SendReport(self.token, self.result)

    def _flushed(self) -> None:
        """Report once no more log waits than may go with it, or the lease is over: then the answer tells the end."""
        little = self.pending_bytes <= RIDE_BYTES or self.lease_lost is not None
        if self.phase is Phase.FLUSHING and self.call is None and little:
            self.phase = Phase.REPORTING

    # --- small moves

    @property
    def _may_start(self) -> bool:
        return not (self.confirm or self.secrets)

    def _renew_seconds(self) -> float:
        return self.lease_seconds / 3 * (0.9 + self.spread / 10)

    def _came_back(self, call: Call) -> bool:
        """Note that this call is in flight no more. False: it was not; its answer is a late one."""
        if call is Call.RENEW:
            was, self.renewing = self.renewing, False
            return was
        if self.call is not call:
            return False
        self.call = None
        return True

    def _take_lease(self, answer: told.Renewed, now: float) -> None:
        self.token = answer.token
        self.lease_seconds = answer.lease_seconds
        self.renew_at = now + self._renew_seconds()
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
        self.result = TaskResult("ERROR", code, message[:1000], started=False)
        self.phase = Phase.SPOOLING
        return [WriteSpool(self.result)]

    def _hand_back(self, message: str, started: bool) -> List[Intent]:
        self.result = TaskResult("RETURNED", message=message, started=started)
        self.phase = Phase.REPORTING
        self.call = None  # secrets that are still asked for are not waited for
        return []

    def _finish(self, lost: Optional[str] = None) -> List[Intent]:
        self.phase = Phase.DONE
        return [Forget(lost, self.result if lost and not self._downgraded else None)]


_HOLDING = (
    Phase.CONFIRMING, Phase.FETCHING, Phase.STARTING, Phase.RUNNING, Phase.STOPPING, Phase.FLUSHING, Phase.REPORTING
)  # fmt: skip
"""The phases in which the lease is renewed."""
_CALLS = {Phase.FETCHING: Call.SECRETS, Phase.REPORTING: Call.REPORT}
"""What else is said in a phase; in the others, what the task has written."""

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
