"""Firing: the events of one request or Event Grid event, and its receipt on one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hub.life.context import LifeContext
from hub.life.create import CarriedReceipt, Created, Creator, NewEvent
from hub.model.configuration import EventType
from hub.model.event import Event
from hub.model.receipt import KeptBody, Line
from hub.rules import ids
from hub.rules.tracing import correlation_id_of, traceparent_of
from hub.sources.arrival import Taken, sha256_of
from hub.sources.limits import SourceLimits
from hub.sources.mapping import Decision, decide
from hub.sources.receipts import Receipts, body_name
from hub.storage.receipt_codec import encode_receipt


@dataclass(frozen=True, slots=True)
class Fired:
    """What a request came to; all of it is durable."""

    receipt_id: str
    lines: Sequence[Line]
    event: Event | None = None
    """The first, in the order of the source's event types; None: nothing was fired."""
    new: bool = True
    """The event that carries the receipt was not there before."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to fire: all is decided before any of it is created, so that then only storage can fail between."""

    taken: Taken
    carrier: Decision
    event_ids: dict[str, str]
    """By event type."""
    lines: Sequence[Line]
    traceparent: str
    derived: bool
    """Another delivery of the same may be making the same events this moment."""

    @property
    def receipt_id(self) -> str:
        return self.event_ids[self.carrier.event_type]


class Firing:
    """Maps requests to events and creates those."""

    def __init__(self, context: LifeContext, creator: Creator, receipts: Receipts, limits: SourceLimits) -> None:
        self._life = context
        self._creator = creator
        self._receipts = receipts
        self._limits = limits

    async def fire(self, taken: Taken, derive: Callable[[str], str] | None = None) -> Fired:
        """Fire what it fires; `derive` is the id of its event of this type, when it must be the same at a second try.

        Raises `NoRoom`, and `TooMany` when the queue of any is full: sent again, all of it fires. Raises `Unavailable`;
        then some of it may have come to be.
        """
        self._life.check_room()
        arrival = taken.arrival
        names = arrival.source.event_types
        decisions = [await decide(self._life, name, taken) for name in names]
        firing = [each for each in decisions if each.fires is not None]
        if not firing:
            lines = [each.line() for each in decisions]
            await self._receipts.unfired(taken, lines)
            return Fired(arrival.id, lines)
        if arrival.replay_of is None:
            await self._limits.depth([each.fires for each in firing if each.fires is not None], arrival.snapshot)
        plan = self._plan(taken, decisions, firing, derive)
        created: dict[str, Created] = {}
        # The carrier last: a receipt that says "accepted" is not there before all that it names.
        for each in sorted(firing, key=lambda one: one is plan.carrier):
            created[each.event_type] = await self._creator.find_or_create(await self._new_event(plan, each))
        first, carrier = created[firing[0].event_type], created[plan.carrier.event_type]
        return Fired(plan.receipt_id, plan.lines, first.event, carrier.new)

    def _plan(
        self,
        taken: Taken,
        decisions: Sequence[Decision],
        firing: Sequence[Decision],
        derive: Callable[[str], str] | None,
    ) -> _Plan:
        arrival = taken.arrival
        carrier = next((each for each in firing if each.payload == arrival.request.body), firing[0])
        fresh = {each.event_type: arrival.id if each is carrier else self._new_id() for each in firing}
        event_ids = {name: derive(name) for name in fresh} if derive is not None else fresh
        lines = [each.line(event_ids.get(each.event_type)) for each in decisions]
        trace = traceparent_of(arrival.request.headers, self._life.randomness())
        return _Plan(taken, carrier, event_ids, lines, trace, derived=derive is not None)

    def _new_id(self) -> str:
        return ids.new(self._life.clock.now(), self._life.randomness(), self._life.terms.shards)

    async def _new_event(self, plan: _Plan, decision: Decision) -> NewEvent:
        assert isinstance(decision.fires, EventType)
        event_id, arrival = plan.event_ids[decision.event_type], plan.taken.arrival
        return NewEvent(
            event_type=decision.fires,
            source_kind=arrival.source.kind,
            payload=decision.payload,
            payload_name=await self._payload_name(plan, event_id, decision.payload),
            source=arrival.source.name,
            id=event_id,
            traceparent=plan.traceparent,
            correlation_id=correlation_id_of(arrival.seen.headers),
            receipt_id=plan.receipt_id,
            receipt=self._carried(plan) if decision is plan.carrier else None,
            replay_of=arrival.replay_of,
        )

    async def _payload_name(self, plan: _Plan, event_id: str, payload: bytes) -> str | None:
        """The blob of a payload that another delivery of the same may bring differently: neither takes the other's."""
        if not plan.derived or len(payload) <= self._life.terms.inline_bytes:
            return None
        return f"{event_id}/{await sha256_of(payload)}"

    def _carried(self, plan: _Plan) -> CarriedReceipt:
        arrival = plan.taken.arrival
        is_payload = plan.carrier.payload == arrival.request.body
        kept = KeptBody.PAYLOAD if is_payload else KeptBody.RECEIPT
        receipt = self._receipts.accepted(plan.taken, plan.receipt_id, plan.lines, kept)
        return CarriedReceipt(
            receipt=encode_receipt(receipt),
            source=arrival.source.name.casefold(),
            body=None if is_payload else arrival.request.body,
            body_name=body_name(plan.receipt_id, plan.taken.sha256),
        )
