"""The file of the embedded engine: who may open it, what it is, and what opening it again finds."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from hub.clock import SystemClock
from hub.errors import Changed, Missing, Rejected, StaleReceipt, Unavailable
from hub.storage.embedded import EmbeddedStorage, open_embedded
from hub.storage.embedded.database import SCHEMA_VERSION
from hub.storage.keys import EVENTS, PAYLOADS, SOUGHT

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys
from pathlib import Path
from hub.clock import SystemClock
from hub.storage.embedded import open_embedded
storage = open_embedded(Path(sys.argv[1]), SystemClock())
print("open", flush=True)
sys.stdin.read()
"""


def open_(path: Path) -> EmbeddedStorage:
    return open_embedded(path, SystemClock())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "nexomatic.db"


# --- one process at a time --------------------------------------------------------------------------------------------


def start_holder(path: Path) -> subprocess.Popen[bytes]:
    """A process that has the file open, and keeps it so."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    holder = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"open\n"
    return holder


@pytest.mark.processes
async def test_a_second_process_is_refused_by_the_number_of_the_first(path: Path) -> None:
    with start_holder(path) as holder:
        with pytest.raises(Unavailable, match=rf"nexomatic\.db is open in another process .*\b{holder.pid}\b"):
            open_(path)
        holder.kill()
    await open_(path).close()


async def test_opening_twice_in_one_process_is_refused_too(path: Path) -> None:
    storage = open_(path)
    with pytest.raises(Unavailable, match=str(os.getpid())):
        open_(path)
    await storage.close()
    await open_(path).close()


def test_a_file_that_could_not_be_opened_is_not_left_locked(path: Path) -> None:
    path.write_bytes(b"not a database" * 100)
    for _ in range(2):
        with pytest.raises(Rejected):
            open_(path)
    path.unlink()
    asyncio.run(open_(path).close())


# --- what the file is -------------------------------------------------------------------------------------------------


async def test_a_commit_is_flushed_to_the_disk(path: Path) -> None:
    storage = open_(path)
    names = ("journal_mode", "synchronous", "fullfsync", "wal_autocheckpoint")
    modes = await storage._writes.run(lambda c: [c.execute(f"PRAGMA {name}").fetchone()[0] for name in names])
    assert modes == ["wal", 2, 1, 0]
    await storage.close()


async def test_readers_cannot_write(path: Path) -> None:
    storage = open_(path)
    for lane in storage._lanes[:2]:
        with pytest.raises(Unavailable, match="SQLITE_READONLY"):
            await lane.run(lambda connection: connection.execute("DELETE FROM rows"))
    await storage.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
async def test_nobody_else_may_read_the_files(path: Path) -> None:
    storage = open_(path)
    await storage.tables.insert(EVENTS, "p", "k", {})
    files = list(path.parent.iterdir())
    assert {file.name for file in files} == {f"nexomatic.db{end}" for end in ("", "-wal", "-shm", ".lock")}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    await storage.close()


async def test_once_closed_all_of_it_is_in_one_file(path: Path, tmp_path: Path) -> None:
    storage = open_(path)
    await storage.tables.insert(EVENTS, "p", "k", {"value": 1})
    await storage.blobs.put(PAYLOADS, "b", b"x" * 100_000)
    await storage.close()
    storage = open_(Path(shutil.copy(path, tmp_path / "copy.db")))
    assert (await storage.tables.get(EVENTS, "p", "k")).values == {"value": 1}
    assert await storage.blobs.get(PAYLOADS, "b") == b"x" * 100_000
    await storage.close()


async def test_a_file_of_a_newer_release_is_refused(path: Path) -> None:
    await open_(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(Rejected, match=f"newer release: its format is {SCHEMA_VERSION + 1}.* up to {SCHEMA_VERSION}"):
        open_(path)


@pytest.mark.parametrize("version", [0, SCHEMA_VERSION])
def test_a_database_of_another_program_is_refused(path: Path, version: int) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs(x)")
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    with pytest.raises(Rejected, match="another program"):
        open_(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]
    connection.close()


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_text("Dear diary, " * 1000)
    with pytest.raises(Rejected, match="cannot be used as a database"):
        open_(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"nowhere.* cannot be opened"):
        open_(tmp_path / "nowhere" / "nexomatic.db")


def test_an_empty_file_is_a_new_database(path: Path) -> None:
    path.touch()
    storage = open_(path)
    assert asyncio.run(storage.tables.insert(EVENTS, "p", "k", {}))
    asyncio.run(storage.close())


@pytest.mark.parametrize("noise", [b"\xa5", b"\x00"])
async def test_a_damaged_file_is_reported(path: Path, noise: bytes) -> None:
    storage = open_(path)
    for number in range(300):
        await storage.tables.insert(EVENTS, "p", f"{number}", {"value": "x" * 1000})
    assert await storage.integrity_check() == []
    await storage.close()
    damage(path, noise)
    storage = open_(path)
    assert await storage.integrity_check() != []
    await storage.close()


def damage(path: Path, noise: bytes) -> None:
    """Overwrite four pages in the middle of the file."""
    content = bytearray(path.read_bytes())
    content[40 * 4096 : 44 * 4096] = noise * (4 * 4096)
    path.write_bytes(content)


# --- opened again -----------------------------------------------------------------------------------------------------


async def test_everything_is_there_again(path: Path) -> None:
    storage = open_(path)
    etag = await storage.tables.insert(EVENTS, "p", "k", {"text": "世界", "data": b"\x00", "yes": True})
    await storage.queues.put("queue", "received")
    (message,) = await storage.queues.receive("queue", count=1, hidden_seconds=600)
    await storage.queues.put("queue", "hidden", hidden_seconds=600)
    await storage.queues.put("queue", "visible")
    await storage.blobs.put(PAYLOADS, "b", b"x" * 2_000_000)
    await storage.close()

    storage = open_(path)
    row = await storage.tables.get(EVENTS, "p", "k")
    assert (dict(row.values), row.etag) == ({"text": "世界", "data": b"\x00", "yes": True}, etag)
    assert [m.body for m in await storage.queues.receive("queue", count=32, hidden_seconds=600)] == ["visible"]
    await storage.queues.delete("queue", message.id, message.receipt)
    assert await storage.queues.depth("queue") == 2
    assert await storage.blobs.get(PAYLOADS, "b") == b"x" * 2_000_000
    await storage.close()


async def test_etags_and_receipts_never_come_again(path: Path) -> None:
    seen: list[str] = []
    for _ in range(3):
        storage = open_(path)
        seen.append(await storage.tables.put(EVENTS, "p", "k", {}))
        await storage.tables.delete(EVENTS, "p", "k", seen[-1])
        await storage.queues.put("queue", "x")
        (message,) = await storage.queues.receive("queue", count=1, hidden_seconds=600)
        seen += [message.id, message.receipt]
        await storage.queues.delete("queue", message.id, message.receipt)
        await storage.close()
    assert len(set(seen)) == len(seen)


async def test_old_etags_and_receipts_stay_refused(path: Path) -> None:
    storage = open_(path)
    old = await storage.tables.insert(EVENTS, "p", "k", {})
    await storage.tables.put(EVENTS, "p", "k", {})
    await storage.queues.put("queue", "x")
    (message,) = await storage.queues.receive("queue", count=1, hidden_seconds=600)
    await storage.queues.update("queue", message.id, message.receipt, hidden_seconds=600)
    await storage.close()
    storage = open_(path)
    with pytest.raises(Changed):
        await storage.tables.replace(EVENTS, "p", "k", {}, old)
    with pytest.raises(StaleReceipt):
        await storage.queues.delete("queue", message.id, message.receipt)
    await storage.close()


@pytest.mark.parametrize("message_id", ["", "no number", "-1", "f" * 40, "1_0", " 1"])
async def test_an_id_that_no_message_can_have_is_stale(path: Path, message_id: str) -> None:
    storage = open_(path)
    with pytest.raises(StaleReceipt):
        await storage.queues.delete("queue", message_id, "")
    with pytest.raises(StaleReceipt):
        await storage.queues.update("queue", message_id, "1", hidden_seconds=0)
    await storage.close()


# --- a file of an older release ---------------------------------------------------------------------------------------

FORMAT_1 = Path(__file__).with_name("format_1.db.gz")
"""Written by the last release of format 1: two dozen events, three of them waiting, and rows made to mislead."""


@pytest.fixture
def old(path: Path) -> Path:
    path.write_bytes(gzip.decompress(FORMAT_1.read_bytes()))
    return path


async def test_a_file_of_format_1_is_read_whole(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        before = connection.execute("SELECT tbl, partition, key, etag, columns FROM rows ORDER BY id").fetchall()
        messages = connection.execute("SELECT * FROM messages ORDER BY id").fetchall()
    storage = open_(old)
    assert await storage.integrity_check() == []
    after = await storage._queries.run(
        lambda c: c.execute("SELECT tbl, partition, key, etag, columns FROM rows ORDER BY id").fetchall()
    )
    assert (len(after), after) == (29, before)
    assert await storage._queries.run(lambda c: c.execute("SELECT * FROM messages ORDER BY id").fetchall()) == messages
    assert await storage.blobs.get(PAYLOADS, "b") == b"x" * 100_000
    await storage.close()


async def test_what_is_sought_in_a_file_of_format_1_is_found(old: Path) -> None:
    storage = open_(old)
    for column, value in SOUGHT:
        for partition in ("p", *await storage._queries.run(_partitions)):
            by_index = await storage.tables.search(EVENTS, partition, where={column: value})
            by_looking = await storage.tables.query(EVENTS, partition, where={column: value})
            assert by_index.rows == by_looking
    waiting = [row.key for row in (await storage.tables.search(EVENTS, "p", where={"open": True})).rows]
    assert waiting == ["owes"]
    await storage.close()


def _partitions(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT DISTINCT partition FROM rows WHERE tbl = 'events'")]


async def test_after_it_the_file_is_as_a_new_one(old: Path, tmp_path: Path) -> None:
    await open_(old).close()
    await open_(tmp_path / "new.db").close()
    shapes = []
    for file in (old, tmp_path / "new.db"):
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
            shapes.append(connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall())
    assert shapes[0] == shapes[1]


@pytest.mark.processes
def test_a_process_that_dies_while_it_brings_the_file_up_leaves_it_as_it_was(old: Path) -> None:
    """Killed before the commit: the next start begins anew."""
    script = """
import os, sys
from pathlib import Path
from hub.clock import SystemClock
from hub.storage.embedded import database, open_embedded, sought
def add_and_die(connection):
    sought.add(connection)
    os._exit(9)
database._MIGRATIONS = {1: add_and_die}
open_embedded(Path(sys.argv[1]), SystemClock())
"""
    done = subprocess.run([sys.executable, "-c", script, str(old)], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == 9
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert "sought" not in str(connection.execute("SELECT sql FROM sqlite_schema").fetchall())
    asyncio.run(open_(old).close())


# --- how it stays fast ------------------------------------------------------------------------------------------------

HOT_STATEMENTS = {
    "a row": "SELECT etag, columns FROM rows WHERE tbl = ? AND partition = ? AND key = ?",
    "a page": "SELECT key, etag, columns FROM rows WHERE tbl = ? AND partition = ? AND key > ? AND key < ?"
    " ORDER BY key LIMIT 10",
    "what is sought": "SELECT key, etag, columns FROM rows INDEXED BY rows_sought_1"
    " WHERE tbl = ? AND partition = ? AND key > ? AND sought & 1"
    " AND json_extract(columns, ?, ?, ?) = ? ORDER BY key LIMIT 10",
    "where a search ends": "SELECT key FROM rows WHERE tbl = ? AND partition = ? AND key > ?"
    " ORDER BY key LIMIT 1 OFFSET 9",
    "a search": "SELECT key, etag, columns FROM rows WHERE tbl = ? AND partition = ? AND key > ? AND key <= ?"
    " AND json_extract(columns, ?, ?, ?) = ? ORDER BY key LIMIT 10",
    "a receive": "SELECT id, body, dequeue_count + 1, inserted_at FROM messages WHERE queue = ? AND visible_at <= ?"
    " ORDER BY visible_at, id LIMIT ?",
    "a depth": "SELECT count(*) FROM messages WHERE queue = ?",
    "a blob": "SELECT data FROM blobs JOIN pieces USING (version) WHERE container = ? AND name = ? ORDER BY number",
}


@pytest.mark.parametrize("name", HOT_STATEMENTS)
async def test_nothing_is_scanned_or_sorted(path: Path, name: str) -> None:
    """What a call costs must not grow with the table: every step is a search in an index, in the order asked for."""
    storage = open_(path)
    statement = HOT_STATEMENTS[name]
    plan = await storage._queries.run(
        lambda c: c.execute(f"EXPLAIN QUERY PLAN {statement}", ("x",) * statement.count("?")).fetchall()
    )
    steps = [str(step[-1]) for step in plan]
    assert steps
    assert all(step.startswith("SEARCH") for step in steps), steps
    await storage.close()


async def test_the_hot_statements_are_those_the_engine_uses(path: Path) -> None:
    """So that the plans above are those of the real calls."""
    storage = open_(path)
    used: list[str] = []
    for lane in storage._lanes:
        await lane.run(lambda connection: connection.set_trace_callback(used.append))
    with pytest.raises(Missing):
        await storage.tables.get(EVENTS, "p", "k")
    await storage.tables.query(EVENTS, "p", before="z", limit=10)
    await storage.tables.search(EVENTS, "p", where={"open": True}, limit=10)
    for number in range(10):
        await storage.tables.insert(EVENTS, "p", f"{number}", {})
    await storage.tables.search(EVENTS, "p", where={"other": 1}, limit=10, most=10)
    await storage.queues.receive("queue", count=1, hidden_seconds=1)
    await storage.queues.depth("queue")
    with pytest.raises(Missing):
        await storage.blobs.get(PAYLOADS, "b")
    for statement in HOT_STATEMENTS.values():
        assert any(_shape(statement) == _shape(each) for each in used), statement
    await storage.close()


def _shape(statement: str) -> list[str]:
    """The words of a statement, whether its parameters are filled in or not."""
    return [word.strip(",") if word[:1].isalpha() else "?" for word in statement.split()]


def test_a_process_that_forgets_to_close_still_ends(path: Path) -> None:
    script = HOLDER.replace("sys.stdin.read()", "")
    subprocess.run([sys.executable, "-c", script, str(path)], cwd=ROOT, check=True, timeout=60, stdout=subprocess.PIPE)
    storage = open_(path)
    asyncio.run(storage.close())
