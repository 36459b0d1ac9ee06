"""Slack: https://docs.slack.dev/authentication/verifying-requests-from-slack"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from hub.errors import Invalid
from hub.model.verification import TIMESTAMP, GenericHmac, Slack
from hub.rules import strict_json
from hub.sources.request import Request
from hub.sources.verify import hmac

_MOST_CHALLENGE_BYTES: Final = 16 * 1024


def check(settings: Slack, secrets: Sequence[str], request: Request, now: datetime) -> None:
    """Raises `Unverified`."""
    same = GenericHmac(
        preset="hmac",
        secret=settings.secret,
        header="X-Slack-Signature",
        prefix="v0=",
        timestamp_header="X-Slack-Request-Timestamp",
        tolerance_seconds=settings.tolerance_seconds,
        signs=f"v0:{TIMESTAMP}:{{body}}",
    )
    hmac.check(same, secrets, request, now)


def challenge(request: Request) -> str | None:
    """What Slack wants to hear back when it asks whether this address is right; None: it asks nothing.

    https://docs.slack.dev/reference/events/url_verification
    """
    if len(request.body) > _MOST_CHALLENGE_BYTES or b"url_verification" not in request.body:
        return None
    try:
        document = strict_json.read(request.body)
    except Invalid:
        return None
    if not isinstance(document, dict) or document.get("type") != "url_verification":
        return None
    said = document.get("challenge")
    return said if isinstance(said, str) else None
