"""Enrolment: an admin makes a token that lets sinks of one type in; an agent exchanges it for its own credential."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
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

Newest: TypeAlias = Callable[[], Awaitable[Configuration]]


@dataclass(frozen=True, slots=True)
class NewEnrolment:
    """An enrolment at the one moment when its token is known."""

    enrolment: Enrolment
    text: str = field(repr=False)


class Enrolments:
    """Lets sinks in. `new_secret` draws 256 bits, `new_id` a short public name."""

    def __init__(
        self,
        newest: Newest,
        write: Write,
        clock: Clock,
        new_secret: Callable[[], str],
        new_id: Callable[[], str],
    ) -> None:
        self._newest = newest
        self._write = write
        self._clock = clock
        self._new_secret = new_secret
        self._new_id = new_id

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
        """A new sink and its credential, shown once.

        Raises `NotAuthenticated` for a token that is not valid any more, `Rejected` if the sink's name is taken.
        """
        credential = SINK_PREFIX + self._new_secret()
        sha256 = digest(call.token)
        now = self._clock.now()
        admitted: list[Sink] = []

        def decide(seen: Configuration) -> Edit:
            entry, enrolment = _usable(seen, sha256, now)
            sink_type = seen.snapshot.sink_type(enrolment.sink_type)
            if sink_type is None:
                raise Rejected(f"the sink type {enrolment.sink_type} of this enrolment is not there any more")
            if seen.snapshot.sink(call.name) is not None:
                raise Rejected(f"there is a sink {call.name}: choose another name, or have an admin remove that one")
            sink = Sink(name=call.name, sink_type=sink_type.name, enrolled_at=now.replace(microsecond=0))
            admitted[:] = [sink]
            return _admission(entry, enrolment, Entry(RowKind.SINK, sink.name, sink, sha256=digest(credential)))

        await self._write(decide)
        return Enrolled(sink=admitted[0].name, sink_type=admitted[0].sink_type, credential=credential)


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
