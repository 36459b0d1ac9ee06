"""Modules that are a burden on their folder. What each must end with is in agent_testing/nasty.py."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import Any

from nexomatic import Context


def full_disk(payload: Any, params: Any, context: Context) -> None:
    """Write until there is no room for a byte; then end, badly or well, or once a file is there."""
    print("before")
    with open("big", "wb", buffering=0) as file:  # noqa: PTH123
        try:
            _fill(file)
        except OSError:
            print("full")
            if payload["then"] == "raise":
                raise
        while payload["then"] == "wait" and not Path(payload["for"]).exists():
            time.sleep(0.01)
            with contextlib.suppress(OSError):
                _fill(file)  # what others have given back


def _fill(file: Any) -> None:
    size = 1 << 20
    while True:
        try:
            file.write(bytes(size))
        except OSError:
            if size == 1:
                raise
            size //= 2


def many_files(payload: Any, params: Any, context: Context) -> int:
    """So many empty files, a thousand in a folder, the last folder all alone with as many as all the others."""
    count = int(payload["files"])
    for number in range(count):
        if number % 1000 == 0:
            folder = f"{number}" if number < count // 2 else "."
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        os.close(os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY))
    return count


def deep(payload: Any, params: Any, context: Context) -> int:
    """Folders in folders, deeper than any path can say."""
    for _ in range(int(payload["levels"])):
        os.mkdir("d")  # noqa: PTH102
        os.chdir("d")
    Path("bottom").touch()
    return int(payload["levels"])


def locked(payload: Any, params: Any, context: Context) -> str:
    """Folders and files that nobody may write, read or enter, and the folder itself."""
    for mode in (0o000, 0o100, 0o400, 0o500):
        folder = Path(f"mode-{mode:o}")
        (folder / "inner").mkdir(parents=True)
        (folder / "inner" / "file").touch(0o400)
        (folder / "inner").chmod(mode)
        folder.chmod(mode)
    Path.cwd().chmod(0o500)
    return "returned"


def odd_names(payload: Any, params: Any, context: Context) -> str:
    """Names as no user would type them; a link to what must not be touched; a pipe, a socket."""
    import socket

    for name in (b"\xff\xfe", b"line\nend", b" ", b"-rf", b"*", "ä".encode() * 120):
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
    os.symlink(payload["precious"], "link")  # noqa: PTH211
    os.symlink("link", "link-to-link")  # noqa: PTH211
    os.symlink("loop", "loop")  # noqa: PTH211
    os.mkfifo("pipe")
    socket.socket(socket.AF_UNIX).bind("socket")
    os.link("link", "second-name", follow_symlinks=False)
    return "returned"


def gone(payload: Any, params: Any, context: Context) -> str:
    """The folder is gone, or something else is in its place."""
    folder = Path(context.work_folder)
    os.chdir("/")
    shutil.rmtree(folder)
    if payload["instead"] == "a file":
        folder.write_text("not a folder")
    elif payload["instead"] == "a link":
        folder.symlink_to("/proc/self")
    return "returned"
