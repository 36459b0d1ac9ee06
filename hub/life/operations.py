"""Operations: something done to all events that a filter finds, batch by batch, by whichever process comes first.

The row of an operation names the batch that is being done before anything is done to it, and counts it after. Who finds
a batch does it again: cancelling twice is cancelling, and a rerun's id is derived from the operation, the event and
when its batch was found, so that the second meets the first. So each event is counted once, whatever dies meanwhile.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from hub.audit.attempt import intend
from hub.errors import Changed, Exists, Missing, NexomaticError, NotFound, Rejected, TooMany, Unavailable
from hub.life.cancel import Canceller
from hub.life.context import LifeContext
from hub.life.listing import Listing, Wanted
from hub.life.rerun import Reruns, Wish
from hub.model.audit import Change
from hub.model.operation import BulkAction, EventFilter, Failure, Operation, OperationState
from hub.rules import ids
from hub.rules.rerunning import RerunAs
from hub.storage.operation_rows import OperationRows, StoredOperation

log = logging.getLogger(__name__)

BATCH: Final = 100
AT_ONCE: Final = 8
STEP_SECONDS: Final = 20.0
HELD: Final = timedelta(seconds=60)
"""Who works at a batch is left alone for so long: two at one batch do no harm, but twice the work."""
MOST_OPEN: Final = 20
MOST_FAILURES: Final = 20
MOST_DETAIL_CHARS: Final = 300
KEPT: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class NewOperation:
    """What somebody wants to be done to many events."""

    action: BulkAction
    filter: EventFilter
    how: RerunAs | None = None
    created_by: str | None = None
    id: str | None = None
    """Derived, when the same may be asked for again. Else a fresh one is drawn."""


@dataclass(slots=True)
class _Outcome:
    """What has become of a batch."""

    done: int
    failures: list[Failure]
    left: list[str]
    stopped_by: NexomaticError | None = None


class Operations:
    """Begins operations, tells how they stand, and carries them on. One per process."""

    def __init__(
        self, context: LifeContext, rows: OperationRows, listing: Listing, canceller: Canceller, reruns: Reruns
    ) -> None:
        self._life = context
        self._rows = rows
        self._listing = listing
        self._canceller = canceller
        self._reruns = reruns
        self._running: asyncio.Task[None] | None = None

    async def begin(self, new: NewOperation) -> Operation:
        """The operation, durable; work at it begins in this process. Begun before under the same id: as it stands.

        Raises `TooMany` while too many are under way.
        """
        now = self._life.now()
        if len(await self._rows.open(MOST_OPEN)) >= MOST_OPEN and not await self._is_there(new.id):
            raise TooMany(f"{MOST_OPEN} operations are under way: wait for one to end", retry_after_seconds=60)
        limit = new.filter.end or now  # what comes after it was asked for is not meant, its own reruns least of all
        operation = Operation(
            id=new.id or ids.new(now, self._life.randomness(), self._life.terms.shards),
            action=new.action,
            how=new.how,
            filter=new.filter.model_copy(update={"end": min(limit, now)}),
            created_at=now,
            created_by=new.created_by,
            updated_at=now,
        )
        try:
            await self._rows.insert(operation)
        except Exists:
            operation = (await self._read(operation.id)).operation
        await self._rows.expire(now - KEPT)
        self.wake()
        return operation

    async def get(self, operation_id: str) -> Operation:
        """Raises `NotFound`."""
        return (await self._read(operation_id)).operation

    async def page(self, *, after: str | None, limit: int) -> list[Operation]:
        """The newest first."""
        return await self._rows.page(after=after, limit=limit)

    async def cancel(self, operation_id: str) -> Operation:
        """End it where it is: the batch under way is still done. Cancelling again is fine. Raises `Rejected`: over."""
        while True:
            stored = await self._read(operation_id)
            operation = stored.operation
            if operation.state is OperationState.CANCELLED:
                return operation
            if operation.state is OperationState.DONE:
                raise Rejected("too late: the operation has ended")
            before, after = {"state": operation.state.value}, {"state": OperationState.CANCELLED.value}
            await intend([Change(resource=f"operations/{operation.id}", before={**before}, after={**after})])
            try:
                return (
                    await self._rows.replace(self._ended(operation, OperationState.CANCELLED), stored.etag)
                ).operation
            except Changed:
                continue  # a batch was counted, or it was our own write: the row says which

    def wake(self) -> None:
        """There is something to do: begin in this process, of which nobody waits for the end."""
        if self._running is None or self._running.done():
            # In a context of its own: what it does is not part of the attempt of the request that it was begun by.
            self._running = asyncio.get_running_loop().create_task(
                self._run(), name="carry on operations", context=contextvars.Context()
            )

    async def idle(self) -> None:
        """When this process works at none."""
        if self._running is not None:
            await asyncio.wait([self._running])

    async def step(self, seconds: float = STEP_SECONDS) -> bool:
        """Carry on what is open and nobody is at, in turn, for so long. Whether there may be more to do at once."""
        ends_at = self._life.clock.monotonic() + seconds
        now = self._life.now()
        at_work = [each for each in await self._rows.open(MOST_OPEN) if _is_free(each.operation, now)]
        while at_work and self._life.clock.monotonic() < ends_at:
            following = [await self._advance(each) for each in at_work]
            at_work = [each for each in following if each is not None]
        return bool(at_work)

    async def _run(self) -> None:
        try:
            while await self.step():
                pass
        except NexomaticError as error:
            log.warning("operations go on with the timer: %s", error)

    async def _advance(self, stored: StoredOperation) -> StoredOperation | None:
        """One batch further; None: it is over, has to wait, or somebody else is at it."""
        try:
            if not stored.operation.batch:
                stored = await self._rows.replace(await self._found(stored.operation), stored.etag)
            if stored.operation.batch:
                stored = await self._do(stored)
        except (Changed, Missing):
            return None
        operation = stored.operation
        return stored if operation.state is OperationState.RUNNING and operation.note is None else None

    async def _found(self, operation: Operation) -> Operation:
        """With the next batch, before anything is done to it."""
        wanted = operation.filter
        page = await self._listing.page(
            Wanted(
                frozenset(wanted.states),
                wanted.event_type,
                wanted.source,
                wanted.sink,
                wanted.begin,
                wanted.end,
                wanted.search,
            ),
            after=operation.position,
            limit=BATCH,
        )
        found = self._changed(
            operation,
            batch=tuple(each.id for each in page.items),
            batch_at=self._life.now(),
            matched=operation.matched + len(page.items),
            position=page.reached or operation.position,
            exhausted=page.reached is None,
            note=None,
            held_until=self._life.now() + HELD,
        )
        over = found.exhausted and not found.batch
        return self._ended(found, OperationState.DONE) if over else found

    async def _do(self, stored: StoredOperation) -> StoredOperation:
        """The batch done and counted, as far as that went."""
        operation = stored.operation
        outcome = await self._outcome(operation)
        failures = (*operation.failures, *outcome.failures)[:MOST_FAILURES]
        stopped = outcome.stopped_by
        wait = stopped.retry_after_seconds if isinstance(stopped, TooMany) else 0
        counted = self._changed(
            operation,
            batch=tuple(outcome.left),
            done=operation.done + outcome.done,
            failed=operation.failed + len(outcome.failures),
            failures=failures,
            note=str(stopped)[:MOST_DETAIL_CHARS] if isinstance(stopped, TooMany) else None,
            held_until=self._life.now() + timedelta(seconds=wait),
        )
        if counted.exhausted and not counted.batch:
            counted = self._ended(counted, OperationState.DONE)
        written = await self._rows.replace(counted, stored.etag)
        if isinstance(stopped, Unavailable):
            raise stopped
        return written

    async def _outcome(self, operation: Operation) -> _Outcome:
        outcome, batch = _Outcome(0, [], []), operation.batch
        for start in range(0, len(batch), AT_ONCE):
            some = batch[start : start + AT_ONCE]
            results = await asyncio.gather(*(self._one(operation, each) for each in some), return_exceptions=True)
            self._note(outcome, some, results)
            if outcome.stopped_by is not None:
                outcome.left += batch[start + AT_ONCE :]
                break
        return outcome

    def _note(self, outcome: _Outcome, some: Sequence[str], results: Sequence[object]) -> None:
        for event_id, result in zip(some, results, strict=True):
            if isinstance(result, Unavailable | TooMany):
                outcome.left.append(event_id)
                outcome.stopped_by = result
            elif isinstance(result, NexomaticError):
                outcome.failures.append(Failure(event_id=event_id, detail=str(result)[:MOST_DETAIL_CHARS]))
            elif isinstance(result, Exception):
                log.error("event %s", event_id, exc_info=result)
                outcome.failures.append(Failure(event_id=event_id, detail="a bug: the hub's log says more"))
            elif isinstance(result, BaseException):
                raise result
            else:
                outcome.done += 1

    async def _one(self, operation: Operation, event_id: str) -> None:
        if operation.action is BulkAction.CANCEL:
            await self._canceller.cancel(event_id, f"cancelled by operation {operation.id}")
            return
        assert operation.batch_at is not None
        shard = ids.shard_of(event_id)
        derived = ids.derived(operation.batch_at, "operation", operation.id, event_id, shard=shard)
        await self._reruns.rerun(Wish(event_id, RerunAs(operation.how or RerunAs.TODAY), new_id=derived))

    async def _read(self, operation_id: str) -> StoredOperation:
        try:
            return await self._rows.get(operation_id)
        except Missing:
            raise NotFound(f"there is no operation {operation_id}") from None

    async def _is_there(self, operation_id: str | None) -> bool:
        if operation_id is None:
            return False
        try:
            await self._rows.get(operation_id)
        except Missing:
            return False
        return True

    def _changed(self, operation: Operation, **fields: Any) -> Operation:
        return operation.model_copy(update={**fields, "updated_at": self._life.now()})

    def _ended(self, operation: Operation, state: OperationState) -> Operation:
        return self._changed(operation, state=state, finished_at=self._life.now(), batch=(), note=None, held_until=None)


def _is_free(operation: Operation, now: Any) -> bool:
    return operation.held_until is None or operation.held_until <= now
