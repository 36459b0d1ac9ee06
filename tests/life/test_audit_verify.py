"""Anchors and verifying: what is done to the audit shows, and where; also a tail that was removed with its head."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.audit import verifying
from hub.audit.attempt import Who
from hub.audit.verifying import Verified, Walk
from hub.audit.wiring import Audit, build_audit
from hub.errors import Unavailable
from hub.model.audit import AuditEntry, GivenSecret, Result
from hub.problems import status_of
from hub.rules import audit_chain
from hub.storage.embedded import open_embedded
from hub.storage.embedded.anchors import FILE, EmbeddedAnchors
from hub.storage.keys import AUDIT, RELEASES
from hub.storage.ports import ANY_ETAG, Change, Delete, Put, Storage
from tests.contract.rig import ManualClock
from tests.life.faulty_tables import FaultyTables, Killed, Wrong

PEOPLE = "people-00000000"


class Trial:
    """An audit over an engine, and a way to do something to it behind its back."""

    def __init__(self, storage: Storage | None = None) -> None:
        self.clock = ManualClock()
        self.storage = storage or open_embedded(None, self.clock)
        self.numbers = iter(range(1, 1_000_000))
        self.audit = self.process()

    def process(self) -> Audit:
        return build_audit(self.storage, self.clock, lambda: next(self.numbers) * 0x9E3779B97F4A7C15F39C, status_of)

    async def people(self, number: int) -> None:
        for turn in range(number):
            await self.audit.trail.record(Who("users/ann"), "PUT /x", f"x/{turn}")

    async def give(self, number: int, audit: Audit | None = None) -> None:
        for turn in range(number):
            secret = GivenSecret(name="a", version="1")
            await (audit or self.audit).releases.record(Who("sinks/box"), f"E{turn}", [secret])

    async def verified(self) -> Verified:
        """All calls together."""
        walk, breaks = Walk(), []
        while True:
            done = await self.audit.verifying.step(walk)
            breaks += done.breaks
            walk = done.walk
            if walk.stage == "over":
                return replace(done, breaks=breaks)

    async def rows(self, table: str, partition: str) -> list[Any]:
        return await self.storage.tables.query(table, partition)


async def found(trial: Trial) -> list[tuple[int, str]]:
    return [(each.seq, each.what) for each in (await trial.verified()).breaks]


async def test_a_whole_audit_holds_and_says_its_heads() -> None:
    trial = Trial()
    await trial.people(5)
    await trial.give(3)
    await trial.give(2, trial.process())
    assert await trial.audit.anchoring.step()
    done = await trial.verified()
    assert done.breaks == []
    assert (done.walk.entries, done.walk.anchors, done.walk.met, done.walk.unreadable) == (10, 1, 3, 0)
    assert sorted(each.seq for each in done.heads) == [2, 3, 5]
    newest = (await trial.rows(AUDIT, PEOPLE))[0]
    assert next(each.hash for each in done.heads if each.chain == "people") == newest.values["hash"]


async def test_an_empty_audit_holds() -> None:
    trial = Trial()
    await trial.audit.anchoring.step()
    done = await trial.verified()
    assert (done.breaks, done.heads, done.walk.anchors) == ([], [], 1)


@pytest.mark.parametrize("rows", [1, 3, 7])
async def test_it_goes_on_where_the_last_call_ended(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "MOST_ROWS", rows)
    monkeypatch.setattr(verifying, "PARTS_A_READ", 2)
    monkeypatch.setattr(verifying, "A_READ", 2)
    monkeypatch.setattr("hub.storage.audit_rows.A_PARTITION", 4)
    trial = Trial()
    for _ in range(5):
        await trial.people(3)
        await trial.give(5)
        await trial.give(1, trial.process())
        await trial.audit.anchoring.step()
        trial.clock.advance(3600)
    done = await trial.verified()
    assert done.breaks == []
    assert (done.walk.entries, done.walk.anchors) == (45, 5)
    # The people's, that of the process that goes on, and of the others those that released something lately.
    assert done.walk.met == sum((3, 4, 5, 5, 5))


async def alter(trial: Trial) -> None:
    """Write another actor into entry 3, with a hash that fits it."""
    row = (await trial.rows(AUDIT, PEOPLE))[2]
    body = row.values["entry"].replace(b"ann", b"bob")
    values = {**row.values, "entry": body, "hash": audit_chain.hash_of(row.values["previous"], body)}
    await trial.storage.tables.put(AUDIT, PEOPLE, row.key, values)


async def take_out(trial: Trial) -> None:
    """Entry 3."""
    row = (await trial.rows(AUDIT, PEOPLE))[2]
    await trial.storage.tables.delete(AUDIT, PEOPLE, row.key, ANY_ETAG)


async def cut_off(trial: Trial) -> None:
    """Entries 4 and 5, and leave the head."""
    for row in (await trial.rows(AUDIT, PEOPLE))[:2]:
        await trial.storage.tables.delete(AUDIT, PEOPLE, row.key, ANY_ETAG)


async def cut_off_well(trial: Trial) -> None:
    """Entries 4 and 5, and put the head back to entry 3: the chain by itself holds."""
    five, four, three, *_ = await trial.rows(AUDIT, PEOPLE)
    head = {"format": 1, "seq": 3, "hash": three.values["hash"]}
    changes: list[Change] = [Delete(five.key, five.etag), Delete(four.key, four.etag), Put("head", head)]
    await trial.storage.tables.transact(AUDIT, PEOPLE, changes)


async def remove_all(trial: Trial) -> None:
    """Every row of the people's chain."""
    for row in await trial.rows(AUDIT, PEOPLE):
        await trial.storage.tables.delete(AUDIT, PEOPLE, row.key, ANY_ETAG)


async def write_anew(trial: Trial) -> None:
    """The whole chain, with one entry less, hashes and head that fit."""
    await remove_all(trial)
    await trial.process().trail.record(Who("users/ann"), "PUT /x", "x/0")


Doing = Callable[[Trial], Awaitable[None]]


@pytest.mark.parametrize(
    ("do", "seq", "says"),
    [
        (alter, 4, "one of the two was replaced"),
        (take_out, 3, "entry 3 is missing"),
        (cut_off, 4, "entries 4 to 5 are missing: the head says"),
        (cut_off_well, 5, "the anchor of 2026-03-01T12:00:00Z saw the chain reach it"),
        (remove_all, 5, "the anchor of 2026-03-01T12:00:00Z saw"),
        (write_anew, 5, "the anchor of 2026-03-01T12:00:00Z saw"),
    ],
)
async def test_what_is_done_to_the_peoples_chain_shows(do: Doing, seq: int, says: str) -> None:
    trial = Trial()
    await trial.people(5)
    await trial.give(2)
    await trial.audit.anchoring.step()
    await do(trial)
    breaks = (await trial.verified()).breaks
    assert breaks[0].seq == seq
    assert says in breaks[0].what
    assert {each.chain for each in breaks} == {"people"}


async def test_a_tail_that_was_removed_and_written_over_since_shows() -> None:
    trial = Trial()
    await trial.people(5)
    await trial.audit.anchoring.step()
    await cut_off_well(trial)
    await trial.process().trail.record(Who("users/eve"), "PUT /x", "x")
    await trial.process().trail.record(Who("users/eve"), "PUT /x", "x")
    assert await found(trial) == [(5, "the entry is not the one that the anchor of 2026-03-01T12:00:00Z saw")]


async def release_partitions(trial: Trial) -> list[str]:
    """The oldest hour first."""
    index = await trial.rows(RELEASES, "hours")
    parts = [each.key.partition("-") for each in index][::-1]
    return [f"{99_999_999 - int(hour):08d}-{chain}" for hour, _, chain in parts]


@pytest.mark.parametrize(
    ("hour", "row", "seq", "says"),
    [
        (0, 0, 3, "entry 3 is missing"),  # the end of an hour: the next hour knows
        (0, 1, 2, "entry 2 is missing"),
        (1, 2, 3, ""),  # the first one of an hour
        (1, 0, 6, "the anchor of 2026-03-01T13:00:00Z saw"),  # the very end
    ],
)
async def test_a_release_that_was_taken_out_shows(hour: int, row: int, seq: int, says: str) -> None:
    trial = Trial()
    await trial.give(3)
    trial.clock.advance(3600)
    await trial.give(3)
    await trial.audit.anchoring.step()
    partition = (await release_partitions(trial))[hour]
    taken = (await trial.rows(RELEASES, partition))[row]
    await trial.storage.tables.delete(RELEASES, partition, taken.key, ANY_ETAG)
    breaks = await found(trial)
    assert breaks, "nothing shows"
    if says:
        assert breaks[0][0] == seq
        assert says in breaks[0][1]


@pytest.mark.parametrize("seq", range(1, 6))
async def test_wherever_a_release_was_taken_out_of_its_hour_it_shows(seq: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "A_READ", 2)  # also between what two reads bring
    trial = Trial()
    await trial.give(6)
    (partition,) = await release_partitions(trial)
    taken = (await trial.rows(RELEASES, partition))[6 - seq]
    await trial.storage.tables.delete(RELEASES, partition, taken.key, ANY_ETAG)
    assert len(await found(trial)) == 1


async def test_an_hour_of_releases_that_was_removed_as_a_whole_shows() -> None:
    trial = Trial()
    await trial.give(3)
    trial.clock.advance(3600)
    await trial.give(3)
    first, _ = await release_partitions(trial)
    for row in await trial.rows(RELEASES, first):
        await trial.storage.tables.delete(RELEASES, first, row.key, ANY_ETAG)
    index = (await trial.rows(RELEASES, "hours"))[-1]
    await trial.storage.tables.delete(RELEASES, "hours", index.key, ANY_ETAG)
    assert await found(trial) == [(3, "the entry is missing, and the others of its hour")]


async def test_an_altered_release_shows() -> None:
    trial = Trial()
    await trial.give(3)
    (partition,) = await release_partitions(trial)
    row = (await trial.rows(RELEASES, partition))[1]
    body = bytes(row.values["entry"]).replace(b"sinks/box", b"sinks/bot")
    await trial.storage.tables.put(RELEASES, partition, row.key, {**row.values, "entry": body})
    assert await found(trial) == [(2, "the entry does not match its hash: it was altered")]


async def test_a_whole_chain_of_releases_that_was_removed_shows_by_its_anchor() -> None:
    trial = Trial()
    await trial.give(2)
    await trial.audit.anchoring.step()
    (partition,) = await release_partitions(trial)
    for table, where in ((RELEASES, partition), (RELEASES, "hours")):
        for row in await trial.rows(table, where):
            await trial.storage.tables.delete(table, where, row.key, ANY_ETAG)
    ((seq, what),) = await found(trial)
    assert seq == 2
    assert "the anchor of 2026-03-01T12:00:00Z saw the chain reach it" in what


async def test_verifying_while_others_write_finds_nothing_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.storage.audit_rows.A_PARTITION", 7)
    trial = Trial()
    trial.storage = _Yielding(trial.storage)  # type: ignore[assignment]  # the tables alone give way
    trial.audit = trial.process()

    async def write() -> None:
        other = trial.process()
        for turn in range(60):
            await other.trail.record(Who("users/ann"), "PUT /x", f"x/{turn}")
            await trial.give(1, other)

    writing = asyncio.ensure_future(write())
    while not writing.done():
        assert (await trial.verified()).breaks == []
        await trial.audit.anchoring.step()
        trial.clock.advance(600)
    await writing
    assert (await trial.verified()).walk.entries == 120


class _Yielding:
    def __init__(self, engine: Any) -> None:
        self.tables = _YieldingTables(engine.tables)
        self.anchors = engine.anchors


class _YieldingTables:
    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        carry_out = getattr(self._engine, name)

        async def operation(*arguments: Any, **options: Any) -> Any:
            await asyncio.sleep(0)
            return await carry_out(*arguments, **options)

        return operation


class TestAnchoring:
    async def test_once_an_hour_whoever_asks(self) -> None:
        trial = Trial()
        await trial.people(1)
        other = trial.process()
        assert await trial.audit.anchoring.step()
        trial.clock.advance(60)
        assert not await other.anchoring.step()
        before = trial.storage.operations.total
        assert not await trial.audit.anchoring.step()
        assert trial.storage.operations.total == before
        trial.clock.advance(3539)
        assert not await trial.audit.anchoring.step()
        trial.clock.advance(1)
        assert await other.anchoring.step()
        assert await trial.storage.anchors.names() == ["2026-03-01T120000Z.json", "2026-03-01T130000Z.json"]

    async def test_after_a_standstill_every_chain_that_went_on_meanwhile_is_anchored(self) -> None:
        trial = Trial()
        await trial.audit.anchoring.step()
        for _ in range(3):
            trial.clock.advance(7200)
            await trial.give(1, trial.process())
        trial.clock.advance(7200)
        await trial.audit.anchoring.step()
        assert (await trial.verified()).walk.met == 3

    async def test_a_clock_that_was_set_back_does_not_stop_it(self) -> None:
        trial = Trial()
        trial.clock.advance(10 * 3600)
        await trial.audit.anchoring.step()
        trial.clock.advance(-5 * 3600)
        await trial.give(1)
        assert await trial.audit.anchoring.step()
        assert (await trial.verified()).walk.met == 1

    @pytest.mark.parametrize("wrong", [Wrong.FAILS, Wrong.LOST, Wrong.DIES_BEFORE, Wrong.DIES_AFTER])
    async def test_what_goes_wrong_is_made_up_for_by_the_next_step(self, wrong: Wrong) -> None:
        for number in range(1, 9):
            trial = Trial()
            await trial.people(2)
            await trial.give(2)
            tables = FaultyTables(trial.storage.tables, number, wrong)
            whole = trial.storage
            trial.storage = _With(tables, whole.anchors)  # type: ignore[assignment]
            with suppress(Unavailable, Killed):
                await trial.process().anchoring.step()
            trial.storage = whole
            trial.clock.advance(60)
            await trial.process().anchoring.step()
            done = await trial.verified()
            assert done.breaks == []
            assert done.walk.anchors >= 1

    async def test_the_timer_does_it(self) -> None:
        trial = Trial()
        await trial.people(1)
        await trial.audit.step()
        assert len(await trial.storage.anchors.names()) == 1


class _With:
    def __init__(self, tables: Any, anchors: Any) -> None:
        self.tables = tables
        self.anchors = anchors


class TestTheFile:
    async def test_anchors_lie_beside_the_database_and_outlive_it(self, tmp_path: Path) -> None:
        clock = ManualClock()
        trial = Trial(open_embedded(tmp_path / "nexomatic.db", clock))
        await trial.people(5)
        await trial.audit.anchoring.step()
        await trial.storage.close()
        assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
        for ending in ("", "-wal", "-shm", ".lock"):
            (tmp_path / f"nexomatic.db{ending}").unlink(missing_ok=True)
        anew = Trial(open_embedded(tmp_path / "nexomatic.db", clock))
        await anew.people(2)
        ((seq, what),) = await found(anew)
        assert seq == 5
        assert "is missing" in what
        await anew.storage.close()

    async def test_a_line_that_was_cut_off_costs_no_other(self, tmp_path: Path) -> None:
        clock = ManualClock()
        trial = Trial(open_embedded(tmp_path / "nexomatic.db", clock))
        await trial.people(2)
        await trial.audit.anchoring.step()
        file = tmp_path / FILE
        with file.open("ab") as opened:
            opened.write(b'2026-03-01T123000Z.json {"format":1,"at":"2026-')
        trial.clock.advance(3600)
        await trial.audit.anchoring.step()
        done = await trial.verified()
        assert (done.breaks, done.walk.anchors, done.walk.unreadable) == ([], 2, 1)
        await trial.storage.close()

    async def test_one_that_cannot_be_written_is_tried_again(self, tmp_path: Path) -> None:
        trial = Trial(open_embedded(tmp_path / "nexomatic.db", ManualClock()))
        (tmp_path / FILE).mkdir()
        with pytest.raises(Exception, match=r"cannot be (read|written)"):
            await trial.audit.anchoring.step()
        (tmp_path / FILE).rmdir()
        assert await trial.audit.anchoring.step()
        await trial.storage.close()

    async def test_nothing_that_is_there_is_touched(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        storage = open_embedded(tmp_path / "nexomatic.db", ManualClock())
        anchors = storage.anchors
        assert isinstance(anchors, EmbeddedAnchors)
        await anchors.add("a", b"1")
        before = (tmp_path / FILE).read_bytes()
        await anchors.add("b", b"2")
        assert (tmp_path / FILE).read_bytes() == before + b"b 2\n"
        await storage.close()


def test_an_entry_of_a_later_release_is_read_by_this_one() -> None:
    body = audit_chain.encode(
        AuditEntry(
            chain="people",
            seq=1,
            id="x",
            at=ManualClock().now(),
            action="a",
            resource="r",
            result=Result.DONE,
        )
    ).replace(b'"seq"', b'"new":1,"seq"')
    assert isinstance(audit_chain.decode(body), AuditEntry)
