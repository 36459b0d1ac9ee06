"""Secrets on real processes: tasks say theirs in every way, and nothing the platform wrote or answered holds them."""

from __future__ import annotations

import json
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from agent_testing.leaks import CANARY, leaks_below, leaks_in

from hosting.hub_client import Refused, address
from hub.process import DATABASE
from hub.storage.embedded import values
from tests.e2e.conftest import configure
from tests.e2e.local_platform import ROOT, Platform

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

ROTATED = f"{CANARY[::-1]}-rotated"
SHELL = r"""
echo "plain $NEXOMATIC_PARAM_TOKEN"
printf '%s' "$NEXOMATIC_PARAM_TOKEN" | base64
escaped=$(printf '%s' "$NEXOMATIC_PARAM_TOKEN" | sed 's/"/\\"/g')
printf '{"state": "WARNING", "code": "SAID", "message": "it was %s"}' "$escaped" > "$NEXOMATIC_RESULT"
"""


@pytest.fixture
def leaky(tmp_path: Path) -> Iterator[Platform]:
    """A platform with modules that say their secrets."""
    home = tmp_path / "home"
    (home / "modules").mkdir(parents=True)
    shutil.copy(ROOT / "agent/tests/modules/leaky.py", home / "modules")
    (home / "modules/leaky.sh").write_text(SHELL)
    with Platform(home) as running:
        yield running


def test_no_value_is_in_anything_that_was_written_or_answered(leaky: Platform, tmp_path: Path) -> None:
    client = leaky.client
    names_it = {"parameters": [{"name": "token", "type": "SECRET", "value": "api-token"}]}
    client.put("/api/secrets/api-token", {"value": CANARY, "description": "for the tests"})
    configure(leaky, "ARCHIVE", "leaky:tell", action=names_it)
    configure(leaky, "TELL", "leaky:tell", action={**names_it, "on_success": "ARCHIVE"})
    configure(leaky, "FAIL", "leaky:fail", action=names_it)
    configure(leaky, "HOLD", "leaky:hold", action=names_it)
    configure(leaky, "SHELL", "leaky.sh", action={**names_it, "runtime": "shell"})

    say_secrets(leaky)
    lose_the_sink(leaky, tmp_path)
    name_one_that_is_not_there(leaky)
    rotate(leaky)

    answers = list(everything_the_api_answers(leaky))
    assert "***" in "".join(answers)
    leaky.stop()
    contents = dict(inside_the_database(leaky.home / DATABASE))
    assert any("unpacked" in what and b"***" in content for what, content in contents.items()), "no log was looked at"
    for value in (CANARY, ROTATED):
        assert [each[:300] for each in answers if leaks_in(each.encode(), value)] == []
        assert leaks_below([leaky.home], value) == []
        assert not leaks_in("".join(leaky.output).encode(), value)
        assert [what for what, content in contents.items() if leaks_in(content, value)] == []


def say_secrets(platform: Platform) -> None:
    """In logs, results and messages, by Python and by a script; a follow-on carries what its parent said."""
    told = platform.final(fire(platform, "TELL"))
    assert told["state"] == "SUCCESS"
    assert (told["result_data"]["length"], told["result_data"]["in the environment"]) == (len(CANARY), True)
    assert platform.final(told["follow_on"])["payload"]["parent"]["result_data"]["plain"] == "***"
    failed = platform.final(fire(platform, "FAIL"))
    assert failed["result_message"].startswith("login with *** failed")
    shell = platform.final(fire(platform, "SHELL"))
    assert (shell["state"], shell["result_code"], shell["result_message"]) == ("WARNING", "SAID", "it was ***")


def lose_the_sink(platform: Platform, folder: Path) -> None:
    """kill -9 in the middle of a task that holds its secret."""
    killed = fire(platform, "HOLD", {"folder": str(folder)})
    platform.until((folder / "pid").exists, 60)
    dead = platform.kill("sink")
    assert leaks_below([platform.home], CANARY) == []
    platform.until_restarted("sink", dead)
    platform.until(
        lambda: bool(platform.client.get(f"/api/events/{killed}")["attempts"][0]["outcome"] == "RETURNED"), 60
    )
    platform.client.post(f"/api/events/{killed}/cancel", {})


def name_one_that_is_not_there(platform: Platform) -> None:
    """Refused when it is saved; imported nevertheless, it ends the event before its module starts."""
    parameters = [{"name": "token", "type": "SECRET", "value": "other"}]
    action = {"name": "do-LATER", "runtime": "python", "module": "leaky:tell", "parameters": parameters}
    with pytest.raises(Refused, match="there is no secret other"):
        platform.client.put(address("actions", "do-LATER"), action)
    applied = platform.client.put("/api/configuration?secrets=later", {"actions": [action]})
    assert applied["missing_secrets"] == [{"name": "other", "named_by": ["actions/do-LATER"]}]
    event_type = {"name": "LATER", "sink_type": "PYTHON:BASE", "action": "do-LATER"}
    platform.client.put(address("event-types", "LATER"), event_type)
    event = platform.final(fire(platform, "LATER"))
    assert (event["state"], event["result_code"]) == ("ERROR", "SECRET_UNAVAILABLE")
    assert "there is no secret other (for the parameter token)" in event["result_message"]


def rotate(platform: Platform) -> None:
    answer = requests.put(
        f"{platform.client.url}/api/secrets/api-token",
        json={"value": ROTATED},
        headers={"If-Match": "*", "Authorization": f"Bearer {platform.ready['token']}"},
        timeout=30,
    )
    assert answer.status_code == 200
    assert platform.final(fire(platform, "TELL"))["result_data"]["length"] == len(ROTATED)


def fire(platform: Platform, event_type: str, payload: Any = None) -> str:
    event_id: str = platform.client.post("/api/events", {"event_type": event_type, "payload": payload or {}})["id"]
    return event_id


def everything_the_api_answers(platform: Platform) -> Iterator[str]:
    """Every list and document, every event with its log."""
    paths = ["secrets", "secrets/api-token", "configuration", "sinks", "tokens", "events?limit=200", "openapi.json"]
    found = {path: platform.client.get(f"/api/{path}") for path in paths}
    for event in found["events?limit=200"]["items"]:
        for path in (f"events/{event['id']}", f"events/{event['id']}/logs"):
            found[path] = platform.client.get(f"/api/{path}")
    assert len(found) > 10
    for path, document in found.items():
        yield f"{path} {json.dumps(document, ensure_ascii=False)}"


def inside_the_database(file: Path) -> Iterator[tuple[str, bytes]]:
    """Every column, message and blob, with what is compressed or in base64 as it was before."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT tbl, key, columns FROM rows").fetchall()
        assert {table for table, _, _ in rows} >= {"events", "secrets", "configuration"}
        for table, key, columns in rows:
            for name, value in values.decode(columns).items():
                content = value if isinstance(value, bytes) else str(value).encode()
                yield from unpacked(f"{table} {key} {name}", content)
        for number, body in connection.execute("SELECT id, body FROM messages"):
            yield f"message {number}", body.encode()
        for number, data in connection.execute("SELECT number, data FROM pieces"):
            yield from unpacked(f"blob {number}", data)


def unpacked(what: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The content, and what it was before it was compressed, if it was."""
    yield what, content
    if content[:1] == b"\x78":
        with suppress(zlib.error):  # what is encrypted may begin so too
            yield f"{what}, unpacked", zlib.decompress(content)
