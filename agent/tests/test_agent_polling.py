"""One step of the poll loop at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional

import pytest
from nexomatic_agent import polling
from nexomatic_agent.answers import HubError, Refused, Steering, Transient, Unauthorised
from nexomatic_agent.client import PollAnswer
from nexomatic_agent.hub_watch import HubWatch
from nexomatic_agent.identity import Instance
from nexomatic_agent.polling import Polling, Receiver

NOTHING = PollAnswer((), (), Steering(hold=50.0, pause=0.0))


class Desk:
    """A poll loop whose hub answers from a list, and what it was told. The draw is 0.5: no jitter."""

    def __init__(self, *answers: object, free: int = 2, poll_seconds: float = 50.0) -> None:
        self.answers = list(answers)
        self.free = free
        self.now, self.poll_seconds = 0.0, poll_seconds
        self.said: list[dict[str, Any]] = []
        self.steering: list[Steering] = []
        self.heard: list[object] = []
        self.commands: dict[str, str] = {}
        self.empty: list[bool] = []
        self.during: Callable[[], None] = lambda: None
        self.let_go = threading.Event()
        receiver = Receiver(
            self.take,
            lambda event_id: self.heard.append(f"cancel {event_id}"),
            self.commanded,
            lambda: self.heard.append("answered"),
        )
        instance, watch = Instance("this-instance", "the-one-before"), HubWatch("poll", lambda: 0.0)
        self.polling = Polling(self, self, Abilities(), receiver, self, instance, watch, lambda: 0.5, lambda: self.now)

    def commanded(self, command: str, command_id: str) -> bool:
        new = command_id not in self.commands
        self.commands[command_id] = command
        return new

    def status(self, empty: bool) -> Optional[dict[str, str]]:
        self.empty.append(empty)
        return None

    def event_ids(self) -> Sequence[str]:
        return ["E1"]

    def take(self, task: object) -> bool:
        new = task not in self.heard
        self.heard.append(task)
        return new

    def poll(self, said: Mapping[str, Any], steering: Steering, let_go: Callable[[], bool]) -> PollAnswer:
        self.said.append(dict(said))
        self.steering.append(steering)
        self.during()
        self.now += self.poll_seconds
        if let_go():
            raise Transient("let go")
        answer = self.answers.pop(0)
        if isinstance(answer, HubError):
            raise answer
        assert isinstance(answer, PollAnswer)
        return answer

    def abandon_poll(self) -> None:
        self.let_go.set()


class Abilities:
    """What the hub is told until it has heard it."""

    def __init__(self) -> None:
        self._told = False

    def news(self, everything: bool = False) -> Optional[dict[str, Any]]:
        return None if self._told and not everything else {"platform": "here"}

    def heard(self, news: Optional[dict[str, Any]]) -> None:
        self._told = self._told or news is not None


def test_a_poll_says_who_and_how_much() -> None:
    desk = Desk(NOTHING, NOTHING)
    desk.polling.step()
    desk.polling.step()
    first, second = desk.said
    assert first.pop("version")
    assert first == {
        "slots": 2,
        "running": ["E1"],
        "instance": "this-instance",
        "replaces": "the-one-before",
        "draining": False,
        "capabilities": {"platform": "here"},
    }
    assert "capabilities" not in second


def test_capabilities_are_told_until_a_poll_that_told_them_was_answered() -> None:
    desk = Desk(Transient("no"), NOTHING, NOTHING)
    for _ in range(3):
        desk.polling.step()
    assert ["capabilities" in said for said in desk.said] == [True, True, False]


def test_after_a_failure_the_sink_introduces_itself_anew_and_is_answered_at_once() -> None:
    desk = Desk(NOTHING, NOTHING, Transient("no"), NOTHING, NOTHING)
    for _ in range(5):
        desk.polling.step()
    assert ["capabilities" in said for said in desk.said] == [True, False, False, True, False]
    assert [steering.hold for steering in desk.steering] == [5.0, 50.0, 50.0, 5.0, 50.0]


def test_tasks_and_cancels_go_where_they_belong() -> None:
    desk = Desk(PollAnswer([{"task": 1}, {"task": 2}], ["E9"], Steering(50.0, 0.0)), NOTHING)
    assert desk.polling.step() == 0.0
    desk.polling.step()
    assert desk.heard == ["answered", "cancel E9", {"task": 1}, {"task": 2}]


def test_the_next_poll_follows_the_steering_of_the_last() -> None:
    desk = Desk(PollAnswer((), (), Steering(hold=7.0, pause=3.0)), NOTHING)
    assert desk.polling.step() == pytest.approx(3.0)
    desk.polling.step()
    assert desk.steering[1] == Steering(7.0, 3.0)


def test_a_hub_that_neither_holds_nor_pauses_is_not_flooded() -> None:
    assert Desk(PollAnswer((), (), Steering(0.0, 0.0))).polling.step() == pytest.approx(polling.LEAST_PAUSE_SECONDS)


@pytest.mark.parametrize(
    ("errors", "waits"),
    [
        ([Transient("a"), Transient("b"), Transient("c")], [0.875, 1.75, 3.5]),
        ([Transient("a", retry_after=120.0)], [135.0]),
        ([Transient("a", retry_after=1e9)], [675.0]),
        ([Unauthorised("a")] * 6, [0.875 * wait for wait in (5, 10, 20, 40, 60, 60)]),
        ([Refused("a"), Unauthorised("a"), Transient("a")], [0.875 * wait for wait in (5, 10, 1)]),
    ],
)
def test_failures_wait_longer_and_longer(errors: list[HubError], waits: list[float]) -> None:
    desk = Desk(*errors)
    assert [desk.polling.step() for _ in errors] == pytest.approx(waits)


def test_a_success_starts_the_waits_over() -> None:
    desk = Desk(Transient("a"), Transient("b"), NOTHING, Transient("c"))
    assert [desk.polling.step() for _ in range(4)] == pytest.approx([0.875, 1.75, 0.0, 0.875])


def test_polls_that_come_back_at_once_though_they_were_to_be_held_come_less_and_less_often() -> None:
    """Somebody answers in the hub's place, or delivers each poll twice: without a pause that would be a flood."""
    known = {"task": 1}
    again = PollAnswer([known], (), NOTHING.steering)
    desk = Desk(again, again, NOTHING, NOTHING, again, NOTHING, NOTHING, again, poll_seconds=0.01)
    assert [desk.polling.step() for _ in range(7)] == pytest.approx([0.0, *(0.875 * s for s in (0.5, 1, 2, 4, 5, 5))])
    desk.heard.clear()
    assert desk.polling.step() == 0.0, "a task that is new"


def test_a_task_that_ends_does_not_cut_short_what_a_failure_has_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[str] = []

    class Waited(threading.Event):
        def wait(self, timeout: Optional[float] = None) -> bool:
            waits.append("for a stop" if self is desk.polling._told_to_stop else "for anything")
            return True

    monkeypatch.setattr(threading, "Event", Waited)
    desk = Desk(Transient("no"), PollAnswer((), (), Steering(50.0, 3.0)), NOTHING)
    desk.during = lambda: desk.polling.stop() if len(desk.said) == 3 else desk.polling.task_ended()
    desk.polling.run()
    assert waits == ["for a stop", "for anything"]


def test_a_slot_that_comes_free_lets_go_of_a_poll_that_offered_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "FULL_SECONDS", 0.0)
    desk = Desk(NOTHING, free=0)

    def end_a_task() -> None:
        desk.free = 1
        desk.polling.task_ended()

    desk.during = end_a_task
    assert desk.polling.step() == 0.0
    assert desk.let_go.is_set()
    desk.during = lambda: None
    desk.polling.step()
    assert [said["slots"] for said in desk.said] == [0, 1]


def test_a_slot_that_comes_free_does_not_let_go_of_a_poll_that_offered_some() -> None:
    desk = Desk(NOTHING)
    desk.during = desk.polling.task_ended
    desk.polling.step()
    assert not desk.let_go.is_set()
    assert desk.heard == ["answered"]


def test_a_full_agent_waits_for_a_slot_before_it_polls_with_none() -> None:
    desk = Desk(NOTHING, free=0)

    def end_a_task() -> None:
        desk.free = 1
        desk.polling.task_ended()

    threading.Timer(0.01, end_a_task).start()
    while not desk.said:
        assert desk.polling.step() == 0.0
    assert desk.said[0]["slots"] == 1


def test_a_draining_agent_offers_nothing_and_is_quiet_once_no_offer_is_held() -> None:
    desk = Desk(NOTHING, NOTHING)
    desk.during = desk.polling.drain
    desk.polling.step()
    assert desk.polling.wait_quiet(0)
    desk.during = lambda: None
    desk.polling.step()
    assert [(said["slots"], said["draining"]) for said in desk.said] == [(2, False), (0, True)]


def test_an_offer_that_is_held_is_not_quiet() -> None:
    desk = Desk(NOTHING)
    quiet: list[bool] = []

    def drain() -> None:
        desk.polling.drain()
        quiet.append(desk.polling.wait_quiet(0))

    desk.during = drain
    desk.polling.step()
    assert quiet == [False]


def test_the_loop_goes_on_after_a_mistake_and_ends_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "MISTAKE_SECONDS", 0.0)
    desk = Desk(NOTHING, NOTHING)

    def fail_then_stop() -> None:
        if len(desk.said) == 1:
            raise ZeroDivisionError
        desk.polling.stop()

    desk.during = fail_then_stop
    desk.polling.run()
    assert len(desk.said) == 2


def test_a_command_is_acknowledged_at_once_and_draining_ends_when_the_hub_says_so() -> None:
    given = PollAnswer((), (), Steering(hold=50.0, pause=30.0), [("drain", "1")])
    desk = Desk(given, given, NOTHING, NOTHING)
    assert desk.polling.step() == 0.0
    assert desk.commands == {"1": "drain"}
    desk.polling.drain()
    assert desk.polling.step() == 30.0  # told once more: nothing new, so the pause is kept
    assert (desk.said[-1]["slots"], desk.said[-1]["draining"], desk.said[-1]["leaving"]) == (0, True, False)
    desk.polling.resume()
    desk.polling.step()
    assert (desk.said[-1]["slots"], desk.said[-1]["draining"], "leaving" in desk.said[-1]) == (2, False, False)
    desk.polling.drain(leaving=True)
    desk.polling.step()
    assert desk.said[-1]["leaving"] is True
    assert desk.empty == [False] * 4
