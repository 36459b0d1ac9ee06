"""Receipts: every request to a known webhook, every event that an Event Grid source hears, leaves one.

An accepted request's receipt lies on an event that it fired and costs nothing. All others are rows, one operation each.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from hub.errors import NexomaticError, NoRoom
from hub.life.context import LifeContext
from hub.model.receipt import KeptBody, Line, Receipt, Verdict
from hub.sources.arrival import Arrival, Taken, sha256_of
from hub.sources.refusal_count import RefusalCount
from hub.sources.request import MOST_SEEN_BYTES
from hub.storage import keys
from hub.storage.receipt_rows import ReceiptRows

log = logging.getLogger(__name__)

_MOST_REASON: Final = 500
_MOST_SECONDS: Final = 5.0
"""A caller that is refused, perhaps because storage does not answer, is not kept waiting for its receipt."""


class Receipts:
    """Writes receipts. `status_of` is what an error is answered with."""

    def __init__(self, context: LifeContext, rows: ReceiptRows, status_of: Callable[[BaseException], int]) -> None:
        self._life = context
        self._rows = rows
        self._status_of = status_of
        self.counted = RefusalCount(rows.put, context.randomness)

    def accepted(self, taken: Taken, receipt_id: str, lines: Sequence[Line], body: KeptBody) -> Receipt:
        """The receipt that an event is to carry."""
        return _receipt_of_taken(taken, Verdict.ACCEPTED, lines, id=receipt_id, body=body)

    async def unfired(self, taken: Taken, lines: Sequence[Line]) -> None:
        """No event type wanted it. With its body, so that it can be replayed once one does. Raises `Unavailable`."""
        receipt = _receipt_of_taken(taken, Verdict.UNFIRED, lines, body=KeptBody.RECEIPT)
        name, content = body_name(receipt.id, taken.sha256), taken.arrival.request.body
        await self._rows.add(receipt, await self._life.contents.store(keys.REQUESTS, name, content))

    async def duplicate(self, taken: Taken, lines: Sequence[Line], first: str) -> None:
        """The same delivery came before, and `first` is its receipt. Raises `Unavailable`."""
        await self._rows.add(_receipt_of_taken(taken, Verdict.DUPLICATE, lines, duplicate_of=first))

    async def challenged(self, arrival: Arrival) -> None:
        """The caller asked whether the address is right. Raises `Unavailable`."""
        await self._rows.add(_receipt(arrival, Verdict.CHALLENGE, 200, sha256=await sha256_of(arrival.request.body)))

    async def refused(self, arrival: Arrival, error: BaseException) -> None:
        """It was refused. The answer does not depend on the receipt: one that cannot be written is logged."""
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                await self.recorded(arrival, error)
        except (NexomaticError, TimeoutError) as failure:
            name = arrival.source.name
            log.warning("the receipt of a refused request to source %s was not written: %s", name, failure)

    async def recorded(self, arrival: Arrival, error: BaseException) -> None:
        """It was refused, and who sent it will keep nothing of it: the receipt must be there. Raises `Unavailable`."""
        status = self._status_of(error)
        source, now = arrival.source.name, arrival.at
        # A reserve that every refused request took of would soon be gone.
        if isinstance(error, NoRoom) or not self.counted.single(source, now):
            self.counted.count(source, status, now)
            return
        reason = str(error)[:_MOST_REASON] if isinstance(error, NexomaticError) else "the hub failed; its log says more"
        told: dict[str, Any] = {"reason": reason, "query": {}}
        if arrival.seen.size > MOST_SEEN_BYTES:
            told["headers"] = {}
        if len(arrival.request.body) <= self._life.terms.max_payload:
            told["sha256"] = await sha256_of(arrival.request.body)
        await self._rows.add(_receipt(arrival, Verdict.REFUSED, status, **told))


def _receipt_of_taken(taken: Taken, verdict: Verdict, lines: Sequence[Line], **told: Any) -> Receipt:
    more: dict[str, Any] = {"sha256": taken.sha256, "event_types": tuple(lines), "reason": taken.note}
    return _receipt(taken.arrival, verdict, 202, **more, **told)


def _receipt(arrival: Arrival, verdict: Verdict, status: int, **told: Any) -> Receipt:
    fields: dict[str, Any] = {
        "id": arrival.id,
        "source": arrival.source.name,
        "at": arrival.at,
        "method": arrival.request.method,
        "caller": None if arrival.caller is None else str(arrival.caller),
        "size": len(arrival.request.body),
        "headers": arrival.seen.headers,
        "query": arrival.seen.query,
        "replay_of": arrival.replay_of,
    }
    return Receipt(verdict=verdict, status=status, **{**fields, **told})


def body_name(receipt_id: str, sha256: str) -> str:
    """The blob of a request's body, if it needs one: by its digest, and of this receipt alone, with which it goes."""
    return f"{receipt_id}/{sha256}"
