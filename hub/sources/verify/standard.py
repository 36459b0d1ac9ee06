"""Standard Webhooks, by its own library; Svix, whose headers only have other names, is the same.

The library says little about what it refuses and stumbles over some of it, so what can be said better is looked at
first; the last word is the library's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from hub.errors import BadSecret, Unverified
from hub.model.verification import Standard
from hub.sources.request import Request
from hub.sources.verify.signatures import WRONG_SIGNATURE, check_fresh, header, seconds

TOLERANCE_SECONDS: Final = 300
"""The library's own."""
_PARTS: Final = ("id", "timestamp", "signature")


def check(_settings: Standard, secrets: Sequence[str], request: Request, now: datetime) -> None:
    """Raises `Unverified`, `BadSecret`."""
    family = "svix" if "svix-id" in request.headers and "webhook-id" not in request.headers else "webhook"
    headers = {f"webhook-{part}": header(request, f"{family}-{part}") for part in _PARTS}
    at = seconds(f"{family}-timestamp", headers["webhook-timestamp"])
    check_fresh(f"{family}-timestamp", at, now, TOLERANCE_SECONDS)
    if not headers["webhook-signature"].startswith("v1"):
        raise Unverified(f"{family}-signature holds no signature of version v1")
    webhooks = [_webhook(secret) for secret in secrets]
    if not any([_is_good(each, request.body, headers) for each in webhooks]):  # noqa: C419 - all are tried, always
        raise Unverified(WRONG_SIGNATURE)


def _webhook(secret: str) -> Webhook:
    try:
        return Webhook(secret)
    except (ValueError, EmptyWebhookSecretError):  # ValueError: it is no base64
        raise BadSecret("the secret is not whsec_ and base64, as Standard Webhooks has it") from None


def _is_good(webhook: Webhook, body: bytes, headers: dict[str, str]) -> bool:
    try:
        webhook.verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):  # ValueError: base64 or UTF-8 that is none, a list with holes
        return False
    return True
