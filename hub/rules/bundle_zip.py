"""What a bundle may be: a zip whose files mean the same on every platform, and of a size that is known before. Pure.

Refused are paths that lead out of the folder, links, names that are one file on Windows, what is encrypted, and zips
that are far bigger unpacked than they look. The agent checks the same again (`nexomatic_agent/bundle_zip.py`).
"""

from __future__ import annotations

import io
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hub.errors import Invalid, TooLarge
from hub.rules.names import shown

MOST_FILES: Final = 2000
MOST_TIMES_UNPACKED: Final = 8
"""A bundle unpacked is at most so many times as big as one may be packed."""
MOST_PATH_CHARS: Final = 200
_DIRECTORY_BYTES: Final = 1024 * 1024
"""Of the list at a zip's end: what it names is made an object each before anything can be counted."""
_END: Final = struct.Struct("<4s4H2LH")
_LOCATOR_BYTES: Final = 20
_CHUNK: Final = 256 * 1024
_ENCRYPTED: Final = 0x1
_NOT_IN_NAMES: Final = frozenset('\\:*?"<>|')
_DEVICES: Final = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))]
)


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a bundle."""

    files: int
    unpacked: int


def check(data: bytes, most_bytes: int) -> Contents:
    """See that a bundle may be unpacked anywhere, by unpacking it to nowhere. Raises `TooLarge`, `Invalid`."""
    if len(data) > most_bytes:
        raise TooLarge(f"the bundle has {len(data)} bytes; at most {most_bytes} are taken (NEXOMATIC_MAX_BUNDLE)")
    _check_end(data)
    most = most_bytes * MOST_TIMES_UNPACKED
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            found = _listed(opened.infolist(), most)
            for entry in opened.infolist():
                _read(opened, entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, struct.error) as error:
        raise Invalid(f"the bundle is not a whole zip: {error}") from None
    return found


def _check_end(data: bytes) -> None:
    """The end says how much there is to list; a zip that ends otherwise may say one thing here and another there."""
    if len(data) < _END.size:
        raise Invalid("the bundle is not a zip")
    mark, disk, first, here, in_all, directory, _, comment = _END.unpack(data[-_END.size :])
    if mark != b"PK\x05\x06" or comment or disk or first or here != in_all:
        raise Invalid("the bundle is not a zip that ends with its list of files, without a comment behind it")
    if data[-_END.size - _LOCATOR_BYTES :].startswith(b"PK\x06\x07"):
        raise Invalid("the bundle is a zip of the 64-bit kind, which no bundle needs")
    if in_all > MOST_FILES or directory > _DIRECTORY_BYTES:
        raise TooLarge(f"the bundle has {in_all} entries; at most {MOST_FILES} are taken")


def _listed(entries: Sequence[zipfile.ZipInfo], most: int) -> Contents:
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    unpacked = 0
    for entry in entries:
        _check_kind(entry)
        steps = _steps(entry)
        if not entry.is_dir():
            _once(files, "/".join(steps), entry.filename)
            unpacked += entry.file_size
        parents = range(1, len(steps) + 1) if entry.is_dir() else range(1, len(steps))
        folders.update({_folded("/".join(steps[:end])): entry.filename for end in parents})
    if both := sorted(files.keys() & folders.keys()):
        raise Invalid(f"{shown(files[both[0]])} is a file and a folder in the bundle")
    if unpacked > most:
        raise TooLarge(f"unpacked the bundle has {unpacked} bytes; at most {most} are taken")
    if not files:
        raise Invalid("there is no file in the bundle")
    if len(entries) > MOST_FILES:
        raise TooLarge(f"the bundle has {len(entries)} entries; at most {MOST_FILES} are taken")
    return Contents(len(files), unpacked)


def _check_kind(entry: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Invalid(f"{shown(entry.filename)} is a link or no file: a bundle has files and folders only")
    if entry.flag_bits & _ENCRYPTED:
        raise Invalid(f"{shown(entry.filename)} is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Invalid(f"{shown(entry.filename)} is compressed in a way that not every machine reads: use deflate")


def _steps(entry: zipfile.ZipInfo) -> list[str]:
    """The parts of its path. `orig_filename` is what stands in the zip: a name is cut off at a zero byte else."""
    name = entry.orig_filename
    steps = name.removesuffix("/").split("/")
    if len(name) > MOST_PATH_CHARS:
        raise Invalid(f"{shown(name)} is longer than {MOST_PATH_CHARS} characters")
    if not name.isprintable() or any(step in ("", ".", "..") for step in steps):
        raise Invalid(f"{shown(name)} is no path within the bundle: no empty steps, no . and no .. are taken")
    if any(_NOT_IN_NAMES.intersection(step) or step.endswith((".", " ")) or step.startswith(" ") for step in steps):
        rule = (
            'its steps have none of \\ : * ? " < > | in them, and neither begin with a space nor end in one or in a dot'
        )
        raise Invalid(f"{shown(name)} means something else on Windows: {rule}")
    if any(step.split(".")[0].rstrip().lower() in _DEVICES for step in steps):
        raise Invalid(f"{shown(name)} is the name of a Windows device")
    return steps


def _once(files: dict[str, str], path: str, name: str) -> None:
    before = files.setdefault(_folded(path), name)
    if before is not name:
        raise Invalid(f"{shown(before)} and {shown(name)} are one file where upper and lower case are the same")


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _read(opened: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """To its end, so that what it says of its size and its checksum is true."""
    if entry.is_dir():
        if entry.file_size:
            raise Invalid(f"{shown(entry.filename)} is a folder with something in it that is no file")
        return
    found = 0
    with opened.open(entry) as file:
        while chunk := file.read(_CHUNK):
            found += len(chunk)
    if found != entry.file_size:
        raise Invalid(f"{shown(entry.filename)} has {found} bytes, and the zip says {entry.file_size}")
