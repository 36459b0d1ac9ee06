"""Shopify: https://shopify.dev/docs/apps/build/webhooks/subscribe/https"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hub.model.verification import GenericHmac, Shopify
from hub.sources.request import Request
from hub.sources.verify import hmac


def check(settings: Shopify, secrets: Sequence[str], request: Request, now: datetime) -> None:
    """Raises `Unverified`."""
    same = GenericHmac(preset="hmac", secret=settings.secret, header="X-Shopify-Hmac-Sha256", encoding="base64")
    hmac.check(same, secrets, request, now)
