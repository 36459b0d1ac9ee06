"""How often one address may be refused by one webhook before it is not even listened to: guessing is bounded.

Counted in each process by itself, without storage, and apart from the source's own rate: who is refused takes nothing
away from callers that are let in.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from ipaddress import IPv6Address, IPv6Network
from typing import Final, TypeAlias

from hub.errors import TooMany
from hub.rules import token_bucket
from hub.rules.callers import Address
from hub.rules.token_bucket import Bucket, Rate

RATE: Final = Rate(limit=60, per_seconds=60, burst=60)
REMEMBERED: Final = 10_000
"""Addresses; the one that was refused longest ago is forgotten first."""
Key: TypeAlias = tuple[str, str]


class RefusalLimit:
    """Counts refusals. Nothing in here waits, so what is checked and what is spent cannot be overtaken between."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[Key, Bucket] = OrderedDict()

    def check(self, source: str, caller: Address | None, now: datetime) -> None:
        """Raises `TooMany` if this address was refused too often lately."""
        bucket = self._buckets.get(_key(source, caller))
        if bucket is None:
            return
        seconds = token_bucket.seconds_until(bucket, RATE, now)
        if seconds > 0:
            raise TooMany("too many requests from this address were refused", retry_after_seconds=seconds)

    def spend(self, source: str, caller: Address | None, now: datetime) -> None:
        """It was refused once more."""
        key = _key(source, caller)
        bucket = self._buckets.pop(key, None) or token_bucket.full(RATE, now)
        self._buckets[key] = token_bucket.take(bucket, RATE, now).bucket
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)


def _key(source: str, caller: Address | None) -> Key:
    """Callers without a known address count as one; of IPv6 it is the network of 64 bits, which one host may fill."""
    if isinstance(caller, IPv6Address):
        return source.casefold(), str(IPv6Network((caller, 64), strict=False))
    return source.casefold(), str(caller)
