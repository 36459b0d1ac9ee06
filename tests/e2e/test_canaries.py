"""Values planted as secrets, used in every way, and then looked for in everything the platform wrote or answered.

Files as they are, and what lies compressed or in columns as it was before; every answer of every route that lists or
shows something; the log of each process. Only the release to the sink may hold a value, and nobody keeps that.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from agent_testing.leaks import leaks_below, leaks_in
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from hosting.azurite import start_azurite
from hosting.hub_client import address
from hub.people.roles import ROUTES
from hub.process import DATABASE
from tests.e2e.conftest import MODULES, configure
from tests.e2e.local_platform import Platform
from tests.e2e.test_secrets import inside_the_database, unpacked

pytestmark = [pytest.mark.processes, pytest.mark.timeout(400)]

CANARIES = {
    "plain": "canary-plain-5d1e88f0",
    "in-base64": "Y2FuYXJ5LWluLWJhc2U2NC05YTQx",
    "quoted": "canary'quoted\"\\back\\slash{}%s$HOME",
    "unicode": "Kanarienvogel-ärger-日本語-🔑",
    "key-file": "-----BEGIN CANARY-----\nMIIcanary0987654321ab\nzzcanary1234567890+/ABCDE\n-----END CANARY-----\n",
}
SHORTEST_LINE = 8
SHELL = r"""
for name in PLAIN QUOTED UNICODE KEY_FILE; do
  eval "value=\$NEXOMATIC_PARAM_P_$name"
  printf 'it is %s\n' "$value"
  printf '%s' "$value" | base64 -w 0; echo
  printf 'failed with %s\n' "$value" >&2
done
exit 3
"""


def pieces_of(value: str) -> list[str]:
    """The value, and each of its lines that says something."""
    return [
        value.rstrip("\n"),
        *(line for line in value.splitlines() if len(line) >= SHORTEST_LINE and "---" not in line),
    ]


PIECES = [piece for value in CANARIES.values() for piece in pieces_of(value)]


@pytest.mark.parametrize(
    ("storage", "sealed"),
    [
        pytest.param("embedded", False, id="embedded"),
        pytest.param("azurite", True, id="azurite, sealed", marks=pytest.mark.azurite),
    ],
)
def test_no_canary_is_in_anything_that_was_written_or_answered(tmp_path: Path, storage: str, sealed: bool) -> None:
    home = tmp_path / "home"
    shutil.copytree(MODULES, home / "modules")
    (home / "modules/canaries.sh").write_text(SHELL)
    environ = {"NEXOMATIC_AGENT_SEAL_SECRETS": str(sealed).lower(), "NEXOMATIC_AGENT_LOG_LEVEL": "DEBUG"}
    with Platform(home, storage, environ) as platform:
        assert bool(platform.client.get("/api/sinks")["items"][0]["seal_to"]) is sealed
        plant(platform)
        answers = [*use_them(platform), *deliver(platform), *misuse(platform)]
        answers += everything_the_api_shows(platform)
        platform.stop()
    contents = dict(inside_the_database(home / DATABASE) if storage == "embedded" else inside_azurite(home / "azurite"))
    assert sum(b"***" in content for content in contents.values()) > 3, "no log and no result was looked at"
    assert "***" in "".join(answers)
    for piece in PIECES:
        assert [each[:300] for each in answers if leaks_in(each.encode(), piece)] == []
        assert leaks_below([home], piece) == []
        assert not leaks_in("".join(platform.output).encode(), piece)
        assert [what for what, content in contents.items() if leaks_in(content, piece)] == []


def plant(platform: Platform) -> None:
    """Each canary is a secret, and all of them are parameters."""
    parameters = []
    for name, value in CANARIES.items():
        platform.client.put(f"/api/secrets/{name}", {"value": value, "description": f"canary {name[:3]}"})
        parameters.append({"name": f"p_{name.replace('-', '_')}", "type": "SECRET", "value": name})
    configure(platform, "AFTER", "canaries:tell", action={"parameters": parameters})
    action = {"parameters": parameters, "on_warning": "AFTER", "on_failure": None}
    seen = "{end: body.end, headers: headers, query: query}"
    configure(platform, "TELL", "canaries:tell", action=action, payload=seen)
    configure(platform, "SHELL", "canaries.sh", action={"parameters": parameters, "runtime": "shell"})


def use_them(platform: Platform) -> Iterator[str]:
    """Tasks are given them, and say them in every way."""
    lengths = {f"p_{name.replace('-', '_')}": len(value) for name, value in CANARIES.items()}
    for event_type, end, state in (
        ("TELL", "return", "SUCCESS"),
        ("TELL", "warn", "WARNING"),
        ("TELL", "raise", "ERROR"),
        ("SHELL", "", "ERROR"),
    ):
        fired = platform.client.post("/api/events", {"event_type": event_type, "payload": {"end": end}})
        event = platform.final(fired["id"])
        assert event["state"] == state, event
        assert "***" in json.dumps(event)
        if state in ("SUCCESS", "WARNING"):
            assert event["result_data"]["lengths"] == lengths, "it was given what was put"
        yield json.dumps(event, ensure_ascii=False)


def deliver(platform: Platform) -> Iterator[str]:
    """Callers prove themselves with them, rightly and wrongly, where a value is sent and where one signs."""
    plain, signs = CANARIES["plain"], CANARIES["unicode"]
    body = b'{"end": "return"}'
    signature = "sha256=" + hmac.new(signs.encode(), body, hashlib.sha256).hexdigest()
    ways: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("by-header", {"preset": "shared", "header": "X-Gate", "secret": "plain"}, {"headers": {"X-Gate": plain}}),
        ("by-query", {"preset": "shared", "query": "tokenid", "secret": "plain"}, {"params": {"tokenid": plain}}),
        ("by-bearer", {"preset": "bearer", "secret": "plain"}, {"headers": {"Authorization": f"Bearer {plain}"}}),
        ("by-signature", {"preset": "github", "secret": "unicode"}, {"headers": {"X-Hub-Signature-256": signature}}),
    ]
    for name, verify, proof in ways:
        source = {"name": name, "kind": "WEBHOOK", "event_types": ["TELL"], "verify": verify}
        platform.client.put(address("sources", name), source)
        url = platform.client.get(address("sources", name))["url"]
        told: dict[str, Any] = {"data": body}
        right = requests.post(f"{url}", **told, **proof, timeout=60)
        assert right.status_code == 202, right.text
        platform.final(right.json()["event_id"])
        wrong = requests.post(url, **told, headers={"X-Gate": f"{plain}x", "Authorization": "Basic eA=="}, timeout=60)
        assert wrong.status_code == 401, wrong.text
        nowhere = requests.post(f"{platform.client.url}/hooks/none", **told, **proof, timeout=60)
        assert nowhere.status_code == 404
        yield from (right.text, wrong.text, nowhere.text)


def misuse(platform: Platform) -> Iterator[str]:
    """Calls that are refused, with values in them."""
    admin = {"Authorization": f"Bearer {platform.ready['token']}"}
    everything = "".join(CANARIES.values())
    bodies: list[tuple[str, Any, Mapping[str, str]]] = [
        ("a_b", {"value": everything}, admin),
        ("new", {"value": everything * 400}, admin),
        ("new", {"value": [everything]}, admin),
        ("new", {"value": everything, "valeu": everything}, admin),
        ("new", {"value": "x", "description": {"a": everything}}, admin),
        ("plain", {"value": everything}, admin),
        ("plain", {"value": everything}, {**admin, "If-Match": '"other"'}),
        ("plain", {"value": everything}, {"Authorization": "Bearer nxt_nobody"}),
    ]
    for name, body, headers in bodies:
        answer = requests.put(f"{platform.client.url}/api/secrets/{name}", json=body, headers=headers, timeout=60)
        assert answer.status_code in (400, 401, 412), answer.text
        yield answer.text
    broken = json.dumps({"value": everything}).encode()[:-1]
    answer = requests.put(f"{platform.client.url}/api/secrets/new", data=broken, headers=admin, timeout=60)
    assert answer.status_code == 400
    yield answer.text


def everything_the_api_shows(platform: Platform) -> Iterator[str]:
    """Every GET of the table of routes, for every name and id there is."""
    client = platform.client
    ids = [each["id"] for each in client.get("/api/events?limit=200")["items"]]
    assert len(ids) >= 9
    named = {
        kind: [each["name"] for each in client.get(f"/api/{kind}")["items"]]
        for kind in ("sink-types", "actions", "event-types", "sources", "secrets", "sinks")
    }
    webhooks = [name for name in named["sources"] if name.startswith("by-")]
    shown = 0
    for route in sorted(ROUTES):
        method, path = route.split(" ")
        if method != "GET" or not path.startswith("/api/") or "session" in path:
            continue
        for one in _addresses(path, ids, named, webhooks, client):
            answer = requests.get(
                f"{client.url}{one}", headers={"Authorization": f"Bearer {platform.ready['token']}"}, timeout=60
            )
            shown += answer.status_code == 200
            yield f"{one} {answer.text} {dict(answer.headers)}"
    assert shown > 60


def _addresses(
    path: str, ids: list[str], named: Mapping[str, list[str]], webhooks: list[str], client: Any
) -> list[str]:
    if "{" not in path:
        return [path]
    if path.startswith("/api/events/"):
        return [path.replace("{id}", each) for each in ids]
    kind = path.split("/")[2]
    if "receipts" in path:
        lists = [path.split("/{id}")[0].replace("{name}", each) for each in webhooks]
        if "{id}" not in path:
            return lists
        return [f"{each}/{receipt['id']}" for each in lists for receipt in client.get(each)["items"]]
    return [path.replace("{name}", each) for each in named.get(kind, [])]


def inside_azurite(location: Path) -> Iterator[tuple[str, bytes]]:
    """Every column, message and blob, with what is compressed as it was before."""
    with start_azurite(location) as azurite:
        with TableServiceClient.from_connection_string(azurite.connection_string) as tables:
            for table in tables.list_tables():
                for entity in tables.get_table_client(table.name).list_entities():
                    for name, value in entity.items():
                        content = value if isinstance(value, bytes) else str(value).encode()
                        yield from unpacked(f"{table.name} {entity['RowKey']} {name}", content)
        with QueueServiceClient.from_connection_string(azurite.connection_string) as queues:
            for queue in queues.list_queues():
                for message in queues.get_queue_client(queue.name).peek_messages(32):
                    yield from unpacked(f"{queue.name} {message.id}", str(message.content).encode())
        with BlobServiceClient.from_connection_string(azurite.connection_string) as blobs:
            for container in blobs.list_containers():
                client = blobs.get_container_client(container.name)
                for blob in client.list_blobs():
                    yield from unpacked(f"{container.name} {blob.name}", client.download_blob(blob.name).readall())
