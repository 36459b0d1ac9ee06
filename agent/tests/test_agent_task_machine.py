"""The state machine under a random shell: calls fail, answers are late, the disk is full, the agent restarts."""

from __future__ import annotations

from typing import Any, Optional

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from nexomatic_agent import happenings as told
from nexomatic_agent import intents as asked
from nexomatic_agent.intents import Call, TaskResult
from nexomatic_agent.task import CHUNK_BYTES, Phase, Task

RESULTS = st.sampled_from([TaskResult("SUCCESS"), TaskResult("ERROR", "EXIT_1"), TaskResult("WARNING", "EXIT_3")])
REASONS = st.sampled_from(["superseded", "cancelled", "timed-out"])


class Shell(RuleBasedStateMachine):
    """Carries intents out, as slowly and as badly as the rules choose, and checks what must never be asked."""

    @initialize(confirm=st.booleans(), secrets=st.booleans(), spread=st.floats(0, 1))
    def begin(self, confirm: bool, secrets: bool, spread: float) -> None:
        self.now = 0.0
        self.waiting: list[Any] = []
        self.journaled: Optional[bool] = None
        """None: nothing on disk; else whether it says that the child may have run."""
        self.confirmed = not confirm
        self.fetched = not secrets
        self.spooled: Optional[TaskResult] = None
        self.child = "none"
        self.pending = 0
        self.forgotten = False
        self.machine = Task("event", "token", 30.0, 50.0, confirm, spread, secrets)
        self.take(self.machine.begin(self.now))

    # --- what may be asked

    def take(self, intents: list[Any]) -> None:
        for intent in intents:
            self.check(intent)
            self.waiting.append(intent)

    def check(self, intent: Any) -> None:
        assert not self.forgotten, f"{intent} after Forget"
        if isinstance(intent, asked.StartChild):
            assert self.journaled is True, "started before the journal says so"
            assert self.confirmed, "started before it was confirmed"
            assert self.fetched, "started without its secrets"
            assert self.child == "none", "started twice"
        if isinstance(intent, asked.FetchSecrets):
            assert self.confirmed, "secrets asked for before the task was confirmed"
            assert self.journaled is False, "secrets asked for while the journal says that the child may run"
        if isinstance(intent, asked.WriteJournal) and intent.started:
            may_start = self.confirmed and self.fetched
            assert may_start, "the journal says that it may have started, and it may not"
        if isinstance(intent, asked.SendReport) and intent.result.code != "RESULT_REFUSED":
            unstarted = intent.result.state == "RETURNED" and not intent.result.started
            assert unstarted or self.spooled == intent.result, "reported before it was spooled"
            assert not (unstarted and self.child != "none"), "said not to have started what had"
        if isinstance(intent, asked.Forget):
            assert self.child != "running", "forgotten while the child runs"
            self.forgotten = True

    def tell(self, happening: object) -> None:
        self.take(self.machine.handle(happening, self.now))

    def pop(self, *kinds: type) -> Any:
        intent = next(one for one in self.waiting if isinstance(one, kinds))
        self.waiting.remove(intent)
        return intent

    def asked_for(self, *kinds: type) -> bool:
        return any(isinstance(one, kinds) for one in self.waiting)

    # --- the disk

    @precondition(lambda self: self.asked_for(asked.WriteJournal))
    @rule(full=st.sampled_from([False, False, False, True]))
    def journal(self, full: bool) -> None:
        intent = self.pop(asked.WriteJournal)
        if full:
            self.tell(told.JournalFailed("no space"))
        else:
            self.journaled = intent.started
            self.tell(told.Journaled())

    @precondition(lambda self: self.asked_for(asked.WriteSpool))
    @rule()
    def spool(self) -> None:
        self.spooled = self.pop(asked.WriteSpool).result
        self.tell(told.Spooled())

    # --- the child

    @precondition(lambda self: self.asked_for(asked.StartChild))
    @rule(starts=st.booleans())
    def start(self, starts: bool) -> None:
        self.pop(asked.StartChild)
        self.child = "running"
        if starts:
            self.tell(told.Started())
        else:
            self.end(TaskResult("ERROR", "MODULE_NOT_FOUND"))

    @precondition(lambda self: self.child == "running")
    @rule(result=RESULTS)
    def exit(self, result: TaskResult) -> None:
        self.end(result)

    def end(self, result: TaskResult) -> None:
        self.child = "ended"
        self.tell(told.Exited(result, self.pending))

    @precondition(lambda self: self.child == "running")
    @rule(size=st.sampled_from([1, 1_000, CHUNK_BYTES]))
    def write(self, size: int) -> None:
        self.pending += size
        self.tell(told.Logged(self.pending))

    # --- the hub

    CALLS = (asked.FetchSecrets, asked.SendRenewal, asked.SendChunk, asked.SendReport)

    @precondition(lambda self: self.asked_for(*Shell.CALLS))
    @rule(watched=st.booleans())
    def answered(self, watched: bool) -> None:
        self.answer(self.pop(*self.CALLS), watched)

    def answer(self, intent: Any, watched: bool = False) -> None:
        renewed = told.Renewed("fresh", 30.0, watched)
        if isinstance(intent, asked.SendRenewal):
            self.confirmed = True
            self.tell(renewed)
        elif isinstance(intent, asked.FetchSecrets):
            self.fetched = True
            self.tell(told.SecretsFetched())
        elif isinstance(intent, asked.SendChunk):
            self.pending = max(0, self.pending - CHUNK_BYTES)
            self.tell(told.ChunkStored(self.pending, renewed if intent.renew else None))
        else:
            self.tell(told.Recorded())

    @staticmethod
    def call_of(intent: Any) -> Call:
        return {
            asked.FetchSecrets: Call.SECRETS,
            asked.SendRenewal: Call.RENEW,
            asked.SendChunk: Call.CHUNK,
            asked.SendReport: Call.REPORT,
        }[type(intent)]

    @precondition(lambda self: self.asked_for(*Shell.CALLS))
    @rule(retry_after=st.sampled_from([None, 3.0, 1e9]))
    def unanswered(self, retry_after: Optional[float]) -> None:
        self.tell(told.CallFailed(self.call_of(self.pop(*self.CALLS)), retry_after))

    @precondition(lambda self: self.asked_for(*Shell.CALLS))
    @rule()
    def refused(self) -> None:
        intent = self.pop(*self.CALLS)
        if isinstance(intent, asked.SendChunk):
            self.pending = max(0, self.pending - CHUNK_BYTES)
        self.tell(told.CallRefused(self.call_of(intent), "400 no", self.pending))

    @precondition(lambda self: self.asked_for(*Shell.CALLS))
    @rule(reason=REASONS)
    def lease_over(self, reason: str) -> None:
        self.tell(told.LeaseRefused(self.call_of(self.pop(*self.CALLS)), reason))

    # --- the agent

    @rule(seconds=st.floats(0, 60))
    def time_passes(self, seconds: float) -> None:
        """At most to the next moment the machine asked for: its shell does not oversleep in this model."""
        self.now = min(self.now + seconds, max(self.now, self.machine.wake_at or self.now + seconds))
        self.tell(told.Tick())

    @rule()
    def cancel_heard(self) -> None:
        self.tell(told.CancelHeard())

    @rule()
    def hand_back(self) -> None:
        self.tell(told.HandBack())

    @precondition(lambda self: self.journaled is not None and not self.forgotten)
    @rule()
    def crash_and_restart(self) -> None:
        """kill -9: only what is on disk is left; a new machine takes it up, after the child was killed."""
        assert self.journaled is not None
        self.child = "ended" if self.child == "running" else self.child
        self.waiting = []
        self.machine = Task("event", "token", 30.0, 0.0)
        if self.spooled is None:
            started = self.journaled
            assert started or self.child == "none", "handed back as never started, though it ran"
            self.spooled = TaskResult("RETURNED", message="the agent restarted", started=started)
            self.take(self.machine.resume(None, started, 0, self.now))
            self.pending = 0
        else:
            self.take(self.machine.resume(self.spooled, self.journaled, self.pending, self.now))

    # --- what always holds

    @invariant()
    def one_call_of_each_sort_at_a_time(self) -> None:
        """A renewal may be in flight beside another call; lines, and the result behind them, keep their order. A report
        may overtake secrets, of a task that is handed back."""
        calls = [self.call_of(one) for one in getattr(self, "waiting", []) if isinstance(one, self.CALLS)]
        assert len(calls) == len(set(calls))
        assert {Call.CHUNK} & set(calls) == set() or set(calls) <= {Call.CHUNK, Call.RENEW}

    @invariant()
    def it_never_asks_to_be_woken_for_what_it_should_have_done(self) -> None:
        """Its shell would wake it again and again."""
        machine = getattr(self, "machine", None)
        assert machine is None or machine.wake_at is None or machine.wake_at > self.now

    def teardown(self) -> None:
        """From wherever the rules led: once the hub answers and the child ends, it comes to its end."""
        if not hasattr(self, "machine"):
            return
        for _ in range(1_000):
            if self.machine.phase is Phase.DONE:
                break
            self.one_good_step()
        assert self.machine.phase is Phase.DONE
        assert self.forgotten

    def one_good_step(self) -> None:
        if self.asked_for(asked.WriteJournal):
            self.journal(False)
        elif self.asked_for(asked.WriteSpool):
            self.spool()
        elif self.asked_for(asked.StartChild):
            self.start(True)
        elif self.asked_for(*self.CALLS):
            self.answered(False)
        elif self.child == "running" and self.machine.phase in (Phase.RUNNING, Phase.STOPPING):
            self.end(TaskResult("SUCCESS"))
        else:
            assert self.machine.wake_at is not None, f"stuck in {self.machine.phase}: nothing asked for, nothing due"
            self.now = max(self.now, self.machine.wake_at)
            self.tell(told.Tick())


TestShell = Shell.TestCase
TestShell.settings = settings(max_examples=100, stateful_step_count=40)
