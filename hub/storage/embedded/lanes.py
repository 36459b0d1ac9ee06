"""How operations get to the database: through a thread of its own for a file, on the calling task for memory.

An operation is a plain function of a connection. It knows nothing of threads, futures or transactions, so the same
tables, queues and blobs run in both.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from hub.errors import Unavailable

T = TypeVar("T")
Operation: TypeAlias = Callable[[sqlite3.Connection], T]
Outcome: TypeAlias = tuple[Any, BaseException | None]
"""What an operation returned, or what it raised."""

_Job: TypeAlias = tuple[Operation[Any], "asyncio.Future[Any]"]
_CLOSED: Final = "The storage has been closed."


class Work(Protocol):
    """What a lane does with the operations it is given, and with the time after them."""

    def carry_out(self, connection: sqlite3.Connection, operations: Sequence[Operation[Any]]) -> list[Outcome]:
        """One outcome for each operation, in their order."""
        ...

    def rest(self, connection: sqlite3.Connection, *, idle: bool) -> None:
        """Housekeeping, after everybody has an answer. `idle`: nobody else is waiting yet."""
        ...


class Lane(Protocol):
    """A way to the database."""

    async def run(self, operation: Operation[T]) -> T:
        """Carry out one operation. Raises what it raises, and `Unavailable`."""
        ...

    def refuse(self) -> None:
        """From now on, calls raise `Unavailable`; what was asked before goes on."""
        ...

    async def close(self) -> None:
        """Carry out what was asked before, then close the connection."""
        ...


class InlineLane:
    """Carries an operation out on the calling task: no thread, so that a virtual clock sees the same run every time."""

    def __init__(self, connection: sqlite3.Connection, work: Work) -> None:
        self._connection = connection
        self._work = work
        self._closed = False

    async def run(self, operation: Operation[T]) -> T:
        # Other tasks run between two storage calls here too; a loop of calls could not be interrupted otherwise.
        await asyncio.sleep(0)
        if self._closed:
            raise Unavailable(_CLOSED)
        ((value, error),) = self._work.carry_out(self._connection, (operation,))
        if error is not None:
            raise error
        return value  # type: ignore[no-any-return]  # an outcome holds what its operation returned

    def refuse(self) -> None:
        self._closed = True

    async def close(self) -> None:
        self.refuse()
        self._connection.close()


class ThreadLane:
    """Carries operations out on a thread with a connection of its own, as many at a time as are waiting.

    The thread waits for nobody: a batch is what was queued while the last one was carried out, and its answers go back
    to the event loop in one call.
    """

    def __init__(self, name: str, connection: sqlite3.Connection, work: Work, *, batch: int) -> None:
        """At most `batch` operations at a time. The connection belongs to the thread from here on."""
        self._connection = connection
        self._work = work
        self._batch = batch
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        # A daemon: a process that forgets to close must still end, and what was acknowledged is safe without it.
        self._thread = Thread(target=self._work_until_closed, name=name, daemon=True)
        self._thread.start()

    async def run(self, operation: Operation[T]) -> T:
        if self._closed:
            raise Unavailable(_CLOSED)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put((operation, future))
        return await future

    def refuse(self) -> None:
        self._closed = True

    async def close(self) -> None:
        self.refuse()
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work_until_closed(self) -> None:
        try:
            open_ = True
            while open_:
                jobs, open_ = self._take()
                self._answer(jobs, self._outcomes([operation for operation, _ in jobs]))
                self._work.rest(self._connection, idle=self._jobs.empty())
        finally:
            self._closed = True
            self._connection.close()
            self._turn_away()

    def _turn_away(self) -> None:
        """Answer whoever asked too late to be carried out; nobody may wait for a thread that has ended."""
        with suppress(Empty):
            while True:
                if job := self._jobs.get_nowait():
                    self._answer([job], [(None, Unavailable(_CLOSED))])

    def _take(self) -> tuple[list[_Job], bool]:
        """The next jobs, at least one unless the lane was closed; and whether it is still open."""
        jobs: list[_Job] = []
        with suppress(Empty):
            job = self._jobs.get()
            while job is not None:
                # Whoever cancelled does not want it any more. A race with the loop is harmless: then it is carried out.
                if not job[1].cancelled():
                    jobs.append(job)
                if len(jobs) == self._batch:
                    return jobs, True
                job = self._jobs.get_nowait()
            return jobs, False
        return jobs, True

    def _outcomes(self, operations: list[Operation[Any]]) -> list[Outcome]:
        try:
            return self._work.carry_out(self._connection, operations)
        except BaseException as error:  # noqa: BLE001  # those who wait must hear of it, and the thread must live on
            return [(None, error)] * len(operations)

    def _answer(self, jobs: list[_Job], outcomes: list[Outcome]) -> None:
        answers: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Outcome]]] = {}
        for (_, future), outcome in zip(jobs, outcomes, strict=True):
            answers.setdefault(future.get_loop(), []).append((future, outcome))
        for loop, theirs in answers.items():
            with suppress(RuntimeError):  # the loop has been closed: nobody is waiting any more
                loop.call_soon_threadsafe(_resolve, theirs)


def _resolve(answers: list[tuple[asyncio.Future[Any], Outcome]]) -> None:
    for future, (value, error) in answers:
        if future.done():  # the caller was cancelled
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
