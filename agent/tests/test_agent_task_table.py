"""The state machine, every phase met by every happening. What the table leaves out changes nothing."""

from __future__ import annotations

from typing import Callable, Optional

import pytest
from nexomatic_agent import happenings as told
from nexomatic_agent import intents as asked
from nexomatic_agent.intents import Call, StopReason, TaskResult
from nexomatic_agent.task import Phase, Task

SUCCESS = TaskResult("SUCCESS", data=1)


def a_task(confirm: bool = False, secrets: bool = False) -> Task:
    return Task("event", "token", lease_seconds=30.0, timeout_seconds=100.0, confirm=confirm, secrets=secrets)


def new() -> Task:
    task = a_task()
    task.begin(0.0)
    return task


def confirming() -> Task:
    """Its confirming renewal is in flight."""
    task = a_task(confirm=True)
    task.begin(0.0)
    assert task.handle(told.Journaled(), 0.0) == [asked.SendRenewal("token")]
    return task


def fetching() -> Task:
    """Its secrets have been asked for."""
    task = a_task(secrets=True)
    assert task.begin(0.0) == [asked.WriteJournal(started=False)]
    assert task.handle(told.Journaled(), 0.0) == [asked.FetchSecrets("token")]
    return task


def starting() -> Task:
    task = new()
    task.handle(told.Journaled(), 0.0)
    return task


def running() -> Task:
    task = starting()
    task.handle(told.Started(), 0.0)
    return task


def stopping() -> Task:
    task = running()
    task.handle(told.HandBack(), 0.0)
    return task


def spooling() -> Task:
    task = running()
    task.handle(told.Exited(SUCCESS, 0), 0.0)
    return task


def flushing() -> Task:
    """A chunk of what is too much for the report is in flight."""
    task = running()
    task.handle(told.Exited(SUCCESS, 100_000), 0.0)
    assert task.handle(told.Spooled(), 0.0) == [asked.SendChunk("token", renew=True)]
    return task


def reporting() -> Task:
    task = spooling()
    task.handle(told.Spooled(), 0.0)
    return task


def done() -> Task:
    task = reporting()
    task.handle(told.Recorded(), 0.0)
    return task


PHASES: dict[Phase, Callable[[], Task]] = {
    Phase.NEW: new,
    Phase.CONFIRMING: confirming,
    Phase.FETCHING: fetching,
    Phase.STARTING: starting,
    Phase.RUNNING: running,
    Phase.STOPPING: stopping,
    Phase.SPOOLING: spooling,
    Phase.FLUSHING: flushing,
    Phase.REPORTING: reporting,
    Phase.DONE: done,
}

RENEWED = told.Renewed("fresh", 30.0)
HAPPENINGS: dict[str, object] = {
    "journaled": told.Journaled(),
    "journal failed": told.JournalFailed("disk full"),
    "renewed": RENEWED,
    "chunk stored": told.ChunkStored(0, RENEWED),
    "chunk stored, much left": told.ChunkStored(100_000, RENEWED),
    "renewal failed": told.CallFailed(Call.RENEW),
    "chunk failed": told.CallFailed(Call.CHUNK),
    "report failed": told.CallFailed(Call.REPORT),
    "renewal refused": told.CallRefused(Call.RENEW, "no"),
    "chunk refused": told.CallRefused(Call.CHUNK, "no"),
    "chunk refused, much left": told.CallRefused(Call.CHUNK, "no", 100_000),
    "report refused": told.CallRefused(Call.REPORT, "no"),
    "renewal: lease over": told.LeaseRefused(Call.RENEW, "superseded"),
    "chunk: lease over": told.LeaseRefused(Call.CHUNK, "superseded"),
    "report: lease over": told.LeaseRefused(Call.REPORT, "superseded"),
    "secrets fetched": told.SecretsFetched(),
    "secrets failed": told.CallFailed(Call.SECRETS),
    "secrets refused": told.CallRefused(Call.SECRETS, "there is no secret x"),
    "secrets: lease over": told.LeaseRefused(Call.SECRETS, "superseded"),
    "started": told.Started(),
    "logged": told.Logged(10),
    "logged a chunk": told.Logged(100_000),
    "exited": told.Exited(SUCCESS, 0),
    "spooled": told.Spooled(),
    "recorded": told.Recorded(),
    "cancel heard": told.CancelHeard(),
    "hand back": told.HandBack(),
    "tick": told.Tick(),
}

RETURNED_UNSTARTED = TaskResult("RETURNED", message="the agent was stopped", started=False)
NO_DISK = TaskResult("RETURNED", message="the agent could not write to its disk: disk full", started=False)
NO_SECRET = TaskResult("ERROR", "SECRET_UNAVAILABLE", "there is no secret x", started=False)
REFUSED = TaskResult("ERROR", "RESULT_REFUSED", "no")
RETURNED = TaskResult("RETURNED", message="the agent was stopped", started=True)

Move = tuple[list[object], Phase]
MOVES: dict[tuple[Phase, str], Move] = {
    (Phase.NEW, "journaled"): ([asked.StartChild()], Phase.STARTING),
    (Phase.NEW, "journal failed"): ([asked.SendReport("token", NO_DISK)], Phase.REPORTING),
    (Phase.NEW, "hand back"): ([asked.SendReport("token", RETURNED_UNSTARTED)], Phase.REPORTING),
    (Phase.CONFIRMING, "journal failed"): ([asked.SendReport("token", NO_DISK)], Phase.REPORTING),
    (Phase.CONFIRMING, "renewed"): ([asked.WriteJournal(started=True)], Phase.CONFIRMING),
    (Phase.CONFIRMING, "renewal: lease over"): ([asked.Forget("superseded", None)], Phase.DONE),
    (Phase.CONFIRMING, "hand back"): ([asked.SendReport("token", RETURNED_UNSTARTED)], Phase.REPORTING),
    (Phase.FETCHING, "journal failed"): ([asked.SendReport("token", NO_DISK)], Phase.REPORTING),
    (Phase.FETCHING, "secrets fetched"): ([asked.WriteJournal(started=True)], Phase.FETCHING),
    (Phase.FETCHING, "secrets refused"): ([asked.WriteSpool(NO_SECRET)], Phase.SPOOLING),
    (Phase.FETCHING, "secrets: lease over"): ([asked.Forget("superseded", None)], Phase.DONE),
    (Phase.FETCHING, "hand back"): ([asked.SendReport("token", RETURNED_UNSTARTED)], Phase.REPORTING),
    (Phase.FETCHING, "cancel heard"): ([asked.SendRenewal("token")], Phase.FETCHING),
    (Phase.STARTING, "started"): ([], Phase.RUNNING),
    (Phase.STARTING, "logged a chunk"): ([asked.SendChunk("token", renew=False)], Phase.STARTING),
    (Phase.STARTING, "exited"): ([asked.WriteSpool(SUCCESS)], Phase.SPOOLING),
    (Phase.STARTING, "cancel heard"): ([asked.SendRenewal("token")], Phase.STARTING),
    (Phase.STARTING, "hand back"): ([asked.StopChild(StopReason.HAND_BACK)], Phase.STOPPING),
    (Phase.RUNNING, "logged a chunk"): ([asked.SendChunk("token", renew=False)], Phase.RUNNING),
    (Phase.RUNNING, "exited"): ([asked.WriteSpool(SUCCESS)], Phase.SPOOLING),
    (Phase.RUNNING, "cancel heard"): ([asked.SendRenewal("token")], Phase.RUNNING),
    (Phase.RUNNING, "hand back"): ([asked.StopChild(StopReason.HAND_BACK)], Phase.STOPPING),
    (Phase.STOPPING, "logged a chunk"): ([asked.SendChunk("token", renew=False)], Phase.STOPPING),
    (Phase.STOPPING, "exited"): ([asked.WriteSpool(RETURNED)], Phase.SPOOLING),
    (Phase.STOPPING, "cancel heard"): ([asked.SendRenewal("token")], Phase.STOPPING),
    (Phase.SPOOLING, "spooled"): ([asked.SendReport("token", SUCCESS)], Phase.REPORTING),
    (Phase.FLUSHING, "chunk stored"): ([asked.SendReport("fresh", SUCCESS)], Phase.REPORTING),
    (Phase.FLUSHING, "chunk stored, much left"): ([asked.SendChunk("fresh", renew=True)], Phase.FLUSHING),
    (Phase.FLUSHING, "chunk refused"): ([asked.SendReport("token", SUCCESS)], Phase.REPORTING),
    (Phase.FLUSHING, "chunk refused, much left"): ([asked.SendChunk("token", renew=True)], Phase.FLUSHING),
    (Phase.FLUSHING, "chunk: lease over"): ([asked.SendReport("token", SUCCESS)], Phase.REPORTING),
    (Phase.REPORTING, "recorded"): ([asked.Forget()], Phase.DONE),
    (Phase.REPORTING, "report refused"): (
        [asked.KeepAside("no", SUCCESS), asked.SendReport("token", REFUSED)],
        Phase.REPORTING,
    ),
    (Phase.REPORTING, "report: lease over"): ([asked.Forget("superseded", SUCCESS)], Phase.DONE),
}


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("happening", HAPPENINGS)
def test_every_phase_meets_every_happening(phase: Phase, happening: str) -> None:
    task = PHASES[phase]()
    assert task.phase is phase
    intents, after = MOVES.get((phase, happening), ([], phase))
    assert (task.handle(HAPPENINGS[happening], 0.0), task.phase) == (intents, after)


def in_flight(call: Call) -> Task:
    """A running task that waits for the answer to this call."""
    task = running()
    asks = {Call.RENEW: told.CancelHeard(), Call.CHUNK: told.Logged(100_000)}
    task.handle(asks[call], 1.0)
    assert (task.renewing, task.call) == ((True, None) if call is Call.RENEW else (False, call))
    return task


@pytest.mark.parametrize("call", [Call.RENEW, Call.CHUNK])
@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("superseded", StopReason.LEASE_LOST),
        ("timed-out", StopReason.LEASE_LOST),
        ("cancelled", StopReason.CANCELLED),
    ],
)
def test_a_lost_lease_stops_the_child_and_reports_nothing(call: Call, reason: str, stop: StopReason) -> None:
    task = in_flight(call)
    assert task.handle(told.LeaseRefused(call, reason), 2.0) == [asked.StopChild(stop)]
    assert task.handle(told.Logged(100_000), 3.0) == []
    assert task.handle(told.Exited(SUCCESS, 5), 4.0) == [asked.Forget(reason, SUCCESS)]
    assert task.phase is Phase.DONE


def test_a_timeout_stops_the_child_and_reports_its_result() -> None:
    task = running()
    timed_out = TaskResult("ERROR", "TIMEOUT", "too long")
    assert task.wake_at is not None
    intents = task.handle(told.Tick(), 100.0)
    assert asked.StopChild(StopReason.TIMEOUT) in intents
    assert task.handle(told.Exited(timed_out, 0), 101.0) == [asked.WriteSpool(timed_out)]


def test_nothing_starts_before_the_confirming_renewal_and_the_second_journal_entry() -> None:
    task = a_task(confirm=True)
    assert task.begin(0.0) == [asked.WriteJournal(started=False)]
    assert task.handle(told.Journaled(), 0.0) == [asked.SendRenewal("token")]
    assert task.handle(told.Journaled(), 0.0) == []
    assert task.handle(RENEWED, 1.0) == [asked.WriteJournal(started=True)]
    assert task.handle(told.Journaled(), 1.0) == [asked.StartChild()]


def test_secrets_are_the_last_thing_before_the_start_and_the_journal_says_so_only_then() -> None:
    task = a_task(confirm=True, secrets=True)
    assert task.begin(0.0) == [asked.WriteJournal(started=False)]
    assert task.handle(told.Journaled(), 0.0) == [asked.SendRenewal("token")]
    assert task.handle(RENEWED, 1.0) == [asked.FetchSecrets("fresh")]
    assert task.handle(told.SecretsFetched(), 1.0) == [asked.WriteJournal(started=True)]
    assert task.handle(told.SecretsFetched(), 1.0) == []
    assert task.handle(told.Journaled(), 1.0) == [asked.StartChild()]


def test_while_secrets_do_not_come_the_lease_is_renewed_and_they_are_asked_for_again() -> None:
    task = fetching()
    task.handle(told.CallFailed(Call.SECRETS), 0.0)
    asked_for = tick(task, 49.0, 0.0, lambda intent: isinstance(intent, asked.FetchSecrets))
    secrets = [at for at, intent in asked_for if isinstance(intent, asked.FetchSecrets)]
    assert max(gaps([0.0, *renewals(asked_for), 49.0])) <= 30.0 / 3 + 5.0
    assert max(gaps([0.0, *secrets, 49.0])) <= 5.0


def test_secrets_that_do_not_come_for_half_of_the_run_time_out_send_the_task_back_to_its_queue() -> None:
    task = fetching()
    assert task.handle(told.CallFailed(Call.SECRETS), 49.0) == [asked.SendRenewal("token")]
    assert task.handle(RENEWED, 49.0) == []
    assert [type(each) for each in task.handle(told.Tick(), 55.0)] == [asked.FetchSecrets]
    without = asked.TaskResult("RETURNED", message="the hub could not give the task its secrets", started=False)
    assert task.handle(told.CallFailed(Call.SECRETS), 55.0) == [asked.SendReport("fresh", without)]
    assert task.handle(told.SecretsFetched(), 56.0) == [], "a late answer starts nothing"
    assert task.handle(told.Recorded(), 57.0) == [asked.Forget()]


def test_a_lease_that_is_over_ends_the_wait_for_secrets() -> None:
    task = fetching()
    task.handle(told.CallFailed(Call.SECRETS), 0.0)
    assert task.handle(told.CancelHeard(), 0.1) == [asked.SendRenewal("token")]
    assert task.handle(told.LeaseRefused(Call.RENEW, "cancelled"), 2.0) == [asked.Forget("cancelled", None)]


def test_secrets_that_take_long_get_a_renewal_beside_them() -> None:
    task = fetching()
    assert task.wake_at == pytest.approx(9.5)
    assert task.handle(told.Tick(), 9.5) == [asked.SendRenewal("token")]
    assert task.handle(told.SecretsFetched(), 11.0) == [asked.WriteJournal(started=True)]


def test_a_secret_that_is_not_there_ends_the_task_before_it_starts() -> None:
    task = fetching()
    intents = task.handle(told.CallRefused(Call.SECRETS, "there is no secret x"), 1.0)
    assert intents == [asked.WriteSpool(NO_SECRET)]
    assert task.handle(told.Spooled(), 1.0) == [asked.SendReport("token", NO_SECRET)]
    assert task.handle(told.Recorded(), 1.0) == [asked.Forget()]


def test_secrets_that_come_after_the_agent_gave_the_task_back_start_nothing() -> None:
    task = fetching()
    task.handle(told.HandBack(), 1.0)
    assert task.handle(told.SecretsFetched(), 1.0) == []
    assert task.phase is Phase.REPORTING


def test_a_cancel_heard_while_an_older_answer_is_awaited_asks_again() -> None:
    task = in_flight(Call.RENEW)
    assert task.handle(told.CancelHeard(), 2.0) == []
    assert task.handle(RENEWED, 2.0) == [asked.SendRenewal("fresh")]
    assert task.handle(RENEWED, 2.0) == []


def test_a_failed_call_is_repeated_at_most_five_seconds_apart() -> None:
    task, now, waits = in_flight(Call.RENEW), 1.0, []
    for _ in range(8):
        task.handle(told.CallFailed(Call.RENEW), now)
        assert task.wake_at is not None
        waits.append(task.wake_at - now)
        now = task.wake_at
        assert task.handle(told.Tick(), now) == [asked.SendRenewal("token")]
    assert waits == sorted(waits)
    assert 0.3 < waits[0] < waits[-1] <= 5.0


def test_refused_lines_do_not_hold_up_those_behind_them() -> None:
    task = in_flight(Call.CHUNK)
    assert task.handle(told.CallRefused(Call.CHUNK, "no", 70_000), 2.0) == [asked.SendChunk("token", renew=False)]


def test_lines_wait_ten_seconds_or_one_while_somebody_reads() -> None:
    task = running()
    task.handle(told.Logged(10), 1.0)
    task.handle(told.CancelHeard(), 1.0)
    task.handle(told.ChunkStored(10, told.Renewed("fresh", 90.0)), 1.0)
    assert task.handle(told.Tick(), 10.9) == []
    assert task.handle(told.Tick(), 11.0) == [asked.SendChunk("fresh", renew=False)]
    task.handle(told.ChunkStored(0), 11.0)
    task.handle(told.Renewed("fresh", 90.0, watched=True), 12.0)
    task.handle(told.Logged(10), 12.0)
    assert task.handle(told.Tick(), 12.9) == []
    assert task.handle(told.Tick(), 13.0) == [asked.SendChunk("fresh", renew=False)]


def test_a_renewal_takes_along_the_lines_that_wait() -> None:
    task = running()
    task.handle(told.Logged(10), 1.0)
    assert task.handle(told.Tick(), 9.9) == [asked.SendChunk("token", renew=True)]


def renewing_with_a_chunk() -> Task:
    """A chunk is in flight since 9.9 that renews the lease too."""
    task = running()
    task.handle(told.Logged(10), 1.0)
    assert task.handle(told.Tick(), 9.9) == [asked.SendChunk("token", renew=True)]
    return task


def test_a_chunk_that_takes_long_gets_a_renewal_beside_it_but_not_at_once() -> None:
    task = renewing_with_a_chunk()
    assert task.handle(told.Tick(), 14.8) == []
    assert task.handle(told.Tick(), 15.0) == [asked.SendRenewal("token")]


def test_a_chunk_that_did_not_get_through_has_not_renewed() -> None:
    """Else its lease would wait as if it had: the next try of the chunk says nothing of it."""
    task = renewing_with_a_chunk()
    assert task.handle(told.CallFailed(Call.CHUNK), 10.0) == []
    assert task.handle(told.Tick(), 10.5) == [asked.SendRenewal("token")]


@pytest.mark.parametrize(
    ("spooled", "pending", "expected"),
    [
        (SUCCESS, 0, asked.SendReport("token", SUCCESS)),
        (SUCCESS, 100_000, asked.SendChunk("token", renew=False)),
        (None, 0, asked.SendReport("token", TaskResult("RETURNED", message="the agent restarted", started=True))),
    ],
)
def test_a_restarted_agent_delivers_or_hands_back(
    spooled: Optional[TaskResult], pending: int, expected: object
) -> None:
    assert a_task().resume(spooled, True, pending, 0.0) == [expected]


@pytest.mark.parametrize("then", [told.CallRefused(Call.REPORT, "again"), told.LeaseRefused(Call.REPORT, "again")])
def test_a_result_the_hub_will_not_take_is_kept_and_reported_as_such_once(then: object) -> None:
    task = reporting()
    assert task.handle(told.CallRefused(Call.REPORT, "too large"), 1.0) == [
        asked.KeepAside("too large", SUCCESS),
        asked.SendReport("token", TaskResult("ERROR", "RESULT_REFUSED", "too large")),
    ]
    assert task.handle(then, 2.0) == [asked.Forget("again", None)]


# --- a network that lets some through and not others


def answer_to(intent: object) -> object:
    """What failed when this intent failed."""
    kinds: dict[type, Call] = {
        asked.FetchSecrets: Call.SECRETS,
        asked.SendRenewal: Call.RENEW,
        asked.SendChunk: Call.CHUNK,
        asked.SendReport: Call.REPORT,
    }
    return told.CallFailed(kinds[type(intent)])


def tick(task: Task, until: float, now: float, blocked: Callable[[object], bool]) -> list[tuple[float, object]]:
    """Let time pass. Calls that are blocked fail at once, the others are answered at once: what was asked, and when."""
    asked_for = []
    waiting = task.handle(told.Tick(), now)
    while True:
        while waiting:
            intent = waiting.pop(0)
            asked_for.append((now, intent))
            if blocked(intent):
                waiting += task.handle(answer_to(intent), now)
            elif isinstance(intent, asked.SendRenewal):
                waiting += task.handle(RENEWED, now)
            elif isinstance(intent, asked.SendChunk):
                waiting += task.handle(told.ChunkStored(0, RENEWED if intent.renew else None), now)
        if task.wake_at is None or task.wake_at > until:
            return asked_for
        now = task.wake_at
        waiting = task.handle(told.Tick(), now)


def gaps(times: list[float]) -> list[float]:
    return [times[place + 1] - at for place, at in enumerate(times[:-1])]


def renewals(asked_for: list[tuple[float, object]]) -> list[float]:
    return [at for at, intent in asked_for if intent in (asked.SendRenewal("fresh"), asked.SendRenewal("token"))]


@pytest.mark.parametrize("blocked", [asked.SendChunk, asked.SendReport])
def test_a_call_that_does_not_get_through_costs_no_lease(blocked: type) -> None:
    """A firewall that dislikes a line of log, or a result: the lease is renewed all the same."""
    task = running()
    if blocked is asked.SendChunk:
        task.handle(told.Logged(100), 1.0)
    else:
        task.handle(told.Exited(SUCCESS), 1.0)
        task.handle(told.CallFailed(Call.REPORT), 1.0)
        assert task.handle(told.Spooled(), 1.0) == [asked.SendReport("token", SUCCESS)]
        task.handle(told.CallFailed(Call.REPORT), 1.0)
    at = renewals(tick(task, 90.0, 1.0, lambda intent: isinstance(intent, blocked)))
    assert len(at) >= 7
    assert max(gaps([0.0, *at, 90.0])) <= 10.0 + 5.0


def test_renewals_that_do_not_get_through_ride_on_lines_that_do() -> None:
    task = running()
    task.handle(told.Logged(100), 1.0)
    asked_for = tick(task, 60.0, 1.0, lambda intent: isinstance(intent, asked.SendRenewal))
    assert asked.SendChunk("token", renew=True) in [intent for _, intent in asked_for]


@pytest.mark.parametrize("pending", [0, 100])
@pytest.mark.parametrize("ended", [False, True])
def test_while_nothing_gets_through_the_hub_hears_of_a_task_one_call_at_a_time(pending: int, ended: bool) -> None:
    task = running()
    if pending:
        task.handle(told.Logged(pending), 0.0)
    if ended:
        task.handle(told.Exited(SUCCESS, pending), 9.0)
        task.handle(told.Spooled(), 9.0)
        task.handle(told.CallFailed(Call.REPORT), 9.0)
    asked_for = [at for at, _ in tick(task, 99.0, 9.0, lambda _: True)]
    waits = gaps(asked_for)
    assert len(asked_for) <= 26
    assert sorted(waits)[-10:] == pytest.approx([4.375] * 10), "at last 5 s apart, less jitter"
    assert waits.count(0.0) <= 1, "a kind of call that has not failed yet does not wait"


def test_a_report_that_takes_long_gets_a_renewal_beside_it_whose_refusal_decides_nothing() -> None:
    task = reporting()
    assert task.wake_at == pytest.approx(9.5)
    assert task.handle(told.Tick(), 9.6) == [asked.SendRenewal("token")]
    assert task.handle(told.Tick(), 30.0) == []
    assert task.handle(told.LeaseRefused(Call.RENEW, "superseded"), 30.0) == []
    assert task.phase is Phase.REPORTING
    assert task.wake_at is None
    assert task.handle(told.Recorded(), 31.0) == [asked.Forget()]


def test_a_report_that_failed_waits_for_the_renewal_that_is_under_way() -> None:
    """On a line on which calls stall, one at a time is enough."""
    task = reporting()
    assert task.handle(told.CallFailed(Call.REPORT), 9.6) == [asked.SendRenewal("token")]
    assert task.handle(told.Tick(), 12.0) == []
    assert task.handle(RENEWED, 13.0) == [asked.SendReport("fresh", SUCCESS)]


def test_a_task_that_has_ended_is_not_renewed_past_its_time_out() -> None:
    """The hub would take it for one that still runs, and end it; its result would come too late."""
    task = reporting()
    task.handle(told.CallFailed(Call.REPORT), 1.0)
    asked_for = tick(task, 1_000.0, 1.0, lambda intent: isinstance(intent, asked.SendReport))
    assert 80.0 < max(renewals(asked_for)) < 100.0
    assert asked_for[-1][0] > 990.0


def test_what_is_handed_back_is_not_renewed() -> None:
    task = a_task()
    task.resume(None, True, 0, 0.0)
    task.handle(told.CallFailed(Call.REPORT), 0.0)
    assert renewals(tick(task, 100.0, 0.0, lambda _: True)) == []


@pytest.mark.parametrize(("retry_after", "granted"), [(4.0, 4.5), (14.0, 15.0), (600.0, 15.0)])
def test_who_asks_for_time_gets_it_from_all_calls_about_the_task_but_never_the_lease(
    retry_after: float, granted: float
) -> None:
    task = in_flight(Call.RENEW)
    task.handle(told.CallFailed(Call.RENEW, retry_after), 2.0)
    task.handle(told.Exited(SUCCESS), 2.1)
    assert task.handle(told.Spooled(), 2.1) == []
    assert task.wake_at == pytest.approx(2.0 + granted)
    assert task.handle(told.Tick(), 2.0 + granted) == [asked.SendReport("token", SUCCESS)]


def test_a_cancel_heard_beside_a_chunk_that_takes_long_is_asked_about_at_once() -> None:
    task = in_flight(Call.CHUNK)
    assert task.handle(told.CancelHeard(), 2.0) == [asked.SendRenewal("token")]
    assert task.handle(told.CancelHeard(), 2.5) == []
    assert task.handle(told.ChunkStored(0), 3.0) == []
    assert task.handle(RENEWED, 3.0) == [asked.SendRenewal("fresh")]
