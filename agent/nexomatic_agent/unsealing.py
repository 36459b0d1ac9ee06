"""The key that secrets are sealed to, made at enrolment, and opening what was sealed to it.

Asked for by a setting, and needs the package `cryptography`, which the agent does not depend on and which costs 8 MB of
memory: without it an enrolment gives no key, and secrets come as they are over TLS.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from nexomatic_agent.answers import Refused
from nexomatic_agent.files import UnreadableDocument, read_document, write_document

log = logging.getLogger(__name__)

_FILE = "sealing.json"
_LABEL = b"nexomatic release 1\0"
_NONCE = bytes(12)
_NEEDED = "install the package cryptography for the agent"


def public_key(folder: Path) -> Optional[str]:
    """The public half of this agent's key, as base64; made if there is none. None, said in the log: it cannot be.

    Raises OSError.
    """
    if importlib.util.find_spec("cryptography") is None:
        log.warning("secrets will not be sealed to this sink: %s, and enrol again", _NEEDED)
        return None
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    private = _private(folder)
    if private is None:
        made = X25519PrivateKey.generate()
        private = made.private_bytes_raw()
        write_document(folder / _FILE, {"private": base64.b64encode(private).decode()})
    public = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    return base64.b64encode(public).decode()


def has_key(folder: Path) -> bool:
    """Whether this agent was ever given a key."""
    return (folder / _FILE).exists()


class Unsealer:
    """Opens releases to this sink."""

    def __init__(self, folder: Path, sink: str) -> None:
        self._folder = folder
        self._sink = sink

    def values(self, event_id: str, attempt: int, released: Mapping[str, Any]) -> Mapping[str, str]:
        """The values by name, sealed or not. Raises Refused for what this sink cannot open."""
        secrets, sealed = released["secrets"], released.get("sealed")
        if sealed is None:
            return {one["name"]: one["value"] for one in secrets}
        versions = [[one["name"], one["version"]] for one in secrets]
        context = json.dumps([event_id, attempt, self._sink, versions], separators=(",", ":")).encode()
        try:
            opened = json.loads(self._open(sealed, context))
        except ImportError:
            raise Refused(
                f"the secrets are sealed to the key of this sink, which cannot open them: {_NEEDED}"
            ) from None
        except (KeyError, TypeError, ValueError):
            opened = None
        if not isinstance(opened, dict) or not all(isinstance(value, str) for value in opened.values()):
            raise Refused("the secrets are sealed to another key than this sink has, or for another task: enrol again")
        return opened

    def _open(self, sealed: Mapping[str, Any], context: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        private = _private(self._folder)
        if private is None:
            raise ValueError("there is no key")
        mine = X25519PrivateKey.from_private_bytes(private)
        theirs = base64.b64decode(sealed["key"], validate=True)
        shared = mine.exchange(X25519PublicKey.from_public_bytes(theirs))
        info = _LABEL + theirs + mine.public_key().public_bytes_raw()
        key = HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(shared)
        try:
            return AESGCM(key).decrypt(_NONCE, base64.b64decode(sealed["ciphertext"], validate=True), context)
        except InvalidTag:
            raise ValueError("it does not open") from None


def is_release(document: Mapping[str, Any]) -> bool:
    """Whether this is an answer of the hub to the question for secrets."""
    secrets, sealed = document.get("secrets"), document.get("sealed")
    if not isinstance(secrets, list) or not (sealed is None or isinstance(sealed, dict)):
        return False
    wanted: Sequence[str] = ("name", "value") if sealed is None else ("name", "version")
    return all(isinstance(one, dict) and all(isinstance(one.get(key), str) for key in wanted) for one in secrets)


def _private(folder: Path) -> Optional[bytes]:
    try:
        return base64.b64decode(str(read_document(folder / _FILE)["private"]), validate=True)
    except FileNotFoundError:
        return None
    except (UnreadableDocument, KeyError, ValueError) as error:
        log.error("the sealing key cannot be read, and a new one is made at the next enrolment: %s", error)
        return None
