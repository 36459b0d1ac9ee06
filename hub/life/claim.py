"""Claim: a due event becomes one sink's, decided by the row's ETag."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hub.errors import Changed, Invalid, Missing, StaleReceipt, Unavailable
from hub.life.context import LifeContext
from hub.life.lease import Lease, LeaseTokens
from hub.life.permits import Permits
from hub.model.configuration import Parameter, ParameterType
from hub.model.event import Code, Event
from hub.rules import lifecycle
from hub.rules.lifecycle import Claim
from hub.rules.resolving import Plan, Unresolvable
from hub.rules.tracing import inside, run_span_of
from hub.storage import keys
from hub.storage.events import Stored
from hub.storage.ports import Message
from hub.wire import SecretParameter, StaticParameter, Task


class LostRace(Exception):
    """Somebody else changed the row first: claimed it, cancelled it, ended it."""


class MayStillLand(LostRace):
    """The claim was not written when last looked, and may be yet: storage did not answer."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a task is made of, beside the event: resolved before the claim, so that a claim never fails after it."""

    plan: Plan
    payload: bytes
    parameters: tuple[StaticParameter | SecretParameter, ...]


class Claimer:
    """Claims events for sinks."""

    def __init__(self, context: LifeContext, permits: Permits, tokens: LeaseTokens) -> None:
        self._life = context
        self._permits = permits
        self._tokens = tokens

    async def prepare(self, event: Event, plan: Plan) -> Work:
        """Read the payload and resolve the parameters. Raises `Unresolvable`."""
        try:
            payload = await self._life.contents.load(keys.PAYLOADS, event.payload)
        except Missing:
            raise Unresolvable(Code.PAYLOAD_MISSING, "the payload is not in storage any more") from None
        return Work(plan, payload, await self._parameters(plan, payload))

    async def claim(self, stored: Stored, work: Work, sink: str, queue: str, message: Message) -> Task:
        """The task, now leased to this sink; `stored` is QUEUED and due.

        Raises `Later` while its EventType's limits do not allow it, and `LostRace`.
        """
        plan, now = work.plan, self._life.now()
        # Computed once: slot and row carry the same time, or one would end before the other.
        until = now + timedelta(seconds=plan.run.lease_seconds)
        claim = Claim(
            claim_id=f"{self._life.randomness() & (1 << 128) - 1:032x}",
            sink=sink,
            at=now,
            lease_until=until,
            run_until=now + timedelta(seconds=plan.run.timeout_seconds + self._life.terms.run_grace_seconds),
            run=plan.run,
            edges=plan.edges,
            confirm=plan.confirm,
            static=plan.static,
        )
        permit = await self._permits.take(plan.event_type, claim.claim_id, now=now, until=until)
        claimed = lifecycle.claim(stored.event, claim)
        try:
            etag = await self._write(claimed, stored.etag)
        except MayStillLand:
            raise  # its slot is left to expire: freed now, a claim that lands later would run without one
        except LostRace:
            await self._permits.give_back(permit)
            raise
        self._life.news.claimed(stored.event, claimed)
        receipt = await self._hide(queue, message, plan.run.lease_seconds)
        held = lifecycle.holding(claimed)
        lease = Lease(held, queue, etag, message.id, receipt, plan.run.lease_seconds, permit.slot)
        return self._task(claimed, work, lease)

    async def _write(self, claimed: Event, etag: str) -> str:
        try:
            return await self._life.events.replace(claimed, etag)
        except Missing:
            raise LostRace from None
        except Changed:
            # It may have been our own write, whose first answer was lost: the claim id in the row tells.
            return await self._won_after_all(claimed, LostRace())
        except Unavailable:
            return await self._won_after_all(claimed, MayStillLand())

    async def _won_after_all(self, claimed: Event, otherwise: LostRace) -> str:
        try:
            stored = await self._life.events.get(claimed.id)
        except Missing:
            raise otherwise from None
        if stored.event.claim_id != claimed.claim_id:
            raise otherwise
        return stored.etag

    async def _hide(self, queue: str, message: Message, lease_seconds: int) -> str:
        """The first renewal extends the first visibility, unless the lease is so long that it comes too late."""
        if lease_seconds / 3 <= self._life.terms.first_visibility():
            return message.receipt
        try:
            hidden = lease_seconds + self._life.terms.clock_margin_seconds
            return await self._life.queues.update(queue, message.id, message.receipt, hidden_seconds=hidden)
        except (StaleReceipt, Unavailable):
            return message.receipt  # the claim is won; a hint that comes early only finds it alive

    async def _parameters(self, plan: Plan, payload: bytes) -> tuple[StaticParameter | SecretParameter, ...]:
        paths = [each for each in plan.parameters if each.type is ParameterType.DATA]
        found: dict[str, Any] = {}
        if paths:
            try:
                values = await self._life.evaluator.evaluate_all([each.value for each in paths], payload)
            except Invalid as error:
                names = ", ".join(each.name for each in paths)
                raise Unresolvable(Code.PARAMETER_FAILED, f"parameters {names}: {error}") from error
            found = {each.name: value for each, value in zip(paths, values, strict=True)}
        return tuple(_parameter(each, found) for each in plan.parameters)

    def _task(self, event: Event, work: Work, lease: Lease) -> Task:
        run = work.plan.run
        return Task(
            event_id=event.id,
            event_type=event.event_type,
            attempt=event.attempt,
            token=self._tokens.issue(lease),
            lease_seconds=run.lease_seconds,
            confirm=event.confirm,
            action=run.action,
            runtime=run.runtime,
            module=run.module,
            bundle=run.bundle,
            bundle_digest=run.bundle_digest,
            bundle_size=run.bundle_size,
            bundle_signature=work.plan.bundle.signature if work.plan.bundle is not None else None,
            payload=json.loads(work.payload),
            parameters=work.parameters,
            timeout_seconds=run.timeout_seconds,
            warning_codes=run.warning_codes,
            created_at=event.created_at,
            source=event.source,
            parent_id=event.parent_id,
            root_id=event.root_id,
            traceparent=inside(event.traceparent, run_span_of(lease.claim_id)),
            correlation_id=event.correlation_id,
        )


def _parameter(parameter: Parameter, found: dict[str, Any]) -> StaticParameter | SecretParameter:
    if parameter.type is ParameterType.SECRET:
        return SecretParameter(name=parameter.name, secret=parameter.value)
    value = found[parameter.name] if parameter.type is ParameterType.DATA else parameter.value
    return StaticParameter(name=parameter.name, value=value)
