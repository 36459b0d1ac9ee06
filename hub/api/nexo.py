"""`/api/session/nexo`: `nexo login` by way of the browser, for who signs in with a provider."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from hub.api import nexo_page
from hub.api.people_views import AnswerNexo, Challenge, CreatedToken, Machine, Port, RedeemCode
from hub.api.security import Desk, GuardedRoute, caller_of, person_of
from hub.api.session import provider_of
from hub.audit.attempt import intend, signed_in
from hub.errors import NotAllowed, Rejected
from hub.model.audit import Change
from hub.people.identity import Anonymous, Person
from hub.people.nexo_sign_in import Asking
from hub.rules.callers import address_of

PATH: Final = "/api/session/nexo"

router = APIRouter(route_class=GuardedRoute, tags=["people"])


@router.get(
    PATH,
    response_class=HTMLResponse,
    responses={200: {"description": "A page that asks whether it may"}, 302: {"description": "To sign in first"}},
)
async def ask(
    desk: Desk,
    request: Request,
    port: Annotated[Port, Query()],
    challenge: Annotated[Challenge, Query()],
    name: Annotated[Machine, Query()],
) -> Response:
    """Ask who is signed in whether a `nexo` may act as them; who is not signed in goes to the provider first."""
    caller = caller_of(request)
    if isinstance(caller, Anonymous):
        here = f"{PATH}?{urlencode({'port': port, 'challenge': challenge, 'name': name})}"
        url, cookie = await provider_of(desk).begin(here)
        return Response(status_code=302, headers={"location": url, "set-cookie": cookie})
    person, session = _in_a_browser(request)
    if person.role is None:
        raise NotAllowed(person.notice)
    user = (await desk.configuration.credentials()).users.get(person.id or "")
    page = nexo_page.Page(
        hub=desk.people.options.site.url(),
        user=person.name,
        display_name=user.display_name if user is not None else None,
        role=person.role,
        port=port,
        challenge=challenge,
        machine=name,
        csrf_token=desk.people.sessions.csrf_token(session),
    )
    return HTMLResponse(page.html(), headers={"content-security-policy": page.policy()})


@router.post(f"{PATH}/answer", status_code=303, response_class=Response)
async def answer(desk: Desk, request: Request, body: AnswerNexo) -> Response:
    """What they answer: sends the browser to that `nexo`, on 127.0.0.1, with a code of two minutes or a no."""
    person, _ = _in_a_browser(request)
    said = {"machine": body.name, "answer": body.answer}
    await intend([Change(resource=f"users/{person.name}/nexo", after=dict(said))])
    if body.answer == "allow":
        told = {"code": desk.people.nexo.allow(person, Asking(body.challenge, body.name))}
    else:
        told = {"error": "denied"}
    # The challenge comes back as the state: nobody else knows it, and it opens nothing.
    where = f"http://127.0.0.1:{body.port}/?{urlencode({**told, 'state': body.challenge})}"
    return Response(status_code=303, headers={"location": where})


@router.post(PATH, status_code=201)
async def redeem(desk: Desk, request: Request, body: RedeemCode) -> CreatedToken:
    """An access token for the code of a `nexo` that was allowed; once. Who guesses waits longer each time: 429."""
    desk.people.options.site.check_origin(request.headers, needed=False)
    address = address_of(desk.people.options.front_end, request.headers)
    allowed, user = await desk.people.nexo.checked(body.code, body.verifier, address)
    await signed_in(user.name)
    made = await desk.people.nexo.redeem(allowed)
    return CreatedToken.of(made.token, user.name, None, token=made.text)


def _in_a_browser(request: Request) -> tuple[Person, str]:
    """Who calls, and with which session."""
    person = person_of(request)
    if person.session is None:
        raise Rejected("this page is for a browser: no session came with this request")
    return person, person.session
