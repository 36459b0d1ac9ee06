"""`/api/users`: who may sign in, and as what."""

from __future__ import annotations

from fastapi import APIRouter, Response

from hub.api.cursors import Cursor, Limit, page
from hub.api.people_views import ChangeUser, CreateUser, Invite, InvitedUser, UserList, UserView
from hub.api.security import Desk, GuardedRoute
from hub.people.users import NewUser, expiry

router = APIRouter(route_class=GuardedRoute, tags=["people"])


@router.get("/api/users")
async def list_users(desk: Desk, cursor: Cursor = None, limit: Limit = 100) -> UserList:
    """Users by name: local ones, and people of the provider who have signed in."""
    found, following = page(
        desk.cursors, "users", await desk.people.users.list(), lambda each: each.name, cursor, limit
    )
    return UserList(items=[UserView.of(each) for each in found], cursor=following)


@router.post("/api/users", status_code=201)
async def create_user(desk: Desk, response: Response, body: CreateUser) -> InvitedUser:
    """A local user. The invitation, with which they set their password, is shown in this answer and never again.

    With a `password` there is no invitation: they sign in with that and have to change it.
    """
    users = desk.people.users
    if body.password is not None:
        made = await users.create(body.name, body.role, body.password)
    else:
        made = await users.invite(body.name, body.role, expiry(desk.clock.now(), body.expires_in))
    response.headers["Location"] = f"/api/users/{made.user.name}"
    return _invited(made)


@router.get("/api/users/{name}")
async def read_user(desk: Desk, name: str) -> UserView:
    """One user."""
    return UserView.of(await desk.people.users.get(name))


@router.patch("/api/users/{name}")
async def change_user(desk: Desk, name: str, body: ChangeUser) -> UserView:
    """Give another role, disable or enable; ends their sessions everywhere. The last admin stays one: 409."""
    return UserView.of(await desk.people.users.change(name, changes=body.model_dump(exclude_unset=True)))


@router.delete("/api/users/{name}", status_code=204)
async def remove_user(desk: Desk, name: str) -> None:
    """Remove a user, their sessions and their tokens. The last admin stays: 409."""
    await desk.people.users.remove(name)


@router.post("/api/users/{name}/invite")
async def invite_user(desk: Desk, name: str, body: Invite | None = None) -> InvitedUser:
    """Another invitation, for a local user who has lost theirs or forgotten the password; the one before is over."""
    seconds = (body or Invite()).expires_in
    return _invited(await desk.people.users.invite_again(name, expiry(desk.clock.now(), seconds)))


def _invited(made: NewUser) -> InvitedUser:
    return InvitedUser(**UserView.of(made.user).model_dump(), invitation=made.invitation)
