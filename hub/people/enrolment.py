"""Enrolment: an admin makes a token that lets sinks of one type in; an agent exchanges it for its own credential.

The exchange may be repeated: its answer can be lost, and with it the credential, of which nobody else knows more than
a hash, and a use of the token. So the credential is computed from what the agent said, a random nonce among it, and
the same call again finds the sink it made and computes the same.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from hub.clock import Clock
from hub.errors import FieldError, Invalid, NotAllowed, NotAuthenticated, NotFound, Rejected
from hub.model.people import Enrolment
from hub.model.sink import Sink
from hub.people.secret_text import ENROLMENT_PREFIX, SINK_PREFIX, digest
from hub.people.tokens import check_future
from hub.rules.callers import Address, within
from hub.rules.networks import network_errors
from hub.storage.configuration import Configuration, Edit, Entry, RowKind, Write
from hub.wire import Enrol, Enrolled

MOST_USES: Final = 10_000
REPEATABLE: Final = timedelta(hours=1)
"""An exchange is answered again for so long. An agent that cannot hear us tries each half minute."""

Newest: TypeAlias = Callable[[], Awaitable[Configuration]]


@dataclass(frozen=True, slots=True)
class WantedEnrolment:
    """What an admin says of an enrolment token, as `Enrolment` has it."""

    sink_type: str
    expires_at: datetime
    uses: int = 1
    labels: Mapping[str, str] = field(default_factory=dict)
    networks: Sequence[str] = ()
    replace: bool = False
    ephemeral: bool = False


@dataclass(frozen=True, slots=True)
class NewEnrolment:
    """An enrolment at the one moment when its token is known."""

    enrolment: Enrolment
    text: str = field(repr=False)


class Enrolments:
    """Lets sinks in. `new_secret` draws 256 bits, `new_id` a short public name; `mac` is keyed with the root key."""

    def __init__(
        self,
        newest: Newest,
        write: Write,
        clock: Clock,
        new_secret: Callable[[], str],
        new_id: Callable[[], str],
        mac: Callable[[bytes], str],
        rotate_after_seconds: float | None = None,
        *,
        front_end: bool = False,
    ) -> None:
        """`rotate_after_seconds`: how old a sink's credential gets before it asks for another; None: never.

        `front_end`: a setting names who tells the hub its callers' addresses, so that tokens may list networks.
        """
        self._newest = newest
        self._write = write
        self._clock = clock
        self._new_secret = new_secret
        self._new_id = new_id
        self._mac = mac
        self._rotate_after_seconds = rotate_after_seconds
        self._front_end = front_end

    async def create(self, wanted: WantedEnrolment) -> NewEnrolment:
        """A new enrolment token. Raises `Invalid` with its fields: no such SinkType, a time that is over."""
        now = self._clock.now()
        check_future("expires_at", wanted.expires_at, now)
        problems = list(network_errors(wanted.networks, front_end=self._front_end))
        if problems:
            raise Invalid(f"{problems[0].field} {problems[0].message}", problems)
        text = ENROLMENT_PREFIX + self._new_secret()
        enrolment = Enrolment(
            id=self._new_id(),
            sink_type=wanted.sink_type,
            uses_left=wanted.uses,
            created_at=now.replace(microsecond=0),
            expires_at=wanted.expires_at,
            labels=dict(wanted.labels),
            networks=tuple(wanted.networks),
            replace=wanted.replace,
            ephemeral=wanted.ephemeral,
        )
        entry = Entry(RowKind.ENROLMENT, enrolment.id, enrolment, sha256=digest(text))

        def decide(seen: Configuration) -> Edit:
            if seen.snapshot.sink_type(wanted.sink_type) is None:
                what = f"there is no sink type {wanted.sink_type}"
                raise Invalid(what, [FieldError("sink_type", what)])
            return Edit(put=[entry])

        await self._write(decide)
        return NewEnrolment(enrolment, text)

    async def list(self) -> list[Enrolment]:
        """Those that still let sinks in, or did until they expired."""
        found = (await self._newest()).of(RowKind.ENROLMENT)
        return [each.model for each in found if isinstance(each.model, Enrolment)]

    async def revoke(self, enrolment_id: str) -> None:
        """End an enrolment token; sinks that are in stay in. Raises `NotFound`."""

        def decide(seen: Configuration) -> Edit:
            entry = seen.get(RowKind.ENROLMENT, enrolment_id)
            if entry is None:
                raise NotFound(f"there is no enrolment {enrolment_id}")
            return Edit(remove=[entry])

        await self._write(decide)

    async def exchange(self, call: Enrol, caller: Address | None = None) -> Enrolled:
        """A new sink and its credential, shown to whoever knows the nonce and to nobody later.

        Raises `NotAuthenticated` for a token that is not valid any more, `NotAllowed` from a network that it is not
        for, `Rejected` if the sink's name is taken and the token does not say that it may be.
        """
        credential = SINK_PREFIX + self._credential(call)
        sha256 = digest(credential)
        now = self._clock.now()
        admitted: list[Sink] = []

        def decide(seen: Configuration) -> Edit:
            taken = seen.get(RowKind.SINK, call.name)
            if taken is not None and isinstance(taken.model, Sink) and _is_repeat(taken, taken.model, sha256, now):
                admitted[:] = [taken.model]
                return Edit()
            entry, enrolment = _usable(seen, digest(call.token), now)
            if enrolment.networks and not within(caller, enrolment.networks):
                raise NotAllowed("this enrolment token is for other networks than the one this call comes from")
            sink = _newcomer(seen, enrolment, call, now)
            _check_name(seen, enrolment, sink)
            admitted[:] = [sink]
            return _admission(entry, enrolment, Entry(RowKind.SINK, sink.name, sink, sha256=sha256))

        await self._write(decide)
        return Enrolled(
            sink=admitted[0].name,
            sink_type=admitted[0].sink_type,
            credential=credential,
            rotate_after_seconds=self._rotate_after_seconds,
        )

    def _credential(self, call: Enrol) -> str:
        if call.nonce is None:
            return self._new_secret()
        return self._mac(json.dumps([call.token, call.name, call.nonce]).encode())


def _is_repeat(entry: Entry, sink: Sink, sha256: str, now: datetime) -> bool:
    """Whether this very call made the sink, a short while ago."""
    return hmac.compare_digest(entry.sha256, sha256) and abs(now - sink.enrolled_at) <= REPEATABLE


def _usable(seen: Configuration, sha256: str, now: datetime) -> tuple[Entry, Enrolment]:
    for entry in seen.of(RowKind.ENROLMENT):
        if entry.sha256 == sha256 and isinstance(entry.model, Enrolment):
            if entry.model.expires_at <= now:
                raise NotAuthenticated(f"this enrolment token expired at {entry.model.expires_at:%Y-%m-%dT%H:%M:%SZ}")
            return entry, entry.model
    raise NotAuthenticated("this enrolment token is not valid: it was used up, revoked, or never made here")


def _newcomer(seen: Configuration, enrolment: Enrolment, call: Enrol, now: datetime) -> Sink:
    sink_type = seen.snapshot.sink_type(enrolment.sink_type)
    if sink_type is None:
        raise Rejected(f"the sink type {enrolment.sink_type} of this enrolment is not there any more")
    return Sink(
        name=call.name,
        sink_type=sink_type.name,
        labels=enrolment.labels,
        enrolled_at=now.replace(microsecond=0),
        seal_to=call.seal_to,
        ephemeral=enrolment.ephemeral,
    )


def _check_name(seen: Configuration, enrolment: Enrolment, sink: Sink) -> None:
    """Raises `Rejected` if there is a sink of this name that the token may not replace."""
    there = seen.snapshot.sink(sink.name)
    if there is None:
        return
    if not enrolment.replace:
        raise Rejected(
            f"there is a sink {sink.name}: choose another name, have an admin remove that one, or use an enrolment "
            "token that says replace"
        )
    if there.sink_type.casefold() != sink.sink_type.casefold():
        raise Rejected(
            f"the sink {there.name} is of the sink type {there.sink_type}, and this enrolment token lets in sinks of "
            f"{sink.sink_type}: it replaces none of another type"
        )


def _admission(entry: Entry, enrolment: Enrolment, sink: Entry) -> Edit:
    """The sink, and one use less; the last use takes the enrolment away. Both or neither."""
    left = enrolment.uses_left - 1
    if left <= 0:
        return Edit(put=[sink], remove=[entry])
    counted = replace(entry, model=enrolment.model_copy(update={"uses_left": left}))
    return Edit(put=[sink, counted])
