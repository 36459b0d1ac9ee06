"""Stripe: https://docs.stripe.com/webhooks/signature

The header is `t=…,v1=…`; while a secret is rolled at Stripe it holds several `v1`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from hub.errors import Unverified
from hub.model.verification import Stripe
from hub.sources.request import Request
from hub.sources.verify.signatures import (
    WRONG_SIGNATURE,
    check_fresh,
    check_match,
    decoded,
    header,
    raw,
    seconds,
    signatures_of,
    size_of,
)

HEADER: Final = "Stripe-Signature"


def check(settings: Stripe, secrets: Sequence[str], request: Request, now: datetime) -> None:
    """Raises `Unverified`."""
    parts = [part.strip().partition("=")[::2] for part in header(request, HEADER).split(",")]
    times = [value for name, value in parts if name == "t"]
    given = [value for name, value in parts if name == "v1"]
    if len(times) != 1 or not given:
        raise Unverified(f"{HEADER} does not hold one t= and at least one v1=")
    check_fresh(f"t in {HEADER}", seconds(f"t in {HEADER}", times[0]), now, settings.tolerance_seconds)
    signatures = [decoded(HEADER, value, "hex", size_of("sha256")) for value in given]
    content = raw(times[0]) + b"." + request.body
    expected = signatures_of([each.encode() for each in secrets], content, "sha256")
    check_match(signatures, expected, WRONG_SIGNATURE)
