"""The delivery that `make run` sends through a fresh platform, so that whoever started it sees it work.

It only shows: whatever becomes of it, the platform starts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests

from hosting.errors import HostingError
from hosting.hub_client import HubClient, address

DELIVERY = Path(__file__).resolve().parent.parent / "examples/deliveries/github-push.json"
SOURCE = "github-push"
FINAL_SECONDS = 60.0


def demonstrate(client: HubClient) -> str:
    """Post what GitHub once posted to the example webhook; what is to be said of it, in lines."""
    try:
        return _deliver(client)
    except (HostingError, requests.RequestException) as error:
        return f"the example delivery to the webhook {SOURCE} did not go through: {error}\n"


def _deliver(client: HubClient) -> str:
    before = client.get("/api/events?state=QUEUED,RUNNING&limit=1")["items"]
    webhook = (client.get(address("sources", SOURCE)) or {}).get("url")
    if webhook is None:
        return f"there is no webhook {SOURCE} any more to show a delivery with\n"
    headers = {"Content-Type": "application/json", "X-GitHub-Event": "push"}
    fired = client.deliver(webhook, DELIVERY.read_bytes(), headers)
    said = f"a GitHub push was delivered to the webhook {SOURCE}:\n"
    if fired["event_id"] is None:
        return said + "".join(f"  {each['event_type']} was not fired: {each['reason']}\n" for each in fired["events"])
    if before:
        # It may be hours until those are done. A platform that waited for that, and gave up, could never do them.
        return said + f"  event     {fired['event_id']} waits its turn: others were there before\n"
    event = _final(client, fired["event_id"])
    said += f"  event     {describe(event)}\n"
    if event.get("follow_on"):
        said += f"  follow-on {describe(_final(client, event['follow_on']))}\n"
    note = (event.get("result_data") or {}).get("note", "")
    return said + "".join(f"  | {line}\n" for line in note.splitlines())


def _final(client: HubClient, event_id: str) -> Any:
    return client.wait(f"/api/events/{event_id}", lambda event: event["finished_at"] is not None, FINAL_SECONDS)


def describe(event: Any) -> str:
    """One event in a line."""
    message = f" ({event['result_message']})" if event.get("result_message") else ""
    data = json.dumps({name: value for name, value in (event.get("result_data") or {}).items() if name != "note"})
    return f"{event['id']} {event['event_type']} on {event['sink']}: {event['state']}{message} {data}"
