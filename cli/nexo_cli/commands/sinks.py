"""`nexo sinks …`: who is there, letting new ones in, and removing them; what they are told is in `sink_commands.py`."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from nexo_cli import api, output
from nexo_cli.asking import confirmed
from nexo_cli.command import command, group
from nexo_cli.commands import sink_commands
from nexo_cli.completing import sink_types
from nexo_cli.completing import sinks as sink_names
from nexo_cli.errors import Exit, NexoError
from nexo_cli.state import run

sinks = group("sinks", "See sinks, tell them what to do, let new ones in, remove them.")
COLUMNS: Final = ("name", "sink_type", "state", "running", "slots", "version", "platform", "seen_at")
Name = Annotated[str, typer.Argument(help="Which sink.", autocompletion=sink_names)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    sink_commands.add_to(sinks)
    app.add_typer(sinks)


@command(sinks, "list")
def list_sinks() -> None:
    """List sinks, and how they are."""
    from nexo_cli.client import hub

    output.listed(hub().items(api.GET_SINKS), COLUMNS, nothing="no sinks yet: nexo sinks enrol SINK_TYPE")


@command(sinks, "show")
def show(name: Name) -> None:
    """Show everything about one sink."""
    from nexo_cli.client import hub

    output.shown(hub().call(api.GET_SINKS_NAME, name=name))


@command(sinks, "remove")
def remove(name: Name, yes: Yes = False) -> None:
    """Remove a sink and end its credential. What it runs goes to others."""
    from nexo_cli.client import hub

    there = hub()
    sink = there.call(api.GET_SINKS_NAME, name=name)
    confirmed(f"Remove the sink {sink['name']}, which is {sink['state']}?", yes=yes)
    there.call(api.DELETE_SINKS_NAME, name=name)
    output.done({"removed": sink["name"]}, f"removed {sink['name']}")


@command(sinks, "enrol")
def enrol(
    sink_type: Annotated[str, typer.Argument(help="Of which type they will be.", autocompletion=sink_types)],
    uses: Annotated[int, typer.Option(min=1, help="How many agents it lets in.")] = 1,
    lasts: Annotated[str, typer.Option(metavar="TIME", help="For how long, as 15m, 24h or 7d.")] = "24h",
    label: Annotated[
        list[str] | None, typer.Option(metavar="NAME=TEXT", help="What its sinks carry; repeatable.")
    ] = None,
    network: Annotated[list[str] | None, typer.Option(help="From where alone, as 192.0.2.0/24; repeatable.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Under the name of a sink that is there, too.")] = False,
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="Its sinks are removed once they have gone.")] = False,
) -> None:
    """Make a token that lets agents in, and say what to do on their machine."""
    from nexo_cli.client import hub
    from nexo_cli.times import seconds

    there = hub()
    made = there.call(
        api.POST_ENROLMENTS,
        body={
            "sink_type": sink_type,
            "uses": uses,
            "expires_in": seconds(lasts),
            "labels": dict(_label(each) for each in label or ()),
            "networks": network or [],
            "replace": replace,
            "ephemeral": ephemeral,
        },
    )
    if run.json:
        output.json_out(made)
        return
    output.say(made["token"])
    output.note(f"It is shown this once, for {made['uses_left']} of {made['sink_type']}, until {made['expires_at']}.")
    output.note("On a Linux machine, which asks for it, and then is enrolled and runs:")
    output.note(f"  curl -fsSL {there.url}/agent/install.sh | sudo sh -s -- --name NAME")
    output.note("Or with the agent installed already, and the token in its environment:")
    output.note(f"  NEXOMATIC_AGENT_TOKEN=… nexomatic-agent enroll --hub {there.url} --name NAME")
    output.note("  nexomatic-agent run")


@command(sinks, "enrolments")
def enrolments() -> None:
    """List enrolments with uses left."""
    from nexo_cli.client import hub

    columns = ("id", "sink_type", "uses_left", "expires_at", "labels", "networks", "replace", "ephemeral")
    output.listed(hub().items(api.GET_ENROLMENTS), columns, nothing="no enrolments")


@command(sinks, "revoke-enrolment")
def revoke_enrolment(enrolment: Annotated[str, typer.Argument(metavar="ID", help="Which enrolment.")]) -> None:
    """End an enrolment. Sinks that are in stay in."""
    from nexo_cli.client import hub

    hub().call(api.DELETE_ENROLMENTS_ID, id=enrolment)
    output.done({"revoked": enrolment}, f"revoked {enrolment}")


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise NexoError(f"--label {text} must be NAME=TEXT", Exit.USAGE)
    return name, value
