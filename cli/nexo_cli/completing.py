"""Names for the shell's completion. Where the hub does not answer at once there are none, and nothing is said."""

from __future__ import annotations

from typing import Any

from nexo_cli import api
from nexo_cli.errors import NexoError


def event_types(incomplete: str) -> list[str]:
    return _names(api.GET_EVENT_TYPES, incomplete)


def sources(incomplete: str) -> list[str]:
    return _names(api.GET_SOURCES, incomplete)


def sinks(incomplete: str) -> list[str]:
    return _names(api.GET_SINKS, incomplete)


def secret_names(incomplete: str) -> list[str]:
    return _names(api.GET_SECRETS, incomplete)


def bundles(incomplete: str) -> list[str]:
    return _names(api.GET_MODULES, incomplete)


def sink_types(incomplete: str) -> list[str]:
    return _names(api.GET_SINK_TYPES, incomplete)


def _names(route: api.Route[Any], incomplete: str) -> list[str]:
    from nexo_cli import client

    client.CONNECT_SECONDS = client.ANSWER_SECONDS = 2.0
    try:
        found = [str(each["name"]) for each in client.hub().items(route, {"limit": 100}, most=1000)]
    except NexoError:
        return []
    return [each for each in found if each.casefold().startswith(incomplete.casefold())]
