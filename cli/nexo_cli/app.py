"""All commands together."""

from __future__ import annotations

import typer

from nexo_cli.commands import (
    author,
    bulk,
    configuration,
    cost,
    events,
    formats,
    modules,
    people,
    people_here,
    records,
    secrets,
    sinks,
    sources,
)

app = typer.Typer(
    name="nexo",
    help="Steer a Nexomatic hub: what runs where and when, and what became of it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for each in (
    people_here,
    events,
    configuration,
    sinks,
    modules,
    sources,
    secrets,
    people,
    records,
    formats,
    author,
    cost,
):
    each.add_to(app)
bulk.add_to(app, events.events)
