"""`nexo modules …`: bundles, the code that the hub hands out to sinks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from nexo_cli import api, output
from nexo_cli.asking import confirmed
from nexo_cli.command import command, group
from nexo_cli.completing import bundles
from nexo_cli.state import run

modules = group("modules", "Push bundles, the code that the hub hands out to sinks; see and delete them.")
COLUMNS: Final = ("name", "size", "files", "key_id", "digest", "uploaded_at", "uploaded_by")
Bundle = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="Which bundle.", autocompletion=bundles)]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(modules)


@command(modules, "push")
def push(
    path: Annotated[Path, typer.Argument(metavar="FOLDER|ZIP", help="Its files, or a zip of them.", exists=True)],
    name: Annotated[str, typer.Option(help="What it is called.")],
    version: Annotated[str, typer.Option(help="Which version of it. What a version stands for never changes.")],
    sign: Annotated[
        Path | None, typer.Option(metavar="KEYFILE", help="Sign it with this key, made by `nexo modules keygen`.")
    ] = None,
) -> None:
    """Push a folder or a zip as NAME@VERSION. The same bytes again change nothing but the signature."""
    from nexo_cli.bundling import bundle_of, signature_of
    from nexo_cli.client import hub

    data = bundle_of(path)
    headers = {"Nexomatic-Signature": signature_of(data, sign)} if sign is not None else {}
    pushed = hub().call(api.PUT_MODULES_NAME, content=data, headers=headers, name=f"{name}@{version}")
    signed = f"signed by {pushed['key_id']}" if pushed["key_id"] else "not signed"
    output.done(pushed, f"{pushed['name']} is sha256 {pushed['digest']}, {pushed['size']} bytes, {signed}")


@command(modules, "list")
def list_modules() -> None:
    """List bundles."""
    from nexo_cli.client import hub

    nothing = "no bundles yet: nexo modules push FOLDER --name NAME --version 1"
    output.listed(hub().items(api.GET_MODULES), COLUMNS, nothing=nothing)


@command(modules, "show")
def show(bundle: Bundle) -> None:
    """Show what is known of one bundle."""
    from nexo_cli.client import hub

    output.shown(hub().call(api.GET_MODULES_NAME, name=bundle))


@command(modules, "delete")
def delete(bundle: Bundle, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Delete a bundle. One that actions name stays."""
    from nexo_cli.client import hub

    confirmed(f"Delete the bundle {bundle}?", yes=yes)
    hub().call(api.DELETE_MODULES_NAME, name=bundle)
    output.done({"deleted": bundle}, f"deleted {bundle}")


@command(modules, "keygen")
def keygen(
    path: Annotated[Path, typer.Argument(metavar="KEYFILE", help="Where the private key goes. It must not be there.")],
) -> None:
    """Make a key to sign bundles with, and print the line that agents trust it by."""
    from nexo_cli.bundling import new_key

    line = new_key(path)
    if run.json:
        output.json_out({"key_file": str(path), "trusted_key": line})
        return
    output.say(line)
    output.note(f"{path} is the private key: who has it can sign what your agents run. Keep it off the hub.")
    output.note("The line above goes into a file on each machine, which the agent's setting trusted_keys names.")
