"""HMAC over the body, as so many callers do it, each a little differently."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from hub.errors import BadSecret, Unverified
from hub.model.verification import BODY, TIMESTAMP, GenericHmac
from hub.sources.request import Request
from hub.sources.verify.signatures import (
    WRONG_SIGNATURE,
    base64_bytes,
    check_fresh,
    check_match,
    decoded,
    header,
    raw,
    seconds,
    signatures_of,
    size_of,
)

_HEX: Final = re.compile(r"([0-9A-Fa-f]{2})+")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,20}(Z|[+-][0-9]{2}:[0-9]{2})")


def check(settings: GenericHmac, secrets: Sequence[str], request: Request, now: datetime) -> None:
    """Raises `Unverified`, `BadSecret`."""
    text = header(request, settings.header)
    if not text.startswith(settings.prefix):
        raise Unverified(f"{settings.header} does not begin with {settings.prefix}")
    signature = text.removeprefix(settings.prefix)
    given = decoded(settings.header, signature, settings.encoding, size_of(settings.algorithm))
    content = _content(settings, request, now)
    expected = signatures_of([_key(settings, each) for each in secrets], content, settings.algorithm)
    check_match([given], expected, WRONG_SIGNATURE)


def _content(settings: GenericHmac, request: Request, now: datetime) -> bytes:
    """What is signed."""
    before, _, after = settings.signs.partition(BODY)
    timestamp = ""
    if settings.timestamp_header is not None:
        timestamp = header(request, settings.timestamp_header)
        at = _moment(settings.timestamp_header, timestamp)
        check_fresh(settings.timestamp_header, at, now, settings.tolerance_seconds)
    return raw(before.replace(TIMESTAMP, timestamp)) + request.body + raw(after.replace(TIMESTAMP, timestamp))


def _moment(name: str, text: str) -> float:
    """Seconds since 1970."""
    if not _TIME.fullmatch(text):
        return seconds(name, text)
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise Unverified(f"{name} is no time as RFC 3339") from None


def _key(settings: GenericHmac, secret: str) -> bytes:
    if settings.key_encoding == "text":
        return secret.encode()
    key = base64_bytes(secret.strip())
    if settings.key_encoding == "hex":
        key = bytes.fromhex(secret.strip()) if _HEX.fullmatch(secret.strip()) else None
    if not key:
        raise BadSecret(f"the secret is not {settings.key_encoding}, as key_encoding says")
    return key
