"""`nexo login` by way of the browser: a code for who is signed in there, exchanged for an access token.

As RFC 8252 and RFC 7636 (PKCE) have it. Nothing is stored of a sign-in on its way: the code itself says whose it is,
signed. That it was used stands with its user, beside the sessions that were ended, for the two minutes of its life.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from hub.clock import Clock
from hub.errors import NotAllowed, NotAuthenticated, NotFound, Rejected
from hub.model.people import Token, User
from hub.people.identity import Person
from hub.people.throttle import Guess, Throttle
from hub.people.tokens import USUAL_LIFETIME, NewToken, check_free, with_text
from hub.people.users import ending, with_id
from hub.rules.callers import Address
from hub.rules.pkce import challenge_of
from hub.signing import BadSignature, Signer
from hub.storage.configuration import Configuration, Edit, Write

FORMAT: Final = 1
LASTS: Final = timedelta(minutes=2)
OVER: Final = "this code is not valid: it was used, is older than two minutes, or was not made here for this nexo"
SESSION_OVER: Final = "the session in which this was allowed is over"


@dataclass(frozen=True, slots=True)
class Asking:
    """Which nexo asks, and how it will show that it is the one that did."""

    challenge: str
    machine: str
    """What it calls the machine it runs on."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What somebody allowed, as a code says it."""

    id: str = field(repr=False)
    user: str
    generation: int
    session: str
    challenge: str = field(repr=False)
    machine: str
    expires: float


class NexoSignIn:
    """Makes codes, and tokens of them. `new_id`: 128 random bits as text; `new_secret`: 256."""

    def __init__(
        self,
        signer: Signer,
        newest: Callable[[], Awaitable[Configuration]],
        write: Write,
        clock: Clock,
        new_secret: Callable[[], str],
        new_id: Callable[[], str],
        throttle: Throttle,
    ) -> None:
        self._signer = signer
        self._newest = newest
        self._write = write
        self._clock = clock
        self._new_secret = new_secret
        self._new_id = new_id
        self._throttle = throttle

    def allow(self, person: Person, asking: Asking) -> str:
        """A code that is good once, for this nexo. Raises `Rejected` for who did not come with a session."""
        if person.id is None or person.session is None or person.expires_at is None:
            raise Rejected("nexo is allowed by who is signed in with a browser: no session came with this request")
        expires = min(self._clock.now() + LASTS, person.expires_at)
        said = {
            "f": FORMAT,
            "i": self._new_id(),
            "u": person.id,
            "g": person.generation,  # the session's, which may be over for longer than this process knows
            "s": person.session,
            "c": asking.challenge,
            "m": asking.machine,
            "e": expires.timestamp(),
        }
        return self._signer.sign(json.dumps(said, separators=(",", ":")).encode())

    async def checked(self, code: str, verifier: str, address: Address | None) -> tuple[Allowed, User]:
        """What this code allows, and whose it is.

        Raises `NotAuthenticated`, the same for a code that is not the hub's, is old, or another nexo's; `NotAllowed`
        for a user who may nothing any more; `TooMany` for who guesses.
        """
        allowed = self._read(code)
        # Codes that nobody made are counted together: they slow down nobody who has one.
        counted = self._throttle.begin(Guess(allowed.user if allowed is not None else "", address))
        if allowed is None or not self._is_of(allowed, verifier):
            raise NotAuthenticated(OVER)
        self._throttle.right(counted)
        return allowed, _usable(await self._newest(), allowed)

    async def redeem(self, allowed: Allowed) -> NewToken:
        """The token, as `nexo login` makes one with a password. The code is used then.

        Raises what `checked` raises, and `Rejected` if a token has the name.
        """
        now = self._clock.now()
        name, until = f"nexo-{allowed.machine}-{allowed.id[:6]}", datetime.fromtimestamp(allowed.expires, UTC)
        secret, done = self._new_secret(), list[NewToken]()

        def decide(seen: Configuration) -> Edit:
            user = _usable(seen, allowed)
            assert user.may is not None
            check_free(seen, name)
            made, entry = with_text(
                Token(
                    name=name,
                    role=user.may,
                    created_at=now.replace(microsecond=0),
                    expires_at=(now + USUAL_LIFETIME).replace(microsecond=0),
                    user=user.id,
                ),
                secret,
            )
            done[:] = [made]
            used = with_id(seen, user.id).changed(**ending(user, allowed.id, until, now))
            return Edit(put=[entry, used.entry])

        await self._write(decide)
        return done[0]

    def _is_of(self, allowed: Allowed, verifier: str) -> bool:
        """Whether it is young enough, and this nexo's."""
        same = hmac.compare_digest(challenge_of(verifier).encode(), allowed.challenge.encode())
        return same and self._clock.now().timestamp() < allowed.expires

    def _read(self, code: str) -> Allowed | None:
        try:
            said = json.loads(self._signer.read(code))
        except BadSignature:
            return None
        if said.get("f") != FORMAT:
            return None
        return Allowed(said["i"], said["u"], said["g"], said["s"], said["c"], said["m"], said["e"])


def _usable(seen: Configuration, allowed: Allowed) -> User:
    """Whose code it is, if they still may what they allowed, and it was not used."""
    try:
        user = with_id(seen, allowed.user).user
    except NotFound:
        raise NotAuthenticated(SESSION_OVER) from None
    if user.disabled:
        raise NotAllowed("this user is disabled: ask an admin of this hub")
    ended = {each.id for each in user.ended}
    if allowed.id in ended:
        raise NotAuthenticated(OVER)
    if user.generation != allowed.generation or allowed.session in ended:
        raise NotAuthenticated(SESSION_OVER)
    if user.may is None or user.must_change_password:
        raise NotAllowed("you have no role here any more")
    return user
