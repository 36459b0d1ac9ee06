"""Whose signatures the agent believes: with trusted keys it runs what they signed, and nothing else.

Needs the package `cryptography`, which the agent does not depend on (`nexomatic-agent[signing]`): without it an agent
that has trusted keys does not start, rather than believe anybody.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from nexomatic_agent.config import BadSettings

KEY_BYTES = 32
_SIGNED = b"nexomatic-bundle sha256:"


class Untrusted(Exception):
    """Nobody whom this agent trusts signed it, and the message says so."""


class TrustedKeys:
    """Public keys by their ids. None at all: nothing has to be signed."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = keys

    def __bool__(self) -> bool:
        return bool(self._keys)

    @property
    def ids(self) -> list[str]:
        return sorted(self._keys)

    def check(self, digest: str, signature: Optional[str]) -> None:
        """See that one of the keys signed these bytes. Raises Untrusted."""
        if not self._keys:
            return
        if signature is None:
            raise Untrusted("it is not signed, and this agent runs only what its trusted_keys signed")
        key_id, _, text = signature.partition(":")
        if key_id not in self._keys:
            raise Untrusted(f"it is signed with the key {key_id[:16]!r}, which is not among this agent's trusted_keys")
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            made = base64.b64decode(text, validate=True)
            Ed25519PublicKey.from_public_bytes(self._keys[key_id]).verify(made, _SIGNED + digest.encode())
        except (InvalidSignature, ValueError):
            raise Untrusted(f"its signature with the key {key_id} is wrong") from None


def trusted_keys(path: Optional[Path]) -> TrustedKeys:
    """The keys that a file names, `ed25519 BASE64` a line. Raises BadSettings, also where none could be used."""
    if path is None:
        return TrustedKeys({})
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings([f"trusted_keys: {path} cannot be read: {error}"]) from None
    keys: dict[str, bytes] = {}
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            key = _key(line.split())
            if key is None:
                problems.append(
                    f"trusted_keys: {path}:{number} must be `ed25519` and a public key of 32 bytes in base64"
                )
            else:
                keys[hashlib.sha256(key).hexdigest()[:16]] = key
    if not keys and not problems:
        problems.append(f"trusted_keys: {path} names no key: nothing at all would run")
    if importlib.util.find_spec("cryptography") is None:
        problems.append("trusted_keys needs the package cryptography: install nexomatic-agent[signing]")
    if problems:
        raise BadSettings(problems)
    return TrustedKeys(keys)


def _key(words: list[str]) -> Optional[bytes]:
    if len(words) < 2 or words[0] != "ed25519":
        return None
    try:
        key = base64.b64decode(words[1], validate=True)
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None
