"""`If-Match` and `If-None-Match` (RFC 9110, 13.1): a change is made to the version that was read, or not at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hub.errors import Changed, FieldError, Invalid

ANY: Final = "*"
_TAG: Final = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*')


class MustMatch(Changed):
    """It exists already: send the ETag of the version you read in If-Match, or * for whatever is there."""


@dataclass(frozen=True, slots=True)
class Match:
    """What the writer expects to be there. By default nothing is asked."""

    revisions: frozenset[str] | None = None
    """One of these; None: not said."""
    absent: bool = False
    """Nothing may be there yet."""

    @classmethod
    def of_headers(cls, if_match: str | None, if_none_match: str | None) -> Match:
        """Raises `Invalid` for what cannot be read."""
        if if_none_match is not None and if_none_match.strip() != ANY:
            raise _refusal("If-None-Match", "the only value that is allowed is *")
        return cls(None if if_match is None else _revisions(if_match), if_none_match is not None)

    def check(self, revision: str | None, *, required: bool = False) -> None:
        """Raises `Changed`; `MustMatch` when it is `required` to say what is expected. None: nothing is there."""
        if self.absent and revision is not None:
            raise Changed("it exists already, and If-None-Match: * asked that it does not")
        if self.revisions is not None:
            if revision is None:
                raise Changed("it does not exist, and If-Match asked that it does")
            if ANY not in self.revisions and revision not in self.revisions:
                raise Changed("it is not the version that If-Match names: read it again")
        elif required and revision is not None:
            raise MustMatch


ANYTHING: Final = Match()
"""Whatever is there."""


def etag(revision: str) -> str:
    """The header's value."""
    return f'"{revision}"'


def _revisions(header: str) -> frozenset[str]:
    if header.strip() == ANY:
        return frozenset({ANY})
    found: set[str] = set()
    for part in header.split(","):
        tag = _TAG.fullmatch(part)
        if tag is None:
            raise _refusal("If-Match", 'allowed are * and ETags in double quotes, such as "5d0c"')
        if not tag[1]:  # a weak ETag never matches where something is to be changed
            found.add(tag[2])
    return frozenset(found)


def _refusal(header: str, what: str) -> Invalid:
    return Invalid(f"{header}: {what}", [FieldError(header, what)])
