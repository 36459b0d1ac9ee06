"""Writes the table of `nexo`'s commands from the commands themselves."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

CLI: Final = Path(__file__).resolve().parent.parent / "cli"
COMMON = ("json", "hub", "help")
"""Options that every command has: said once."""


def commands() -> list[str]:
    """The lines of docs/nexo.md that say what each command takes."""
    _find_nexo()
    import typer.main
    from nexo_cli.app import app

    lines: list[str] = []
    for words, command in _leaves(("nexo",), typer.main.get_command(app)):
        arguments = " ".join(_argument(each) for each in command.params if each.param_type_name == "argument")
        lines += ["", f"### `{' '.join(words)}`", "", f"`{' '.join([*words, arguments]).strip()}`", ""]
        lines += [_text(each) for each in (command.help or "").split("\n\n") if each]
        shown = [each for each in command.params if each.name not in COMMON and each.help]
        if shown:
            lines += ["", "| | |", "|---|---|", *(f"| {_name(each)} | {_text(each.help)} |" for each in shown)]
    return lines[1:]


def exit_codes() -> list[str]:
    """The table of exit codes."""
    _find_nexo()
    from nexo_cli.errors import Exit

    meanings = {
        Exit.OK: "done; the event that was waited for ended in SUCCESS",
        Exit.FAILED: "the event ended in ERROR, or what was asked could not be done",
        Exit.USAGE: "the command line, a file or what the hub was asked is not right",
        Exit.WARNING: "the event ended in WARNING; `nexo health`: the hub works, and somebody should look",
        Exit.NOT_ALLOWED: "not signed in, or the role is not enough",
        Exit.NOT_FOUND: "there is no such thing",
        Exit.CONFLICT: "the state of things does not allow it, or somebody else was first",
        Exit.UNAVAILABLE: "the hub does not answer, or asks to come again later",
        Exit.CHANGES: "`nexo plan --exit-code`: there is something to apply",
        Exit.INTERRUPTED: "Ctrl-C",
    }
    return ["| code | |", "|---|---|", *(f"| {int(code)} | {meanings[code]} |" for code in Exit)]


def costs() -> list[str]:
    """The tables of what a hub costs, by the memory of an instance."""
    _find_nexo()
    from nexo_cli.commands import cost
    from nexo_cli.costs import Plan

    prices = cost.document(cost.DATA / "prices.json")
    lines: list[str] = []
    for memory in (0.5, 2.0):
        lines += ["", f"| sinks, instances of {memory:g} GB | {' | '.join(plan.value for plan in Plan)} | cheapest |"]
        lines += ["|---|" + "---|" * (len(Plan) + 1)]
        for sinks in cost.SINKS:
            rows = cost.rows_of(prices, [sinks], cost.EVENTS_PER_DAY, list(Plan), 1, memory)
            best = next(row["plan"] for row in rows if row["cheapest"])
            money = " | ".join(f"{row['cost']['total']:.2f}" for row in rows)
            lines.append(f"| {sinks} | {money} | {best} |")
    return [*lines[1:], "", f"{prices['currency']}, {prices['region']}, read on {prices['read_on']}."]


def _find_nexo() -> None:
    """`nexo` is a package of its own, which need not be installed where its documentation is written."""
    if str(CLI) not in sys.path:
        sys.path.insert(0, str(CLI))


def _leaves(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands, in the order in which they were added."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
        return
    for name, each in inner.items():
        yield from _leaves((*words, name), each)


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name.upper()).replace("...", "")
    shown = f"{name}…" if parameter.nargs == -1 else name
    return shown if parameter.required else f"[{shown}]"


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{(parameter.metavar or parameter.name.upper()).replace('...', '')}`"
    value = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
    return ", ".join(f"`{each}{value}`" for each in (*parameter.opts, *parameter.secondary_opts))


def _text(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
