"""Recording: everything that somebody does, or is refused, leaves one entry in the chain of people.

`attempt` goes around what is done. `record` is for what is over when it is recorded. Refusals of callers who have not
proved who they are, or may not, are bounded (`refusals.py`), so that nobody can fill the storage.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from hub.audit.attempt import MOST_REASON_CHARS, Attempt, Who, begun, current
from hub.audit.chain import PeopleChain
from hub.audit.refusals import Refusals
from hub.clock import Clock
from hub.errors import NexomaticError
from hub.model.audit import AuditEntry, Change, Result
from hub.rules import ids
from hub.rules.audit_changes import bounded
from hub.storage.audit_rows import AuditRows

log = logging.getLogger(__name__)

_UNPROVEN = (401, 403)
_FAILED = 500
"""From this status on it was not the caller's fault."""


class Trail:
    """Records. One per process. `status_of` says how an error is answered."""

    def __init__(
        self,
        rows: AuditRows,
        chain: PeopleChain,
        clock: Clock,
        randomness: Callable[[], int],
        status_of: Callable[[BaseException], int],
    ) -> None:
        self._rows = rows
        self._chain = chain
        self._clock = clock
        self._randomness = randomness
        self._status_of = status_of
        self._refusals = Refusals(chain.append, clock, randomness)

    @asynccontextmanager
    async def attempt(self, who: Who, action: str, resource: str, *, refusals: bool = True) -> AsyncIterator[Attempt]:
        """Around what is done: however it ends, there is an entry of it; without `refusals` unless it is refused.

        What is done inside calls `intend` (its own, or `hub.audit.attempt.intend`) before it changes anything. Costs
        two operations when it ends, and one for what was intended. That the entry cannot be written when all is over
        is no error: `unfinished.py` writes it later, from what was intended.
        """
        attempt = Attempt(self._begun(who, action, resource), self._rows.begin)
        token = current.set(attempt)
        try:
            yield attempt
        except Exception as error:
            if refusals or self._status_of(error) >= _FAILED:
                await self._failed(attempt, error)
            raise
        finally:
            current.reset(token)
        await self._ended(attempt, Result.DONE, attempt.status, None)

    async def record(
        self,
        who: Who,
        action: str,
        resource: str,
        result: Result = Result.DONE,
        *,
        status: int | None = None,
        reason: str | None = None,
        changes: Iterable[Change] = (),
    ) -> None:
        """One entry of what is over, or is about to be. Two operations. Raises `Unavailable`."""
        told = {
            "result": result,
            "status": status,
            "reason": reason and reason[:MOST_REASON_CHARS],
            "changes": bounded(changes),
        }
        await self._chain.append(self._begun(who, action, resource).model_copy(update=told))

    async def refused(self, who: Who, action: str, resource: str, error: Exception) -> None:
        """One entry of a caller who was refused, within the bounds. Raises nothing: the caller is refused anyway."""
        attempt = Attempt(self._begun(who, action, resource), self._rows.begin)
        await self._failed(attempt, error)

    async def flush(self) -> None:
        """Write the count of those who were too many for an entry each, now."""
        await self._refusals.flush()

    def _begun(self, who: Who, action: str, resource: str) -> AuditEntry:
        now = self._clock.now()
        at = now.replace(microsecond=now.microsecond // 1000 * 1000)
        return begun(ids.new(now, self._randomness(), 1), at, who, action, resource)

    async def _failed(self, attempt: Attempt, error: Exception) -> None:
        status = self._status_of(error)
        result = Result.FAILED if status >= _FAILED else Result.REFUSED
        # An error that the hub has no words for may quote anything.
        reason = str(error) if isinstance(error, NexomaticError) else None
        await self._ended(attempt, result, status, reason)

    async def _ended(self, attempt: Attempt, result: Result, status: int | None, reason: str | None) -> None:
        entry = attempt.ended(result, status, reason)
        unproven = result is Result.REFUSED and (entry.actor is None or status in _UNPROVEN)
        if unproven and not self._refusals.single(entry):
            return
        try:
            await self._chain.append(entry)
        except NexomaticError as error:
            log.warning("the audit entry of %s %s is written later, if ever: %s", entry.action, entry.resource, error)
