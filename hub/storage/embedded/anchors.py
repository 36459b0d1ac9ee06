"""Anchors of the audit in a file beside the database, which is only ever appended to.

Not in the database: who alters that, or puts an older copy in its place, would take them along. A line is a name, a
space, and the text. One that a crash has cut off is closed before the next is written: it stays, and cannot be read.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

from hub.errors import Exists, Missing, Unavailable
from hub.storage.counting import OperationCounter

FILE: Final = "audit-anchors.log"


class EmbeddedAnchors:
    """The `Anchors` port. `folder` None: in memory."""

    def __init__(self, folder: Path | None, operations: OperationCounter) -> None:
        self._file = folder / FILE if folder is not None else None
        self._operations = operations
        self._memory = b""
        self._one_at_a_time = asyncio.Lock()

    async def add(self, name: str, data: bytes) -> None:
        assert b"\n" not in data
        assert " " not in name
        self._operations.add("blob.add")
        async with self._one_at_a_time:
            text = await self._read()
            if name in _lines(text):
                raise Exists
            cut_off = text and not text.endswith(b"\n")
            await self._append((b"\n" if cut_off else b"") + name.encode() + b" " + data + b"\n")

    async def get(self, name: str) -> bytes:
        self._operations.add("blob.get")
        found = _lines(await self._read()).get(name)
        if found is None:
            raise Missing
        return found

    async def names(self) -> list[str]:
        self._operations.add("blob.list")
        return sorted(_lines(await self._read()))

    async def _read(self) -> bytes:
        if self._file is None:
            return self._memory
        try:
            return await asyncio.to_thread(self._file.read_bytes)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise Unavailable(f"{self._file} cannot be read: {error.strerror}") from error

    async def _append(self, line: bytes) -> None:
        if self._file is None:
            self._memory += line
            return
        try:
            await asyncio.to_thread(_append_durably, self._file, line)
        except OSError as error:
            raise Unavailable(f"{self._file} cannot be written: {error.strerror}") from error


def _lines(text: bytes) -> dict[str, bytes]:
    """The texts by name; the first one of a name counts. What lies behind the last line feed is not whole."""
    found: dict[str, bytes] = {}
    for line in text.split(b"\n")[:-1]:
        name, _, data = line.partition(b" ")
        if name and data:
            found.setdefault(name.decode(errors="replace"), data)
    return found


def _append_durably(file: Path, line: bytes) -> None:
    new = not file.exists()
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        written = os.write(descriptor, line)
        if written < len(line):
            raise OSError(None, "the disk is full")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new and hasattr(os, "O_DIRECTORY"):  # the file's name is durable only with its folder
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
