"""Kills a restore at every line that moves files, and at some of the others, and says what was left each time.

`python -m tests.hosting.backup_kills FOLDER`: for each line a process of its own is forked, which dies there by
`os._exit`: nothing is undone, as by kill -9. Prints one JSON list: after each death, what a hub finds that is started.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from hosting import backup, restore
from hosting.restore import Wish
from hub.clock import SystemClock
from hub.storage.embedded import open_embedded, replacing
from hub.storage.keys import EVENTS

MOVES, OTHERS = replacing.__file__, restore.__file__
EVERY = 40
"""Of the lines that only prepare."""
DIED, DONE, FAILED = 9, 0, 1


def main(folder: Path) -> list[str]:
    """What is there after a death at the first line, at the second, … until there are no more lines."""
    found: list[str] = []
    while True:
        home = folder / "home"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(folder / "template", home)
        code = in_a_process(lambda home=home: die_at(len(found) + 1, home, folder / "backup"))  # type: ignore[misc]
        if code == DONE:
            return [*found, in_a_process_said(home)]
        assert code == DIED, f"the restore failed with {code} at line {len(found) + 1}"
        found.append(in_a_process_said(home))


def in_a_process(work: Callable[[], None]) -> int:
    """The exit code."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # this process must not go on as its parent
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(FAILED)
        os._exit(DONE)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def die_at(line: int, home: Path, taken: Path) -> None:
    passed = others = 0

    def watch(frame: FrameType, what: str, _: Any) -> Any:
        nonlocal passed, others
        file = frame.f_code.co_filename
        if file not in (MOVES, OTHERS):
            return None
        if what == "line":
            others += file == OTHERS
            passed += file == MOVES or others % EVERY == 1
            if passed == line:
                os._exit(DIED)
        return watch

    settings = backup.settings_of(home)
    sys.settrace(watch)
    restore.restore(settings, taken, Wish(replace=True))
    sys.settrace(None)


def in_a_process_said(home: Path) -> str:
    """What a hub finds: the row that the database of then, or of now, has."""
    said = home / "said"

    def look_and_say() -> None:
        said.write_text(asyncio.run(look(home)))

    assert in_a_process(look_and_say) == DONE
    return said.read_text()


async def look(home: Path) -> str:
    storage = open_embedded(home / "nexomatic.db", SystemClock())
    assert await storage.integrity_check() == []
    rows = await storage.tables.query(EVENTS, "p")
    anchors = len(await storage.anchors.names())
    await storage.close()
    return f"{','.join(row.key for row in rows)} and {anchors} anchors"


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
