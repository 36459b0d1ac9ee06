"""The platform of a kill run, and what is asked of it."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from hosting import examples
from hosting.errors import HostingError
from hosting.hub_client import HubClient, address
from tests.e2e.local_platform import Platform
from tests.kills.plan import BY_NAME, KINDS, configuration

MODULES = Path(__file__).resolve().parents[1] / "e2e" / "modules"
SETTINGS = {"NEXOMATIC_LEASE_SECONDS": "10", "NEXOMATIC_CLOCK_MARGIN_SECONDS": "1", "NEXOMATIC_AGENT_SLOTS": "8"}
"""Short leases: an event whose claim is lost waits 14 s instead of 45."""


def new_platform(home: Path, storage: str) -> Platform:
    """Not started yet. Its temporary files go to a folder of its own, so that one that is left can be seen."""
    marks_of(home).mkdir(parents=True)
    temporary_of(home).mkdir()
    shutil.copytree(MODULES, home / "modules")
    return Platform(home, storage, environ={**SETTINGS, "TMPDIR": str(temporary_of(home))})


def marks_of(home: Path) -> Path:
    """Where user code leaves its marks."""
    return home / "marks"


def temporary_of(home: Path) -> Path:
    return home / "tmp"


def configure(platform: Platform) -> Mapping[str, str]:
    """Load the kinds of work; the address of the webhook of each."""
    examples.load(platform.client, configuration(str(marks_of(platform.home))))
    return {kind.name: platform.client.get(address("sources", kind.name))["url"] for kind in KINDS}


def count_open(platform: Platform, most: int) -> int:
    """How many events have not ended, counted up to `most`; none while the hub is away."""
    try:
        return len(platform.client.get(f"/api/events?state=QUEUED,RUNNING&limit={most}")["items"])
    except (OSError, ValueError, KeyError, HostingError):
        return 0


def event_lines(client: HubClient) -> list[dict[str, Any]]:
    """All events of the run, as a list says them."""
    lines: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = client.get(f"/api/events?limit=200{cursor}")
        lines += [line for line in page["items"] if line["event_type"] in BY_NAME]
        if page["cursor"] is None:
            return lines
        cursor = f"&cursor={page['cursor']}"


def unsettled(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """The ids of those that are not final, or are without what follows them."""
    parents = {line["parent_id"] for line in lines}
    return [
        line["id"]
        for line in lines
        if line["finished_at"] is None
        or (line["id"] not in parents and BY_NAME[line["event_type"]].follower(line["state"]) is not None)
    ]


def half_created(lines: Sequence[Mapping[str, Any]], acknowledged: Collection[str]) -> list[str]:
    """Events where the hub may have died between the row and its message.

    Their callers were told nothing, and sent them again. What there is of them waits an hour for a fresh message.
    """
    return [
        line["id"]
        for line in lines
        if line["state"] == "QUEUED"
        and line["attempt"] == 0
        and line["parent_id"] is None
        and line["id"] not in acknowledged
    ]


def log_texts(client: HubClient, event_id: str) -> list[str]:
    """Every line of an event's log."""
    texts: list[str] = []
    after = 0
    while True:
        page = client.get(f"/api/events/{event_id}/logs?after={after}")
        texts += [line["text"] for line in page["lines"]]
        if page["complete"] or not page["lines"]:
            return texts
        after = page["lines"][-1]["seq"]
