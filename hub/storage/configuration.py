"""The configuration's rows: one partition, so that a change and the version row are written together or not at all.

A row is the document as it is read back, and beside it, in columns of their own, what is secret: hashes of tokens and
credentials, and a webhook's key. The models never hold those. Of a secret only that it exists is configuration: its
value lies in a table of its own (`secret_rows.py`).

A long file, because rows, columns and the version row have to agree, and are read together.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias

from pydantic import BaseModel, TypeAdapter

from hub.errors import LimitExceeded, Missing
from hub.model.bundle import Bundle
from hub.model.configuration import Action, EventType, SinkType, Source
from hub.model.people import Enrolment, Token, User
from hub.model.secret import SecretInfo
from hub.model.sink import Sink
from hub.model.snapshot import Snapshot
from hub.model.standing import Standing
from hub.rules.formats import FIRST, Level
from hub.storage import codec
from hub.storage.keys import CONFIGURATION
from hub.storage.ports import Change, Delete, Insert, Put, Replace, Row, Tables, Value, Values

PARTITION: Final = "current"
MAX_DOCUMENT_BYTES: Final = 60_000
"""A column holds 64 KiB."""
NO_VERSION: Final = "none"
"""The version before the first write."""
_VERSION_KEY: Final = "~version"
"""Sorts behind every other key, which `load` relies on."""
VERSION_FORMAT: Final = 1
"""Of the version row, for ever: it says the level in force, and so every release must read it."""
_PAGE: Final = 1000
_REMEMBERED_CHARS: Final = 4000
"""Of what the version row says of the newest writes; it is read every few seconds."""
_SECRET_COLUMNS: Final = ("sha256", "old_sha256", "password", "key", "old_key")
_TIME_COLUMNS: Final = ("old_sha256_until", "old_key_until")


class RowKind(StrEnum):
    """What kinds of rows there are."""

    SINK_TYPE = "sink-types"
    ACTION = "actions"
    EVENT_TYPE = "event-types"
    SOURCE = "sources"
    SINK = "sinks"
    TOKEN = "tokens"  # noqa: S105 - the kind, not a token
    ENROLMENT = "enrolments"
    SECRET = "secrets"  # noqa: S105 - the kind, not a secret
    MODULE = "modules"
    """Bundles, named `name@version`; their bytes are blobs."""
    USER = "users"
    """Named by their ids."""


_MODELS: Final[Mapping[RowKind, TypeAdapter[Any]]] = {
    RowKind.SINK_TYPE: TypeAdapter(SinkType),
    RowKind.ACTION: TypeAdapter(Action),
    RowKind.EVENT_TYPE: TypeAdapter(EventType),
    RowKind.SOURCE: TypeAdapter(Source),
    RowKind.SINK: TypeAdapter(Sink),
    RowKind.TOKEN: TypeAdapter(Token),
    RowKind.ENROLMENT: TypeAdapter(Enrolment),
    RowKind.SECRET: TypeAdapter(SecretInfo),
    RowKind.MODULE: TypeAdapter(Bundle),
    RowKind.USER: TypeAdapter(User),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: the document, what is secret beside it, and the version of the configuration that wrote it."""

    kind: RowKind
    name: str
    model: BaseModel
    sha256: str = field(default="", repr=False)
    """Of a token or credential; of a user's invitation."""
    old_sha256: str = field(default="", repr=False)
    """Of the credential that a sink had before."""
    old_sha256_until: datetime | None = None
    password: str = field(default="", repr=False)
    """A user's, hashed with argon2."""
    key: str = field(default="", repr=False)
    """A webhook's key, in clear: it is an address."""
    old_key: str = field(default="", repr=False)
    old_key_until: datetime | None = None
    standing: Standing | None = None
    """Of a schedule."""
    revision: str = ""
    etag: str = ""

    @property
    def row_key(self) -> str:
        return row_key(self.kind, self.name)


@dataclass(frozen=True, slots=True)
class WebhookKey:
    """Which source a key calls, and until when; None: as long as the source is there."""

    source: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class OldCredential:
    """Whose credential it was before the sink rotated it, and until when it is valid still."""

    sink: Sink
    until: datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a caller can prove itself with, by SHA-256 (hexadecimal); webhooks by their key."""

    tokens: Mapping[str, Token] = field(default_factory=dict, repr=False)
    sinks: Mapping[str, Sink] = field(default_factory=dict, repr=False)
    old_sinks: Mapping[str, OldCredential] = field(default_factory=dict, repr=False)
    webhook_keys: Mapping[str, WebhookKey] = field(default_factory=dict, repr=False)
    users: Mapping[str, User] = field(default_factory=dict, repr=False)
    """By id: whose session it is says its cookie, and what they may is written here."""


@dataclass(frozen=True, slots=True)
class Version:
    """The version row: what stands, what the newest writes have touched, and in which format all is written.

    The level is here because this row is what every process reads anyway, and writes under its ETag.
    """

    text: str = NO_VERSION
    etag: str | None = None
    writes: Sequence[tuple[str, Sequence[str]]] = ()
    """The newest first: the version that each led to, and the rows it wrote or removed."""
    level: Level = field(default_factory=lambda: Level(codec.FORMAT))
    """Before the first write nothing older is there to be read: the release's own."""

    def since(self, older: str) -> set[str] | None:
        """The rows that were touched since an older version stood; None: nobody remembers."""
        touched: set[str] = set()
        for version, row_keys in self.writes:
            if version == older:
                return touched
            touched.update(row_keys)
        return None

    def after(self, version: str, row_keys: Sequence[str], level: Level | None = None) -> Values:
        """The columns of the row that stands after one more write, which may raise the level."""
        writes = [(version, list(row_keys)), *self.writes]
        while len(text := json.dumps(writes, separators=(",", ":"))) > _REMEMBERED_CHARS and writes:
            writes.pop()
        return {"format": VERSION_FORMAT, "version": version, "writes": text, **_level_columns(level or self.level)}


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that was configured at one moment, with what writing it again needs."""

    at: Version
    entries: Mapping[str, Entry]
    """By row key."""
    snapshot: Snapshot
    credentials: Credentials

    @property
    def version(self) -> str:
        """Which one it is."""
        return self.at.text

    def get(self, kind: RowKind, name: str) -> Entry | None:
        """The entry of this name, whatever its case."""
        return self.entries.get(row_key(kind, name))

    def of(self, kind: RowKind) -> list[Entry]:
        """All entries of a kind, by name."""
        return [self.entries[key] for key in sorted(key for key in self.entries if key.startswith(f"{kind}:"))]

    def after(self, edit: Edit) -> Configuration:
        """What a change would lead to."""
        removed = {entry.row_key for entry in edit.remove}
        kept = [entry for key, entry in self.entries.items() if key not in removed]
        return _configuration(self.at, [*kept, *edit.put])


@dataclass(frozen=True, slots=True)
class Edit:
    """A change to the configuration: rows to write, rows to remove."""

    put: Sequence[Entry] = ()
    remove: Sequence[Entry] = ()
    level: Level | None = None
    """The format to write from now on; None: as it is."""

    @property
    def is_nothing(self) -> bool:
        return not self.put and not self.remove and self.level is None


Decide: TypeAlias = Callable[[Configuration], Edit]
"""What to change, given the configuration as it stands; raises what refuses the change. May be asked more than once."""

Write: TypeAlias = Callable[[Decide], Awaitable[str]]
"""Carries a decision out and answers the new version, which is the revision of every entry it wrote."""


def row_key(kind: RowKind, name: str) -> str:
    return f"{kind}:{name.casefold()}"


class ConfigurationRows:
    """Reads and writes the rows. Raises what `Tables` raises."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def version(self) -> Version:
        """The version as it stands: one read."""
        try:
            return _version_of(await self._tables.get(CONFIGURATION, PARTITION, _VERSION_KEY))
        except Missing:
            return Version()

    async def load(self, known: Mapping[str, Entry]) -> Configuration:
        """All rows, with those already `known` (by row key and ETag) not parsed again.

        Its version is the one that lay behind the rows when they had been read. The caller compares it with the one
        before: unless they are the same, rows of two versions may have been mixed.
        """
        rows = await self._all()
        at = Version()
        if rows and rows[-1].key == _VERSION_KEY:
            at = _version_of(rows.pop())
        # A kind that this release does not know is another's: one is running beside it that does.
        ours = [row for row in rows if row.key.partition(":")[0] in _MODELS]
        return _configuration(at, [_entry(row, known) for row in ours])

    async def reload(self, known: Configuration, touched: Collection[str]) -> Configuration:
        """The same, reading only the rows that were touched since `known`: a change among thousands costs no more."""
        read = await asyncio.gather(*(self._entry(row_key) for row_key in touched))
        entries = {key: entry for key, entry in known.entries.items() if key not in touched}
        entries.update({entry.row_key: entry for entry in read if entry is not None})
        return _configuration(await self.version(), entries.values())

    async def _entry(self, row_key: str) -> Entry | None:
        if row_key.partition(":")[0] not in _MODELS:
            return None
        try:
            return _entry(await self._tables.get(CONFIGURATION, PARTITION, row_key), {})
        except Missing:
            return None

    async def _all(self) -> list[Row]:
        rows: list[Row] = []
        while True:
            page = await self._tables.query(CONFIGURATION, PARTITION, after=rows[-1].key if rows else "", limit=_PAGE)
            rows += page
            if len(page) < _PAGE:
                return rows

    async def write(self, seen: Configuration, edit: Edit, version: str) -> None:
        """Write the change and the new version, together. Raises `Changed`, `Exists` when `seen` is not the newest."""
        values = seen.at.after(version, [each.row_key for each in (*edit.put, *edit.remove)], edit.level)
        guard: Change = Insert(_VERSION_KEY, values)
        if seen.at.etag is not None:
            guard = Replace(_VERSION_KEY, values, seen.at.etag)
        puts = [Put(entry.row_key, _values(entry, version)) for entry in edit.put]
        removals = [Delete(entry.row_key, entry.etag) for entry in edit.remove]
        await self._tables.transact(CONFIGURATION, PARTITION, [guard, *puts, *removals])


def _configuration(at: Version, entries: Iterable[Entry]) -> Configuration:
    by_key = {entry.row_key: entry for entry in entries}
    by_kind: dict[RowKind, dict[str, Any]] = {kind: {} for kind in RowKind}
    for entry in by_key.values():
        by_kind[entry.kind][entry.name.casefold()] = entry.model
    snapshot = Snapshot(
        version=at.text,
        sink_types=by_kind[RowKind.SINK_TYPE],
        actions=by_kind[RowKind.ACTION],
        event_types=by_kind[RowKind.EVENT_TYPE],
        sources=by_kind[RowKind.SOURCE],
        sinks=by_kind[RowKind.SINK],
        secrets=by_kind[RowKind.SECRET],
        bundles=by_kind[RowKind.MODULE],
        schedules={entry.name.casefold(): entry.standing for entry in by_key.values() if entry.standing is not None},
    )
    return Configuration(at, by_key, snapshot, _credentials(by_key.values()))


def _credentials(entries: Iterable[Entry]) -> Credentials:
    tokens: dict[str, Token] = {}
    sinks: dict[str, Sink] = {}
    old_sinks: dict[str, OldCredential] = {}
    keys: dict[str, WebhookKey] = {}
    users: dict[str, User] = {}
    for entry in entries:
        if isinstance(entry.model, Token):
            tokens[entry.sha256] = entry.model
        elif isinstance(entry.model, Sink):
            sinks[entry.sha256] = entry.model
            if entry.old_sha256 and entry.old_sha256_until is not None:
                old_sinks[entry.old_sha256] = OldCredential(entry.model, entry.old_sha256_until)
        elif isinstance(entry.model, User):
            users[entry.model.id] = entry.model
        elif entry.key:
            keys[entry.key] = WebhookKey(entry.name)
            if entry.old_key:
                keys[entry.old_key] = WebhookKey(entry.name, entry.old_key_until)
    return Credentials(tokens, sinks, old_sinks, keys, users)


def _version_of(row: Row) -> Version:
    codec.check_format(CONFIGURATION, row.values["format"], VERSION_FORMAT)
    writes = json.loads(str(row.values.get("writes", "[]")))
    touched = [(version, row_keys) for version, row_keys in writes]
    return Version(str(row.values["version"]), row.etag, touched, _level_of(row.values))


def _level_of(values: Values) -> Level:
    """What was written before there was a level is of the first format, and so is what says none."""
    number, at = values.get("level", FIRST), values.get("level_at")
    assert isinstance(number, int)
    by = values.get("level_by")
    return Level(number, str(by) if by else None, codec.time_of_text(str(at)) if at else None)


def _level_columns(level: Level) -> dict[str, Value]:
    if level.number == FIRST:
        return {}
    said: dict[str, Value] = {"level": level.number}
    if level.by is not None and level.at is not None:
        said |= {"level_by": level.by, "level_at": codec.text_of_time(level.at)}
    return said


def _entry(row: Row, known: Mapping[str, Entry]) -> Entry:
    before = known.get(row.key)
    if before is not None and before.etag == row.etag:
        return before
    codec.check_format(CONFIGURATION, row.values["format"])
    kind = RowKind(row.key.partition(":")[0])
    secrets: dict[str, Any] = {name: row.values[name] for name in _SECRET_COLUMNS if row.values.get(name)}
    secrets |= {name: codec.time_of_text(str(row.values[name])) for name in _TIME_COLUMNS if row.values.get(name)}
    return Entry(
        kind=kind,
        name=str(row.values["name"]),
        model=_MODELS[kind].validate_json(row.values["document"]),  # type: ignore[arg-type]  # bytes, as written below
        standing=_standing_of(row.values),
        revision=str(row.values["revision"]),
        etag=row.etag,
        **secrets,
    )


def _values(entry: Entry, version: str) -> dict[str, Value]:
    # Without defaults: while an update rolls out, the release before reads this too, and does not know new fields.
    document = json.dumps(
        entry.model.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False, separators=(",", ":")
    ).encode()
    if len(document) > MAX_DOCUMENT_BYTES:
        raise LimitExceeded(f"as JSON this is {len(document)} bytes; at most {MAX_DOCUMENT_BYTES} can be stored")
    values: dict[str, Value] = {
        "format": codec.written(),
        "revision": version,
        "name": entry.name,
        "document": document,
    }
    for name in _SECRET_COLUMNS:
        if getattr(entry, name):
            values[name] = getattr(entry, name)
    for name in _TIME_COLUMNS:
        if getattr(entry, name) is not None:
            values[name] = codec.text_of_time(getattr(entry, name))
    if entry.standing is not None:
        values |= _standing_columns(entry.standing)
    return values


def _standing_columns(standing: Standing) -> dict[str, Value]:
    paused = {"paused_at": codec.text_of_time(standing.paused_at)} if standing.paused_at is not None else {}
    return {"definition": standing.definition, "since": codec.text_of_time(standing.since), **paused}


def _standing_of(values: Values) -> Standing | None:
    if "definition" not in values:
        return None
    paused = values.get("paused_at")
    return Standing(
        str(values["definition"]),
        codec.time_of_text(str(values["since"])),
        codec.time_of_text(str(paused)) if paused else None,
    )
