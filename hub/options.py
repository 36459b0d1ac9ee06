"""What the settings decide of a hub, in the words of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hub.distribution.agent_packages import BESIDE_THE_CODE
from hub.life.terms import Terms
from hub.rules.cadence import Fleet
from hub.rules.callers import FrontEnd
from hub.rules.keeping import Keeping
from hub.rules.oidc import Provider
from hub.signing import Purpose, RootKey, Signer

if TYPE_CHECKING:
    from argon2 import Parameters


@dataclass(frozen=True, slots=True)
class Options:
    """What the settings decide."""

    root_key: RootKey
    previous_root_key: RootKey | None = None
    front_end: FrontEnd | None = None
    """Who tells the hub its callers' addresses; None: nobody is believed."""
    receipt_days: int = 14
    agent_packages: Sequence[Path] = BESIDE_THE_CODE
    """Folders in which the agent's package may lie."""
    max_bundle: int = 20 * 1024 * 1024
    sealed_secrets: bool = False
    """A sink without a key of its own is given no secrets."""
    terms: Terms = field(default_factory=Terms)
    fleet: Fleet = field(default_factory=Fleet)
    max_held_polls: int = 1000
    sink_credential_days: int = 30
    keeping: Keeping = field(default_factory=Keeping)
    public_url: str | None = None
    first_admin_token_sha256: str | None = field(default=None, repr=False)
    session_hours: int = 12
    admin_contact: str | None = None
    """Whom people are told to ask."""
    provider: Provider | None = None
    """Of OpenID Connect."""
    passwords: Parameters | None = None
    """How passwords are hashed; None: as RFC 9106 recommends."""

    def signer(self, purpose: Purpose) -> Signer:
        return Signer(purpose, self.root_key, self.previous_root_key)
