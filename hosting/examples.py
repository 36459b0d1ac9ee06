"""Loads configuration files into a hub: what is not there yet is created, what is there is left as it is."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Any

import yaml

from hosting.errors import HostingError
from hosting.hub_client import HubClient, address

KINDS = {"sink_types": "sink-types", "actions": "actions", "event_types": "event-types", "sources": "sources"}
"""The lists of a file, and the addresses their documents go to."""


def read(path: Path, home: Path) -> dict[str, list[dict[str, Any]]]:
    """The documents of a file by kind, `${NEXOMATIC_HOME}` replaced.

    Raises `HostingError` for a file of another shape.
    """
    try:
        document = yaml.safe_load(Template(path.read_text("utf-8")).safe_substitute(NEXOMATIC_HOME=str(home)))
    except yaml.YAMLError as error:
        raise HostingError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict) or not set(document) <= set(KINDS):
        raise HostingError(f"{path} may hold the lists {', '.join(KINDS)} and nothing else")
    return document


def load(client: HubClient, documents: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Create what the hub does not have, all at once; the names of what was created."""
    missing = {kind: [each for each in documents.get(kind, []) if _is_missing(client, kind, each)] for kind in KINDS}
    created = [each["name"] for kind in KINDS for each in missing[kind]]
    if created:
        client.put("/api/configuration", {kind: each for kind, each in missing.items() if each})
    return created


def _is_missing(client: HubClient, kind: str, document: dict[str, Any]) -> bool:
    return client.get(address(KINDS[kind], document["name"])) is None
