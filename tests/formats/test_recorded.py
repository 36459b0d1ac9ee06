"""This release opens what the ones before it stored, on both engines, and everything in it is there and goes on."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from hosting.azurite import start_azurite
from hub import telemetry
from hub.storage import codec
from hub.storage.azure import open_azure
from hub.storage.embedded import EmbeddedStorage, open_embedded, values
from hub.storage.keys import TABLES
from tests.formats import recorded, scenario
from tests.formats.record import record
from tests.functions.browsers import PASSWORD, Browser
from tests.functions.shell import PUBLIC_URL, Shell, opened_shell
from tests.unit.configuring import StepClock


@pytest.fixture(params=recorded.RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def export(release: str) -> dict[str, Any]:
    return recorded.export_of(release)


@pytest.fixture(scope="module")
def own_azurite() -> Iterator[str]:
    """Not the one of the run: its only configuration is the one recorded."""
    with start_azurite() as started:
        yield started.connection_string


@pytest.fixture(params=["embedded", pytest.param("azure", marks=pytest.mark.azurite)])
async def opened(
    request: pytest.FixtureRequest, release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shell]:
    """A hub of this release over what was recorded, at the time at which that ended."""
    export = recorded.export_of(release)
    monkeypatch.setattr("logging._logRecordFactory", telemetry.record)
    if request.param == "embedded":
        storage: Any = open_embedded(recorded.unpack(release, tmp_path), StepClock())
    else:
        storage = await open_azure(request.getfixturevalue("own_azurite"))
        await recorded.put_back(export, storage)
    async with opened_shell(storage=storage, first=1_000_000) as shell:
        shell.clock.seconds = export["known"]["seconds"] + 1
        yield shell


async def test_everything_is_there_and_goes_on(opened: Shell, export: dict[str, Any]) -> None:
    known = export["known"]
    await _events(opened, known)
    await _configuration(opened, known)
    await _people(opened, known)
    await _work(opened, known)
    verified = await opened.ok("GET", "/api/audit/verify")
    assert (verified["breaks"], verified["anchors_unreadable"]) == ([], 0)
    if isinstance(opened.hub.storage, EmbeddedStorage):
        assert (verified["anchors"], verified["anchors_met"]) == (1, 2)


async def _events(shell: Shell, known: dict[str, Any]) -> None:
    states = {name: (await shell.ok("GET", f"/api/events/{known[name]}"))["state"] for name in NAMES}
    assert states == NAMES
    listed = (await shell.ok("GET", "/api/events"))["items"]
    assert {each["id"] for each in listed} == {known[name] for name in NAMES}
    for name in ("done", "big"):
        lines = (await shell.ok("GET", f"/api/events/{known[name]}/logs"))["lines"]
        assert [line["text"] for line in lines] == ["line 1", "line 2"]
    assert (await shell.ok("GET", f"/api/events/{known['big']}"))["payload"] == scenario.LONG
    receipts = (await shell.ok("GET", "/api/sources/hook/receipts"))["items"]
    assert [each["verdict"] for each in receipts] == ["refused", "accepted"]
    assert (await shell.ok("GET", "/api/stats"))["total"]["fired"] >= 2
    (operation,) = (await shell.ok("GET", "/api/operations"))["items"]
    assert (operation["state"], operation["done"]) == ("DONE", 1)
    status = await shell("GET", known["status_url"].removeprefix(PUBLIC_URL), token=None)
    assert status.json["state"] == "SUCCESS"


NAMES = {"done": "SUCCESS", "big": "ERROR", "held": "RUNNING", "cancelled": "ERROR", "waiting": "QUEUED"}


async def _configuration(shell: Shell, known: dict[str, Any]) -> None:
    source = await shell.ok("GET", "/api/sources/hook")
    assert source["url"] == PUBLIC_URL + known["hook"]
    assert source["rate"]["limit"] == 100
    assert (await shell.ok("GET", "/api/sources/nightly"))["cron"] == "0 3 * * *"
    assert (await shell.ok("GET", "/api/event-types/GO"))["max_running"] == 5
    again = await shell("POST", known["hook"], {"n": 1}, token=None)
    assert again.json["event_id"] == known["done"], "the same delivery once more is the same event"


async def _people(shell: Shell, known: dict[str, Any]) -> None:
    assert (await shell.ok("GET", "/api/me", token=known["viewer"]))["role"] == "VIEWER"
    signed_in = await Browser(shell).sign_in("ada", PASSWORD)
    assert signed_in.status == 200


async def _work(shell: Shell, known: dict[str, Any]) -> None:
    """The sink of then reports what it holds, and takes what waits, with its secret."""
    credential = known["credential"]
    held = {"token": known["held_token"], "state": "SUCCESS", "data": 1}
    await shell.ok("POST", f"/agent/events/{known['held']}/result", held, token=credential)
    task = await shell.claim(credential)
    assert task["event_id"] == known["waiting"]
    url = f"/agent/events/{known['waiting']}"
    released = await shell.ok("POST", f"{url}/secrets", {"token": task["token"]}, token=credential)
    assert [each["value"] for each in released["secrets"]] == [scenario.SECRET]
    result = {"token": task["token"], "state": "SUCCESS", "data": 2}
    await shell.ok("POST", f"{url}/result", result, token=credential)
    for name in ("held", "waiting"):
        assert (await shell.ok("GET", f"/api/events/{known[name]}"))["state"] == "SUCCESS"


async def test_what_is_written_now_has_the_shape_of_its_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other columns, or other fields in them, are another format: give it a number, and record it."""
    monkeypatch.setattr("logging._logRecordFactory", telemetry.record)
    now = recorded.shape(await record(tmp_path))
    known = recorded.shape(recorded.export_of(recorded.RELEASES[-1]))
    assert now == known


def test_the_recording_has_rows_of_every_table_and_each_says_its_format(export: dict[str, Any]) -> None:
    assert {row[0] for row in export["rows"]} == set(TABLES)
    for table, partition, key, text in export["rows"]:
        columns = values.decode(text)
        said = json.loads(str(columns["mark"])) if (partition, key) == ("reconcile", "mark") else columns
        assert said["format"] == 1, (table, partition, key)
    assert {json.loads(body)["format"] for _, body in export["messages"]} == {codec.FORMAT}
    assert export["blobs"]


def test_a_column_more_is_another_shape(export: dict[str, Any]) -> None:
    changed = copy.deepcopy(export)
    row = next(row for row in changed["rows"] if row[0] == "events")
    row[3] = values.encode({**values.decode(row[3]), "new": 1})
    assert recorded.shape(changed) != recorded.shape(export)
