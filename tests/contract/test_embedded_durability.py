"""What the embedded engine has acknowledged survives kill -9, a full disk and a failing one."""

from __future__ import annotations

import asyncio
import itertools
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub.clock import SystemClock
from hub.errors import Unavailable
from hub.storage.embedded import EmbeddedStorage, open_embedded
from hub.storage.keys import EVENTS, PAYLOADS
from tests.contract.embedded_writer import QUEUE, blob

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[EmbeddedStorage]:
    storage = open_embedded(path, SystemClock())
    yield storage
    await storage.close()


# --- kill -9 ----------------------------------------------------------------------------------------------------------


@pytest.mark.processes
async def test_what_was_acknowledged_is_there_after_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "nexomatic.db"
    acknowledged: dict[tuple[str, str], int] = {}
    messages: set[str] = set()
    for round_, lines in enumerate([40, 400, 900, 1500, 2500]):
        for what, name, step in write_and_kill(path, round_, lines):
            if what == "message":
                messages.add(f"{name} {step}")
            acknowledged[what, name] = step
        async with opened(path) as storage:
            assert await storage.integrity_check() == []
            await check_rows_and_blobs(storage, acknowledged)
            await check_messages(storage, messages)


def write_and_kill(path: Path, round_: int, lines: int) -> list[tuple[str, str, int]]:
    """Run the writer until it has acknowledged so much, kill it, and return all it had said by then."""
    command = [sys.executable, "-m", "tests.contract.embedded_writer", str(path), f"round{round_}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        said += writer.stdout.read().splitlines()
    assert writer.returncode == -signal.SIGKILL
    return [(what, name, int(step)) for what, name, step in (line.decode().split() for line in said)]


async def check_rows_and_blobs(storage: EmbeddedStorage, acknowledged: dict[tuple[str, str], int]) -> None:
    """Each is at the step acknowledged last, or at the next one, which may have been written but not said."""
    for (what, name), step in acknowledged.items():
        if what == "row":
            found = (await storage.tables.get(EVENTS, "p", name)).values["step"]
            assert found in (step, step + 1)
        elif what == "blob":
            assert await storage.blobs.get(PAYLOADS, name) in (blob(step), blob(step + 20))


async def check_messages(storage: EmbeddedStorage, expected: set[str]) -> None:
    found: set[str] = set()
    while some := await storage.queues.receive(QUEUE, count=32, hidden_seconds=600):
        found |= {message.body for message in some}
        for message in some:  # so that the next round finds them visible again
            await storage.queues.update(QUEUE, message.id, message.receipt, hidden_seconds=0)
        if found >= expected:
            break
    assert expected <= found


async def test_pieces_of_a_blob_that_was_never_finished_are_swept(tmp_path: Path) -> None:
    path = tmp_path / "nexomatic.db"
    async with opened(path) as storage:
        await storage.blobs.put(PAYLOADS, "whole", b"x" * 3_000_000)
        writing = asyncio.create_task(storage.blobs.put(PAYLOADS, "torn", b"x" * 64_000_000))
        while await count_pieces(storage) <= 60:
            pass
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    async with opened(path) as storage:
        assert await count_pieces(storage) == 46
        assert await storage.blobs.get(PAYLOADS, "whole") == b"x" * 3_000_000


async def count_pieces(storage: EmbeddedStorage) -> int:
    ((count,),) = await storage._queries.run(lambda c: c.execute("SELECT count(*) FROM pieces").fetchall())
    return int(count)


# --- a full disk, a failing disk --------------------------------------------------------------------------------------


async def test_a_full_disk_is_unavailable_and_comes_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(tmp_path / "nexomatic.db") as storage:
        await set_pages(storage, 200)
        written = await fill(storage)
        refused = await asyncio.gather(
            *(storage.tables.insert(EVENTS, "p", f"late-{number}", {"v": "x" * 3000}) for number in range(8)),
            return_exceptions=True,
        )
        assert all(isinstance(each, Unavailable) and "SQLITE_FULL" in str(each) for each in refused)
        assert [row.key for row in await storage.tables.query(EVENTS, "p")] == [f"{n:05d}" for n in range(written)]
        await set_pages(storage, 100_000)
        await storage.tables.insert(EVENTS, "p", f"{written:05d}", {"value": "x" * 3000})
        assert len(await storage.tables.query(EVENTS, "p")) == written + 1
        assert await storage.integrity_check() == []
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "Writing to the database fails",
        "Writing to the database works again.",
    ]


async def test_on_a_full_disk_what_still_fits_is_written(tmp_path: Path) -> None:
    """A large write that fails must not take down the small ones that shared its group."""
    async with opened(tmp_path / "nexomatic.db") as storage:
        await storage.tables.insert(EVENTS, "p", "shrinks", {"value": "x" * 30_000})
        await set_pages(storage, 40)
        large = storage.blobs.put(PAYLOADS, "large", b"x" * 900_000)
        small = storage.tables.put(EVENTS, "p", "shrinks", {"value": "small"})
        failed, written = await asyncio.gather(large, small, return_exceptions=True)
        assert isinstance(failed, Unavailable)
        assert isinstance(written, str)
        assert (await storage.tables.get(EVENTS, "p", "shrinks")).values["value"] == "small"


async def fill(storage: EmbeddedStorage) -> int:
    """Insert until there is no space, and return how many rows were acknowledged."""
    for number in itertools.count():
        try:
            await storage.tables.insert(EVENTS, "p", f"{number:05d}", {"value": "x" * 3000})
        except Unavailable:
            return number
    raise AssertionError


async def set_pages(storage: EmbeddedStorage, most: int) -> None:
    """Let the file have no more pages than this: SQLite then fails as it does on a full disk."""
    await storage._writes.run(lambda c: c.execute(f"PRAGMA max_page_count = {most}").fetchall())


FAILING_DISK = """
import asyncio, resource, sys
from pathlib import Path
from hub.clock import SystemClock
from hub.errors import Unavailable
from hub.storage.embedded import open_embedded

async def main():
    storage = open_embedded(Path(sys.argv[1]), SystemClock())
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    number = 0
    try:
        while True:
            await storage.tables.insert("events", "p", f"{number:05d}", {"value": "x" * 2000})
            number += 1
    except Unavailable:
        pass
    await storage.tables.get("events", "p", f"{number - 1:05d}")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
    await storage.tables.put("events", "p", f"{number:05d}", {"value": "again"})
    print(number, flush=True)
    sys.stdin.read()

asyncio.run(main())
"""


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="a limit on the size of files is what makes writing fail here")
async def test_writes_that_the_system_refuses_lose_nothing(tmp_path: Path) -> None:
    """Real write errors of the operating system, then recovery in the same process, then kill -9."""
    path = tmp_path / "nexomatic.db"
    written = write_on_a_failing_disk(path)
    assert written > 10
    async with opened(path) as storage:
        keys = [row.key for row in await storage.tables.query(EVENTS, "p")]
        assert keys == [f"{number:05d}" for number in range(written + 1)]
        assert await storage.integrity_check() == []


def write_on_a_failing_disk(path: Path) -> int:
    """How many rows the process had written when the system refused more. It wrote one more after that."""
    command = [sys.executable, "-c", FAILING_DISK, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        written = int(writer.stdout.readline())
        writer.kill()
    return written
