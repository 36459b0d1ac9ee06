"""`nexo schedules …`, `nexo webhooks …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from nexo_cli import api, output
from nexo_cli.asking import bytes_of, confirmed
from nexo_cli.command import command, group
from nexo_cli.completing import sources
from nexo_cli.errors import Exit, NexoError
from nexo_cli.state import run

schedules = group("schedules", "See when schedules fire.")
webhooks = group("webhooks", "See what came to webhooks, replay it, try them.")
Name = Annotated[str, typer.Argument(help="Which source.", autocompletion=sources)]
RECEIPT_COLUMNS: Final = ("id", "at", "verdict", "status", "method", "size", "caller", "event_ids", "reason")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(schedules)
    app.add_typer(webhooks)


@command(schedules, "list")
def list_schedules() -> None:
    """List schedules."""
    columns = ("name", "cron", "at", "timezone", "event_types", "enabled")
    output.listed(_of_kind("SCHEDULE"), columns, nothing="no schedules")


@command(schedules, "preview")
def preview(
    name: Name,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=100, help="How many of the next.")] = 10,
) -> None:
    """Say when a schedule fires next, and around the next changes of its clock."""
    from nexo_cli.client import hub

    fires = hub().call(api.GET_SOURCES_NAME_PREVIEW, query={"count": count}, name=name)["fires"]
    output.listed(fires, ("local", "at", "note"), nothing="it does not fire in the next five years")


@command(webhooks, "list")
def list_webhooks() -> None:
    """List webhooks, for Admins with their addresses."""
    rows = [{**each, "verify": (each.get("verify") or {}).get("preset", "none")} for each in _of_kind("WEBHOOK")]
    output.listed(rows, ("name", "event_types", "verify", "enabled", "url"), nothing="no webhooks")


@command(webhooks, "receipts")
def receipts(
    name: Name,
    receipt: Annotated[str | None, typer.Argument(metavar="ID", help="One receipt, with everything about it.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 30,
) -> None:
    """See what became of what came to a webhook or an Event Grid source, the newest first."""
    from nexo_cli.client import hub

    there = hub()
    if receipt is not None:
        output.shown(there.call(api.GET_SOURCES_NAME_RECEIPTS_ID, name=name, id=receipt))
        return
    found = there.items(api.GET_SOURCES_NAME_RECEIPTS, {"limit": min(limit, 100)}, most=limit, name=name)
    output.listed(found, RECEIPT_COLUMNS, nothing="nothing came yet")


@command(webhooks, "replay")
def replay(name: Name, receipt: Annotated[str, typer.Argument(metavar="ID", help="Which receipt.")]) -> None:
    """Map a request again, under today's configuration. What it fires are new events."""
    from nexo_cli.client import hub

    fired = hub().call(api.POST_SOURCES_NAME_RECEIPTS_ID_REPLAY, name=name, id=receipt)
    if run.json:
        output.json_out(fired)
        return
    for each in fired["event_types"]:
        output.say(f"{each['event_type']} {each['fate']} {each['event_id'] or each['reason'] or ''}")


@command(webhooks, "test")
def try_out(
    name: Name,
    payload: Annotated[Path | None, typer.Option("--payload", "-p", help="The body; - is standard input.")] = None,
    data: Annotated[str | None, typer.Option("--data", "-d", help="The body itself.")] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="NAME: TEXT", help="Repeatable.")
    ] = None,
    sign: Annotated[
        bool, typer.Option("--sign", help="Sign it as its caller would, with the secret from a prompt.")
    ] = False,
) -> None:
    """Post to a webhook as its caller would, and say what became of it."""
    from nexo_cli.asking import secret_from
    from nexo_cli.client import hub
    from nexo_cli.signing import signature_headers

    there = hub()
    source: Any = there.call(api.GET_SOURCES_NAME, name=name)
    if source["kind"] != "WEBHOOK":
        raise NexoError(f"{source['name']} is no webhook", Exit.USAGE)
    if source["url"] is None:
        raise NexoError("only Admins see the address of a webhook", Exit.NOT_ALLOWED)
    body = bytes_of(payload) if payload is not None else (data or "{}").encode()
    headers = {"Content-Type": "application/json", **dict(_header(each) for each in header or ())}
    if sign:
        headers |= signature_headers(source["verify"], body or b"", lambda: secret_from("the webhook's secret"))
    url = source["url"] if "://" in source["url"] else there.url + source["url"]
    status, text = there.post_outside(url, body or b"", headers)
    output.done({"status": status, "answer": text}, f"{status} {text}")
    if status >= 400:
        hint = None if sign or source["verify"]["preset"] == "none" else "It asks its caller to prove itself: --sign"
        raise NexoError(f"the webhook answered {status}", Exit.FAILED, hint=hint)


@command(webhooks, "rotate-key")
def rotate_key(
    name: Name,
    overlap: Annotated[int, typer.Option(min=0, max=168, help="Hours for which the old address works.")] = 24,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Give a webhook a new address."""
    from nexo_cli.client import hub

    confirmed(f"Give {name} a new address, the old one to work for {overlap} hours?", yes=yes)
    source = hub().call(api.POST_SOURCES_NAME_ROTATE_KEY, body={"overlap_hours": overlap}, name=name)
    output.done(source, str(source["url"]))


def _of_kind(kind: str) -> list[dict[str, Any]]:
    from nexo_cli.client import hub

    return [each for each in hub().items(api.GET_SOURCES, {"limit": 100}) if each["kind"] == kind]


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise NexoError(f"--header {text} must be NAME: TEXT", Exit.USAGE)
    return name.strip(), value.strip()
