"""`nexo sinks drain`, `resume`, `restart`, `stop`, `cancel`: what sinks are told to do, one or many."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from nexo_cli import api, output
from nexo_cli.asking import confirmed
from nexo_cli.command import command
from nexo_cli.completing import sink_types
from nexo_cli.completing import sinks as sink_names
from nexo_cli.errors import Exit, NexoError

if TYPE_CHECKING:
    from nexo_cli.client import Hub

COLUMNS: Final = ("sink", "command", "state", "by", "at")
LOOK_SECONDS: Final = 0.5
ENDED: Final = ("DONE", "FAILED", "EXPIRED")
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Which.", autocompletion=sink_names)]
Type = Annotated[str | None, typer.Option("--type", help="All of this type.", autocompletion=sink_types)]
Label = Annotated[list[str] | None, typer.Option(metavar="NAME=TEXT", help="All that carry this; repeatable.")]
Wait = Annotated[bool, typer.Option("--wait", help="Until it is done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def add_to(sinks: typer.Typer) -> None:
    """Add the commands."""
    for each in (drain, resume, restart, stop, cancel):
        command(sinks, each.__name__)(each)


def drain(
    names: Names = None, sink_type: Type = None, label: Label = None, wait: Wait = False, yes: Yes = False
) -> None:
    """Let sinks end what they run, and give them nothing until they are resumed."""
    _tell("drain", names, sink_type, label, wait=wait, yes=yes)


def resume(
    names: Names = None, sink_type: Type = None, label: Label = None, wait: Wait = False, yes: Yes = False
) -> None:
    """Give sinks that drain work again."""
    _tell("resume", names, sink_type, label, wait=wait, yes=yes)


def restart(
    names: Names = None, sink_type: Type = None, label: Label = None, wait: Wait = False, yes: Yes = False
) -> None:
    """Let agents end what they run, and be started again by their service managers."""
    _tell("restart", names, sink_type, label, wait=wait, yes=yes)


def stop(
    names: Names = None, sink_type: Type = None, label: Label = None, wait: Wait = False, yes: Yes = False
) -> None:
    """Let agents end what they run, and stay away until somebody starts them on their machines."""
    _tell("stop", names, sink_type, label, wait=wait, yes=yes)


def cancel(name: Annotated[str, typer.Argument(help="Which sink.", autocompletion=sink_names)]) -> None:
    """Cancel the command that a sink has not taken yet."""
    from nexo_cli.client import hub

    there = hub()
    last = there.call(api.GET_SINKS_NAME, name=name)["command"]
    if last is None:
        raise NexoError(f"{name} was given no command", Exit.CONFLICT)
    there.call(api.DELETE_SINKS_NAME_COMMANDS_ID, name=name, id=last["id"])
    output.done({"cancelled": last["id"], "command": last["command"]}, f"cancelled {last['command']} of {name}")


def _tell(
    what: str, names: list[str] | None, sink_type: str | None, label: list[str] | None, *, wait: bool, yes: bool
) -> None:
    from nexo_cli.client import hub

    there = hub()
    if names:
        chosen = list(names)
        if sink_type or label:
            raise NexoError("either names, or --type and --label", Exit.USAGE)
    elif sink_type or label:
        chosen = _chosen(there, sink_type, label or [])
    else:
        raise NexoError("which sinks? NAME, or --type or --label", Exit.USAGE)
    if not names or what in ("restart", "stop"):
        confirmed(f"{what} {', '.join(chosen)}?", yes=yes)
    given: list[dict[str, Any]] = []
    for name in chosen:
        try:
            key = {"Idempotency-Key": secrets.token_hex(16)}  # a request that is late undoes nothing
            told = there.call(api.POST_SINKS_NAME_COMMANDS, name=name, body={"command": what}, headers=key)
            given.append({"sink": name, **told})
        except NexoError as error:
            if len(chosen) == 1:
                raise
            output.note(f"{name}: {error}")  # the others are told nevertheless
    if wait:
        given = [_ended(there, each) for each in given]
    output.listed(iter(given), COLUMNS, nothing="no sink was told")
    if len(given) < len(chosen) or any(each["state"] in ("FAILED", "EXPIRED") for each in given):
        raise typer.Exit(Exit.FAILED)


def _chosen(there: Hub, sink_type: str | None, labels: list[str]) -> list[str]:
    wanted = dict(each.partition("=")[::2] for each in labels)
    found = [
        each["name"]
        for each in there.items(api.GET_SINKS)
        if (sink_type is None or each["sink_type"].casefold() == sink_type.casefold())
        and all(each["labels"].get(name) == value for name, value in wanted.items())
    ]
    if not found:
        raise NexoError("there is no such sink", Exit.NOT_FOUND)
    return found


def _ended(there: Hub, given: dict[str, Any]) -> dict[str, Any]:
    """The command, once it is over, or another was given in its place."""
    while given["state"] not in ENDED:
        time.sleep(LOOK_SECONDS)
        last = there.call(api.GET_SINKS_NAME, name=given["sink"])["command"]
        if last is None or last["id"] != given["id"]:
            return {**given, "state": "CANCELLED"}
        given = {"sink": given["sink"], **last}
    return given
