"""The local host as `tests.size.counted_host`, and beside the counts a file that says each second what memory holds.

    python -m tests.soak.weighed_host FILE --app DIR …

The resident size of a process is what its allocator keeps, whether or not it is in use. This says what is: Python's
blocks and objects, and what the C library has given out, SQLite's page caches apart.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import gc
import json
import sys
import threading
import time
from pathlib import Path
from typing import Final

from tests.size import counted_host

EVERY_SECONDS: Final = 1.0
NAME: Final = "memory.json"
"""Beside the file of counts."""
_MALLINFO2: Final = (
    "arena",
    "ordblks",
    "smblks",
    "hblks",
    "hblkhd",
    "usmblks",
    "fsmblks",
    "uordblks",
    "fordblks",
    "end",
)


class _Mallinfo2(ctypes.Structure):
    """What glibc (2.33 or newer) says of all its arenas together."""

    _fields_ = [(name, ctypes.c_size_t) for name in _MALLINFO2]


def weighed() -> dict[str, float]:
    """What is in use now, in bytes where it is no number of things."""
    library, sqlite = ctypes.CDLL(None), ctypes.CDLL(_sqlite3.__file__)
    library.mallinfo2.restype = _Mallinfo2
    sqlite.sqlite3_memory_used.restype = ctypes.c_int64
    said, in_sqlite = library.mallinfo2(), sqlite.sqlite3_memory_used()
    return {
        "blocks": sys.getallocatedblocks(),
        "objects": len(gc.get_objects()),
        "bytes given out": said.uordblks + said.hblkhd - in_sqlite,
        "bytes kept free": said.fordblks,
        "bytes of SQLite": in_sqlite,
    }


def _write_for_ever(file: Path) -> None:
    while True:
        beside = file.with_suffix(".new")
        beside.write_text(json.dumps(weighed()))
        beside.replace(file)
        time.sleep(EVERY_SECONDS)


def main() -> int:
    """Serve, as `counted_host` does."""
    file = Path(sys.argv[1]).with_name(NAME)
    threading.Thread(target=_write_for_ever, args=(file,), daemon=True).start()
    return counted_host.main()


if __name__ == "__main__":
    sys.exit(main())
