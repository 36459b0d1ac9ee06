"""The poll loop: asks the hub for work, and is the sink's heartbeat."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable, Optional, Protocol

from nexomatic_agent.answers import HubError, Steering, Transient
from nexomatic_agent.client import PollAnswer
from nexomatic_agent.hub_watch import HubWatch
from nexomatic_agent.identity import Instance
from nexomatic_agent.retry import Backoff
from nexomatic_agent.version import VERSION

log = logging.getLogger(__name__)

FULL_SECONDS = 5.0
"""An agent without a free slot waits so long for one before it polls with none, for its presence and for cancels."""
FIRST_REFUSED_SECONDS, REFUSED_SECONDS = 5.0, 60.0
"""Between polls while the hub does not know the credential, or will not take what the agent says: the first wait, which
doubles, and the longest."""
LEAST_PAUSE_SECONDS = 0.5
"""Between polls that found nothing, under a hub that neither holds them nor asks for a pause."""
LONGEST_IDLE_SECONDS = 5.0
"""What that pause grows to while polls come back at once that were to be held: somebody between answers for the hub, or
delivers each poll twice, and the newer one retires the older."""
INTRODUCTION_SECONDS = 5.0
"""A poll that says what this sink can do is not held: it is answered within so long."""
FIRST_STEERING = Steering(hold=60.0, pause=0.0)
"""Before the hub has said anything."""
MISTAKE_SECONDS = 60.0
"""After a poll that failed in a way nobody expected."""


class Slots(Protocol):
    """What the loop must know of the tasks at hand."""

    @property
    def free(self) -> int: ...

    def event_ids(self) -> Sequence[str]: ...


class Hub(Protocol):
    """The one call of this loop, and how to let go of it."""

    def poll(self, said: Mapping[str, Any], steering: Steering, let_go: Callable[[], bool]) -> PollAnswer: ...

    def abandon_poll(self) -> None: ...


class News(Protocol):
    """What the hub is to know of the sink's abilities."""

    def news(self, everything: bool = False) -> Optional[dict[str, Any]]: ...

    def heard(self, news: Optional[dict[str, Any]]) -> None: ...


class Told(Protocol):
    """The last command that the hub gave."""

    def status(self, empty: bool) -> Optional[dict[str, str]]: ...


@dataclass(frozen=True)
class Receiver:
    """Where a poll's answer goes."""

    take: Callable[[Any], bool]
    """One task, as the hub wrote it. Whether it is a new one."""
    cancelled: Callable[[str], None]
    """The id of a cancelled event."""
    commanded: Callable[[str, str], bool]
    """A command and its id. Whether it is a new one."""
    answered: Callable[[], None]
    """The hub has answered this instance for the first time."""


class Polling:
    """Polls until it is stopped. `step` is one poll; `draw` answers a number from 0 to 1.

    The first poll, and each that follows one that failed, introduces this sink: it says all that the sink can do, and
    is answered at once. So the agent knows quickly that the hub is there (again), and the hub that the sink is.
    """

    def __init__(
        self, hub: Hub, slots: Slots, capabilities: News, receiver: Receiver, told: Told, instance: Instance,
        watch: HubWatch, draw: Callable[[], float], clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self._hub = hub
        self._slots = slots
        self._capabilities = capabilities
        self._receiver = receiver
        self._told = told
        self._instance = instance
        self._watch = watch
        self._draw = draw
        self._clock = clock
        self._backoff = Backoff(draw)
        self._refusals = Backoff(draw, FIRST_REFUSED_SECONDS, REFUSED_SECONDS)
        self._idle = Backoff(draw, LEAST_PAUSE_SECONDS, LONGEST_IDLE_SECONDS)
        self._steering = FIRST_STEERING
        self._introduce = True
        self._failing = False
        self._answered = False
        self._draining = False
        self._leaving = False
        self._stopped = False
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._told_to_stop = threading.Event()
        self._held_with: Optional[int] = None
        """The slots that the poll now at the hub offered."""
        self._let_go = False
        self._quiet = threading.Event()

    # --- from other threads

    def task_ended(self) -> None:
        """A slot is free: the next poll does not wait, and one that offered none is let go."""
        with self._lock:
            self._let_go = self._let_go or self._held_with == 0
            let_go = self._let_go
        self._wake.set()
        if let_go:
            self._hub.abandon_poll()

    def drain(self, leaving: bool = False) -> None:
        """Offer no slot from now on. `leaving`: because this process ends, and nobody is to start it again."""
        with self._lock:
            self._draining = True
            self._leaving = self._leaving or leaving
            if not self._held_with:
                self._quiet.set()
        self._wake.set()

    def resume(self) -> None:
        """Offer slots again."""
        with self._lock:
            self._draining = False
            self._quiet.clear()
        self._wake.set()

    def wait_quiet(self, seconds: float) -> bool:
        """Once draining: wait until no poll that offered slots is held, at most so long. Whether none is."""
        return self._quiet.wait(seconds)

    def stop(self) -> None:
        """Let `run` return, after the poll that is held now."""
        self._stopped = True
        self._told_to_stop.set()
        self._wake.set()

    # --- the loop

    def run(self) -> None:
        """One step after the other until `stop`."""
        while not self._stopped:
            try:
                wait = self.step()
            except Exception:
                # Without polls the agent would look alive and do nothing.
                log.exception("a poll failed in a way nobody expected")
                wait, self._failing = MISTAKE_SECONDS, True
            if wait > 0:
                # A task that ends cuts a pause short, but not a wait because of failures: with many tasks that end,
                # there would be no back-off left.
                (self._told_to_stop if self._failing else self._wake).wait(wait)

    def step(self) -> float:
        """Poll once. Seconds to wait before the next, unless a task ends before."""
        self._wake.clear()
        if self._slots.free == 0 and not self._draining and self._wake.wait(FULL_SECONDS):
            return 0.0
        said = self.said()
        if not self._may_poll(said["slots"]):
            return 0.0
        began = self._clock()
        try:
            answer = self._hub.poll(said, self._expected(), lambda: self._let_go)
        except HubError as error:
            return self._failed(error)
        finally:
            with self._lock:
                self._held_with = None
                if self._draining:
                    self._quiet.set()
        early = "capabilities" not in said and self._clock() - began < self._steering.hold / 2
        self._capabilities.heard(said.get("capabilities"))
        return self._succeeded(answer, early)

    def said(self, everything: bool = False) -> dict[str, Any]:
        """What a poll says now; `everything`: it introduces this sink, and is not held."""
        running, draining = list(self._slots.event_ids()), self._draining
        said: dict[str, Any] = {
            "slots": 0 if draining else self._slots.free,
            "running": running,
            "version": VERSION,
            "instance": self._instance.id,
            "draining": draining,
        }
        if draining:
            said["leaving"] = self._leaving
        command = self._told.status(empty=not running)
        if command is not None:
            said["command"] = command
        if self._instance.replaces is not None:
            said["replaces"] = self._instance.replaces
        news = self._capabilities.news(everything=everything or self._introduce)
        return said if news is None else {**said, "capabilities": news}

    def _may_poll(self, slots: int) -> bool:
        """Note what is offered. False: what was true when it was counted no longer is, so count again."""
        with self._lock:
            self._let_go = False
            if slots > 0 if self._draining else slots == 0 and self._wake.is_set():
                return False
            self._held_with = slots
            return True

    def _expected(self) -> Steering:
        """How long this poll may be held."""
        if not self._introduce:
            return self._steering
        return Steering(min(self._steering.hold, INTRODUCTION_SECONDS), self._steering.pause)

    def _succeeded(self, answer: PollAnswer, early: bool) -> float:
        """`early`: it came long before the hub had to answer."""
        self._failing = self._introduce = False
        self._watch.succeeded()
        self._backoff.succeeded()
        self._refusals.succeeded()
        self._steering = answer.steering
        if not self._answered:
            self._answered = True
            self._receiver.answered()
        for event_id in answer.cancelled:
            self._receiver.cancelled(event_id)
        taken = [self._receiver.take(task) for task in answer.tasks]
        # After the tasks: what was handed out before a command is run before it, too.
        begun = [self._receiver.commanded(*each) for each in answer.commands]
        if any(begun):
            return 0.0  # the hub is told at once that it was heard
        return self._pause(worth_it=any(taken) or bool(answer.cancelled), early=early)

    def _pause(self, worth_it: bool, early: bool) -> float:
        jitter = 0.8 + 0.4 * self._draw()
        if early and not worth_it:
            return max(self._steering.pause * jitter, self._idle.failed())
        self._idle.succeeded()
        least = LEAST_PAUSE_SECONDS if self._steering.hold == 0 and not worth_it else 0.0
        return max(self._steering.pause, least) * jitter

    def _failed(self, error: HubError) -> float:
        if self._let_go:
            return 0.0
        self._failing = self._introduce = True
        self._watch.failed(error)
        backoff = self._backoff if isinstance(error, Transient) else self._refusals
        return backoff.failed(error.retry_after)
