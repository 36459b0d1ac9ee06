"""Cursors: where a list goes on, opaque and signed, so that nobody builds on what is inside."""

from __future__ import annotations

from hub.errors import FieldError, Invalid
from hub.signing import BadSignature, Signer


def issue(signer: Signer, of: str, position: str) -> str:
    """A cursor of this list."""
    return signer.sign(f"{of} {position}".encode())


def read(signer: Signer, of: str, cursor: str | None) -> str | None:
    """The position in this list. Raises `Invalid` for a cursor that is none, or of another list."""
    if cursor is None:
        return None
    try:
        kind, _, position = signer.read(cursor).decode().partition(" ")
    except (BadSignature, UnicodeDecodeError):
        kind, position = "", ""
    if kind != of:
        what = "is not a cursor of this list: send one as it was answered, or none to begin"
        raise Invalid(f"cursor {what}", [FieldError("cursor", what)])
    return position
