"""Sessions of browsers: a signed cookie that says whose it is and until when. What they may is not in it.

Reading one asks storage for nothing: whether the session was ended, its user disabled, or given another role, is in
the copy of the configuration, at most 5 s old. A session says under which generation of its user it began; whatever
ends all of a user's sessions raises the generation, and a session that is ended by itself is remembered with its user
for as long as its cookie would have been good.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hub.clock import Clock
from hub.errors import NotAllowed, Rejected
from hub.model.people import User
from hub.people.identity import Anonymous, Person, Via
from hub.rules.cookies import Cookie, origin_of
from hub.signing import BadSignature, Signer
from hub.storage.configuration import Credentials

COOKIE: Final = "nexomatic-session"
CSRF_HEADER: Final = "x-csrf-token"
FORMAT: Final = 1
LONGEST: Final = 2000
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OVER: Final = "this session is over: sign in again"
MUST_CHANGE: Final = "somebody else chose this password: change it first, with PUT /api/me/password"


@dataclass(frozen=True, slots=True)
class Site:
    """What browsers know the hub by, from the settings alone."""

    public_url: str | None
    contact: str | None = None
    """Whom people are told to ask."""

    def url(self) -> str:
        """The public address. Raises `Rejected` without one: no cookie can then be kept to this hub."""
        if self.public_url is None:
            raise Rejected(
                "signing in needs the setting NEXOMATIC_PUBLIC_URL: the address at which browsers find the hub"
            )
        return self.public_url

    def cookie(self, name: str) -> Cookie:
        """A cookie of this hub. Raises `Rejected`."""
        return Cookie.of(name, self.url())

    def check_origin(self, headers: Mapping[str, str], *, needed: bool) -> None:
        """Raises `NotAllowed` for a request of another origin's page; `needed`: or that does not say whose it is."""
        origin = headers.get("origin")
        if origin is None and not needed:
            return
        if origin != origin_of(self.url()):
            raise NotAllowed(f"this request was not made by a page of this hub, whose address is {self.public_url}")

    def no_role(self) -> str:
        """What is said to who may nothing."""
        return f"you have no role here: ask {self.contact or 'an admin of this hub'} for one"


@dataclass(frozen=True, slots=True)
class Session:
    """A session at the moment when it begins."""

    id: str
    expires_at: datetime
    cookie: str = field(repr=False)
    """The `Set-Cookie`."""


class Sessions:
    """Begins and reads sessions. `news` reads the configuration anew, for what the copy cannot know yet."""

    def __init__(
        self,
        signer: Signer,
        csrf: Signer,
        credentials: Callable[[], Awaitable[Credentials]],
        news: Callable[[], Awaitable[Credentials]],
        clock: Clock,
        site: Site,
        lifetime: timedelta,
        new_id: Callable[[], str],
    ) -> None:
        self._signer = signer
        self._csrf = csrf
        self._credentials = credentials
        self._news = news
        self._clock = clock
        self._site = site
        self._lifetime = lifetime
        self._new_id = new_id

    def begin(self, user: User) -> Session:
        """A session with an id of its own. Raises `Rejected` without a public address."""
        cookie = self._site.cookie(COOKIE)
        session_id = self._new_id()
        until = (self._clock.now() + self._lifetime).replace(microsecond=0)
        said = {"f": FORMAT, "u": user.id, "g": user.generation, "s": session_id, "e": int(until.timestamp())}
        text = self._signer.sign(json.dumps(said, separators=(",", ":")).encode())
        return Session(session_id, until, cookie.set(text, int(self._lifetime.total_seconds())))

    def forgotten(self) -> str:
        """The `Set-Cookie` that makes the browser forget its session."""
        return self._site.cookie(COOKIE).clear()

    async def of(self, cookies: str | None) -> Person | Anonymous:
        """Who calls, by the cookies that came. A session that is over is nobody's, with the reason."""
        if not cookies or self._site.public_url is None:
            return Anonymous()
        text = self._site.cookie(COOKIE).read(cookies)
        if text is None:
            return Anonymous()
        said = self._read(text)
        if said is None or said["e"] <= self._clock.now().timestamp():
            return Anonymous(OVER)
        user = (await self._credentials()).users.get(said["u"])
        if user is None or user.generation < said["g"]:  # another process knows more than this one yet
            user = (await self._news()).users.get(said["u"])
        if user is None or user.generation != said["g"] or any(each.id == said["s"] for each in user.ended):
            return Anonymous(OVER)
        if user.disabled:
            return Anonymous("this user is disabled: ask an admin of this hub")
        return self.person(user, said["s"], datetime.fromtimestamp(said["e"], UTC))

    def person(self, user: User, session_id: str, until: datetime) -> Person:
        """Who calls with this session, and what they may today."""
        notice = MUST_CHANGE if user.must_change_password else None if user.may is not None else self._site.no_role()
        role = None if notice else user.may
        return Person(
            user.name,
            role,
            user.id,
            Via.SESSION,
            session=session_id,
            generation=user.generation,
            expires_at=until,
            notice=notice,
        )

    def csrf_token(self, session_id: str) -> str:
        """What a page sends in `X-CSRF-Token`. Only who reads the answers of this session knows it."""
        return self._csrf.mac(session_id.encode())

    def check_intended(self, caller: object, method: str, headers: Mapping[str, str]) -> None:
        """Raises `NotAllowed` unless it was a page of this hub that let a session change something.

        A browser sends the cookie along with whatever any page makes it send.
        """
        if method in _SAFE or not isinstance(caller, Person) or caller.session is None:
            return
        self._site.check_origin(headers, needed=True)
        given = headers.get(CSRF_HEADER, "").encode(errors="surrogateescape")
        if not hmac.compare_digest(given, self.csrf_token(caller.session).encode()):
            raise NotAllowed("the header X-CSRF-Token is not that of this session: GET /api/session answers it")

    def _read(self, text: str) -> Mapping[str, Any] | None:
        try:
            said: Mapping[str, Any] = json.loads(self._signer.read(text)) if len(text) <= LONGEST else {}
        except BadSignature:
            return None
        return said if said.get("f") == FORMAT else None
