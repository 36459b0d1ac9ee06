"""What is known of a secret beside its value, which no model holds."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

SecretName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,127}$")]
"""Unique without regard to case; what Key Vault takes too."""


class Keeper(StrEnum):
    """Who has a value."""

    HUB = "HUB"
    """The hub, encrypted in its own storage."""
    VAULT = "VAULT"
    """The Key Vault, where the hub put it."""
    ELSEWHERE = "ELSEWHERE"
    """The Key Vault, where somebody else puts it: the hub only reads, and what is newest there stands."""


class SecretVersion(BaseModel):
    """One value of a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    changed_at: datetime
    changed_by: str = ""
    """Who put it."""
    keeper: Keeper = Keeper.HUB


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
    keeper: Keeper = Keeper.HUB
    previous: SecretVersion | None = None
    """The version before this one, whose value is kept too."""

    @property
    def standing(self) -> SecretVersion:
        """The version that stands, as it will be listed when the next one is put."""
        return SecretVersion(
            version=self.version, changed_at=self.changed_at, changed_by=self.changed_by, keeper=self.keeper
        )
