"""The secret itself, in a header or a query parameter.

So Azure Monitor's action groups do it: their webhooks sign nothing and send no headers of one's own, and what proves
them is a token in the address that they post to.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hub.errors import Unverified
from hub.model.verification import Shared
from hub.sources.request import Request
from hub.sources.verify.signatures import WRONG_SECRET, check_match, header, raw


def check(settings: Shared, secrets: Sequence[str], request: Request, _now: datetime) -> None:
    """Raises `Unverified`."""
    given = header(request, settings.header) if settings.header is not None else _parameter(settings, request)
    check_match([raw(given)], [each.encode() for each in secrets], WRONG_SECRET)


def _parameter(settings: Shared, request: Request) -> str:
    value = request.query.get(settings.query or "", "")
    if not value:
        raise Unverified(f"the query parameter {settings.query} is missing")
    return value
