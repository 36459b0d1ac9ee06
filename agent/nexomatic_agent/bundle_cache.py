"""Bundles on this machine's disk, unpacked, by their digests: the least recently used go when there is no more room.

A bundle appears under its digest in one step, when it is whole. What a kill leaves beside that is removed at the start.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

from nexomatic_agent.clearing import Clearing
from nexomatic_agent.files import make_private_folder

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


class NoRoom(Exception):
    """It does not fit beside what is in use."""


class BundleCache:
    """One folder, of this agent's account alone. Methods may be called from several threads."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        """Raises OSError."""
        self._folder = make_private_folder(folder)
        self.most_bytes = most_bytes
        self._lock = threading.Lock()
        self._in_use: dict[str, int] = {}
        self._making: set[str] = set()
        self._reserved = 0
        for path in list(self._folder.iterdir()):
            if not _DIGEST.match(path.name):
                Clearing(path).go_on()
        self._sizes = {path.name: _size(path) for path in self._by_age()}

    def take(self, digest: str) -> bool:
        """Keep it from being removed, if it is there: then `give_back` it. Whether it is."""
        with self._lock:
            if digest not in self._sizes:
                return False
            if not self.path(digest).is_dir():  # somebody has tidied up
                del self._sizes[digest]
                return False
            self._in_use[digest] = self._in_use.get(digest, 0) + 1
        with contextlib.suppress(OSError):
            os.utime(self.path(digest))
        return True

    def give_back(self, digest: str) -> None:
        with self._lock:
            self._in_use[digest] -= 1
            if not self._in_use[digest]:
                del self._in_use[digest]

    def path(self, digest: str) -> Path:
        return self._folder / digest

    @contextlib.contextmanager
    def making(self, digest: str) -> Iterator[bool]:
        """Whether this thread alone is to make it; False: another does already."""
        with self._lock:
            mine = digest not in self._making
            self._making.add(digest)
        try:
            yield mine
        finally:
            if mine:
                with self._lock:
                    self._making.remove(digest)

    @contextlib.contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Hold so many bytes free meanwhile; what was not used for longest goes. Raises NoRoom."""
        self._make_room(size)
        try:
            yield
        finally:
            with self._lock:
                self._reserved -= size

    def aside(self, digest: str) -> Path:
        """Where something lies until it is whole."""
        return self._folder / f"{digest}.{secrets.token_hex(4)}.tmp"

    def put(self, digest: str, unpacked: Path, size: int) -> None:
        """Give an unpacked folder its place. Raises OSError."""
        unpacked.rename(self.path(digest))
        with self._lock:
            self._sizes[digest] = size

    def _make_room(self, size: int) -> None:
        with self._lock:
            free = self.most_bytes - self._reserved - sum(self._sizes.values()) - size
            going: list[str] = []
            for path in self._by_age() if free < 0 else ():
                if free < 0 and path.name in self._sizes and path.name not in self._in_use:
                    free += self._sizes[path.name]
                    going.append(path.name)
            if free < 0:
                raise NoRoom(
                    f"{size} bytes do not fit beside what is in use of the {self.most_bytes} of bundle_cache_bytes"
                )
            gone = [self._remove(digest) for digest in going]
            self._reserved += size
        for path in gone:
            Clearing(path).go_on()

    def _remove(self, digest: str) -> Path:
        """Under the lock it only goes from its place: to remove its files takes longer."""
        del self._sizes[digest]
        aside = self.aside(digest)
        with contextlib.suppress(OSError):
            self.path(digest).rename(aside)
        return aside

    def _by_age(self) -> list[Path]:
        """The least recently used first."""
        return sorted((path for path in self._folder.iterdir() if _DIGEST.match(path.name)), key=_used_at)


def _used_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _size(folder: Path) -> int:
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size += Path(parent, name).stat().st_size
    return size
