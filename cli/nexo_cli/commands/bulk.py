"""`nexo events bulk …`: many events at once, as an operation of the hub that goes on by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from nexo_cli import api, output
from nexo_cli.asking import confirmed
from nexo_cli.command import command, group
from nexo_cli.completing import event_types, sinks, sources
from nexo_cli.errors import Exit, NexoError

if TYPE_CHECKING:
    from nexo_cli.client import Hub

operations = group("operations", "See what goes on with many events at once.")
ACTIONS: Final = {"cancel": "cancel", "rerun": "retry"}
COLUMNS: Final = ("id", "action", "state", "matched", "done", "failed", "created_at", "note")
LOOK_SECONDS: Final = 0.5


def add_to(app: typer.Typer, events: typer.Typer) -> None:
    """Add the commands."""
    command(events, "bulk")(bulk)
    app.add_typer(operations)


def bulk(
    action: Annotated[str, typer.Argument(help="cancel or rerun.")],
    state: Annotated[str | None, typer.Option(help="With commas. To rerun: ERROR unless said otherwise.")] = None,
    event_type: Annotated[
        str | None, typer.Option("--type", help="Of this event type.", autocompletion=event_types)
    ] = None,
    source: Annotated[str | None, typer.Option(help="Of this source.", autocompletion=sources)] = None,
    sink: Annotated[str | None, typer.Option(help="On this sink.", autocompletion=sinks)] = None,
    since: Annotated[str | None, typer.Option(help="Not older: a time, or as 15m, 24h, 7d.")] = None,
    until: Annotated[str | None, typer.Option(help="Older than this.")] = None,
    search: Annotated[str | None, typer.Option(help="A part of type, sink, result code or message.")] = None,
    recorded: Annotated[bool, typer.Option("--recorded", help="Rerun what ran, not what is configured now.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until it is done. It goes on anyway.")] = True,
) -> None:
    """Cancel, or run again, all events that a filter finds."""
    from nexo_cli.client import hub
    from nexo_cli.times import moment

    if action not in ACTIONS:
        raise NexoError(f"{action} is neither cancel nor rerun", Exit.USAGE)
    wanted = {
        "state": [each.strip().upper() for each in state.split(",")] if state else None,
        "event_type": event_type,
        "source": source,
        "sink": sink,
        "from": moment(since),
        "to": moment(until),
        "search": search,
    }
    found = {name: value for name, value in wanted.items() if value is not None}
    said = ", ".join(f"{name} {output.text_of(value)}" for name, value in found.items()) or "all"
    confirmed(f"{action} every event with {said}?", yes=yes)
    body: dict[str, Any] = {"action": ACTIONS[action], "filter": found}
    if action == "rerun":
        body["as"] = "recorded" if recorded else "today"
    there = hub()
    operation = there.call(api.POST_EVENTS_BULK, body=body)
    if wait:
        operation = _until_done(there, operation)
    output.shown(operation)
    if operation["failed"]:
        raise typer.Exit(Exit.FAILED)


@command(operations, "list")
def list_operations() -> None:
    """List operations, the newest first."""
    from nexo_cli.client import hub

    output.listed(hub().items(api.GET_OPERATIONS, most=100), COLUMNS, nothing="no operations")


@command(operations, "show")
def show(operation: Annotated[str, typer.Argument(metavar="ID", help="Which operation.")]) -> None:
    """Say how far an operation has come."""
    from nexo_cli.client import hub

    output.shown(hub().call(api.GET_OPERATIONS_ID, id=operation))


@command(operations, "cancel")
def cancel(operation: Annotated[str, typer.Argument(metavar="ID", help="Which operation.")]) -> None:
    """End an operation where it is."""
    from nexo_cli.client import hub

    output.shown(hub().call(api.POST_OPERATIONS_ID_CANCEL, id=operation))


def _until_done(there: Hub, operation: api.OperationView) -> api.OperationView:
    with output.progress("events") as advanced:
        while operation["state"] == "RUNNING":
            advanced(operation["done"] + operation["failed"])
            time.sleep(LOOK_SECONDS)
            operation = there.call(api.GET_OPERATIONS_ID, id=operation["id"])
    return operation
