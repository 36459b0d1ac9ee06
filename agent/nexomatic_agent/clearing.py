"""Removing what a task has left in its folder, whatever it is.

A task may have made any number of files and folders, so their names are not collected; in any depth, so a full folder
is moved up before it is emptied, or no path, no recursion and no number of open files would do; and it may have taken
its own rights away. Nothing is followed: a link is removed, not what it leads to.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import os
import secrets
import stat
from pathlib import Path
from typing import Callable, Optional

log = logging.getLogger(__name__)

MOVED_AT_ONCE = 1000
"""So many folders are moved out of one before they are emptied."""


class Clearing:
    """Removes what is at a path, a folder or not. What cannot be removed is logged, and stays beside it."""

    def __init__(self, path: Path) -> None:
        self._top = str(path)
        token = secrets.token_hex(4)
        self._names = (f"{path}.{token}.{number}" for number in itertools.count(1))
        self._folders: Optional[list[str]] = None
        """What is to be emptied: a folder before those that were moved out of it. None: not looked at yet."""
        self._failure: Optional[OSError] = None

    def go_on(self, most: float = math.inf) -> None:
        """Take out so many entries at most; without a number, remove all there is."""
        try:
            if self._folders is None:
                self._folders = self._begin()
            left = most
            while self._folders and left > 0:
                left -= self._step(self._folders, left)
        except OSError as error:
            self._failed(error)

    def _begin(self) -> list[str]:
        """What is to be emptied; nothing if the path leads to no folder."""
        try:
            is_folder = stat.S_ISDIR(os.lstat(self._top).st_mode)
        except FileNotFoundError:
            return []
        if is_folder:
            return [self._top]
        _insist(os.unlink, self._top)
        return []

    def _step(self, folders: list[str], most: float) -> int:
        """Empty the last of the folders, or a part of it. How many entries were taken out."""
        place = len(folders) - 1
        taken = self._empty(folders[place], folders, most)
        try:
            _insist(os.rmdir, folders[place])
        except OSError as error:
            if taken:
                return taken  # look again, once what was moved out of it is gone
            self._failed(error)
        del folders[place]
        return taken

    def _empty(self, folder: str, folders: list[str], most: float) -> int:
        before, taken = len(folders), 0
        try:
            with _listing(folder) as entries:
                for entry in entries:
                    taken += self._take_out(entry, folders)
                    if taken >= most or len(folders) - before >= MOVED_AT_ONCE:
                        break
        except OSError as error:
            self._failed(error)
        return taken

    def _take_out(self, entry: os.DirEntry[str], folders: list[str]) -> bool:
        try:
            if not entry.is_dir(follow_symlinks=False):
                _insist(os.unlink, entry.path)
                return True
            with contextlib.suppress(OSError):
                os.rmdir(entry.path)  # noqa: PTH106
                return True
            name = next(self._names)
            _insist(lambda path: os.rename(path, name), entry.path)  # noqa: PTH104
            folders.append(name)
        except OSError as error:
            self._failed(error)
            return False
        return True

    def _failed(self, error: OSError) -> None:
        if self._failure is None:
            self._failure = error
            log.warning("the work folder %s could not be removed: %s", self._top, error)


def _listing(folder: str) -> os._ScandirIterator[str]:
    try:
        return os.scandir(folder)
    except PermissionError:
        os.chmod(folder, stat.S_IRWXU)  # noqa: PTH101
        return os.scandir(folder)


def _insist(act: Callable[[str], None], path: str) -> None:
    """Do it; if the rights are missing, take them and do it again. Raises OSError."""
    try:
        act(path)
    except FileNotFoundError:
        pass
    except PermissionError:
        for blocked in (os.path.dirname(path), path):  # noqa: PTH120
            if not os.path.islink(blocked):  # noqa: PTH114
                with contextlib.suppress(OSError):
                    os.chmod(blocked, stat.S_IRWXU)  # noqa: PTH101
        act(path)
