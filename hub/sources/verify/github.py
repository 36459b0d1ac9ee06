"""GitHub: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries

Only the SHA-256 signature is looked at; the SHA-1 one that GitHub sends beside it is older and weaker.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hub.model.verification import GenericHmac, GitHub
from hub.sources.request import Request
from hub.sources.verify import hmac


def check(settings: GitHub, secrets: Sequence[str], request: Request, now: datetime) -> None:
    """Raises `Unverified`."""
    same = GenericHmac(preset="hmac", secret=settings.secret, header="X-Hub-Signature-256", prefix="sha256=")
    hmac.check(same, secrets, request, now)
