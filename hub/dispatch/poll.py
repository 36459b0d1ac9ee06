"""The long poll: a sink asks for work, is noted as present, and is told when to come again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hub.clock import Clock
from hub.dispatch.dispatcher import Dispatcher
from hub.dispatch.presence import PresenceBook
from hub.dispatch.waiting_poll import WaitingPoll
from hub.errors import Unavailable
from hub.held_requests import HeldRequests
from hub.model.sink import Sink
from hub.model.snapshot import Snapshot
from hub.rules import commanding
from hub.rules.cadence import Cadence, Circumstances, Fleet, cadence, offline_after_seconds
from hub.storage import keys
from hub.wire import Do, Poll, Polled, Steering

log = logging.getLogger(__name__)

ONE_LOOK_SECONDS = 5.0
"""The longest that a poll which is not held waits for its one look at the queue."""


@dataclass(frozen=True, slots=True)
class Hold:
    """How polls are held in this process."""

    fleet: Fleet
    """What the settings say of the installation."""
    held: HeldRequests


class Polls:
    """Answers polls."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        presence: PresenceBook,
        configuration: Callable[[], Awaitable[Snapshot]],
        newest: Callable[[], Awaitable[Snapshot]],
        clock: Clock,
        hold: Hold,
    ) -> None:
        """`configuration`: at most some seconds old, for nothing. `newest`: as it stands now, for a look at storage."""
        self._dispatcher = dispatcher
        self._presence = presence
        self._configuration = configuration
        self._newest = newest
        self._clock = clock
        self._hold = hold
        self._last_event_at: float | None = None
        self._empty: dict[str, int] = {}
        self._version = ""
        """Of the configuration, when the polls that are held were last told of commands."""

    @property
    def holding(self) -> int:
        """How many polls this process holds open."""
        return len(self._dispatcher.held())

    def crowd(self, queue: str) -> tuple[int, int] | None:
        """How many requests this process holds, of how many; None: it may hold more, or one waits for this queue."""
        held = self._hold.held
        if not held.full or self._dispatcher.awaited(queue):
            return None
        return held.count, held.most

    def event_seen(self) -> None:
        """An event was created or claimed in this process: there is work, and polls are worth holding."""
        self._last_event_at = self._clock.monotonic()

    async def poll(self, sink: Sink, call: Poll, address: str | None = None) -> Polled:
        """Tasks and commands for this sink, or neither when its time is over; always how to go on.

        `address`: where the call comes from, if that is known. Raises `Cloned`, `Unavailable`.
        """
        snapshot = await self._snapshot(sink, call)
        self.tell_held(snapshot)
        crowded = self._hold.held.full
        now_and_next = self._cadence(sink.name, snapshot, crowded)
        await self._note(sink, call, now_and_next, address)
        if snapshot.version != self._version:
            # Meanwhile another request has told the polls that are held of a newer one, and this was not held yet.
            snapshot = await self._snapshot(sink, call)
        known = snapshot.sink(sink.name) or sink
        order = self._order(snapshot, sink.name, call)
        if crowded:
            return Polled(tasks=(), commands=(order,) if order else (), settings=_steering(now_and_next))
        # A sink that introduces itself does not know yet how long it may be kept waiting: it looks once, and is told.
        once = now_and_next.hold_seconds == 0 or call.capabilities is not None
        waiting = WaitingPoll(sink.name, 0 if call.draining or known.drained else call.slots, once=once, said=call)
        if order is not None:
            waiting.tell(order)
        seconds = now_and_next.hold_seconds if not once else ONE_LOOK_SECONDS if waiting.slots else 0.0
        await self._dispatcher.wait(waiting, self._queues(sink, snapshot), asyncio.get_running_loop().time() + seconds)
        self._presence.given(sink.name, len(waiting.tasks))
        return self._answer(sink.name, waiting, snapshot)

    def _answer(self, sink: str, waiting: WaitingPoll, snapshot: Snapshot) -> Polled:
        if waiting.tasks:
            self.event_seen()
            self._empty.pop(sink, None)
        elif waiting.once:
            self._empty[sink] = min(self._empty.get(sink, 0) + 1, 100)
        following = self._cadence(sink, snapshot, crowded=False)
        return Polled(tasks=tuple(waiting.tasks), commands=tuple(waiting.commands), settings=_steering(following))

    async def _snapshot(self, sink: Sink, call: Poll) -> Snapshot:
        """What this poll is answered by. A command is only given as it stands now.

        By an older copy, a sink that has heard a newer command through another process would be told the one before,
        carry it out once more, and go to and fro between the two.
        """
        snapshot = await self._configuration()
        due = self._order(snapshot, sink.name, call)
        return snapshot if due is None else await self._newest()

    def _order(self, snapshot: Snapshot, name: str, call: Poll) -> Do | None:
        """The command that this poll is answered with, if there is one that its sink has not heard of."""
        heard = call.command.id if call.command is not None else None
        sink = snapshot.sink(name)
        order = sink.order if sink is not None else None
        if order is None or not commanding.is_due(order, heard, call.instance, self._clock.now()):
            return None
        return Do(command=order.command, id=order.id)

    def tell_held(self, snapshot: Snapshot) -> None:
        """Answer the polls held in this process whose sinks have been given a command since it last looked.

        `snapshot` was read this moment, with nothing awaited since: another request may have seen, and told, a newer.
        """
        if snapshot.version == self._version:
            return
        self._version = snapshot.version
        for poll in self._dispatcher.held():
            order = self._order(snapshot, poll.sink, poll.said) if poll.said is not None else None
            if order is not None and order not in poll.commands:
                poll.tell(order)

    def _queues(self, sink: Sink, snapshot: Snapshot) -> list[str]:
        queues = [keys.queue_of_sink_type(sink.sink_type)]
        if snapshot.pinned(sink.name):
            queues.append(keys.queue_of_sink(sink.name))
        return queues

    def _cadence(self, sink: str, snapshot: Snapshot, crowded: bool) -> Cadence:
        since = None if self._last_event_at is None else self._clock.monotonic() - self._last_event_at
        circumstances = Circumstances(
            sinks=len(snapshot.sinks),
            seconds_since_event=since,
            empty_answers=self._empty.get(sink, 0),
            crowded=crowded,
        )
        return cadence(self._hold.fleet, circumstances)

    async def _note(self, sink: Sink, call: Poll, steered: Cadence, address: str | None) -> None:
        try:
            await self._presence.note(sink.name, call, offline_after_seconds(steered), address)
        except Unavailable as error:
            if not self._presence.knows(sink.name, call.instance):
                raise  # answered, the next start of the agent would name an instance that no row knows
            log.warning("the presence of sink %s was not written: %s", sink.name, error)


def _steering(steered: Cadence) -> Steering:
    return Steering(hold=steered.hold_seconds, pause=steered.pause_seconds)
