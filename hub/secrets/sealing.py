"""Encryption of secret values: AES-256 in GCM, under a key that the root key yields for this purpose alone.

Name and version are authenticated with the value: a row that is copied into another's place does not open. A value
names the root key it is sealed under, so that two are good while the root key is being rotated. A nonce is 96 random
bits: with one key, 2³² values may be sealed before the chance of a repetition is worth a thought (NIST SP 800-38D).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from hub.secrets.port import Unreadable
from hub.signing import Purpose, RootKey
from hub.storage.secret_rows import SealedValue

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BITS: Final = 96


class Sealer:
    """Seals values under the current root key, opens those of the previous one too. `randomness`: 96 bits or more."""

    def __init__(self, current: RootKey, previous: RootKey | None, randomness: Callable[[], int]) -> None:
        self._current = current
        self._keys = {key.key_id: key for key in (previous, current) if key is not None}
        self._randomness = randomness

    @property
    def key_id(self) -> str:
        """Names the key that new values are sealed under."""
        return self._current.key_id

    def seal(self, value: str, *, name: str, version: str) -> SealedValue:
        """The value, for this name and version only."""
        nonce = (self._randomness() & (1 << NONCE_BITS) - 1).to_bytes(NONCE_BITS // 8)
        ciphertext = _cipher(self._current).encrypt(nonce, value.encode(), _bound_to(name, version))
        return SealedValue(self.key_id, nonce, ciphertext)

    def open(self, sealed: SealedValue, *, name: str, version: str) -> str:
        """The value. Raises `Unreadable` for another root key's, and for what was altered or moved."""
        from cryptography.exceptions import InvalidTag

        key = self._keys.get(sealed.key_id)
        if key is None:
            raise Unreadable(
                f"the secret {name} was encrypted under the root key {sealed.key_id}, which this hub does not have: "
                "put its value again"
            )
        try:
            return _cipher(key).decrypt(sealed.nonce, sealed.ciphertext, _bound_to(name, version)).decode()
        except InvalidTag:
            raise Unreadable(f"the stored value of the secret {name} was altered: put its value again") from None


def _cipher(key: RootKey) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # imported by processes that use secrets only

    return AESGCM(key.derive(Purpose.SECRETS))


def _bound_to(name: str, version: str) -> bytes:
    """Neither part can hold the zero byte between them: two names and versions never look like one another."""
    return b"\0".join((b"nexomatic secret", name.casefold().encode(), version.encode()))
