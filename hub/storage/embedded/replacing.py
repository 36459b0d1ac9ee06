"""Putting another database in the place of the one that is there, so that a death at any line leaves either.

What is new is made complete in a folder of its own. Then a marker is written: from that moment on the new one counts,
and whoever opens the database next finishes the moves that are left (`finish`). The old files are moved beside, never
removed: with their log, which must not be met by another database.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from hub.storage.embedded.files import flush_file, flush_folder, write_private

DRAFT: Final = "restore.draft"
MARKER: Final = "restore.decided"
_LOGS: Final = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database. Moved first: a new database must never meet an old one's log."""


def new_draft(home: Path) -> Path:
    """An empty folder for what is to come; what an earlier attempt has left in it is removed."""
    draft = home / DRAFT
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    return draft


def replace_by_draft(database: Path, aside: str) -> None:
    """Let the database of this name in the draft, closed, take the place of `database`, whose lock the caller holds.

    `aside` is the name of the folder to which the old files are moved.
    """
    home, draft = database.parent, database.parent / DRAFT
    (draft / f"{database.name}.lock").unlink(missing_ok=True)  # that of `database` is held, and stays
    for file in draft.iterdir():
        flush_file(file)
    flush_folder(draft)
    writing = home / f"{MARKER}.draft"
    writing.unlink(missing_ok=True)
    write_private(writing, aside.encode())
    writing.replace(home / MARKER)  # decided
    flush_folder(home)
    finish(database)


def finish(database: Path) -> None:
    """Do the moves that are left. The caller holds the lock. Nothing, if nothing was decided."""
    home = database.parent
    marker, draft = home / MARKER, home / DRAFT
    if not marker.exists():
        return
    if (draft / database.name).exists():
        _move_aside(database, home / marker.read_text().strip())
        for file in sorted(draft.iterdir(), key=lambda each: each.name == database.name):  # the database last
            file.replace(home / file.name)
        flush_folder(home)
    marker.unlink()
    flush_folder(home)
    with suppress(OSError):
        draft.rmdir()


def _move_aside(database: Path, aside: Path) -> None:
    """The old database, with all that is its own."""
    names = [*(f"{database.name}{ending}" for ending in _LOGS), database.name]
    for file in [each for each in (database.parent / name for name in names) if each.exists()]:
        aside.mkdir(mode=0o700, exist_ok=True)
        file.replace(aside / file.name)
        flush_folder(aside)
    flush_folder(database.parent)
