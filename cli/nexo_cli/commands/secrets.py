"""`nexo secrets …`. A value comes from a prompt or standard input, and never back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from nexo_cli import api, output
from nexo_cli.asking import confirmed, secret_from
from nexo_cli.command import command, group
from nexo_cli.completing import secret_names
from nexo_cli.errors import Exit, NexoError, Problem

if TYPE_CHECKING:
    from nexo_cli.client import Hub

secrets = group("secrets", "Put secrets, and see which there are. Values are never shown.")
COLUMNS: Final = ("name", "keeper", "version", "changed_at", "changed_by", "description")
Name = Annotated[str, typer.Argument(help="Which secret.", autocompletion=secret_names)]
Description = Annotated[str | None, typer.Option(help="What it is for. Unless given: as it is.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(secrets)


@command(secrets, "list")
def list_secrets() -> None:
    """List secrets, without their values."""
    from nexo_cli.client import hub

    output.listed(hub().items(api.GET_SECRETS), COLUMNS, nothing="no secrets yet: nexo secrets set NAME")


@command(secrets, "show")
def show(name: Name) -> None:
    """Show what is known of one secret; not its value."""
    from nexo_cli.client import hub

    output.shown(hub().call(api.GET_SECRETS_NAME, name=name))


@command(secrets, "set")
def set_secret(name: Name, description: Description = None) -> None:
    """Put a secret, whether it is there or not. The value comes from a prompt, or is all of standard input."""
    _put(name, description, must_be_there=False)


@command(secrets, "rotate")
def rotate(name: Name, description: Description = None) -> None:
    """Give a secret that is there another value. The one before can be restored."""
    _put(name, description, must_be_there=True)


@command(secrets, "restore")
def restore(
    name: Name,
    version: Annotated[str | None, typer.Option(help="Which version. Unless given: the one before.")] = None,
) -> None:
    """Let the version before stand again."""
    from nexo_cli.client import hub

    there = hub()
    known = there.call(api.GET_SECRETS_NAME, name=name)
    if version is None:
        if known["previous"] is None:
            raise NexoError(f"{known['name']} has no version before this one", Exit.CONFLICT)
        version = known["previous"]["version"]
    restored = there.call(api.POST_SECRETS_NAME_RESTORE, body={"version": version}, name=name)
    output.done(restored, f"{restored['name']} is version {restored['version']} again")


@command(secrets, "delete")
def delete(name: Name, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Delete a secret. One that documents name stays."""
    from nexo_cli.client import hub

    confirmed(f"Delete the secret {name}?", yes=yes)
    hub().call(api.DELETE_SECRETS_NAME, name=name)
    output.done({"deleted": name}, f"deleted {name}")


def _put(name: str, description: str | None, *, must_be_there: bool) -> None:
    from nexo_cli.client import hub

    there = hub()
    before = _known(there, name)
    if before is None and must_be_there:
        raise NexoError(f"there is no secret {name}", Exit.NOT_FOUND, hint=f"Put it: nexo secrets set {name}")
    headers = {"If-Match": there.etag} if before is not None and there.etag else {"If-None-Match": "*"}
    told = description if description is not None else before["description"] if before is not None else ""
    body = {"value": _value(name), "description": told}
    put = there.call(api.PUT_SECRETS_NAME, body=body, headers=headers, name=name)
    what = "made" if before is None else "as it was" if put["version"] == before["version"] else "changed"
    output.done(put, f"{put['name']} is {what}, version {put['version']}")


def _known(there: Hub, name: str) -> api.SecretView | None:
    try:
        return there.call(api.GET_SECRETS_NAME, name=name)
    except Problem as error:
        if error.status == 404:
            return None
        raise


def _value(name: str) -> str:
    """What was typed; or all of standard input, such as a key of many lines, without the line feed at its end."""
    if sys.stdin.isatty():
        return secret_from(f"value of {name}", again=True)
    text = sys.stdin.read()
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise NexoError("standard input holds no value", Exit.USAGE)
    return text
