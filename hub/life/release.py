"""Release: the values of an attempt's secrets, to the sink that holds it, while it holds it.

A signed token alone is not enough: the row must be RUNNING under this very claim, and its lease alive. What is given
is what the row says the attempt needs, as resolved at its claim: not what the sink asks for, and not what today's
configuration would say. One read of the row, one for each secret, and one insert into the audit before they are given.
"""

from __future__ import annotations

import asyncio
import logging

from hub.audit.attempt import Who
from hub.audit.releases import Releases
from hub.errors import Missing, SecretUnavailable
from hub.life import fence
from hub.life.context import LifeContext
from hub.life.lease import Lease
from hub.model.audit import GivenSecret
from hub.model.event import Attempt, Event
from hub.rules.resolving import secrets_of
from hub.secrets.port import Secrets
from hub.secrets.to_sink import ReleaseContext, UnusableKey, seal
from hub.wire import Released, ReleasedSecret, SealedSecrets

log = logging.getLogger(__name__)


class Release:
    """Gives secrets out. `secrets` is the engine itself: a value is as old as its answer, at most 5 s."""

    def __init__(self, context: LifeContext, secrets: Secrets, audit: Releases, *, only_sealed: bool = False) -> None:
        """`only_sealed`: a sink without a key of its own is given nothing."""
        self._life = context
        self._secrets = secrets
        self._audit = audit
        self._only_sealed = only_sealed

    async def release(self, lease: Lease, address: str | None = None) -> Released:
        """The values this attempt needs, to a sink that calls from this address, once it is recorded that it got them.

        Raises `Superseded` and its kind, `LeaseRunOut`, `SecretUnavailable`, `Unavailable`.
        """
        event = (await fence.read(self._life.events, lease.event_id)).event
        attempt = self._held(event, lease)
        needed = secrets_of(attempt.run)
        key = await self._key_of(lease.holding.sink) if needed else None
        answers = await asyncio.gather(*(self._value(name, used_by) for name, used_by in needed.items()))
        missing = [each for each in answers if isinstance(each, str)]
        if missing:
            raise SecretUnavailable("; ".join(missing))
        released = tuple(each for each in answers if isinstance(each, ReleasedSecret))
        if released:
            who = Who(f"sinks/{lease.holding.sink}", address)
            given = [GivenSecret(name=each.name, version=each.version) for each in released]
            await self._audit.record(who, event.id, given)
            self._held(event, lease)  # that may have taken a while
            # Names and versions only: the values are in this answer and nowhere else.
            which = ", ".join(f"{each.name} (version {each.version})" for each in released)
            log.info("event %s: secrets %s released to the sink %s", event.id, which, lease.holding.sink)
        return self._sealed(released, key, lease) if key is not None else Released(secrets=released)

    async def _key_of(self, sink: str) -> str | None:
        """What to seal to, if anything. Raises `SecretUnavailable` where nothing goes out unsealed."""
        known = (await self._life.configuration()).sink(sink)
        key = known.seal_to if known is not None else None
        if key is None and self._only_sealed:
            raise SecretUnavailable(
                f"this hub gives secrets out sealed only, and the sink {sink} has no key: "
                "install the package cryptography for its agent, and enrol it again"
            )
        return key

    def _sealed(self, released: tuple[ReleasedSecret, ...], key: str, lease: Lease) -> Released:
        """The same, for the sink's eyes alone."""
        versions = [(each.name, each.version) for each in released]
        context = ReleaseContext(lease.event_id, lease.holding.attempt, lease.holding.sink, versions)
        values = {each.name: each.value or "" for each in released}
        try:
            sealed = seal(values, key, context, self._life.randomness)
        except UnusableKey:
            raise SecretUnavailable(f"the key of the sink {lease.holding.sink} is none: enrol it again") from None
        bare = tuple(each.model_copy(update={"value": None}) for each in released)
        return Released(secrets=bare, sealed=SealedSecrets(key=sealed.key, ciphertext=sealed.ciphertext))

    def _held(self, event: Event, lease: Lease) -> Attempt:
        """The attempt, if this claim holds it now."""
        return fence.held(event, lease.claim_id, self._life.now(), self._life.margin())

    async def _value(self, name: str, used_by: list[str]) -> ReleasedSecret | str:
        """The value, or why there is none."""
        try:
            found = await self._secrets.get(name)
        except Missing as error:
            return f"{error} (for the parameter {', '.join(used_by)})"
        return ReleasedSecret(name=name, version=found.version, value=found.value)
