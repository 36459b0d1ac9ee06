"""Unpacking a bundle: what comes from the hub is not believed, whatever the hub has checked of it.

Refused are paths that lead out of the folder, links, names that are one file on Windows, and what is bigger than it
says. The hub checks the same when a bundle is pushed (`hub/rules/bundle_zip.py`).
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from nexomatic_agent.files import make_private_folder

MOST_FILES = 2000
MOST_PATH_CHARS = 200
_DIRECTORY_BYTES = 1024 * 1024
"""Of the list at a zip's end: what it names is made an object each before anything can be counted."""
_END = struct.Struct("<4s4H2LH")
_LOCATOR_BYTES = 20
_CHUNK = 256 * 1024
_ENCRYPTED = 0x1
_NOT_IN_NAMES = frozenset('\\:*?"<>|')
_DEVICES = frozenset(["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))])
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


class BadZip(Exception):
    """It is not a bundle that this agent unpacks, and the message says why."""


def measure(path: Path, most_bytes: int) -> int:
    """How many bytes its files have, as its list says. Raises BadZip, OSError."""
    with _opened(path) as bundle:
        return _listed(bundle.infolist(), most_bytes)


def unpack(path: Path, folder: Path, most_bytes: int) -> None:
    """Unpack to a folder that is not there yet, to be read by this account alone.

    Raises BadZip, and OSError of the disk; then a part of it may be there.
    """
    with _opened(path) as bundle:
        _listed(bundle.infolist(), most_bytes)
        make_private_folder(folder)
        for entry in bundle.infolist():
            _write(bundle, entry, folder)
    _make_read_only(folder)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        _check_end(path)
        with zipfile.ZipFile(path) as bundle:
            yield bundle
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, struct.error) as error:
        raise BadZip(f"it is not a whole zip: {error}") from None


def _check_end(path: Path) -> None:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(-min(file.tell(), _END.size + _LOCATOR_BYTES), os.SEEK_END)
        end = file.read()
    if len(end) < _END.size:
        raise BadZip("it is not a zip")
    mark, disk, first, here, in_all, directory, _, comment = _END.unpack(end[-_END.size :])
    if mark != b"PK\x05\x06" or comment or disk or first or here != in_all or end.startswith(b"PK\x06\x07"):
        raise BadZip("it is not a zip that ends with its list of files")
    if in_all > MOST_FILES or directory > _DIRECTORY_BYTES:
        raise BadZip(f"it has {in_all} entries, more than {MOST_FILES}")


def _listed(entries: Sequence[zipfile.ZipInfo], most_bytes: int) -> int:
    files: set[str] = set()
    folders: set[str] = set()
    size = 0
    for entry in entries:
        _check_kind(entry)
        steps = _steps(entry)
        folded = [unicodedata.normalize("NFC", step).casefold() for step in steps]
        whole = "/".join(folded)
        folders.update("/".join(folded[:end]) for end in range(1, len(folded)))
        if entry.is_dir():
            folders.add(whole)
        elif whole in files:
            raise BadZip(f"{entry.orig_filename!r} is in it twice, where upper and lower case are the same")
        else:
            files.add(whole)
            size += entry.file_size
    if files & folders:
        raise BadZip(f"{min(files & folders)!r} is a file and a folder in it")
    if size > most_bytes:
        raise BadZip(f"unpacked it has {size} bytes, more than the {most_bytes} of bundle_cache_bytes")
    return size


def _check_kind(entry: zipfile.ZipInfo) -> None:
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadZip(f"{entry.orig_filename!r} is a link or no file")
    if entry.flag_bits & _ENCRYPTED:
        raise BadZip(f"{entry.orig_filename!r} is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadZip(f"{entry.orig_filename!r} is compressed in another way than by deflate")


def _steps(entry: zipfile.ZipInfo) -> list[str]:
    """The parts of its path. `orig_filename` is what stands in the zip: a name is cut off at a zero byte else."""
    name = entry.orig_filename
    steps = name[:-1].split("/") if name.endswith("/") else name.split("/")
    if len(name) > MOST_PATH_CHARS or not name.isprintable() or any(step in ("", ".", "..") for step in steps):
        raise BadZip(f"{name[:MOST_PATH_CHARS]!r} is no path within it")
    if any(_NOT_IN_NAMES.intersection(step) or step.endswith((".", " ")) or step.startswith(" ") for step in steps):
        raise BadZip(f"{name!r} means something else on Windows")
    if any(step.split(".")[0].rstrip().lower() in _DEVICES for step in steps):
        raise BadZip(f"{name!r} is the name of a Windows device")
    return steps


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    target = folder.joinpath(*_steps(entry))
    if entry.is_dir():
        if entry.file_size:
            raise BadZip(f"{entry.orig_filename!r} is a folder with something in it that is no file")
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    runs = entry.create_system == 3 and (entry.external_attr >> 16) & stat.S_IXUSR
    descriptor = os.open(target, _FLAGS, 0o500 if runs else 0o400)
    with os.fdopen(descriptor, "wb") as file, opened.open(entry) as source:
        found = 0
        while chunk := source.read(_CHUNK):
            found += len(chunk)
            file.write(chunk)
    if found != entry.file_size:
        raise BadZip(f"{entry.orig_filename!r} has {found} bytes, and the zip says {entry.file_size}")


def _make_read_only(folder: Path) -> None:
    """So that a task which writes beside its code is told so, rather than changing what the next one runs."""
    for parent, _, _ in os.walk(folder, topdown=False):
        os.chmod(parent, stat.S_IRUSR | stat.S_IXUSR)  # noqa: PTH101
