"""A release writes what the one before reads until it is finalised: with a stand-in for the second format."""

from __future__ import annotations

import asyncio
import itertools
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub import process, telemetry
from hub.configure.copy import ConfigurationCopy
from hub.configure.formats import Formats
from hub.configure.writing import ConfigurationWriter
from hub.errors import NotReady
from hub.life.lease import LeaseTokens
from hub.rules import formats
from hub.signing import Purpose, RootKey, Signer
from hub.storage import codec
from hub.storage.codec import Hint, UnknownFormat
from hub.storage.configuration import PARTITION, ConfigurationRows
from hub.storage.embedded import open_embedded, values
from hub.storage.events import _address
from hub.storage.keys import CONFIGURATION, EVENTS, TABLES
from hub.storage.ports import Storage
from tests.contract.rig import ManualClock
from tests.formats.record import record
from tests.functions.shell import POLL, Shell, opened_shell
from tests.unit.configuring import StepClock

HEARD = 6
"""Seconds after which every process has read the level."""
OLD: Mapping[str, str | int] = {"format": 1, "version": "v", "writes": "[]"}
"""The version row of a database from before there was a level."""


def _hint_2(hint: Hint) -> dict[str, object]:
    return {"event": hint.event_id, "seen": hint.seen_claim}


def _hint_from_2(document: Mapping[str, Any]) -> Hint:
    return Hint(document["event"], document["seen"])


class Release:
    """Which release this process is, from now on."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        patch.setattr(codec, "_written", 1)

    def knows(self, newest: int) -> None:
        """The formats up to this one; the second has other messages."""
        self._patch.setattr(codec, "FORMAT", newest)
        for table, known in ((codec._HINT_WRITERS, _hint_2), (codec._HINT_READERS, _hint_from_2)):
            self._patch.delitem(table, 2, raising=False)
            if newest >= 2:
                self._patch.setitem(table, 2, known)


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Release:
    return Release(monkeypatch)


@pytest.fixture
def storage() -> Storage:
    return open_embedded(None, ManualClock())


async def _formats_of(shell: Shell, event_id: str) -> tuple[object, set[int]]:
    """Of the event's row, and of the messages in its queue."""
    row = await _row(shell, event_id)
    messages = await shell.hub.storage.queues.receive(row["queue"], count=32, hidden_seconds=0)
    return row["format"], {json.loads(each.body)["format"] for each in messages if event_id in each.body}


async def _row(shell: Shell, event_id: str) -> Mapping[str, Any]:
    return (await shell.hub.storage.tables.get(EVENTS, *_address(event_id))).values


async def _end(shell: Shell, credential: str, most: int) -> set[str]:
    """Claim and end so many of those that wait; their ids."""
    ended: set[str] = set()
    async with asyncio.timeout(20):
        while len(ended) < most:
            shell.clock.seconds += HEARD
            for task in (await shell.ok("POST", "/agent/poll", POLL, token=credential) or {"tasks": []})["tasks"]:
                url = f"/agent/events/{task['event_id']}/result"
                await shell.ok("POST", url, {"token": task["token"], "state": "SUCCESS", "data": 1}, token=credential)
                ended.add(task["event_id"])
    return ended


async def test_old_is_written_until_finalised_and_new_after_and_both_are_read(release: Release) -> None:
    async with opened_shell() as shell:
        await shell.configure()
        credential = await shell.enrol()
        release.knows(2)
        shell.clock.seconds += HEARD
        before = await shell.fire()
        assert await _formats_of(shell, before) == (1, {1})
        said = await shell.ok("GET", "/api/formats")
        assert (said["format"], said["level"], said["reads"], said["finalised_by"]) == (2, 1, [1, 2], None)

        release.knows(1)  # the release before, beside it or put back
        shell.clock.seconds += HEARD
        assert (await shell.ok("GET", f"/api/events/{before}"))["state"] == "QUEUED"
        assert await _end(shell, credential, 1) == {before}

        release.knows(2)
        before = await shell.fire()
        said = await shell.ok("POST", "/api/formats/finalise")
        assert (said["level"], said["finalised"], said["words"]) == (2, True, "format 2 is written from now on")
        assert said["finalised_by"] == "first-admin"
        assert said["finalised_at"]
        after = await shell.fire()
        assert await _formats_of(shell, after) == (2, {2})
        assert await _end(shell, credential, 2) == {before, after}
        (entry,) = (await shell.ok("GET", "/api/audit?resource=formats"))["items"]
        assert entry["changes"] == [{"resource": "formats", "before": {"level": 1}, "after": {"level": 2}}]

        again = await shell.ok("POST", "/api/formats/finalise")
        assert (again["finalised"], again["words"]) == (False, "format 2 is written already")
        assert (again["finalised_by"], again["finalised_at"]) == (said["finalised_by"], said["finalised_at"])
        await shell.configure(max_running=3)  # what writes the row that says it keeps it
        assert (await shell.ok("GET", "/api/formats"))["level"] == 2

        raw = await _row(shell, after)
        release.knows(1)
        shell.clock.seconds += HEARD
        refused = (await shell("GET", "/api/sources")).problem(503)
        assert refused["detail"] == formats.refusal(2, 1)
        with pytest.raises(UnknownFormat, match=r"^events: format 2 is not known to this release, which reads 1 to 1$"):
            codec.decode_event(raw)
        with pytest.raises(UnknownFormat, match=r"^messages: format 2 .* reads 1 to 1$"):
            codec.decode_hint('{"format":2,"event":"x","seen":""}')


async def test_who_has_not_heard_of_it_writes_what_is_still_read(release: Release) -> None:
    async with opened_shell() as shell:
        await shell.configure()
        release.knows(2)
        await shell.ok("POST", "/api/formats/finalise")
        codec.write_as(1)  # as another process does, that has read the version a moment before
        late = await shell.fire()
        assert await _formats_of(shell, late) == (1, {1})
        assert (await shell.ok("GET", f"/api/events/{late}"))["state"] == "QUEUED"
        shell.clock.seconds += HEARD
        assert await _formats_of(shell, await shell.fire()) == (2, {2})


async def test_a_release_that_was_left_out(release: Release) -> None:
    async with opened_shell() as shell:
        await shell.configure()
        release.knows(3)
        shell.clock.seconds += HEARD
        for method, url in (("GET", "/api/sources"), ("POST", "/api/formats/finalise")):
            assert (await shell(method, url)).problem(503)["detail"] == formats.refusal(1, 3)


async def test_two_finalise_at_once(storage: Storage, release: Release) -> None:
    await storage.prepare()
    await storage.tables.insert(CONFIGURATION, PARTITION, "~version", OLD)
    release.knows(2)
    clock, numbers = StepClock(), itertools.count(1)

    def of(who: str, announce: Any) -> Formats:
        copy = ConfigurationCopy(storage.tables, clock)
        return Formats(copy.newest, ConfigurationWriter(storage.tables, copy, numbers.__next__, announce).write, clock)

    asked: list[bool] = []

    async def nothing(*_: object) -> None: ...

    async def another_first(*_: object) -> None:
        if not asked:
            asked.append(await of("bob", nothing).finalise("bob"))
            assert codec.written() == 2, "in force here when it returns"

    assert await of("ann", another_first).finalise("ann") is False
    assert asked == [True]
    level = (await ConfigurationRows(storage.tables).version()).level
    assert (level.number, level.by) == (2, "bob")
    await storage.close()


@pytest.mark.parametrize("level", [1, 2])
async def test_every_writer_writes_the_level(
    level: int, tmp_path: Path, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database of before stays at the first format; a new one begins at the newest."""
    monkeypatch.setattr("logging._logRecordFactory", telemetry.record)
    if level == 1:
        await _database(tmp_path, OLD)
    release.knows(2)
    export = await record(tmp_path)
    found: dict[str, set[int]] = {}
    for table, partition, key, text in export["rows"]:
        columns = values.decode(text)
        said = json.loads(str(columns["mark"])) if (partition, key) == ("reconcile", "mark") else columns
        if key != "~version":
            found.setdefault(table, set()).add(int(said["format"]))
    assert found == {table: {level} for table in TABLES}
    assert {json.loads(body)["format"] for _, body in export["messages"]} == {level}
    with closing(sqlite3.connect(tmp_path / "nexomatic.db")) as file:
        (text,) = file.execute("SELECT columns FROM rows WHERE key = '~version'").fetchone()
    version = values.decode(text)
    assert (version["format"], version.get("level", 1)) == (1, level)


async def _database(folder: Path, version: Mapping[str, str | int]) -> None:
    there = open_embedded(folder / process.DATABASE, ManualClock())
    await there.prepare()
    await there.tables.insert(CONFIGURATION, PARTITION, "~version", version)
    await there.close()


async def test_a_start(tmp_path: Path, release: Release) -> None:
    """The level is known before anything is written, and a release that must not serve does not start."""
    await _database(tmp_path, {**OLD, "level": 2})
    environ = {"NEXOMATIC_STORAGE": "embedded", "NEXOMATIC_HOME": str(tmp_path)}
    with pytest.raises(NotReady) as refused:
        await process.open_hub(environ)
    assert str(refused.value) == formats.refusal(2, 1)
    release.knows(2)
    opened = await process.open_hub(environ)
    assert codec.written() == 2
    await opened.storage.close()


def test_the_rule() -> None:
    assert [formats.refusal(*each) for each in ((1, 1), (1, 2), (2, 2), (2, 3))] == [None] * 4
    assert "at format 2, and this release reads up to 1: run a release that reads format 2" in str(
        formats.refusal(2, 1)
    )
    left_out = str(formats.refusal(1, 3))
    assert "at format 1, and this release writes 3" in left_out
    assert "Run the one that writes format 2, finalise there (nexo formats finalise)" in left_out
    assert [formats.is_read(each, 2) for each in (0, 1, 2, 3, "1", True, None)] == [False, True, True, *[False] * 4]


def test_a_lease_has_a_number_of_its_own(release: Release) -> None:
    release.knows(2)
    signer = Signer(Purpose.LEASE, RootKey(bytes(32)))
    with pytest.raises(UnknownFormat, match=r"^leases: format 2 .* reads 1 to 1$"):
        LeaseTokens(signer).read(signer.sign(b'{"format":2}'), event_id=None, sink="box")


def test_every_format_that_is_read_has_a_writer_and_a_reader() -> None:
    known = set(range(1, codec.FORMAT + 1))
    assert set(codec._HINT_WRITERS) == set(codec._HINT_READERS) == known
    assert codec.decode_hint(codec.encode_hint(Hint("x", "y"))) == Hint("x", "y")


async def test_who_and_when_are_kept(storage: Storage) -> None:
    await storage.prepare()
    at = datetime(2026, 3, 1, tzinfo=UTC)
    rows = ConfigurationRows(storage.tables)
    level = formats.Level(2, "ann", at)
    columns = (await rows.version()).after("v", [], level)
    await storage.tables.insert(CONFIGURATION, PARTITION, "~version", columns)
    assert (await rows.version()).level == level
    await storage.close()
