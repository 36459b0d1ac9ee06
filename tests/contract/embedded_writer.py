"""A process that writes to an embedded database and prints what was acknowledged, until it is killed.

`python -m tests.contract.embedded_writer PATH ROUND`: sixteen tasks, each with a row it replaces, a queue message a
step, and now and then a blob. A line is printed only after storage has acknowledged, in one write that nobody buffers.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from pathlib import Path

from hub.clock import SystemClock
from hub.storage.embedded import open_embedded
from hub.storage.keys import EVENTS, PAYLOADS
from hub.storage.ports import Storage

TASKS = 16
QUEUE = "durable"
BLOB_BYTES = 200_000


def blob(step: int) -> bytes:
    """The content of a task's blob after this step: whole, all its bytes are the same."""
    return bytes([step % 251]) * BLOB_BYTES


async def write(storage: Storage, name: str) -> None:
    """Write for ever."""
    etag = await storage.tables.insert(EVENTS, "p", name, {"step": 0})
    say("row", name, 0)
    for step in itertools.count(1):
        etag = await storage.tables.merge(EVENTS, "p", name, {"step": step}, etag)
        say("row", name, step)
        await storage.queues.put(QUEUE, f"{name} {step}")
        say("message", name, step)
        if step % 20 == 0:
            await storage.blobs.put(PAYLOADS, name, blob(step))
            say("blob", name, step)


def say(what: str, name: str, step: int) -> None:
    """One line, past every buffer."""
    os.write(1, f"{what} {name} {step}\n".encode())


async def main(path: Path, round_: str) -> None:
    storage = open_embedded(path, SystemClock())
    await asyncio.gather(*(write(storage, f"{round_}-{task}") for task in range(TASKS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
