"""What is done to files so that it holds after a power loss, and is nobody else's to read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

_PIECE: Final = 1 << 20


def flush_folder(folder: Path) -> None:
    """Flush the entries of a folder: without it a file that is there may be gone after a power loss."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_file(file: Path) -> None:
    """Flush what is in a file."""
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_private(file: Path, data: bytes) -> None:
    """A new file for its owner alone, flushed. Raises `FileExistsError`."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())


def copy_private(source: Path, target: Path) -> str:
    """A copy for its owner alone, flushed; answers the SHA-256 of what was copied, hexadecimal."""
    digest = hashlib.sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as writing, source.open("rb") as reading:
        while piece := reading.read(_PIECE):
            digest.update(piece)
            writing.write(piece)
        writing.flush()
        os.fsync(writing.fileno())
    return digest.hexdigest()


def sha256_of(file: Path) -> str:
    """Of what is in a file, hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
