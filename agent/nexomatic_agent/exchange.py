"""An exchange with the hub that is under way, on disk: a token for an identity, a credential for the next one.

The hub answers it again to whoever knows its nonce: the first answer may be lost on the way, or by a crash before what
it brought is on disk, and what was given for it be of no use any more by then.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path

from nexomatic_agent.files import UnreadableDocument, read_document, remove, write_document


class Exchange:
    """One exchange, from before its first try until what it brought is kept."""

    def __init__(self, path: Path, given: list[str]) -> None:
        """Take up the one that gave the same, or begin anew. Raises OSError."""
        self._path = path
        digest = hashlib.sha256(json.dumps(given).encode()).hexdigest()
        found = self._read()
        if found.get("said") == digest and isinstance(found.get("nonce"), str):
            self.nonce = str(found["nonce"])
        else:
            self.nonce = secrets.token_urlsafe(32)
            write_document(self._path, {"said": digest, "nonce": self.nonce})

    def over(self) -> None:
        """What it brought is on disk, or the hub will have none of it. Raises OSError."""
        remove(self._path)

    def _read(self) -> dict[str, object]:
        try:
            return read_document(self._path)
        except (FileNotFoundError, UnreadableDocument):
            return {}
