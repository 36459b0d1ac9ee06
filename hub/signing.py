"""One key per purpose from the one root key, and signed tokens.

HKDF (RFC 5869) keeps the purposes apart: who learns the key of one learns nothing of another. A token names the root
key it was signed under, so that two are valid while the root key is being rotated.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from hub.errors import Invalid

ROOT_KEY_BYTES = 32


class Purpose(StrEnum):
    """What a key is for. The text goes into the derivation: changing it changes the key."""

    LEASE = "lease"
    STATUS = "webhook status"
    CURSOR = "list cursor"
    SECRETS = "secret values"
    CREDENTIAL = "sink credential"
    SESSION = "session"
    CSRF = "session csrf"
    DEVICE = "device that signed in"
    SIGN_IN = "sign-in on its way"
    NEXO = "sign-in of nexo"


class BadSignature(Invalid):
    """This token was not made by this hub, or has been altered."""


@dataclass(frozen=True)
class RootKey:
    """256 bits, and the short name tokens call it by. The key itself is never shown."""

    secret: bytes

    def __post_init__(self) -> None:
        if len(self.secret) != ROOT_KEY_BYTES:
            raise Invalid(f"the root key is {ROOT_KEY_BYTES} bytes, this one has {len(self.secret)}")

    def __repr__(self) -> str:
        return f"RootKey({self.key_id})"

    @property
    def key_id(self) -> str:
        return hashlib.sha256(b"nexomatic key id" + self.secret).hexdigest()[:8]

    def derive(self, purpose: Purpose) -> bytes:
        """32 bytes for this purpose alone."""
        return _derive(self.secret, purpose)


@cache
def _derive(secret: bytes, purpose: Purpose) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256  # 20 ms of import that only a signing process needs
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length=32, salt=None, info=f"nexomatic {purpose}".encode()).derive(secret)


class Signer:
    """Signs and reads tokens of one purpose: `key id . content . HMAC-SHA256`, base64url without padding."""

    def __init__(self, purpose: Purpose, current: RootKey, previous: RootKey | None = None) -> None:
        self._current = current.key_id
        self._keys = {key.key_id: key.derive(purpose) for key in (current, previous) if key is not None}

    def sign(self, content: bytes) -> str:
        """A token that carries this content in clear."""
        head = f"{self._current}.{_encode(content)}"
        return f"{head}.{_encode(self._mac(self._current, head))}"

    def mac(self, content: bytes) -> str:
        """256 bits that nobody without the key can compute, the same each time for the same content: 43 characters."""
        return _encode(hmac.digest(self._keys[self._current], content, "sha256"))

    def read(self, token: str) -> bytes:
        """The content of a token. Raises `BadSignature`."""
        head, _, mac = token.rpartition(".")
        key_id, _, content = head.partition(".")
        if key_id not in self._keys or not hmac.compare_digest(_decode(mac), self._mac(key_id, head)):
            raise BadSignature
        return _decode(content)

    def _mac(self, key_id: str, head: str) -> bytes:
        return hmac.digest(self._keys[key_id], head.encode(), "sha256")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSignature from error
