"""Looks for a value in everything somebody wrote: as it is, and in the shapes in which values usually leak.

Written without the agent's own masking, which it judges.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, quote_plus

CANARY = 'canary-7f3a9c/+ü "quoted" & 100%'
"""A value that looks different in every shape, and is nowhere by chance."""
_CORE = 6
"""A piece of base64 shorter than this proves nothing."""


def shapes_of(value: str) -> set[bytes]:
    """The value, and what encoders make of it."""
    raw = value.encode()
    shapes = {raw, json.dumps(value)[1:-1].encode(), json.dumps(value, ensure_ascii=False)[1:-1].encode()}
    shapes |= {encode(value, safe=safe).encode() for encode in (quote, quote_plus) for safe in ("", "/")}
    for before in range(3):
        # What stands in base64 wherever the value begins: whole groups of three of its bytes.
        whole = raw[-before % 3 :]
        whole = whole[: len(whole) // 3 * 3]
        shapes |= {base64.b64encode(whole), base64.urlsafe_b64encode(whole)}
    return {shape for shape in shapes if len(shape) >= _CORE}


def leaks_in(content: bytes, value: str) -> list[bytes]:
    """The shapes of the value that are in there."""
    return [shape for shape in shapes_of(value) if shape in content]


def leaks_below(folders: Iterable[Path], value: str) -> list[str]:
    """Files that hold the value, with the shape; names of files and folders are looked at too."""
    found = []
    for folder in folders:
        assert folder.exists(), f"{folder} is not there: nothing was looked at"
        paths = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
        for path in paths:
            content = str(path).encode() + (path.read_bytes() if path.is_file() and not path.is_symlink() else b"")
            found += [f"{path}: {shape!r}" for shape in leaks_in(content, value)]
    return found
