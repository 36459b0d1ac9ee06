"""The dispatcher of one process: which polls wait on which queue."""

from __future__ import annotations

from typing import Final

from hub.dispatch.lanes import Lanes
from hub.dispatch.receive_loop import Follow, Patience, ReceiveLoop
from hub.dispatch.waiting_poll import WaitingPoll
from hub.held_requests import HeldRequests
from hub.storage import keys
from hub.storage.ports import Queues
from hub.wire import Cancel

_FEW: Final = 16
"""Receive loops that may be kept though nobody waits on them."""


class Dispatcher:
    """Holds the receive loops and the polls waiting on them."""

    def __init__(self, queues: Queues, follow: Follow, patience: Patience, requests: HeldRequests) -> None:
        self._queues = queues
        self._follow = follow
        self._patience = patience
        self._requests = requests
        self._loops: dict[str, ReceiveLoop] = {}
        self._lanes: dict[str, Lanes] = {}
        """Kept when a loop is not: a loop that begins anew must not begin anew with the overflow."""
        self._held: dict[str, list[WaitingPoll]] = {}
        self._sweep_above = _FEW

    async def wait(self, poll: WaitingPoll, queues: list[str], until: float) -> None:
        """Let the poll wait for work on these queues, until the loop's time `until` at most."""
        self.restarted(poll.sink)
        self._held.setdefault(poll.sink, []).append(poll)
        loops = [self._loop(queue) for queue in queues] if poll.slots else []
        for loop in loops:
            loop.join(poll)
        try:
            with self._requests.one(poll.retire):
                await poll.wait(until)
        finally:
            poll.answered = True
            for loop in loops:
                loop.leave(poll)
            self._held[poll.sink].remove(poll)
            if not self._held[poll.sink]:
                del self._held[poll.sink]

    def wake(self, queue: str) -> None:
        """Something was put on this queue by this process."""
        main = keys.main_of(queue)
        lanes, loop = self._lanes.get(main), self._loops.get(main)
        if lanes is not None:
            lanes.put(queue)
        if loop is not None:
            loop.wake()

    def awaited(self, queue: str) -> bool:
        """Whether a poll is held in this process that would take something from this queue."""
        loop = self._loops.get(keys.main_of(queue))
        return loop is not None and loop.awaited

    def cancelled(self, sink: str, event_id: str) -> None:
        """An event this sink runs was cancelled in this process: say so to a poll it has open."""
        for poll in self._held.get(sink, [])[:1]:
            poll.tell(Cancel(event_id=event_id))

    def held(self) -> list[WaitingPoll]:
        """The polls that this process holds."""
        return [poll for polls in self._held.values() for poll in polls]

    def restarted(self, sink: str) -> None:
        """The sink has begun anew, or sent another poll: the ones it sent before take nothing more.

        A poll outlives its client by as long as it is held; a task given to one that nobody listens to would be lost
        for a lease.
        """
        for poll in self._held.get(sink, []):
            poll.retire()

    def _loop(self, queue: str) -> ReceiveLoop:
        if queue not in self._loops:
            if len(self._loops) > self._sweep_above:  # not each time: a thousand sinks may have a queue each
                self._loops = {name: loop for name, loop in self._loops.items() if not loop.idle}
                self._sweep_above = 2 * len(self._loops) + _FEW
            lanes = self._lanes.setdefault(queue, Lanes(queue))
            self._loops[queue] = ReceiveLoop(lanes, self._queues, self._follow, self._patience)
        return self._loops[queue]
