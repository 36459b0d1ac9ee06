"""Sink types, actions, event types and sources: put, patch, read, list, delete, and all of them from one file.

One use case for the four kinds: they differ in their models (`model/configuration.py`), in what is checked
(`checks.py`) and in whom they name (`references.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from pydantic import JsonValue

from hub.clock import Clock
from hub.configure.checks import NEEDS_OFFSET
from hub.configure.deciding import consistent, removal
from hub.configure.documents import merge_patch, named, parse, parse_all
from hub.configure.matching import ANYTHING, Match
from hub.configure.schedule_checks import check_payload
from hub.configure.writing import check_size
from hub.errors import FieldError, Invalid, NotFound, Rejected
from hub.model.configuration import Kind, Pause, ScheduleSource, SourceKind
from hub.rules.standing import standing_after
from hub.storage.configuration import Configuration, Edit, Entry, RowKind, Write

KEY_OVERLAP: Final = timedelta(hours=24)
"""How long a webhook's old key is valid beside the new one, unless somebody says otherwise."""
Newest: TypeAlias = Callable[[], Awaitable[Configuration]]


@dataclass(frozen=True, slots=True)
class Saved:
    """A document as it now stands, and whether it is new."""

    entry: Entry
    created: bool


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What an import would do to the configuration as it stands."""

    saved: Sequence[Saved]
    before: Configuration
    after: Configuration


class Resources:
    """Configures. Every write sees the newest state, and is refused if what it leads to would not hold together.

    `new_key` draws a webhook's key: 256 bits that nobody can guess, as text for an address. `front_end`: a setting
    names who tells the hub its callers' addresses, so that sources may list networks. `new_definition` draws the name
    of a schedule's definition, an event id of that moment. `max_payload`: bytes that an event's payload may have.
    """

    def __init__(
        self,
        newest: Newest,
        write: Write,
        clock: Clock,
        new_key: Callable[[], str],
        new_definition: Callable[[datetime], str],
        *,
        front_end: bool = False,
        max_payload: int = 4 * 1024 * 1024,
    ) -> None:
        self._newest = newest
        self._write = write
        self._clock = clock
        self._new_key = new_key
        self._new_definition = new_definition
        self._front_end = front_end
        self._max_payload = max_payload

    async def get(self, kind: Kind, name: str) -> Entry:
        """One document. Raises `NotFound`."""
        return _existing(await self._newest(), kind, name)

    async def page(self, kind: Kind, *, after: str = "", limit: int = 100) -> tuple[list[Entry], bool]:
        """Documents by name, those after the name `after`; and whether there are more."""
        entries = (await self._newest()).of(RowKind(kind))
        behind = [each for each in entries if each.name.casefold() > after.casefold()]
        return behind[:limit], len(behind) > limit

    async def put(self, kind: Kind, name: str, document: JsonValue, match: Match) -> Saved:
        """Create, or replace as a whole. Putting what is there already changes nothing.

        Raises `Invalid` with its fields, `Changed`, `Rejected`.
        """
        wanted = parse(kind, named(document, name))
        return await self._save(kind, name, lambda _: wanted, match)

    async def patch(self, kind: Kind, name: str, changes: JsonValue, match: Match) -> Saved:
        """Change some fields, by JSON merge patch (RFC 7396). Raises as `put` does, and `NotFound`."""
        if not isinstance(changes, dict):
            raise Invalid("a merge patch is a JSON object", [FieldError("", "must be a JSON object")])

        def wanted(seen: Configuration) -> Any:
            before = _existing(seen, kind, name).model.model_dump(mode="json")
            return parse(kind, named(merge_patch(before, changes), name))

        return await self._save(kind, name, wanted, match, patching=True)

    async def apply(
        self,
        documents: Mapping[Kind, Sequence[JsonValue]],
        match: Match = ANYTHING,
        *,
        secrets_later: bool = False,
    ) -> list[Saved]:
        """Create or replace all of these at once, or none: they may name each other. What they do not name stays.

        `match` is of the whole configuration; where nothing is to be changed it does not matter. `secrets_later`: they
        may name secrets that are not there yet. Raises `Invalid` with its fields, `Changed`, `Rejected`.
        """
        wanted = self._wanted(documents)
        saved: list[Saved] = []

        def decide(seen: Configuration) -> Edit:
            saved[:], edit = self._imported(seen, wanted, secrets_later)
            if edit.put:
                match.check(seen.version)
            return edit

        version = await self._write(decide)
        return [_stamped(each, version) for each in saved]

    async def rehearse(
        self, documents: Mapping[Kind, Sequence[JsonValue]], *, secrets_later: bool = False
    ) -> Rehearsal:
        """What `apply` would do now, decided in the same way and not done. Raises as it does."""
        seen = await self._newest()
        saved, edit = self._imported(seen, self._wanted(documents), secrets_later)
        check_size(edit)
        return Rehearsal(saved, seen, seen.after(edit))

    def _wanted(self, documents: Mapping[Kind, Sequence[JsonValue]]) -> list[tuple[Kind, Any, str]]:
        return [(kind, model, self._new_key()) for kind, model in parse_all(documents)]

    def _imported(
        self, seen: Configuration, wanted: Sequence[tuple[Kind, Any, str]], secrets_later: bool
    ) -> tuple[list[Saved], Edit]:
        """Each document as it would stand, and the edit that makes it so."""
        saved = [self._saved(seen, *each) for each in wanted]
        edit = Edit(put=[each.entry for each in saved if not each.entry.etag])
        return saved, consistent(seen, edit, secrets_later=secrets_later, front_end=self._front_end)

    async def delete(self, kind: Kind, name: str, match: Match) -> None:
        """Remove it. Raises `NotFound`, `Changed`, `InUse` with the list of those who name it."""

        def decide(seen: Configuration) -> Edit:
            entry = _existing(seen, kind, name)
            match.check(entry.revision)
            return removal(seen, entry)

        await self._write(decide)

    async def pause(self, kind: Kind, name: str, pause: Pause | None) -> Entry:
        """Pause it, or resume it with None, whatever else is changed meanwhile. Raises `NotFound`, `Invalid`."""
        paused: list[Entry] = []
        if pause is not None and pause.until is not None:
            _check_end(pause.until, self._clock.now())

        def decide(seen: Configuration) -> Edit:
            entry = _existing(seen, kind, name)
            if entry.model.pause == pause:  # type: ignore[attr-defined]  # only of kinds that can be paused
                paused[:] = [entry]
                return Edit()
            model = entry.model.model_copy(update={"pause": pause})
            paused[:] = [self._standing(replace(entry, model=model, etag=""), entry)]
            return consistent(seen, Edit(put=paused))

        version = await self._write(decide)
        return _stamped(Saved(paused[0], created=False), version).entry

    async def rotate_key(self, name: str, overlap: timedelta = KEY_OVERLAP) -> Entry:
        """Give a webhook a new key; the old one is valid for the overlap. Raises `NotFound`, `Rejected`."""
        key = self._new_key()
        rotated: list[Entry] = []

        def decide(seen: Configuration) -> Edit:
            entry = _existing(seen, Kind.SOURCE, name)
            rotated[:] = [_rotated(entry, key, self._clock.now(), overlap)]
            return Edit(put=rotated)

        version = await self._write(decide)
        return replace(rotated[0], revision=version)

    async def _save(
        self, kind: Kind, name: str, wanted: Callable[[Configuration], Any], match: Match, *, patching: bool = False
    ) -> Saved:
        key = self._new_key()
        saved: list[Saved] = []

        def decide(seen: Configuration) -> Edit:
            saved[:] = [self._saved(seen, kind, wanted(seen), key)]
            entry = saved[0].entry
            if entry.etag and not match.absent:
                return Edit()  # it says so already: perhaps this is the second try of a put whose answer was lost
            before = seen.get(RowKind(kind), name)
            match.check(before.revision if before else None, required=not patching)
            return consistent(seen, Edit(put=[entry]), front_end=self._front_end)

        version = await self._write(decide)
        return _stamped(saved[0], version)

    def _saved(self, seen: Configuration, kind: Kind, model: Any, new_key: str) -> Saved:
        """The entry to write; or the one that is there, with its ETag, if it says the same."""
        before = seen.get(RowKind(kind), model.name)
        if before is not None and before.model == model:
            return Saved(before, created=False)
        entry = Entry(RowKind(kind), model.name, model)
        if kind is Kind.SOURCE and model.kind is SourceKind.WEBHOOK:
            entry = replace(entry, key=new_key)
            if before is not None and before.key:
                entry = replace(entry, key=before.key, old_key=before.old_key, old_key_until=before.old_key_until)
        return Saved(self._standing(entry, before), created=before is None)

    def _standing(self, entry: Entry, before: Entry | None) -> Entry:
        """The entry with how it stands once it is written, if it is a schedule."""
        if not isinstance(entry.model, ScheduleSource):
            return entry
        check_payload(entry.model, self._max_payload)
        stood = None
        if before is not None and isinstance(before.model, ScheduleSource) and before.standing is not None:
            stood = (before.model, before.standing)
        now = self._clock.now()
        return replace(entry, standing=standing_after(stood, entry.model, now, lambda: self._new_definition(now)))


def _existing(seen: Configuration, kind: Kind, name: str) -> Entry:
    entry = seen.get(RowKind(kind), name)
    if entry is None:
        raise NotFound(f"there is no {kind}/{name}")
    return entry


def _check_end(until: datetime, now: datetime) -> None:
    what = NEEDS_OFFSET if until.tzinfo is None else "must be a time to come" if until <= now else None
    if what is not None:
        raise Invalid(f"until {what}", [FieldError("until", what)])


def _stamped(saved: Saved, version: str) -> Saved:
    """What was written carries the version that wrote it."""
    return saved if saved.entry.etag else replace(saved, entry=replace(saved.entry, revision=version))


def _rotated(entry: Entry, key: str, now: datetime, overlap: timedelta) -> Entry:
    if not entry.key:
        raise Rejected(f"the source {entry.name} is no webhook and has no key")
    if not overlap:
        return replace(entry, key=key, old_key="", old_key_until=None)
    if entry.old_key_until is not None and entry.old_key_until > now:
        raise Rejected(
            f"the key was rotated before, and the old one is valid until {entry.old_key_until:%Y-%m-%dT%H:%M:%SZ}: "
            "rotate again after that, or now with an overlap of 0, which ends every older key at once"
        )
    return replace(entry, key=key, old_key=entry.key, old_key_until=now + overlap)
