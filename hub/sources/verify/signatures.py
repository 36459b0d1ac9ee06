"""What the presets share: reading headers, times and signatures of a caller that is not trusted yet; comparing."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from hub.errors import Unverified
from hub.sources.request import Request

_SECONDS: Final = re.compile(r"[0-9]{1,12}")
_HEX: Final = re.compile(r"[0-9A-Fa-f]*")


def header(request: Request, name: str) -> str:
    """A header that has to be there. Raises `Unverified`."""
    value = request.headers.get(name.lower(), "")
    if not value:
        raise Unverified(f"the header {name} is missing")
    return value


def raw(text: str) -> bytes:
    """The bytes of a header, whatever they are: a comparison must not stumble over them."""
    return text.encode(errors="surrogatepass")


def seconds(name: str, text: str) -> int:
    """A time in seconds since 1970. Raises `Unverified`."""
    if not _SECONDS.fullmatch(text):
        raise Unverified(f"{name} is no time in seconds since 1970")
    return int(text)


def check_fresh(name: str, at: float, now: datetime, tolerance: int) -> None:
    """Raises `Unverified` for what was signed too long ago, or too far in the future."""
    late = now.timestamp() - at
    if abs(late) > tolerance:
        which = "old" if late > 0 else "far in the future"
        raise Unverified(f"{name} is too {which}: {abs(late):.0f} s from the hub's clock, {tolerance} s are allowed")


def decoded(name: str, text: str, encoding: str, size: int) -> bytes:
    """A signature of `size` bytes from its hex or base64 text. Raises `Unverified`."""
    if encoding == "hex":
        given = bytes.fromhex(text) if _HEX.fullmatch(text) and len(text) % 2 == 0 else None
    else:
        given = base64_bytes(text)
    if given is None or len(given) != size:
        raise Unverified(f"the signature in {name} is not {size} bytes as {encoding}")
    return given


def base64_bytes(text: str) -> bytes | None:
    """What a base64 text stands for; None when it is none."""
    try:
        return base64.b64decode(raw(text), validate=True)
    except (binascii.Error, ValueError):
        return None


def signatures_of(keys: Iterable[bytes], content: bytes, algorithm: str) -> list[bytes]:
    """The right signature under each key."""
    return [hmac.digest(key, content, algorithm) for key in keys]


def size_of(algorithm: str) -> int:
    """How many bytes its signatures have."""
    return hashlib.new(algorithm).digest_size


def check_match(given: Sequence[bytes], expected: Sequence[bytes], otherwise: str) -> None:
    """Return if any of these is any of those. Raises `Unverified`. All pairs are compared, each in constant time."""
    matches = [hmac.compare_digest(one, other) for one in given for other in expected]
    if not any(matches):
        raise Unverified(otherwise)


WRONG_SIGNATURE: Final = "the signature is not the one of this body: the secret differs, or the body was altered"
WRONG_SECRET: Final = "the secret is not the right one"  # noqa: S105 - words for a receipt
