"""`nexo formats …`: what the hub writes after an upgrade, and when the way back is closed."""

from __future__ import annotations

from typing import Annotated

import typer

from nexo_cli import api, output
from nexo_cli.asking import confirmed
from nexo_cli.command import command, group

formats = group("formats", "Which format the hub writes, and the end of an upgrade.")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(formats)


@command(formats, "show")
def show() -> None:
    """Say which format is written, which are read, and which release answered."""
    from nexo_cli.client import hub

    output.shown(hub().call(api.GET_FORMATS))


@command(formats, "finalise")
def finalise(yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Write what this release writes from now on. The release before cannot serve the database any more then.

    Look first that it runs nowhere. Where there is nothing to finalise it says so.
    """
    from nexo_cli.client import hub

    confirmed("Write the newest format? No older release must run, and there is no way back to one.", yes=yes)
    said = hub().call(api.POST_FORMATS_FINALISE)
    output.done(said, said["words"])
