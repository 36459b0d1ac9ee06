"""What is known of a secret beside its value, which no model holds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

SecretName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,127}$")]
"""Unique without regard to case; what Key Vault takes too."""


class SecretInfo(BaseModel):
    """A secret as it is listed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: SecretName
    description: Annotated[str, Field(max_length=500)] = ""
    version: str
    """Names the value: another value, another version."""
    changed_at: datetime
    changed_by: str = ""
    """Who put this version."""
