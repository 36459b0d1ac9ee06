"""What the two packages share: entries of a zip that tell nothing of the machine and the time they were made on."""

from __future__ import annotations

import zipfile
from typing import Final

_TIME: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o100644 << 16


class CannotPackage(Exception):
    """There is no package, and the message says why."""


def entry(name: str) -> zipfile.ZipInfo:
    """A file's place in a zip, stored as it is unless its compression is set."""
    made = zipfile.ZipInfo(name, _TIME)
    made.create_system = 3  # Unix: elsewhere the mode would not be read
    made.external_attr = _MODE
    return made
