"""`nexo tokens …`, `nexo users …`."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from nexo_cli import api, output
from nexo_cli.asking import confirmed
from nexo_cli.command import command, group
from nexo_cli.state import run

tokens = group("tokens", "Make and end access tokens.")
users = group("users", "Who may sign in, and as what.")
TOKEN_COLUMNS: Final = ("name", "role", "user", "created_at", "expires_at", "last_used_at")
USER_COLUMNS: Final = ("name", "role", "origin", "disabled", "must_change_password", "invited_until", "created_at")
Role = Annotated[str, typer.Option(help="ADMIN or VIEWER.")]
Name = Annotated[str, typer.Argument(help="Which one.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Lasts = Annotated[str, typer.Option(metavar="TIME", help="For how long, as 24h or 7d.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(tokens)
    app.add_typer(users)


@command(tokens, "list")
def list_tokens() -> None:
    """List access tokens: yours, or for Admins everybody's."""
    from nexo_cli.client import hub

    output.listed(hub().items(api.GET_TOKENS), TOKEN_COLUMNS, nothing="no tokens")


@command(tokens, "create")
def create_token(name: Name, role: Role = "VIEWER", lasts: Lasts = "90d") -> None:
    """Make an access token. It is shown this once."""
    from nexo_cli.client import hub
    from nexo_cli.times import from_now

    body = {"name": name, "role": role.upper(), "expires_at": from_now(lasts)}
    made = hub().call(api.POST_TOKENS, body=body)
    if run.json:
        output.json_out(made)
        return
    output.say(made["token"])
    output.note(f"It is shown this once: {made['role']}, until {made['expires_at']}.")


@command(tokens, "revoke")
def revoke_token(name: Name) -> None:
    """End an access token, everywhere within 5 seconds."""
    from nexo_cli.client import hub

    hub().call(api.DELETE_TOKENS_NAME, name=name)
    output.done({"revoked": name}, f"revoked {name}")


@command(users, "list")
def list_users() -> None:
    """List users."""
    from nexo_cli.client import hub

    output.listed(hub().items(api.GET_USERS), USER_COLUMNS, nothing="no users yet: nexo users invite NAME")


@command(users, "show")
def show_user(name: Name) -> None:
    """Show one user."""
    from nexo_cli.client import hub

    output.shown(hub().call(api.GET_USERS_NAME, name=name))


@command(users, "invite")
def invite(name: Name, role: Role = "VIEWER", lasts: Lasts = "7d") -> None:
    """Invite a new user, or again one who has lost their invitation or password. The invitation is shown this once."""
    from nexo_cli.client import hub
    from nexo_cli.errors import Problem
    from nexo_cli.times import seconds

    there, expires_in = hub(), seconds(lasts)
    try:
        there.call(api.GET_USERS_NAME, name=name)
    except Problem as error:
        if error.status != 404:
            raise
        body = {"name": name, "role": role.upper(), "expires_in": expires_in}
        made = there.call(api.POST_USERS, body=body)
    else:
        made = there.call(api.POST_USERS_NAME_INVITE, body={"expires_in": expires_in}, name=name)
    if run.json:
        output.json_out(made)
        return
    output.say(str(made["invitation"]))
    output.note(f"It is shown this once: {made['name']} sets a password with it, until {made['invited_until']}.")


@command(users, "set-role")
def set_role(name: Name, role: Annotated[str, typer.Argument(help="ADMIN or VIEWER.")]) -> None:
    """Give a user another role. Ends their sessions."""
    _change(name, {"role": role.upper()})


@command(users, "disable")
def disable(name: Name) -> None:
    """Let a user in no more, until enabled again. Ends their sessions."""
    _change(name, {"disabled": True})


@command(users, "enable")
def enable(name: Name) -> None:
    """Let a user in again."""
    _change(name, {"disabled": False})


@command(users, "remove")
def remove_user(name: Name, yes: Yes = False) -> None:
    """Remove a user, their sessions and their tokens."""
    from nexo_cli.client import hub

    confirmed(f"Remove the user {name}?", yes=yes)
    hub().call(api.DELETE_USERS_NAME, name=name)
    output.done({"removed": name}, f"removed {name}")


def _change(name: str, changes: dict[str, str | bool]) -> None:
    from nexo_cli.client import hub

    user = hub().call(api.PATCH_USERS_NAME, body=changes, name=name)
    output.done(user, f"{user['name']} is {user['role']}{', disabled' if user['disabled'] else ''}")
