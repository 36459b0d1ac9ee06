"""Enrolment: an admin makes a token that lets sinks of one type in; an agent exchanges it for its own credential.

The exchange may be repeated: its answer can be lost, and with it the credential, of which nobody else knows more than
a hash, and a use of the token. So the credential is computed from what the agent said, a random nonce among it, and
the same call again finds the sink it made and computes the same.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from hub.clock import Clock
from hub.errors import FieldError, Invalid, NotAuthenticated, NotFound, Rejected
from hub.model.people import Enrolment
from hub.model.sink import Sink
from hub.people.secret_text import ENROLMENT_PREFIX, SINK_PREFIX, digest
from hub.people.tokens import check_future
from hub.storage.configuration import Configuration, Edit, Entry, RowKind, Write
from hub.wire import Enrol, Enrolled

MOST_USES: Final = 10_000
REPEATABLE: Final = timedelta(hours=1)
"""An exchange is answered again for so long. An agent that cannot hear us tries each half minute."""

Newest: TypeAlias = Callable[[], Awaitable[Configuration]]


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
    ) -> None:
        self._newest = newest
        self._write = write
        self._clock = clock
        self._new_secret = new_secret
        self._new_id = new_id
        self._mac = mac

    async def create(self, sink_type: str, uses: int, expires_at: datetime) -> NewEnrolment:
        """A new enrolment token. Raises `Invalid` for a SinkType that is not there, or a time that is over."""
        now = self._clock.now()
        check_future("expires_at", expires_at, now)
        text = ENROLMENT_PREFIX + self._new_secret()
        enrolment = Enrolment(
            id=self._new_id(),
            sink_type=sink_type,
            uses_left=uses,
            created_at=now.replace(microsecond=0),
            expires_at=expires_at,
        )
        entry = Entry(RowKind.ENROLMENT, enrolment.id, enrolment, sha256=digest(text))

        def decide(seen: Configuration) -> Edit:
            if seen.snapshot.sink_type(sink_type) is None:
                what = f"there is no sink type {sink_type}"
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

    async def exchange(self, call: Enrol) -> Enrolled:
        """A new sink and its credential, shown to whoever knows the nonce and to nobody later.

        Raises `NotAuthenticated` for a token that is not valid any more, `Rejected` if the sink's name is taken.
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
            sink_type = seen.snapshot.sink_type(enrolment.sink_type)
            if sink_type is None:
                raise Rejected(f"the sink type {enrolment.sink_type} of this enrolment is not there any more")
            if taken is not None:
                raise Rejected(f"there is a sink {call.name}: choose another name, or have an admin remove that one")
            enrolled_at = now.replace(microsecond=0)
            sink = Sink(name=call.name, sink_type=sink_type.name, enrolled_at=enrolled_at, seal_to=call.seal_to)
            admitted[:] = [sink]
            return _admission(entry, enrolment, Entry(RowKind.SINK, sink.name, sink, sha256=sha256))

        await self._write(decide)
        return Enrolled(sink=admitted[0].name, sink_type=admitted[0].sink_type, credential=credential)

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


def _admission(entry: Entry, enrolment: Enrolment, sink: Entry) -> Edit:
    """The sink, and one use less; the last use takes the enrolment away. Both or neither."""
    left = enrolment.uses_left - 1
    if left <= 0:
        return Edit(put=[sink], remove=[entry])
    counted = replace(entry, model=enrolment.model_copy(update={"uses_left": left}))
    return Edit(put=[sink, counted])
