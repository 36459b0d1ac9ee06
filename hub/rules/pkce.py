"""Proof Key for Code Exchange (RFC 7636), with SHA-256: who began is known by a number that only they have. Pure."""

from __future__ import annotations

import base64
import hashlib


def challenge_of(verifier: str) -> str:
    """What of the verifier is told beforehand: 43 characters."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
