"""A bundle: code that the hub hands out to sinks, a zip that is known by the SHA-256 of its bytes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

BUNDLE_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}@[A-Za-z0-9][A-Za-z0-9._-]{0,31}$"
SIGNATURE_PATTERN: Final = r"^[0-9a-f]{16}:[A-Za-z0-9+/]{86}==$"
BundleName = Annotated[str, Field(pattern=BUNDLE_PATTERN, max_length=96)]
"""`name@version`, unique without regard to case. What it stands for never changes."""
BundleSignature = Annotated[str, Field(pattern=SIGNATURE_PATTERN)]
"""The key's id, a colon, and the Ed25519 signature of `nexomatic-bundle sha256:DIGEST` as base64."""


class Bundle(BaseModel):
    """A bundle as it is listed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: BundleName
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the zip."""
    size: int
    """Bytes of the zip."""
    files: int
    unpacked: int
    """Bytes of all its files."""
    signature: BundleSignature | None = None
    uploaded_at: datetime
    uploaded_by: str = ""
    blob: str
    """Where its bytes lie: no two rows share a blob, so that deleting one takes nothing from another."""

    @property
    def key_id(self) -> str | None:
        """Whose signature it carries."""
        return None if self.signature is None else self.signature.partition(":")[0]
