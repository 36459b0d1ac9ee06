"""Slows down who guesses passwords, or codes of `nexo login`, and locks nobody out.

Wrong guesses are counted in this process alone, for an hour: another instance counts its own. Counted are

- the pair of account and address, or account and device. A device is a browser where this account signed in before,
  which a signed cookie says: nobody else's guesses slow it down;
- the account, from wherever. It makes wait only who has guessed wrongly already, so that its owner's first try always
  counts, however many addresses an attacker has;
- the address, on whatever account: one password tried on everybody.

Refused tries count for nothing: they make nobody wait for longer.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network
from typing import Final

from hub.errors import TooMany
from hub.rules.callers import Address
from hub.rules.slowing_down import Slope

OWN: Final = Slope(free=5, most_seconds=300)
ACCOUNT: Final = Slope(free=20, most_seconds=30)
ADDRESS: Final = Slope(free=30, most_seconds=60)
FORGET_SECONDS: Final = 3600.0
MOST_COUNTED: Final = 20_000
"""Of each process. Who would push out a count by filling it pays a password hash for each guess."""
_IPV6_NETWORK: Final = 64
"""Of an IPv6 address so many bits: the rest is the caller's own to choose."""


@dataclass(frozen=True, slots=True)
class Guess:
    """Who tries: the name they gave, their address if it is known, the device they sign in from if it is known."""

    account: str
    address: Address | None = None
    device: str | None = None


@dataclass(slots=True)
class _Count:
    failures: int
    at: float


class Throttle:
    """Counts wrong guesses. `monotonic`: seconds; `what`: is guessed."""

    def __init__(self, monotonic: Callable[[], float], what: str = "passwords") -> None:
        self._monotonic = monotonic
        self._what = what
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def begin(self, guess: Guess) -> Sequence[str]:
        """Count this try as a wrong one until it is known to be right; answers what was counted.

        Before, not after: a hundred tries at once must not all be the first. Raises `TooMany` with how long to wait.
        """
        counted = self._slopes(guess)
        now = self._monotonic()
        wait = max(self._due(key, slope) - now for key, slope in counted)
        if wait > 0:
            raise TooMany(f"too many wrong {self._what}: wait before the next try", retry_after_seconds=wait)
        for key, _ in counted:
            failures = self._failures(key)
            self._counts[key] = _Count(failures + 1, now)
            self._counts.move_to_end(key)
        while len(self._counts) > MOST_COUNTED:
            self._counts.popitem(last=False)
        return [key for key, _ in counted]

    def right(self, counted: Sequence[str]) -> None:
        """It was the password: the wrong ones before it, from there, are forgiven."""
        self.void(counted)
        self._counts.pop(counted[0], None)

    def void(self, counted: Sequence[str]) -> None:
        """It was never checked, or was right."""
        for key in counted:
            count = self._counts.get(key)
            if count is not None:
                count.failures = max(0, count.failures - 1)

    def _slopes(self, guess: Guess) -> list[tuple[str, Slope]]:
        account = guess.account.casefold()
        if guess.device is not None:
            return [(_key("device", account, guess.device), OWN)]
        if guess.address is None:
            return [(_key("account", account), ACCOUNT)]
        network = _network(guess.address)
        own = _key("own", account, network)
        known = [(own, OWN), (_key("address", network), ADDRESS)]
        if self._failures(own) == 0:
            return known
        return [*known, (_key("account", account), ACCOUNT)]

    def _failures(self, key: str) -> int:
        count = self._counts.get(key)
        if count is None or self._monotonic() - count.at >= FORGET_SECONDS:
            return 0
        return count.failures

    def _due(self, key: str, slope: Slope) -> float:
        failures = self._failures(key)
        return self._counts[key].at + slope.wait_after(failures) if failures else 0.0


def _key(*parts: str) -> str:
    """As long for a name of a megabyte as for one of three letters."""
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()


def _network(address: Address) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _IPV6_NETWORK), strict=False))
    return str(address)
