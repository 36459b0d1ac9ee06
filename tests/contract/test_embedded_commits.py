"""How writes share commits: who is in a group, who is spoilt by whom, and what happens to those who go away."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hub.clock import SystemClock
from hub.errors import Exists, Unavailable
from hub.storage.embedded import EmbeddedStorage, open_embedded
from hub.storage.keys import EVENTS
from hub.storage.ports import Insert


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[EmbeddedStorage]:
    opened = open_embedded(tmp_path / "nexomatic.db", SystemClock())
    yield opened
    await opened.close()


@asynccontextmanager
async def writer_held_up(storage: EmbeddedStorage) -> AsyncIterator[Callable[[], None]]:
    """Keep the writer busy, as a slow disk would, until the block ends or calls what it was given."""
    started, release = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        started.set()
        release.wait()

    holding = asyncio.create_task(storage._writes.run(hold))
    await asyncio.to_thread(started.wait)
    try:
        yield release.set
    finally:
        release.set()
        await holding


async def trace(storage: EmbeddedStorage) -> list[str]:
    """The statements that the writer carries out from now on."""
    statements: list[str] = []
    await storage._writes.run(lambda connection: connection.set_trace_callback(statements.append))
    statements.clear()
    return statements


def insert(storage: EmbeddedStorage, key: str) -> asyncio.Task[str]:
    return asyncio.create_task(storage.tables.insert(EVENTS, "p", key, {"value": 1}))


async def keys(storage: EmbeddedStorage) -> list[str]:
    return [row.key for row in await storage.tables.query(EVENTS, "p")]


async def test_all_that_wait_share_one_commit(storage: EmbeddedStorage) -> None:
    statements = await trace(storage)
    async with writer_held_up(storage) as release:
        inserts = [insert(storage, f"{number:03d}") for number in range(100)]
        await asyncio.sleep(0)
        statements.clear()
        release()
        await asyncio.gather(*inserts)
    assert statements.count("COMMIT") == 2  # the one that held up the writer, and one for all the others
    assert len(await keys(storage)) == 100


async def test_nobody_is_answered_before_the_commit(storage: EmbeddedStorage) -> None:
    """Asked from inside the group, behind the write: another connection does not see it, and its caller waits."""
    seen: list[tuple[bool, int]] = []
    reader = storage._queries._connection  # type: ignore[attr-defined]

    async with writer_held_up(storage):
        inserted = insert(storage, "row")
        looked = asyncio.create_task(
            storage._writes.run(
                lambda _: seen.append((inserted.done(), reader.execute("SELECT count(*) FROM rows").fetchall()[0][0]))
            )
        )
        await asyncio.sleep(0)
    await asyncio.gather(inserted, looked)
    assert seen == [(False, 0)]
    assert await keys(storage) == ["row"]


async def test_a_conflict_does_not_spoil_the_others_of_its_group(storage: EmbeddedStorage) -> None:
    await insert(storage, "there")
    async with writer_held_up(storage):
        first, refused, last = insert(storage, "a"), insert(storage, "there"), insert(storage, "b")
        undone = asyncio.create_task(
            storage.tables.transact(EVENTS, "p", [Insert("c", {}), Insert("d", {}), Insert("there", {})])
        )
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(first, refused, last, undone, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [str, Exists, str, Exists]
    assert await keys(storage) == ["a", "b", "there"]


async def test_a_bug_in_one_operation_does_not_spoil_the_others_of_its_group(storage: EmbeddedStorage) -> None:
    def half_done(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM rows")
        raise ZeroDivisionError

    await insert(storage, "there")
    async with writer_held_up(storage):
        first = insert(storage, "a")
        broken = asyncio.create_task(storage._writes.run(half_done))
        last = insert(storage, "b")
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(first, broken, last, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [str, ZeroDivisionError, str]
    assert await keys(storage) == ["a", "b", "there"]


async def test_what_failed_leaves_no_transaction_open(storage: EmbeddedStorage) -> None:
    """Until somebody writes again, the log could not be copied into the file."""

    def half_done(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM rows")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await storage._writes.run(half_done)
    assert not storage._writes._connection.in_transaction  # type: ignore[attr-defined]


async def test_a_broken_transaction_does_not_stop_the_writer(storage: EmbeddedStorage) -> None:
    class Torn(BaseException):
        """Not an error that the group commit expects."""

    def leave_open(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM rows")
        raise Torn

    await insert(storage, "there")
    with pytest.raises(Torn):
        await storage._writes.run(leave_open)
    await insert(storage, "a")
    assert await keys(storage) == ["a", "there"]


# --- those who go away ------------------------------------------------------------------------------------------------


async def test_a_write_whose_caller_left_before_it_began_is_dropped(storage: EmbeddedStorage) -> None:
    async with writer_held_up(storage):
        dropped, kept = insert(storage, "dropped"), insert(storage, "kept")
        await asyncio.sleep(0)
        dropped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dropped
    await kept
    assert await keys(storage) == ["kept"]


async def test_a_write_whose_caller_left_while_it_ran_is_done_whole(storage: EmbeddedStorage) -> None:
    started, release = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO rows(tbl, partition, key, etag, columns) VALUES('events', 'p', 'k', '0', '{}')")
        started.set()
        release.wait()

    writing = asyncio.create_task(storage._writes.run(slow))
    await asyncio.to_thread(started.wait)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    release.set()
    await insert(storage, "next")
    assert await keys(storage) == ["k", "next"]


async def test_closing_carries_out_what_was_asked_before(tmp_path: Path) -> None:
    storage = open_embedded(tmp_path / "nexomatic.db", SystemClock())
    async with writer_held_up(storage):
        inserts = [insert(storage, f"{number:03d}") for number in range(50)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(storage.close())
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await storage.tables.insert(EVENTS, "p", "late", {})
    await closing
    assert all(each.done() for each in inserts)
    await asyncio.gather(*inserts)
    reopened = open_embedded(tmp_path / "nexomatic.db", SystemClock())
    assert len(await keys(reopened)) == 50
    await reopened.close()


def test_a_loop_that_ends_with_writes_under_way_harms_nobody(tmp_path: Path) -> None:
    """The answers find no loop; the writes are there, and the engine serves the next loop."""
    storage = open_embedded(tmp_path / "nexomatic.db", SystemClock())
    release = threading.Event()

    async def abandon() -> None:
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(storage._writes.run(lambda _: release.wait()))]
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        tasks += [insert(storage, f"{number}") for number in range(3)]
        await asyncio.sleep(0)
        loop.call_soon(loop.stop)
        await asyncio.sleep(60)

    loop = asyncio.new_event_loop()
    abandoned = loop.create_task(abandon())
    loop.run_forever()
    others = asyncio.all_tasks(loop)
    loop.close()
    release.set()

    async def look() -> list[str]:
        found = await asyncio.gather(insert(storage, "next"))
        assert found
        written = await keys(storage)
        await storage.close()
        return written

    assert asyncio.run(look()) == ["0", "1", "2", "next"]
    assert abandoned in others
    for task in others:  # their loop is gone, and with it whoever could wait for them
        task._log_destroy_pending = False  # type: ignore[attr-defined]


# --- what costs nothing -----------------------------------------------------------------------------------------------


async def test_an_empty_receive_writes_nothing(storage: EmbeddedStorage, tmp_path: Path) -> None:
    await storage.queues.put("queue", "x")
    (message,) = await storage.queues.receive("queue", count=1, hidden_seconds=600)
    log = tmp_path / "nexomatic.db-wal"
    before = (log.read_bytes(), log.stat().st_mtime_ns)
    statements = await trace(storage)
    assert await storage.queues.receive("queue", count=32, hidden_seconds=600) == []
    assert await storage.queues.receive("another", count=32, hidden_seconds=600) == []
    assert (log.read_bytes(), log.stat().st_mtime_ns) == before
    assert not [statement for statement in statements if statement.startswith(("UPDATE", "INSERT", "DELETE"))]
    await storage.queues.delete("queue", message.id, message.receipt)
    assert log.read_bytes() != before[0]


async def test_the_log_does_not_grow_for_ever(storage: EmbeddedStorage, tmp_path: Path) -> None:
    """A writer that never pauses, with readers about: the log is copied into the file and begun anew."""
    writing = True

    async def read() -> None:
        while writing:
            await storage.tables.query(EVENTS, "p", limit=50)

    async def write(name: str) -> None:
        for number in range(1500):
            await storage.tables.put(EVENTS, "p", f"{name}-{number % 50}", {"value": "x" * 2000})

    reading = asyncio.create_task(read())
    await asyncio.gather(*(write(str(number)) for number in range(8)))
    writing = False
    await reading
    assert (tmp_path / "nexomatic.db-wal").stat().st_size < 40_000_000  # all of it would be over 100 MB
    assert (tmp_path / "nexomatic.db").stat().st_size > 1_000_000


async def test_a_read_sees_what_was_acknowledged_before_it(storage: EmbeddedStorage) -> None:
    for number in range(200):
        await storage.tables.put(EVENTS, "p", "row", {"number": number})
        assert (await storage.tables.get(EVENTS, "p", "row")).values["number"] == number
        (row,) = await storage.tables.query(EVENTS, "p")
        assert row.values["number"] == number


async def test_the_loop_goes_on_while_the_disk_is_slow(storage: EmbeddedStorage) -> None:
    """Waiting for a commit, a thousand turns of the loop pass, and a read is answered."""
    await insert(storage, "row")
    async with writer_held_up(storage):
        waiting = insert(storage, "waits")
        for _ in range(1000):
            await asyncio.sleep(0)
        await storage.tables.get(EVENTS, "p", "row")
        assert not waiting.done()
    await waiting


async def test_nothing_is_written_on_the_loops_thread(storage: EmbeddedStorage) -> None:
    """Under heavy writing, an engine that did would leave the loop a few turns in a hundred."""
    wrote: set[int] = set()
    await storage._writes.run(
        lambda connection: connection.set_trace_callback(lambda _: wrote.add(threading.get_ident()))
    )
    await asyncio.gather(
        *(storage.tables.put(EVENTS, "p", str(number), {"value": "x" * 2000}) for number in range(200))
    )
    assert len(wrote) == 1
    assert threading.get_ident() not in wrote
