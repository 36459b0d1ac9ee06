"""A release's archive: held against its SHA-256, and unpacked without trusting a name in it."""

from __future__ import annotations

import hashlib
import re
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from hosting.errors import HostingError

_DIGEST = re.compile(r"[0-9a-f]{64}")


class BadArchive(HostingError):
    """The archive is not one of a release."""


def check_digest(archive: Path, told: str | None) -> None:
    """Against the digest that was told, or the one in the file beside it. Raises BadArchive, OSError."""
    beside = archive.with_name(f"{archive.name}.sha256")
    if told is None:
        if not beside.exists():
            raise BadArchive(f"there is no {beside.name} beside the archive: bring it, or give --sha256")
        told = (beside.read_text("ascii", "replace").split() or [""])[0]
    if not _DIGEST.fullmatch(told.lower()):
        raise BadArchive("a SHA-256 has 64 hexadecimal digits")
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != told.lower():
        raise BadArchive(f"{archive.name} is not whole, or another one: its SHA-256 is {found}, and not {told}")


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack into a new folder; the release in there. Raises BadArchive, OSError."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    tops = set()
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for entry in tar:
                path = PurePosixPath(entry.name)
                if not entry.isreg() or path.is_absolute() or ".." in path.parts or len(path.parts) < 2:
                    raise BadArchive(f"{archive.name} holds {entry.name!r}, which has no place in a release")
                tops.add(path.parts[0])
                _write(tar, entry, folder / path)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BadArchive(f"{archive.name} cannot be unpacked: {error}") from None
    if len(tops) != 1:
        raise BadArchive(f"{archive.name} holds no release")
    return folder / tops.pop()


def _write(tar: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(entry)
    assert source is not None, "a regular file"
    with source, path.open("xb") as file:
        shutil.copyfileobj(source, file)
    path.chmod(0o755 if entry.mode & 0o100 else 0o644)
