"""Time zones by their IANA name, from the `tzdata` package: the same rules in every instance, whatever its machine has.

Two instances that disagreed about when a clock changes would make two events of one tick (docs/adr).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

from hub.errors import Invalid

_A_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)


@lru_cache(maxsize=1)
def names() -> Mapping[str, str]:
    """All names there are, each by itself in small letters."""
    listed = resources.files("tzdata").joinpath("zones").read_text(encoding="ascii").split()
    return {name.casefold(): name for name in listed}


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The zone of this name. Raises `Invalid`, with what may have been meant."""
    known = names()
    if known.get(name.casefold()) != name:
        raise Invalid(_unknown(name, known))
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


def next_change(zone: ZoneInfo, after: datetime, until: datetime) -> datetime | None:
    """The first moment later than `after` at which the zone's clock is set to another offset; None: not by then."""
    before = after.astimezone(zone).utcoffset()
    begin, end = after, after
    while end < until:
        begin, end = end, min(end + _A_DAY, until)
        if end.astimezone(zone).utcoffset() != before:
            return first_with_other_offset(zone, begin, end)
    return None


def first_with_other_offset(zone: ZoneInfo, begin: datetime, end: datetime) -> datetime:
    """The first second, later than `begin` up to `end`, whose offset is not that of `begin`. Both in UTC."""
    before = begin.astimezone(zone).utcoffset()
    begin = begin.replace(microsecond=0)
    while end - begin > _SECOND:
        middle = begin + (end - begin) // 2 // _SECOND * _SECOND
        if middle.astimezone(zone).utcoffset() == before:
            begin = middle
        else:
            end = middle
    return end.astimezone(UTC)


def _unknown(name: str, known: Mapping[str, str]) -> str:
    meant = known.get(name.casefold())
    if meant is None:
        close = get_close_matches(name.casefold(), known, n=1)
        meant = known[close[0]] if close else None
    hint = f"; did you mean {meant}?" if meant else ", such as Europe/Berlin or UTC"
    return f"is no time zone of the IANA database{hint}"
