"""`nexo fire`, `nexo events …`, `nexo logs`."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from nexo_cli import api, output
from nexo_cli.asking import bytes_of
from nexo_cli.command import command, group
from nexo_cli.completing import event_types, sinks, sources
from nexo_cli.errors import Exit, NexoError
from nexo_cli.state import run

events = group("events", "Look at events, and steer them.")
COLUMNS: Final = ("id", "state", "event_type", "sink", "attempt", "created_at", "result_code", "result_message")
EventId = Annotated[str, typer.Argument(metavar="ID", help="The event's id, or LAST for the newest.")]
EXITS: Final = {"SUCCESS": Exit.OK, "WARNING": Exit.WARNING, "ERROR": Exit.FAILED}


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "fire")(fire)
    command(app, "logs")(logs)
    app.add_typer(events)


def fire(
    event_type: Annotated[str, typer.Argument(help="Which event type.", autocompletion=event_types)],
    payload: Annotated[Path | None, typer.Option("--payload", "-p", help="A JSON file; - is standard input.")] = None,
    data: Annotated[str | None, typer.Option("--data", "-d", metavar="JSON", help="The payload itself.")] = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Show its log, and end as it ends.")] = False,
) -> None:
    """Fire an event by hand."""
    from nexo_cli.client import hub

    there = hub()
    body = {"event_type": event_type, "payload": _payload(payload, data)}
    event = there.call(api.POST_EVENTS, body=body)
    if not wait:
        output.json_out(event) if run.json else output.say(f"{event['id']} {event['state']}")
        return
    if not run.json:
        output.note(f"{event['id']} {event['state']}")
    _end(there, event["id"], log=not run.json)


@command(events, "list")
def list_events(
    state: Annotated[
        str | None, typer.Option(help="QUEUED, RUNNING, SUCCESS, WARNING, ERROR; several with commas.")
    ] = None,
    event_type: Annotated[
        str | None, typer.Option("--type", help="Of this event type.", autocompletion=event_types)
    ] = None,
    source: Annotated[str | None, typer.Option(help="Of this source.", autocompletion=sources)] = None,
    sink: Annotated[str | None, typer.Option(help="On this sink.", autocompletion=sinks)] = None,
    since: Annotated[
        str | None, typer.Option(help="Not older: a time with its offset, or as 90s, 15m, 24h, 7d.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Older than this.")] = None,
    search: Annotated[str | None, typer.Option(help="An id, or a part of type, sink, result code or message.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 30,
) -> None:
    """List events, the newest first."""
    from nexo_cli.client import hub
    from nexo_cli.times import moment

    query = {
        "state": state,
        "event_type": event_type,
        "source": source,
        "sink": sink,
        "from": moment(since),
        "to": moment(until),
        "search": search,
        "limit": min(limit, 200),
    }
    found = hub().items(api.GET_EVENTS, query, most=limit)
    output.listed(found, COLUMNS, nothing="no such events")


@command(events, "show")
def show(event_id: EventId) -> None:
    """Show everything about one event."""
    from nexo_cli.client import hub

    there = hub()
    event = there.call(api.GET_EVENTS_ID, id=found_id(there, event_id))
    output.shown(event, skip=("attempts", "payload", "result_data"))
    if run.json:
        return
    for attempt in event["attempts"]:
        ran = attempt["run"]
        ended = attempt["outcome"] or "runs"
        output.say(f"attempt {attempt['number']}  {ended} on {attempt['sink']}: {ran['runtime']} {ran['module']}")
    for name, value in (("payload", event["payload"]), ("result", event["result_data"])):
        if value not in (None, {}):
            output.say(f"{name}:")
            output.json_out(value)


@command(events, "watch")
def watch(
    event_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="One event, until it ends; else all of them.")
    ] = None,
    event_type: Annotated[
        str | None, typer.Option("--type", help="Of this event type.", autocompletion=event_types)
    ] = None,
    state: Annotated[str | None, typer.Option(help="Only while they are in these states, with commas.")] = None,
    every: Annotated[float, typer.Option(min=0.2, help="Look each so many seconds.")] = 2.0,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many lines.")] = None,
) -> None:
    """Watch events change: one until it ends, with its exit code, or all of them until Ctrl-C."""
    from nexo_cli.client import hub
    from nexo_cli.watching import changes

    there = hub()
    if event_id is not None:
        _end(there, found_id(there, event_id), log=False)
        return
    for said, event in enumerate(changes(there, {"event_type": event_type, "state": state}, every), 1):
        _print_change(event)
        if said == count:
            return


def _print_change(event: api.EventLine) -> None:
    if run.json:
        output.json_line(event)
    else:
        where = f"on {event['sink']}" if event["sink"] else ""
        words = [output.when(event["created_at"]), event["id"], event["event_type"], where, event["state"]]
        ended = [event["result_code"], event["result_message"]]
        output.painted(" ".join(each for each in [*words, *ended] if each), output.COLOURS[event["state"]])
    output.flush()


@command(events, "cancel")
def cancel(event_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="One or more events.")]) -> None:
    """End events that are queued or running."""
    from nexo_cli.client import hub

    there = hub()
    ended = [there.call(api.POST_EVENTS_ID_CANCEL, id=found_id(there, each)) for each in event_ids]
    output.listed(ended, ("id", "state", "result_code", "result_message"))


@command(events, "rerun")
def rerun(
    event_id: EventId,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="What its last attempt ran, not what is configured now.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Show its log, and end as it ends.")] = False,
) -> None:
    """Run an event that has ended once more, as a new event."""
    from nexo_cli.client import hub

    there = hub()
    event = there.call(
        api.POST_EVENTS_ID_RETRY,
        body={"as": "recorded" if recorded else "today"},
        headers={"Idempotency-Key": secrets.token_hex(16)},
        id=found_id(there, event_id),
    )
    if wait:
        output.note(f"{event['id']} {event['state']}")
        _end(there, event["id"], log=not run.json)
    else:
        output.json_out(event) if run.json else output.say(f"{event['id']} {event['state']}")


@command(events, "explain")
def explain(event_id: EventId) -> None:
    """Say why an event still waits, and what would change it."""
    from nexo_cli.client import hub

    there = hub()
    said = there.call(api.GET_EVENTS_ID_EXPLAIN, id=found_id(there, event_id))
    if run.json:
        output.json_out(said)
        return
    output.say(f"{said['event_id']} is {said['state']}: {said['code']}")
    for text in (said["detail"], said["change"]):
        if text:
            output.say(text)
    output.fields({name: said[name] for name in ("since", "until", "gives_up_at")})


@command(events, "tree")
def tree(event_id: EventId) -> None:
    """Show the chain that an event belongs to: which followed which, and how each ended."""
    from nexo_cli.client import hub

    there = hub()
    found = there.call(api.GET_EVENTS_ID_TREE, id=found_id(there, event_id))
    if run.json:
        output.json_out(found)
        return
    for node in found["events"]:
        ended = f" {node['result_code']}" if node["result_code"] else ""
        colour = output.COLOURS.get(node["state"], "0")
        output.painted(f"{'  ' * node['depth']}{node['id']} {node['event_type']} {node['state']}{ended}", colour)
    if not found["complete"]:
        output.note("not complete: a follow-on is not made yet, or retention has taken some")


def logs(
    event_id: EventId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the event has ended.")] = False,
    times: Annotated[bool, typer.Option("--times", "-t", help="When each line was written.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="The text as it is, control characters too. Not to a terminal.")
    ] = False,
) -> None:
    """Print an event's log."""
    from nexo_cli.client import hub
    from nexo_cli.watching import log_lines

    if raw and output.is_terminal():
        hint = "Send it to a file or a pipe: it may hold what takes your terminal over."
        raise NexoError("--raw does not go to a terminal", Exit.USAGE, hint=hint)
    there = hub()
    for each in log_lines(there, found_id(there, event_id), follow=follow):
        print_log_line(each, times=times, raw=raw)


def print_log_line(each: api.LogLineView, *, times: bool = False, raw: bool = False) -> None:
    """One line of a log, in the form that was asked for."""
    if run.json:
        output.json_line(each)
    elif raw:
        output.raw_line(each["text"])
    else:
        before = f"{each['time']} {each['stream']:6} {each['level']:7} " if times else ""
        output.line(before + each["text"])


def found_id(there: Any, text: str) -> str:
    """The id, with LAST for the newest event."""
    if text.upper() != "LAST":
        return text.strip().upper()
    newest = next(there.items(api.GET_EVENTS, {"limit": 1}, most=1), None)
    if newest is None:
        raise NexoError("there are no events yet", Exit.NOT_FOUND, hint="Fire one: nexo fire EVENT_TYPE")
    return str(newest["id"])


def _end(there: Any, event_id: str, *, log: bool) -> None:
    """Follow an event to its end, and end the command as it ended."""
    from nexo_cli.watching import log_lines, until_ended

    if log:
        for each in log_lines(there, event_id, follow=True):
            print_log_line(each)
    event = until_ended(there, event_id)
    if run.json:
        output.json_out(event)
    else:
        ended = " ".join(str(each) for each in (event["result_code"], event["result_message"]) if each)
        output.painted(f"{event['id']} {event['state']} {ended}".rstrip(), output.COLOURS[event["state"]])
        if event["result_data"] is not None:
            output.json_out(event["result_data"])
    raise typer.Exit(EXITS[event["state"]])


def _payload(path: Path | None, data: str | None) -> Any:
    if path is not None and data is not None:
        raise NexoError("--payload and --data are two payloads", Exit.USAGE)
    text = bytes_of(path) if path is not None else (data or "{}").encode()
    try:
        return json.loads(text or b"{}")
    except ValueError as error:
        raise NexoError(f"the payload is not JSON: {error}", Exit.USAGE) from error
