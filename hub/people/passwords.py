"""Passwords, hashed with argon2id (RFC 9106, the parameters for little memory: 64 MiB and some 100 ms each).

Off the event loop, and few at once: a flood of sign-ins must cost neither the memory of the process nor the time of
those whom it serves meanwhile. Whether a user is there takes as long to deny as a wrong password.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from hub.errors import TooMany
from hub.rules import passwords

if TYPE_CHECKING:
    from argon2 import Parameters, PasswordHasher

AT_ONCE: Final = 2
MOST_WAITING: Final = 30
"""More than these would be answered after their callers have gone."""
_NOBODYS: Final = "a password that nobody has"


class Passwords:
    """One per process. `parameters`: those of argon2; None: what RFC 9106 recommends."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self._parameters = parameters
        self._hasher: PasswordHasher | None = None
        self._nobodys = ""
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """What is stored. Raises `TooMany`."""
        async with self._turn():
            return await asyncio.to_thread(self._hash, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether it is the password; None, of somebody who has none, takes as long. Raises `TooMany`."""
        async with self._turn():
            return await asyncio.to_thread(self._matches, stored, password)

    def is_old(self, stored: str) -> bool:
        """Whether it was hashed with other parameters than today's: hash it anew while the password is at hand."""
        return self._made().check_needs_rehash(stored)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= MOST_WAITING:
            raise TooMany("too many are signing in at once: try again in a moment", retry_after_seconds=5)
        self._waiting += 1
        try:
            async with self._turns:
                yield
        finally:
            self._waiting -= 1

    def _hash(self, password: str) -> str:
        return self._made().hash(passwords.normal(password))

    def _matches(self, stored: str | None, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        hasher = self._made()
        if stored is None and not self._nobodys:
            self._nobodys = hasher.hash(_NOBODYS)
        try:
            return hasher.verify(stored or self._nobodys, passwords.normal(password)) and stored is not None
        except (VerificationError, InvalidHashError):
            return False

    def _made(self) -> PasswordHasher:
        if self._hasher is None:
            from argon2 import PasswordHasher, profiles  # only a process where somebody signs in pays for it

            self._hasher = PasswordHasher.from_parameters(self._parameters or profiles.RFC_9106_LOW_MEMORY)
        return self._hasher
