"""`/api/session`, `/api/me`: signing in and out with a browser, and who one is."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from hub.api.people_views import AcceptInvitation, ChangePassword, Me, Methods, SessionView, SignIn
from hub.api.security import Desk, GuardedRoute, person_of
from hub.api.services import Services
from hub.audit.attempt import concerns, signed_in
from hub.errors import NotFound, Rejected
from hub.model.people import User
from hub.people.identity import Person
from hub.people.oidc import CALLBACK, Answered, OpenIdConnect
from hub.people.throttle import Guess
from hub.rules.callers import address_of
from hub.rules.local_paths import MOST_CHARACTERS

ReturnTo = Annotated[str, Query(max_length=MOST_CHARACTERS)]
FromProvider = Annotated[str | None, Query(max_length=1000)]
Code = Annotated[str | None, Query(max_length=4500)]
"""Together they fit into an address of 8 KiB."""

router = APIRouter(route_class=GuardedRoute, tags=["people"])


@router.post("/api/session")
async def sign_in(desk: Desk, request: Request, response: Response, body: SignIn) -> SessionView:
    """Sign in as a local user: sets the cookie of a new session. Who guesses waits longer each time: 429."""
    desk.people.options.site.check_origin(request.headers, needed=False)
    await _tried(desk, body.user)
    user = await desk.people.local.sign_in(_guess(desk, request, body.user), body.password)
    response.headers.append("set-cookie", desk.people.devices.mark(user.name))
    return await _begin(desk, response, user)


@router.get("/api/session")
async def read_session(desk: Desk, request: Request) -> SessionView:
    """Who is signed in, until when, and what a page sends in `X-CSRF-Token`."""
    person = person_of(request)
    user = (await desk.configuration.credentials()).users.get(person.id or "")
    return _view(desk, person, user)


@router.delete("/api/session", status_code=204)
async def sign_out(desk: Desk, request: Request, response: Response, all: bool = False) -> None:  # noqa: A002
    """Sign out here; with `all=true` everywhere. In force in all processes within 5 s. Access tokens stay."""
    person = person_of(request)
    if person.id is None or (person.session is None and not all):
        raise Rejected("no session came with this request: there is none to end")
    if all:
        await desk.people.users.end_all_sessions(person.id)
    elif person.session is not None and person.expires_at is not None:
        await desk.people.users.end_session(person.id, person.session, person.expires_at)
    if desk.public_url is not None:
        response.headers.append("set-cookie", desk.people.sessions.forgotten())


@router.get("/api/session/methods")
async def methods(desk: Desk) -> Methods:
    """How people may sign in here."""
    return Methods(password=True, oidc=desk.people.oidc is not None)


@router.get("/api/session/oidc", status_code=302, response_class=Response)
async def begin_oidc(desk: Desk, return_to: ReturnTo = "/") -> Response:
    """Send the browser to the provider of OpenID Connect. `return_to`: the path on this hub to come back to."""
    url, cookie = await provider_of(desk).begin(return_to)
    return Response(status_code=302, headers={"location": url, "set-cookie": cookie})


@router.get(CALLBACK, status_code=302, response_class=Response)
async def finish_oidc(
    desk: Desk,
    request: Request,
    code: Code = None,
    state: FromProvider = None,
    error: FromProvider = None,
    iss: FromProvider = None,
) -> Response:
    """Where the provider sends the browser back to: begins a session, and goes on to the path that was asked for."""
    answered = Answered(code, state, error, iss)
    user, url = await provider_of(desk).finish(request.headers.get("cookie"), answered)
    await signed_in(user.name)
    response = Response(status_code=302, headers={"location": url})
    response.headers.append("set-cookie", provider_of(desk).forgotten())
    response.headers.append("set-cookie", desk.people.sessions.begin(user).cookie)
    return response


def provider_of(desk: Services) -> OpenIdConnect:
    """Sign-in by OpenID Connect. Raises `NotFound` where there is none."""
    if desk.people.oidc is None:
        raise NotFound("no provider of OpenID Connect is configured (NEXOMATIC_OIDC_ISSUER)")
    return desk.people.oidc


@router.post("/api/session/invitation")
async def accept_invitation(desk: Desk, request: Request, response: Response, body: AcceptInvitation) -> SessionView:
    """Set the first password, or a new one, with an invitation; signs in. It can be used once."""
    desk.people.options.site.check_origin(request.headers, needed=False)
    return await _begin(desk, response, await desk.people.local.accept(body.invitation, body.password))


@router.get("/api/me")
async def me(request: Request) -> Me:
    """Who calls, and what they may."""
    return Me.of(person_of(request))


@router.put("/api/me/password")
async def change_password(desk: Desk, request: Request, response: Response, body: ChangePassword) -> SessionView:
    """Another password for oneself: ends all sessions and begins a new one. For who has signed in with a password."""
    person = person_of(request)
    if person.id is None or person.session is None:
        raise Rejected("a password is changed by who has signed in with it: no session came with this request")
    guess = _guess(desk, request, person.name)
    user = await desk.people.local.change_password(person.id, guess, body.password, body.new_password)
    return await _begin(desk, response, user)


def _guess(desk: Services, request: Request, account: str) -> Guess:
    people = desk.people
    address = address_of(people.options.front_end, request.headers)
    return Guess(account, address, people.devices.known(request.headers.get("cookie"), account))


async def _begin(desk: Services, response: Response, user: User) -> SessionView:
    await signed_in(user.name)
    session = desk.people.sessions.begin(user)
    response.headers.append("set-cookie", session.cookie)
    return _view(desk, desk.people.sessions.person(user, session.id, session.expires_at), user)


async def _tried(desk: Services, name: str) -> None:
    """Say in the audit as whom somebody tries to sign in: if there is such a user; people type passwords there too."""
    users = (await desk.configuration.credentials()).users.values()
    known = next((each.name for each in users if each.name.casefold() == name.casefold()), None)
    concerns("users/(no such user)" if known is None else f"users/{known}")


def _view(desk: Services, person: Person, user: User | None) -> SessionView:
    return SessionView(
        **Me.of(person).model_dump(),
        display_name=user.display_name if user else None,
        must_change_password=user.must_change_password if user else False,
        csrf_token=desk.people.sessions.csrf_token(person.session) if person.session else None,
    )
