"""What a command prints: JSON, tables, fields, lines. Everything goes through `outside`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from nexo_cli.outside import as_json, plain, safe
from nexo_cli.state import run

COLOURS: Final = {
    "SUCCESS": "32",
    "WARNING": "33",
    "ERROR": "31",
    "RUNNING": "36",
    "QUEUED": "34",
    "ONLINE": "32",
    "OFFLINE": "31",
    "+": "32",
    "~": "33",
    "-": "31",
}


def is_terminal() -> bool:
    return sys.stdout.isatty()


def wants_colour() -> bool:
    """NO_COLOR (https://no-color.org) and a pipe say no."""
    return is_terminal() and not os.environ.get("NO_COLOR")


def line(text: str) -> None:
    """One line of what came from outside. Its own colours pass, unless NO_COLOR."""
    sys.stdout.write((plain(text) if os.environ.get("NO_COLOR") else safe(text)) + "\n")


def raw_line(text: str) -> None:
    """One line as it is, whatever it does to who reads it. Never to a terminal: the caller has looked."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape") + b"\n")


def say(text: str) -> None:
    """One line of ours, in which something from outside may be quoted: without any colours of its own."""
    sys.stdout.write(plain(text) + "\n")


def painted(text: str, code: str) -> None:
    """One line of ours in a colour."""
    sys.stdout.write(f"\x1b[{code}m{plain(text)}\x1b[0m\n" if wants_colour() else plain(text) + "\n")


def note(text: str) -> None:
    """For people alone: on standard error."""
    sys.stderr.write(plain(text) + "\n")


def log_note(text: str) -> None:
    """A line of a log, to standard error: its colours pass."""
    sys.stderr.write((plain(text) if os.environ.get("NO_COLOR") else safe(text)) + "\n")


def json_out(value: Any) -> None:
    sys.stdout.write(as_json(value) + "\n")


def json_line(value: Any) -> None:
    """One document of many, on one line."""
    sys.stdout.write(as_json(value, indent=None) + "\n")


def text_of(value: Any) -> str:
    """A value in a cell."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return as_json(value, indent=None)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, nothing: str = "nothing") -> None:
    """Rows for people on a terminal; for a pipe with tabs between, and without a heading."""
    cells = [[plain(text_of(cell)) for cell in row] for row in rows]
    if not is_terminal():
        for row in cells:
            sys.stdout.write("\t".join(row) + "\n")
        return
    if not cells:
        note(nothing)
        return
    _rich_table(columns, cells)


def _rich_table(columns: Sequence[str], cells: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        shown.add_column(name, overflow="fold")
    for row in cells:
        shown.add_row(*(Text(cell, _STYLES.get(cell, "")) for cell in row))
    Console(highlight=False, no_color=not wants_colour() or None).print(shown)


_STYLES: Final = {
    "SUCCESS": "green",
    "WARNING": "yellow",
    "ERROR": "red",
    "RUNNING": "cyan",
    "QUEUED": "blue",
    "ONLINE": "green",
    "OFFLINE": "red",
}


def fields(document: Mapping[str, Any], *, skip: Sequence[str] = ()) -> None:
    """One document, a field a line; what is empty is left out."""
    shown = {name: value for name, value in document.items() if name not in skip and value not in (None, [], {}, "")}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        text = plain(text_of(value))
        colour = COLOURS.get(text)
        text = f"\x1b[{colour}m{text}\x1b[0m" if colour and wants_colour() else text
        sys.stdout.write(f"{name:<{width}}  {text}\n")


def listed(items: Iterable[Mapping[str, Any]], columns: Sequence[str], *, nothing: str = "nothing") -> None:
    """A list, as JSON or as a table of these fields."""
    if run.json:
        json_out(list(items))
        return
    table(
        [name.replace("_", " ") for name in columns],
        ([_cell(each, name) for name in columns] for each in items),
        nothing=nothing,
    )


def shown(document: Mapping[str, Any], *, skip: Sequence[str] = ()) -> None:
    """One document, as JSON or field by field."""
    if run.json:
        json_out(document)
    else:
        fields(document, skip=skip)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int], None]]:
    """On a terminal, how far long work has come; gives what is told how many are done. The cursor comes back."""
    if run.json or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:.0f} {task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown_progress:
        task = shown_progress.add_task(what, total=None)
        yield lambda count: shown_progress.update(task, completed=count)


def done(document: Mapping[str, Any], text: str) -> None:
    """What was done, as JSON or in a sentence."""
    json_out(document) if run.json else say(text)


def _cell(document: Mapping[str, Any], name: str) -> Any:
    value = document.get(name)
    return when(value) if name == "at" or name.endswith(("_at", "_until")) else value


def when(text: Any) -> str:
    """A time of the hub on this machine's clock, to the second; as it is for a pipe."""
    if not isinstance(text, str) or not is_terminal():
        return text_of(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def nobody_reads() -> None:
    """Whoever read the output has enough: `nexo logs ID | head`. Nothing is written any more, not even at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def flush() -> None:
    sys.stdout.flush()
