"""Small files that survive kill -9: written aside, then renamed into place.

A reader meets the whole old document or the whole new one. Nothing is fsynced: what is kept here only shortens the
wait after a crash of the agent. After a power cut the claims' leases expire, and the hub starts those tasks again.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

# ruff: noqa: PTH105, PTH108, PTH118 - four files a task: strings, not paths

FORMAT = 1
"""Every document carries it; a newer agent may grow it and reads the one before."""
_ASIDE = ".tmp"
"""Ends the name of a file until it is whole."""


class UnreadableDocument(Exception):
    """A file of the agent's is damaged, or from a newer release."""


_BINARY = getattr(os, "O_BINARY", 0)


def make_private_folder(path: Path) -> Path:
    """Create the folder with its parents, open to the agent's account only. Raises OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        path.chmod(0o700)
    return path


def remove_half_written(folder: Path) -> None:
    """Remove what `write_bytes` had not renamed when an earlier life of the agent was killed. Raises OSError.

    Only for who holds the state folder's lock: to others' eyes a file that is being written looks the same.
    """
    for path in folder.glob(f".*{_ASIDE}"):
        remove(path)


def write_document(path: Path, document: dict[str, Any], more: Iterable[dict[str, Any]] = ()) -> None:
    """Replace the file by this document, readable by the agent's account only. Raises OSError.

    Each of `more` is a line of its own behind it, made only when it is written.
    """
    documents = itertools.chain([{"format": FORMAT, **document}], more)
    write_bytes(path, ((json.dumps(one, separators=(",", ":")) + "\n").encode("ascii") for one in documents))


def write_bytes(path: Path, pieces: Iterable[bytes]) -> None:
    """Replace the file's content in one step. Raises OSError, and then leaves nothing behind."""
    folder, name = os.path.split(path)
    aside = os.path.join(folder, f".{name}.{secrets.token_hex(4)}{_ASIDE}")
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
        try:
            for piece in pieces:
                left = memoryview(piece)
                while left:
                    left = left[os.write(descriptor, left) :]
        finally:
            os.close(descriptor)
        os.replace(aside, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise


def read_document(path: Path) -> dict[str, Any]:
    """Read what `write_document` wrote. Raises UnreadableDocument, FileNotFoundError, OSError."""
    return _of_this_format(path, path.read_bytes())


def read_head(path: Path) -> dict[str, Any]:
    """The document alone, of a file that has more. Raises as `read_document` does."""
    with path.open("rb") as file:
        return _of_this_format(path, file.readline())


def _of_this_format(path: Path, text: bytes) -> dict[str, Any]:
    document = _read_object(path, text)
    if document.get("format") != FORMAT:
        said = document.get("format")
        raise UnreadableDocument(f"{path} is of format {said}, and this release reads up to {FORMAT}: a newer one does")
    return document


def read_more(path: Path) -> Iterator[dict[str, Any]]:
    """What `write_document` wrote behind the document, one at a time. Raises UnreadableDocument, OSError."""
    with path.open("rb") as file:
        file.readline()
        for line in file:
            yield _read_object(path, line)


def _read_object(path: Path, text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UnreadableDocument(f"{path} is damaged: {error}") from None
    if not isinstance(document, dict):
        raise UnreadableDocument(f"{path} is damaged: it does not hold an object")
    return document


def remove(path: Path) -> None:
    """Remove the file if it is there. Raises OSError for other reasons than its absence."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
