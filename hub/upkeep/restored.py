"""What must not come back with a restored backup, and the record that it was restored.

A backup knows nothing of what was ended after it was made. What is cheap to make anew ends with every restore:
sessions, enrolment tokens, invitations. Access tokens and credentials of sinks end if it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from hub.audit.attempt import Who
from hub.audit.wiring import build_audit
from hub.batches import batches
from hub.clock import Clock
from hub.configure.copy import ConfigurationCopy
from hub.configure.writing import MOST_ROWS, ConfigurationWriter
from hub.dispatch.presence import PresenceBook
from hub.model.audit import RESTORE, RESTORED_FROM, Change
from hub.model.people import User
from hub.people.users import first_generation
from hub.storage.configuration import Configuration, Edit, Entry, RowKind
from hub.storage.ports import Storage

ACTOR: Final = "hub"


@dataclass(frozen=True, slots=True)
class Revoke:
    """What shall end beside what always does."""

    tokens: bool = False
    sinks: bool = False
    """Each has to be enrolled again."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What was ended, and what came back as it was in the backup."""

    users: int
    enrolments: int
    invitations: int
    tokens_ended: int
    tokens_back: int
    sinks_ended: int
    sinks_back: int


async def settle(
    storage: Storage,
    clock: Clock,
    randomness: Callable[[], int],
    revoke: Revoke,
    backup: Mapping[str, JsonValue],
) -> Settled:
    """Make a database that was put back fit to be started. Nobody else has it open. Raises `Unavailable`.

    `backup` is what the record says of it: `taken_at` at least.
    """
    await storage.prepare()
    copy = ConfigurationCopy(storage.tables, clock)
    writer = ConfigurationWriter(storage.tables, copy, randomness)
    seen = await copy.newest()
    settled = _count(seen, revoke)
    await _write(writer, seen, revoke, clock.now())
    await PresenceBook(storage.tables, clock).none_is_here()
    said = {**backup, "ended": {"sessions of users": settled.users, **_ended(settled)}}
    await build_audit(storage, clock, randomness, _answered).trail.record(
        Who(ACTOR), RESTORE, "storage", changes=[Change(resource=RESTORED_FROM, after=said)]
    )
    return settled


def _answered(_: BaseException) -> int:
    """Nobody is answered here."""
    return 500


def _ended(settled: Settled) -> dict[str, JsonValue]:
    return {
        "enrolments": settled.enrolments,
        "invitations": settled.invitations,
        "tokens": settled.tokens_ended,
        "sinks": settled.sinks_ended,
    }


def _count(seen: Configuration, revoke: Revoke) -> Settled:
    tokens, sinks = len(seen.of(RowKind.TOKEN)), len(seen.of(RowKind.SINK))
    users = seen.of(RowKind.USER)
    return Settled(
        users=len(users),
        enrolments=len(seen.of(RowKind.ENROLMENT)),
        invitations=sum(1 for each in users if each.sha256),
        tokens_ended=tokens if revoke.tokens else 0,
        tokens_back=0 if revoke.tokens else tokens,
        sinks_ended=sinks if revoke.sinks else 0,
        sinks_back=0 if revoke.sinks else sinks,
    )


async def _write(writer: ConfigurationWriter, seen: Configuration, revoke: Revoke, now: datetime) -> None:
    """In as many transactions as it takes: the database is not in its place yet, so a death between leaves nothing."""
    kinds = [RowKind.ENROLMENT, *[RowKind.TOKEN] * revoke.tokens, *[RowKind.SINK] * revoke.sinks]
    keys = [each.row_key for kind in (RowKind.USER, *kinds) for each in seen.of(kind)]
    for some in batches(keys, MOST_ROWS):

        def decide(newest: Configuration, some: Sequence[str] = some) -> Edit:
            found = [newest.entries[key] for key in some]
            users = [_signed_out(each, now) for each in found if each.kind is RowKind.USER]
            return Edit(put=users, remove=[each for each in found if each.kind is not RowKind.USER])

        await writer.write(decide)


def _signed_out(entry: Entry, now: datetime) -> Entry:
    """No session of theirs is good any more, not of any generation that came after the backup; nor is an invitation."""
    user = entry.model
    assert isinstance(user, User)
    generation = max(user.generation + 1, first_generation(now))
    model = user.model_copy(update={"generation": generation, "ended": (), "invited_until": None})
    return replace(entry, model=model, sha256="")
