"""The receive loop: one for each queue and its overflow in a process, shared by all polls that wait on them.

Storage cost so grows with processes and pools, not with agents. It runs only while a poll waits, asks for no more
messages than the waiting polls have free slots, and hands them out one each in order of arrival, round and round.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hub.dispatch.lanes import Lanes
from hub.dispatch.waiting_poll import WaitingPoll
from hub.errors import NexomaticError, StaleReceipt
from hub.life.punctual import Early
from hub.storage.ports import Message, Queues
from hub.wire import Task

log = logging.getLogger(__name__)

MOST_AT_ONCE = 32
"""What the queue service hands out in one call."""
BUSY_SECONDS = 0.02
IDLE_SECONDS = 1.0
"""Between two looks at the queue: just after it held something, and after it was empty for a while."""
FAILED_SECONDS = 2.0

Follow = Callable[[str, Message, str], Awaitable[Task | None]]
"""What to do about a message: (queue, message, sink) -> the task, if it led to one."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a received message stays hidden before it is claimed, and whether this process may claim at all."""

    first_visibility: float
    clock_is_right: Callable[[], bool]


class ReceiveLoop:
    """Receives for all polls waiting on one queue, from it and from the overflow beside it."""

    def __init__(self, lanes: Lanes, queues: Queues, follow: Follow, patience: Patience) -> None:
        self._lanes = lanes
        self._queue = lanes.main
        self._queues = queues
        self._follow = follow
        self._patience = patience
        self._polls: list[WaitingPoll] = []
        self._wake = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._claims: set[asyncio.Task[None]] = set()
        self._kept = 0
        """Messages in hand whose time comes in a moment: a slot is left free for each."""
        self._failing = False

    def join(self, poll: WaitingPoll) -> None:
        """This poll waits from now on."""
        if poll.once or not self._polls:
            self._wake.set()  # nobody has looked for it yet: it does not wait out an interval that others began
        self._polls.append(poll)
        poll.expects(self._queue)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), name=f"receive {self._queue}")

    def leave(self, poll: WaitingPoll) -> None:
        """This poll is being answered."""
        with suppress(ValueError):
            self._polls.remove(poll)

    def wake(self) -> None:
        """Something was put on the queue in this process: look at once."""
        self._wake.set()

    @property
    def awaited(self) -> bool:
        """Somebody waits who has room."""
        return any(poll.free > 0 for poll in self._polls)

    @property
    def idle(self) -> bool:
        """Nobody waits and nothing is being claimed."""
        return not self._polls and not self._claims and (self._running is None or self._running.done())

    async def _run(self) -> None:
        interval = BUSY_SECONDS
        while self._polls:
            self._wake.clear()
            try:
                found = await self.step()
            except NexomaticError as error:
                self._note_failure(error)
                interval = FAILED_SECONDS
            else:
                self._note_success()
                interval = BUSY_SECONDS if found else min(IDLE_SECONDS, interval * 2)
            await self._pause(interval)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def step(self) -> bool:
        """Receive what the takers have room for and hand it out; whether there was any. Raises what storage raises."""
        if not self._patience.clock_is_right():
            return False
        takers = [poll for poll in self._polls if poll.free > 0]
        if not takers:
            return False
        found = False
        for queue in self._lanes.turns(asyncio.get_running_loop().time()):
            found |= await self._receive(queue)
        for poll in takers:
            poll.looked(self._queue)
        return found

    async def _receive(self, queue: str) -> bool:
        wanted = min(MOST_AT_ONCE, sum(poll.free for poll in self._polls) - self._kept)
        if wanted <= 0:
            return False
        messages = await self._queues.receive(queue, count=wanted, hidden_seconds=self._patience.first_visibility)
        now = asyncio.get_running_loop().time()
        self._lanes.looked(queue, now, full=len(messages) == wanted, empty=not messages)
        for message in messages:
            self._hand_out(queue, message)
        return bool(messages)

    def _hand_out(self, queue: str, message: Message) -> None:
        poll = self._next_taker()
        if poll is not None:
            poll.reserve()
        self._begin(self._show(queue, message) if poll is None else self._claim(queue, message, poll))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._claims.add(task)
        task.add_done_callback(self._claims.discard)

    def _next_taker(self) -> WaitingPoll | None:
        for index, poll in enumerate(self._polls):
            if poll.free > 0:
                # To the end of the line: the next message is the next poll's.
                self._polls.append(self._polls.pop(index))
                return poll
        return None

    async def _claim(self, queue: str, message: Message, poll: WaitingPoll) -> None:
        task: Task | None = None
        try:
            task = await self._follow(queue, message, poll.sink)
        except Early as early:
            self._begin(self._keep(queue, message, early.seconds))
        except NexomaticError as error:
            # The message comes back by itself: nothing is lost, whatever was left half done.
            log.warning("a message of queue %s was left for later: %s", queue, error)
        except Exception:
            log.exception("a message of queue %s could not be followed", queue)
        finally:
            poll.give(task)
            self._wake.set()

    async def _keep(self, queue: str, message: Message, seconds: float) -> None:
        """Hand it out once its time has come. No poll waits for it meanwhile: what it was given reaches its sink."""
        self._kept += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._kept -= 1
        self._hand_out(queue, message)

    async def _show(self, queue: str, message: Message) -> None:
        """No poll is left to take it: let others see it at once."""
        try:
            await self._queues.update(queue, message.id, message.receipt, hidden_seconds=0)
        except StaleReceipt:
            return
        except NexomaticError as error:
            log.warning("a message of queue %s stays hidden for a while: %s", queue, error)

    def _note_failure(self, error: NexomaticError) -> None:
        if not self._failing:
            log.warning("queue %s cannot be read: %s", self._queue, error)
        self._failing = True

    def _note_success(self) -> None:
        if self._failing:
            log.info("queue %s can be read again", self._queue)
        self._failing = False
