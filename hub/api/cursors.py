"""Cursors: where a list goes on, opaque and signed, so that nobody builds on what is inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Final, TypeVar

from fastapi import Query

from hub.errors import FieldError, Invalid
from hub.signing import BadSignature, Signer

FORMAT: Final = 1
Cursor = Annotated[str | None, Query(max_length=500, description="Where the last answer ended")]
Limit = Annotated[int, Query(ge=1, le=500)]
T = TypeVar("T")


def issue(signer: Signer, of: str, position: str) -> str:
    """A cursor of this list."""
    return signer.sign(f"{FORMAT}:{of} {position}".encode())


def read(signer: Signer, of: str, cursor: str | None) -> str | None:
    """The position in this list. Raises `Invalid` for a cursor that is none, or of another list."""
    if cursor is None:
        return None
    try:
        kind, _, position = signer.read(cursor).decode().partition(" ")
    except (BadSignature, UnicodeDecodeError):
        kind, position = "", ""
    number, colon, name = kind.rpartition(":")  # the first ones had no number, and are of format 1
    if name != of or (colon and number != str(FORMAT)):
        what = "is not a cursor of this list: send one as it was answered, or none to begin"
        raise Invalid(f"cursor {what}", [FieldError("cursor", what)])
    return position


def page(
    signer: Signer, of: str, items: Sequence[T], name: Callable[[T], str], cursor: str | None, limit: int
) -> tuple[list[T], str | None]:
    """A page of a list that is there as a whole, in the order of its names; and the cursor of the next one."""
    after = (read(signer, of, cursor) or "").casefold()
    behind = [each for each in items if name(each).casefold() > after]
    following = issue(signer, of, name(behind[limit - 1])) if len(behind) > limit else None
    return behind[:limit], following
