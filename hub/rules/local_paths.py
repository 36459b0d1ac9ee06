"""Where a browser may be sent after sign-in: to an address on this hub, and nowhere else. Pure."""

from __future__ import annotations

import re
from typing import Final

from hub.errors import FieldError, Invalid

MOST_CHARACTERS: Final = 1000
_LOCAL: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
"""Printable ASCII without a backslash, which browsers read as a slash: `//host` and `/\\host` lead away from here."""


def check(field: str, path: str) -> str:
    """The path. Raises `Invalid` for anything that could lead elsewhere."""
    if len(path) > MOST_CHARACTERS or not _LOCAL.fullmatch(path):
        what = (
            f"must be a path on this hub: it begins with one slash, has no backslash, and is at most {MOST_CHARACTERS} "
            "printable ASCII characters"
        )
        raise Invalid(f"{field} {what}", [FieldError(field, what)])
    return path
