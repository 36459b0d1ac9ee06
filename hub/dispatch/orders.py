"""Commands to sinks: given, and taken back. A sink hears of one in the answer to its poll.

A command lies on the sink's row in the configuration, of which every process keeps a copy: a poll that has nothing to
hear of costs nothing. A poll held by this process is answered at once; one held by another, when any request there
has made that process look at its copy, and at its own end at latest. Nothing is told that was not just read: a sink
that has heard the newest command must not be told an older one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from hub.clock import Clock
from hub.dispatch.presence import PresenceBook
from hub.errors import NotFound, Rejected, Unavailable
from hub.model.sink import Command, CommandState, Order, Presence, Sink
from hub.model.snapshot import Snapshot
from hub.rules import commanding
from hub.storage.configuration import Configuration, Edit, Entry, RowKind, Write


class Orders:
    """Gives commands to sinks."""

    def __init__(
        self,
        newest: Callable[[], Awaitable[Configuration]],
        write: Write,
        presence: PresenceBook,
        tell_held: Callable[[Snapshot], None],
        clock: Clock,
        randomness: Callable[[], int],
    ) -> None:
        self._newest = newest
        self._write = write
        self._presence = presence
        self._tell_held = tell_held
        self._clock = clock
        self._randomness = randomness

    async def give(self, name: str, command: Command, by: str | None, order_id: str | None = None) -> Order:
        """The command, once it is stored; the one that is there if it is the same and not over.

        `order_id`: the same each time that this very thing is asked for, with the time of the first. Raises `NotFound`,
        `Rejected` with why this sink cannot be told that.
        """
        return await self._put(name, command, by, await self._known(name), order_id)

    async def take_back(self, name: str, order_id: str, by: str | None) -> Order | None:
        """Cancel a command that was not taken; of `drain` and `resume` by giving the other, which is answered.

        Raises `NotFound` for another than the last, `Rejected` when the sink has it.
        """
        presence = await self._known(name)
        order = _sink(await self._newest(), name)[1].order
        if order is None or order.id != order_id:
            raise NotFound(f"the last command of the sink {name} is another")
        state = commanding.state_of_order(order, presence, self._clock.now())
        if state is not CommandState.WAITING:
            raise Rejected(f"it is too late: the command is {state}")
        if order.command in commanding.OPPOSITE:
            return await self._put(name, commanding.OPPOSITE[order.command], by, presence)

        def decide(seen: Configuration) -> Edit:
            entry, sink = _sink(seen, name)
            if sink.order is None or sink.order.id != order_id:
                return Edit()  # this very call, once more, or somebody gave it another
            return Edit(put=[replace(entry, model=sink.model_copy(update={"order": None}))])

        await self._write(decide)
        return None

    async def _known(self, name: str) -> Presence | None:
        _, sink = _sink(await self._newest(), name)
        return (await self._presence.newest([sink])).get(sink.name)

    async def _put(
        self, name: str, command: Command, by: str | None, presence: Presence | None, asked_as: str | None = None
    ) -> Order:
        now, randomness = self._clock.now(), self._randomness()
        given: list[Order] = []

        def decide(seen: Configuration) -> Edit:
            entry, sink = _sink(seen, name)
            there = sink.order
            if asked_as is not None and there is not None and there.id == asked_as:
                given[:] = [there]  # whatever has become of it
                return Edit()
            order_id = asked_as or commanding.id_after(there, now, randomness)
            commanding.check_not_overtaken(sink.name, order_id, there)
            known = commanding.check_may_be_given(command, sink, presence, now)
            if there is not None and there.command is command and _stands(there, known, self._clock):
                given[:] = [there]
                return Edit()
            given[:] = [commanding.order_of(command, order_id, by, known, now)]
            return Edit(put=[replace(entry, model=commanding.ordered(sink, given[0]))])

        await self._write(decide)
        with suppress(Unavailable):  # it is stored all the same: a poll that is held hears of it at its end
            self._tell_held((await self._newest()).snapshot)
        return given[0]


def _stands(order: Order, presence: Presence, clock: Clock) -> bool:
    """Whether asking for it once more would change nothing."""
    state = commanding.state_of_order(order, presence, clock.now())
    if state in (CommandState.WAITING, CommandState.TAKEN):
        return True
    return state is CommandState.DONE and order.command in commanding.OPPOSITE


def _sink(seen: Configuration, name: str) -> tuple[Entry, Sink]:
    entry = seen.get(RowKind.SINK, name)
    if entry is None or not isinstance(entry.model, Sink):
        raise NotFound(f"there is no sink {name}")
    return entry, entry.model
