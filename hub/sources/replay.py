"""Replay: a request or event that came before is mapped again, under today's configuration, and fires new events.

It is an admin's doing: who may call was asked when the request came, and only what was let in has a body to replay. So
nothing is verified, deduplicated or limited again, and what an Event Grid source hears is not asked again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hub.errors import NotFound, Rejected
from hub.life.context import LifeContext
from hub.model.configuration import EventGridSource, WebhookSource
from hub.model.receipt import Receipt
from hub.model.snapshot import Snapshot
from hub.rules import ids
from hub.rules.callers import as_address
from hub.rules.waiting import in_force
from hub.sources.arrival import Arrival, ReceivingSource, take
from hub.sources.firing import Fired, Firing
from hub.sources.receipt_list import ReceiptList
from hub.sources.request import Request, Seen


class Replays:
    """Replays requests."""

    def __init__(
        self,
        context: LifeContext,
        configuration: Callable[[], Awaitable[Snapshot]],
        receipts: ReceiptList,
        firing: Firing,
    ) -> None:
        self._life = context
        self._configuration = configuration
        self._receipts = receipts
        self._firing = firing

    async def replay(self, source: str, receipt_id: str) -> Fired:
        """What the request of this receipt fires today.

        Raises `NotFound`, `Rejected` (no body was kept; the source is off), `Invalid` (today's limits), `Unavailable`.
        """
        snapshot = await self._configuration()
        receiving = _receiving(snapshot, source)
        receipt, body = await self._receipts.body(source, receipt_id)
        if body is None:
            raise Rejected(_why_not(receipt))
        if not receiving.enabled or in_force(receiving.pause, self._life.clock.now()):
            raise Rejected(f"the source {receiving.name} is {'paused' if receiving.enabled else 'switched off'}")
        arrival = self._arrival(receiving, snapshot, receipt, body)
        return await self._firing.fire(await take(arrival, self._life.terms.max_payload))

    def _arrival(self, source: ReceivingSource, snapshot: Snapshot, receipt: Receipt, body: bytes) -> Arrival:
        now = self._life.now()
        return Arrival(
            id=ids.new(now, self._life.randomness(), self._life.terms.shards),
            at=now,
            source=source,
            snapshot=snapshot,
            request=Request(receipt.method, receipt.headers, receipt.query, body),
            seen=Seen(receipt.headers, receipt.query),
            caller=as_address(receipt.caller),
            replay_of=receipt.id,
        )


def _receiving(snapshot: Snapshot, name: str) -> ReceivingSource:
    source = snapshot.source(name)
    if not isinstance(source, WebhookSource | EventGridSource):
        raise NotFound(f"there is no webhook and no Event Grid source {name}")
    return source


def _why_not(receipt: Receipt) -> str:
    if receipt.duplicate_of is not None:
        return f"this delivery came before: replay the receipt {receipt.duplicate_of} of the first one"
    return f"the body of a request that was {receipt.verdict} is not kept, so it cannot be replayed"
