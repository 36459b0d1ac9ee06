"""Tokens and credentials as text: what they begin with, how they are drawn, and what of them is stored."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

TOKEN_PREFIX: Final = "nxt_"  # noqa: S105 - what a token begins with, not a token
ENROLMENT_PREFIX: Final = "nxe_"
SINK_PREFIX: Final = "nxs_"
INVITATION_PREFIX: Final = "nxi_"
SECRET_BYTES: Final = 32
LONGEST: Final = 200


def new_secret() -> str:
    """256 random bits, as 43 letters, digits, - and _."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest(text: str) -> str:
    """What is stored instead of a token. Its 256 random bits need no salt and no slow hash: nobody can try them."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
