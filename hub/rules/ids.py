"""Event ids: 26-character ULIDs that sort by time, and carry the shard of their partition in the last character.

An id says where its row lies (`partitions.py`), so reading one event needs no index; the shard is part of the id, so
the number of shards may change without moving what exists. Format: https://github.com/ulid/spec (48 bits of
milliseconds, 80 bits of randomness, Crockford's base 32), the last five of the random bits being the shard.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from hub.errors import Invalid

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 26
MAX_SHARDS = len(ALPHABET)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RANDOM_MASK = (1 << 75) - 1
_LATEST_MS = (1 << 48) - 1
_INVERTED = str.maketrans(ALPHABET, ALPHABET[::-1])
_VALUE = {char: value for value, char in enumerate(ALPHABET)}


def new(now: datetime, randomness: int, shards: int) -> str:
    """A fresh id for this moment. `randomness` is at least 80 random bits; the shard is drawn from it too."""
    shard = (randomness >> 75) % shards  # bits that the id does not show
    return _encode(_milliseconds(now), randomness, shard)


def derived(at: datetime, *seed: str, shard: str) -> str:
    """The id that the same stored facts always give: a second attempt to create the event meets the first.

    `at` and `shard` come from what is stored (the parent's `finished_at`, a schedule's tick), never from a clock or a
    setting; otherwise the second attempt would make a second event.
    """
    digest = hashlib.sha256("\0".join(seed).encode()).digest()
    return _encode(_milliseconds(at), int.from_bytes(digest[:10], "big"), _VALUE[shard])


def shard_of(event_id: str) -> str:
    """The character that names its shard."""
    return event_id[-1]


def time_of(event_id: str) -> datetime:
    """When it was made, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=milliseconds_of(event_id))


def milliseconds_of(event_id: str) -> int:
    """The same in milliseconds since 1970."""
    value = 0
    for char in event_id[:10]:
        value = value << 5 | _VALUE[char]
    return value


def inverted(event_id: str) -> str:
    """Sorts the other way round: newest first. Its own inverse."""
    return event_id.translate(_INVERTED)


def check(event_id: str) -> str:
    """The id as it is stored (upper case). Raises `Invalid` when it cannot be one."""
    upper = event_id.upper()
    if len(upper) != LENGTH or upper[0] > "7" or any(char not in _VALUE for char in upper):
        raise Invalid(f"an event id is {LENGTH} characters of {ALPHABET}, beginning with 0 to 7")
    return upper


def _milliseconds(at: datetime) -> int:
    value = (at - _EPOCH) // timedelta(milliseconds=1)
    if not 0 <= value <= _LATEST_MS:
        raise Invalid(f"{at.isoformat()} is outside what an event id can say (1970 to 10889)")
    return value


def _encode(milliseconds: int, randomness: int, shard: int) -> str:
    value = milliseconds << 80 | (randomness & _RANDOM_MASK) << 5 | shard
    return "".join(ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
