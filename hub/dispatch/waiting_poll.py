"""A poll that waits for work: how many slots it offers, and what it has been given."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from hub.wire import Cancel, Do, Poll, Task


@dataclass(eq=False, slots=True)
class WaitingPoll:
    """One request held open. All of it happens on the event loop, so counting needs no lock."""

    sink: str
    slots: int
    tasks: list[Task] = field(default_factory=list)
    commands: list[Cancel | Do] = field(default_factory=list)
    said: Poll | None = None
    """What it said, if it may be told what it has not heard of."""
    answered: bool = False
    """Its answer is being written: nothing may be given to it any more."""
    once: bool = False
    """It is not held: one look at each of its queues, and then its answer."""
    _to_look_at: set[str] = field(default_factory=set)
    _looked: bool = False
    _retired: bool = False
    _reserved: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def free(self) -> int:
        """Slots not yet promised to a message that is being claimed."""
        return 0 if self.answered or self._retired else self.slots - self._reserved

    def reserve(self) -> None:
        """One slot is promised to a message."""
        self._reserved += 1

    def give(self, task: Task | None) -> None:
        """The promise is kept (a task), or given back (None)."""
        if task is None:
            self._reserved -= 1
        else:
            self.tasks.append(task)
        self._news.set()

    def expects(self, queue: str) -> None:
        """This queue will be looked at for it."""
        self._to_look_at.add(queue)

    def looked(self, queue: str) -> None:
        """This queue has been looked at with this poll's slots in mind."""
        self._to_look_at.discard(queue)
        # All of them: a sink's own queue, if it were slower than its pool's each time, would never be given out.
        if self.once and not self._looked and not self._to_look_at:
            self._looked = True
            self._news.set()

    def retire(self) -> None:
        """Its sink has sent another poll: take nothing more for this one, which nobody may be listening to."""
        self._retired = True
        self._news.set()

    def tell(self, command: Cancel | Do) -> None:
        """Something its sink must know."""
        self.commands.append(command)
        self._news.set()

    @property
    def pending(self) -> bool:
        """A message is being claimed for it this moment: what was claimed must reach the answer."""
        return self._reserved > len(self.tasks)

    @property
    def _has_answer(self) -> bool:
        return bool(self.tasks or self.commands or self._looked or self._retired)

    async def wait(self, until: float) -> None:
        """Until there is something to answer, or the loop's time `until` is reached; never while a claim is pending."""
        loop = asyncio.get_running_loop()
        while self.pending or not (self._has_answer or loop.time() >= until):
            self._news.clear()
            if self.pending:
                await self._news.wait()
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._news.wait()
        self.answered = True
