"""Sealing of released values to the public key of the one sink that they are for.

An ephemeral X25519 key for each release, HKDF-SHA256, AES-256-GCM. Event, attempt, sink, names and versions are
authenticated: an answer does not open in another's place. Whoever reads along between hub and sink, a proxy that ends
TLS say, has nothing, unless it was there at the enrolment already and gave a key of its own for the sink's.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_LABEL: Final = b"nexomatic release 1\0"
_NONCE: Final = bytes(12)
"""A key seals one message."""


class UnusableKey(Exception):
    """What the sink gave is no public key."""


@dataclass(frozen=True, slots=True)
class ReleaseContext:
    """What a release is for."""

    event_id: str
    attempt: int
    sink: str
    versions: Sequence[tuple[str, str]]
    """Names of the secrets with their versions."""

    def encoded(self) -> bytes:
        """What is authenticated, the same on both sides."""
        said = [self.event_id, self.attempt, self.sink, [list(each) for each in self.versions]]
        return json.dumps(said, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class SealedValues:
    """Base64, both."""

    key: str
    """The ephemeral public key."""
    ciphertext: str


def seal(
    values: Mapping[str, str], public_key: str, context: ReleaseContext, randomness: Callable[[], int]
) -> SealedValues:
    """The values for who has the private key alone. `randomness`: 256 bits. Raises `UnusableKey`."""
    from cryptography.hazmat.primitives import hashes  # imported by processes that seal only
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    mine = X25519PrivateKey.from_private_bytes((randomness() & (1 << 256) - 1).to_bytes(32))
    public = mine.public_key().public_bytes_raw()
    try:
        theirs = base64.b64decode(public_key, validate=True)
        shared = mine.exchange(X25519PublicKey.from_public_bytes(theirs))
    except ValueError:
        raise UnusableKey from None
    key = HKDF(hashes.SHA256(), 32, salt=None, info=_LABEL + public + theirs).derive(shared)
    ciphertext = AESGCM(key).encrypt(_NONCE, json.dumps(dict(values)).encode(), context.encoded())
    return SealedValues(base64.b64encode(public).decode(), base64.b64encode(ciphertext).decode())
