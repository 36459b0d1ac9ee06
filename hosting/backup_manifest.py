"""What lies in a backup, and what its manifest says of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from hosting.errors import HostingError
from hub.storage.embedded.files import sha256_of, write_private

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"


class BadBackup(HostingError):
    """This is no whole backup."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a backup."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Times are text in UTC."""

    version: str
    """The release that made it."""
    taken_at: str
    """Everything that was acknowledged before is in it."""
    database_format: int
    rows_format: int
    openings: int
    root_key_id: str | None
    """By which tokens call the root key; None: it was not known to who made the backup."""
    files: Mapping[str, File]
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """As the last file of a backup."""
        write_private(folder / MANIFEST, json.dumps(asdict(self), indent=2).encode() + b"\n")


def of_file(file: Path) -> File:
    """Reads all of it."""
    return File(file.stat().st_size, sha256_of(file))


def read(folder: Path) -> Manifest:
    """The manifest. Raises `BadBackup` for one that is not there, not whole, or of a newer release."""
    try:
        said = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise BadBackup(f"{folder} is no backup: {MANIFEST} cannot be read ({type(error).__name__})") from error
    found = said.get("format") if isinstance(said, dict) else None
    if not isinstance(found, int) or found > FORMAT:
        raise BadBackup(f"{folder} is a backup of format {found}; this release reads up to {FORMAT}")
    try:
        files = {Path(name).name: File(**each) for name, each in said.pop("files").items()}
        return Manifest(**said, files=files)
    except (TypeError, AttributeError, KeyError) as error:
        raise BadBackup(f"{folder} is no backup: its {MANIFEST} is not whole") from error


def check(folder: Path, manifest: Manifest) -> None:
    """Raises `BadBackup` for a file that is not there, or not what the manifest says."""
    for name, said in manifest.files.items():
        file = folder / name
        if not file.is_file():
            raise BadBackup(f"{file} is missing")
        if of_file(file) != said:
            raise BadBackup(f"{file} is not what {MANIFEST} says: it was altered, or cut short")
