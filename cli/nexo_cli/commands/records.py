"""`nexo audit …`, `nexo stats`."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from nexo_cli import api, output
from nexo_cli.command import command, group
from nexo_cli.errors import Exit, NexoError
from nexo_cli.state import run

audit = group("audit", "Who did what, and whether the record is whole.")
COLUMNS: Final = ("at", "actor", "action", "resource", "result", "status", "reason")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(audit)
    command(app, "stats")(stats)


@command(audit, "list")
def list_audit(
    actor: Annotated[str | None, typer.Option(help="By whom, as users/ada.")] = None,
    resource: Annotated[str | None, typer.Option(help="To what, as actions/cleanup, or actions.")] = None,
    action: Annotated[str | None, typer.Option(help="Method and route.")] = None,
    result: Annotated[str | None, typer.Option(help="DONE, REFUSED, FAILED or UNKNOWN.")] = None,
    secret: Annotated[str | None, typer.Option(help="Which sinks were given this secret.")] = None,
    since: Annotated[str | None, typer.Option(help="Not older: a time, or as 15m, 24h, 7d.")] = None,
    until: Annotated[str | None, typer.Option(help="Older than this.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 30,
) -> None:
    """List what was done and refused, the newest first."""
    from nexo_cli.client import hub
    from nexo_cli.times import moment

    query = {
        "actor": actor,
        "resource": resource,
        "action": action,
        "result": result,
        "secret": secret,
        "from": moment(since),
        "to": moment(until),
        "limit": min(limit, 200),
    }
    output.listed(hub().items(api.GET_AUDIT, query, most=limit), COLUMNS, nothing="no such entries")


@command(audit, "verify")
def verify() -> None:
    """Have the hub go through the whole record. Ends with 1 if something in it was altered or is missing."""
    from nexo_cli.client import hub

    there = hub()
    cursor: str | None = None
    breaks: list[api.BreakView] = []
    with output.progress("entries") as advanced:
        while True:
            said = there.call(api.GET_AUDIT_VERIFY, query={"cursor": cursor})
            breaks += said["breaks"]
            advanced(said["entries"])
            cursor = said["cursor"]
            if said["complete"] or cursor is None:
                break
    if run.json:
        output.json_out({**said, "breaks": breaks})
    else:
        for each in breaks:
            output.painted(f"{each['chain']} {each['seq']}: {each['what']}", output.COLOURS["ERROR"])
        unreadable = f"; {said['anchors_unreadable']} anchors cannot be read" if said["anchors_unreadable"] else ""
        kept = "in all else " if breaks else ""
        output.say(
            f"{kept}as it was written: {said['entries']} entries, and {said['anchors_met']} places that "
            f"{said['anchors']} anchors name{unreadable}"
        )
    if breaks:
        raise NexoError("the record is not as it was written", Exit.FAILED, hint="See docs/audit.md")


def stats(
    since: Annotated[str | None, typer.Option(help="From when: a time, or as 15m, 24h, 7d.")] = None,
    until: Annotated[str | None, typer.Option(help="Until when.")] = None,
    step: Annotated[str, typer.Option(help="minute, hour or day.")] = "hour",
) -> None:
    """Say what happened in a time, how long it took and what it cost: a day unless said otherwise."""
    from nexo_cli.client import hub
    from nexo_cli.times import moment

    query = {"from": moment(since), "to": moment(until), "step": step}
    found = hub().call(api.GET_STATS, query=query)
    if run.json:
        output.json_out(found)
        return
    total = found["total"]
    output.fields(
        {
            "from": output.when(found["begin"]),
            "to": output.when(found["end"]),
            "fired": total["fired"],
            **total["ended"],
            "waited": _durations(total["wait"]),
            "ran": _durations(total["run"]),
            "storage operations": total["storage"]["total"],
            "estimated cost": f"{total['storage']['estimated_cost']:.4f} USD",
        }
    )
    rows = [(each["event_type"], each["fired"], *each["ended"].values()) for each in total["event_types"]]
    if rows:
        output.say("")
        output.table(("event type", "fired", "SUCCESS", "WARNING", "ERROR"), rows)


def _durations(durations: Any) -> str:
    """Three percentiles; nothing where nothing was measured."""
    shown = [f"{name} {value:.3g} s" for name, value in durations.items() if value is not None]
    return ", ".join(shown)
