"""The main job on real processes: what a new user meets first."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from hosting.hub_client import address
from tests.e2e.conftest import MODULES, configure
from tests.e2e.local_platform import ROOT, Platform, free_port

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


@pytest.mark.parametrize("storage", ["embedded", pytest.param("azurite", marks=pytest.mark.azurite)])
def test_make_run_shows_a_real_delivery_and_goes_on_where_it_stopped(tmp_path: Path, storage: str) -> None:
    first = Platform(tmp_path / "home", storage)
    with first:
        ready = first.ready
        assert stat.S_IMODE(first.ready_file.stat().st_mode) == 0o600
        assert set(ready["pids"]) >= {"hub", "sink"}
        assert all(Path(f"/proc/{pid}").exists() for pid in ready["pids"].values())
        events = first.client.get("/api/events")["items"]
        sign_in_and_choose_a_password(ready)
        assert first.stop() == 0
    printed = "".join(first.output)
    assert f"as admin, password {ready['password']} (" in printed
    assert "RELEASE_NOTE on local: SUCCESS" in printed
    assert "RELEASE_NOTE_ARCHIVE on local: SUCCESS" in printed
    assert "Initial commit (Codertocat" in printed
    assert ready["token"] not in printed
    assert "did not end within" not in printed, "a stop that cuts off the poll which the hub holds"
    assert not first.ready_file.exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in ready["pids"].values())

    second = Platform(tmp_path / "home", storage)
    with second:
        assert second.ready["token"] == ready["token"]
        assert (second.ready["user"], second.ready["password"]) == ("admin", None)
        again = second.client.get("/api/events")["items"]
    assert {each["id"] for each in events} < {each["id"] for each in again}
    assert "loaded from examples/" not in "".join(second.output), "what is there is left as it is"


def sign_in_and_choose_a_password(ready: dict[str, Any]) -> None:
    """As a browser does it, through the host, which writes cookies its own way."""
    url = ready["url"]
    with requests.Session() as browser:
        browser.headers["Origin"] = url
        body = {"user": ready["user"], "password": ready["password"]}
        said = browser.post(f"{url}/api/session", json=body, timeout=10).json()
        assert (said["role"], said["must_change_password"]) == (None, True)
        browser.headers["X-CSRF-Token"] = said["csrf_token"]
        assert browser.get(f"{url}/api/events", timeout=10).status_code == 403
        new = {"password": ready["password"], "new_password": "four words and a bit"}
        said = browser.put(f"{url}/api/me/password", json=new, timeout=10).json()
        assert said["role"] == "ADMIN"
        assert browser.get(f"{url}/api/users", timeout=10).status_code == 200


def test_a_webhook_is_answered_with_where_to_ask(platform: Platform) -> None:
    url = platform.client.get(address("sources", "machine-report"))["url"]

    answer = requests.post(url, json={"disk": "/"}, timeout=10)

    assert answer.status_code == 202
    said = answer.json()
    platform.final(said["event_id"])
    status = requests.get(said["status_url"], timeout=10).json()
    assert status["event_id"] == said["event_id"]
    assert status["state"] in ("SUCCESS", "WARNING")
    assert set(status) == {"event_id", "state", "result_code", "finished_at"}
    forged = said["status_url"][:-4] + "AAAA"
    assert requests.get(forged, timeout=10).status_code == 404


def test_a_failing_job_runs_its_failure_handler(platform: Platform) -> None:
    fired = platform.client.post("/api/events", {"event_type": "BACKUP_CHECK"})

    event = platform.final(fired["id"])

    assert (event["state"], event["result_code"], len(event["attempts"])) == ("ERROR", "NoBackup", 2)
    handler = platform.final(event["follow_on"])
    assert (handler["event_type"], handler["state"]) == ("BACKUP_INCIDENT", "SUCCESS")
    (line,) = (platform.home / "output/incidents.jsonl").read_text().splitlines()
    assert json.loads(line)["event"] == event["id"]
    lines = platform.client.get(f"/api/events/{event['id']}/logs")
    assert lines["complete"]
    assert any("NoBackup" in each["text"] for each in lines["lines"])


def test_a_failing_job_without_a_handler_is_told_of_as_the_examples_tell(platform: Platform) -> None:
    configure(platform, "BROKEN", "tally:missing")
    first = platform.final(platform.client.post("/api/events", {"event_type": "BROKEN"})["id"])

    told = platform.final(first["alert"])

    assert (told["event_type"], told["source_kind"], told["state"]) == ("HUB.FAILED", "HUB", "SUCCESS")
    assert f"event id: {first['id']}" in (platform.home / "output/alerts.txt").read_text()

    # Now in a chat, as the file to apply says: the same alert, fired by hand to try it.
    with _chat() as (address_, posts):
        platform.client.put("/api/secrets/chat-webhook", {"value": address_})
        documents = json.loads((ROOT / "examples/alerts/by-chat.json").read_text())
        platform.client.put("/api/configuration", documents)
        tried = {"event_type": "HUB.FAILED", "payload": {"alert": "HUB.FAILED", "message": "only a test"}}
        assert platform.final(platform.client.post("/api/events", tried)["id"])["state"] == "SUCCESS"
    assert [post["text"].splitlines()[0] for post in posts] == ["only a test"]


@contextmanager
def _chat() -> Iterator[tuple[str, list[Any]]]:
    """The address of an incoming webhook, and what is posted to it."""
    posts: list[Any] = []

    class Taking(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Not on the tests' output."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/hooks/x", posts
        server.shutdown()
        thread.join()


def test_limits_are_refused_with_words(platform: Platform) -> None:
    url = platform.client.get(address("sources", "machine-report"))["url"]
    largest = b'"' + b"x" * (4 * 1024 * 1024 - 2) + b'"'
    as_json = {"Content-Type": "application/json"}

    fits = requests.post(url, data=largest, headers=as_json, timeout=30)
    too_large = requests.post(url, data=largest + b" ", headers=as_json, timeout=30)
    invalid = requests.post(url, data=b'{"a": 1,\n "a": 2}', headers=as_json, timeout=10)
    chunked = requests.post(url, data=iter([b"{}"]), headers=as_json, timeout=10)
    encoded = requests.post(url, data=b"{}", headers={**as_json, "Content-Encoding": "gzip"}, timeout=10)

    assert fits.status_code == 202
    assert platform.final(fits.json()["event_id"])["state"] in ("SUCCESS", "WARNING")
    assert (too_large.status_code, chunked.status_code, encoded.status_code) == (413, 411, 415)
    assert invalid.status_code == 400
    assert "line 2" in invalid.json()["detail"] or "/a" in invalid.json()["detail"]


def test_a_second_platform_on_the_same_data_is_refused_with_words(platform: Platform) -> None:
    command = [sys.executable, "-m", "hosting.run"]
    environ = {**os.environ, "NEXOMATIC_HOME": str(platform.home), "NEXOMATIC_PORT": str(free_port())}

    second = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)

    assert second.returncode == 1
    assert "is in use by process" in second.stderr
    assert platform.ready["pids"], "the first goes on"
    assert platform.client.get("/api/events") is not None


def test_a_killed_sink_hands_back_and_the_history_says_so(platform: Platform, tmp_path: Path) -> None:
    configure(platform, "TALLY", "tally:mark")
    marks = tmp_path / "marks"
    marks.mkdir()
    fired = platform.client.post(
        "/api/events", {"event_type": "TALLY", "payload": {"folder": str(marks), "seconds": 5}}
    )
    started = marks / f"{fired['id']}.1.started"
    platform.until(lambda: started.exists() and started.read_text() != "", 60)
    child = int(started.read_text())

    dead = platform.kill("sink")

    platform.until_restarted("sink", dead)
    event = platform.final(fired["id"])
    assert event["state"] == "SUCCESS"
    assert [each["outcome"] for each in event["attempts"]] == ["RETURNED", "SUCCESS"]
    assert not (marks / f"{fired['id']}.1.done").exists(), "what the dead sink left running was killed"
    assert not Path(f"/proc/{child}").exists()


def test_a_killed_hub_loses_no_acknowledged_event(platform: Platform, tmp_path: Path) -> None:
    configure(platform, "TALLY", "tally:mark")
    marks = tmp_path / "marks"
    marks.mkdir()
    acknowledged: list[str] = []
    for number in range(60):
        if number in (15, 40):
            dead = platform.kill("hub")
        try:
            fired = platform.client.post("/api/events", {"event_type": "TALLY", "payload": {"folder": str(marks)}})
            acknowledged.append(fired["id"])
        except (requests.ConnectionError, requests.Timeout):
            platform.until_restarted("hub", dead)
            platform.until(lambda: platform.client.get("/api/health") is not None, 60)

    events = [platform.final(event_id) for event_id in acknowledged]

    assert len(acknowledged) >= 55
    assert {each["state"] for each in events} == {"SUCCESS"}
    for event in events:
        outcomes = [each["outcome"] for each in event["attempts"]]
        assert outcomes[-1] == "SUCCESS"
        assert (marks / f"{event['id']}.{len(outcomes)}.done").exists()
        assert set(outcomes[:-1]) <= {"LOST", "RETURNED", "NOT_STARTED"}


def test_a_sink_that_is_told_to_stop_ends_its_work_first(tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(MODULES, home / "modules")
    marks = tmp_path / "marks"
    marks.mkdir()
    platform = Platform(home)
    with platform:
        configure(platform, "TALLY", "tally:mark")
        fired = platform.client.post(
            "/api/events", {"event_type": "TALLY", "payload": {"folder": str(marks), "seconds": 2}}
        )
        platform.until((marks / f"{fired['id']}.1.started").exists, 60)
        os.kill(platform.pid("sink"), 15)
        event = platform.final(fired["id"])
    assert [each["outcome"] for each in event["attempts"]] == ["SUCCESS"]


def test_the_example_delivery_is_what_github_recorded() -> None:
    package = ROOT / "node_modules/@octokit/webhooks-examples/api.github.com/index.json"
    recorded = [
        example for kind in json.loads(package.read_text()) if kind["name"] == "push" for example in kind["examples"]
    ]
    assert json.loads((ROOT / "examples/deliveries/github-push.json").read_text()) in recorded
