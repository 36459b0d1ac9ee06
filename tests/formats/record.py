"""`python -m tests.formats.record FOLDER`: what this release stores, for the tests of those after it.

Once for each release, before it is given out; a recording is never made again by a later one.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from hub.storage.embedded import open_embedded
from hub.storage.embedded.anchors import FILE as ANCHORS
from tests.formats import scenario
from tests.unit.configuring import StepClock


async def record(folder: Path) -> dict[str, Any]:
    """Play the scenario into a file of the embedded engine; the file is left as `folder`/nexomatic.db.

    What comes back is all that is in it, in the words of storage's port, which any engine can be given.
    """
    path = folder / "nexomatic.db"
    known = await scenario.write(open_embedded(path, StepClock()))
    with closing(sqlite3.connect(path)) as file:
        rows = file.execute("SELECT tbl, partition, key, columns FROM rows ORDER BY 1, 2, 3").fetchall()
        messages = file.execute("SELECT queue, body FROM messages ORDER BY id").fetchall()
        blobs = [
            (container, name, base64.b64encode(_content(file, version)).decode())
            for container, name, version in file.execute("SELECT container, name, version FROM blobs").fetchall()
        ]
    return {"known": known, "rows": rows, "messages": messages, "blobs": blobs}


def _content(file: sqlite3.Connection, version: int) -> bytes:
    pieces = file.execute("SELECT data FROM pieces WHERE version = ? ORDER BY number", (version,))
    return b"".join(data for (data,) in pieces)


def main(folder: Path) -> None:
    """Write the recording."""
    if (folder / "export.json.gz").exists():
        raise SystemExit(f"{folder} holds a recording; it is kept as it is")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        export = asyncio.run(record(Path(made)))
        for name in ("nexomatic.db", ANCHORS):
            (folder / f"{name}.gz").write_bytes(gzip.compress((Path(made) / name).read_bytes(), mtime=0))
    (folder / "export.json.gz").write_bytes(gzip.compress(json.dumps(export).encode(), mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
