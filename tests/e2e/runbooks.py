"""The commands of the runbooks, and a platform that has what they name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from hosting import backup
from hosting.hub_client import HubClient, address
from tests.e2e.local_platform import ROOT, Platform
from tests.e2e.nexo import Nexo

RUNBOOKS = sorted((ROOT / "docs/runbooks").glob("*.md"))
SECONDS = 30.0
INVITED = "four words and a bit"


def commands(path: Path, what: str) -> list[list[str]]:
    """Those in a runbook's blocks of this kind, word by word."""
    blocks = re.findall(rf"^```sh {what}\n(.*?)^```$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [line.split() for line in "".join(blocks).splitlines()]


@dataclass(frozen=True)
class Stolen:
    """What somebody has who should not; each says whether it is still good."""

    uses: Mapping[str, Callable[[], bool]]


def prepare(platform: Platform) -> Stolen:
    """What the runbooks name, made anew: a sink, a token, a user who has signed in, a webhook, a secret."""
    client = platform.client
    url = platform.ready["url"]
    common = {"sink_type": "PYTHON:BASE", "action": "runbook"}
    client.put("/api/actions/runbook", {"name": "runbook", "runtime": "python", "module": "m:f"})
    client.put("/api/sink-types/NOBODY", {"name": "NOBODY"})
    client.put("/api/event-types/UNWANTED", {"name": "UNWANTED", **common, "sink_type": "NOBODY"})
    client.delete("/api/sources/github")  # the tutorial's, if that was run before
    client.put("/api/sources/github", {"name": "github", "kind": "WEBHOOK", "event_types": ["UNWANTED"]})
    if client.get("/api/secrets/api-token") is None:
        client.put("/api/secrets/api-token", {"value": "old"})
    hook = client.get("/api/sources/github")["url"]
    for kind, name in (("sinks", "office-1"), ("tokens", "ci"), ("users", "ben")):
        client.delete(address(kind, name))
    enrolment = client.post("/api/enrolments", {"sink_type": "PYTHON:BASE"})["token"]
    said = {"token": enrolment, "name": "office-1", "version": "1"}
    credential = requests.post(f"{url}/agent/enroll", json=said, timeout=SECONDS).json()["credential"]
    token = client.post("/api/tokens", {"name": "ci", "role": "VIEWER", "expires_at": None})["token"]
    nothing = f"{url}/agent/events/01KN0000000000000000000000/renew"
    return Stolen(
        {
            "sink": lambda: _status("POST", nothing, {"token": "none"}, credential) != 401,
            "token": lambda: _status("GET", f"{url}/api/me", None, token) != 401,
            "session": _session(client, url),
            "webhook": lambda: _status("POST", hook, {}, None) != 404,
        }
    )


def _session(client: HubClient, url: str) -> Callable[[], bool]:
    """Of ben, who has signed in."""
    client.post("/api/users", {"name": "ben", "role": "VIEWER", "password": INVITED})
    browser = requests.Session()
    signed_in = browser.post(
        f"{url}/api/session", json={"user": "ben", "password": INVITED}, headers={"origin": url}, timeout=SECONDS
    )
    assert signed_in.ok, signed_in.text
    return lambda: browser.get(f"{url}/api/session", timeout=SECONDS).status_code == 200


def _status(method: str, url: str, body: Any, credential: str | None) -> int:
    headers = {"authorization": f"Bearer {credential}"} if credential else {}
    return requests.request(method, url, json=body, headers=headers, timeout=SECONDS).status_code


def do(path: Path, nexo: Nexo, platform: Platform, folder: Path) -> Iterator[str]:
    """Run what a runbook says to do, in order; each command, when it has ended well."""
    places: dict[str, str] = {"HOME": str(platform.home), "COPIES": str(folder / "copies")}
    if path.name == "restore-from-backup.md":
        taken = backup.take(backup.settings_of(platform.home), folder / "backups")
        places |= {"HOME": str(folder / "fresh"), "BACKUP": str(taken), "FILE": str(platform.home / "root.key")}
    for words in commands(path, "do"):
        program, *arguments = [places.get(word, word) for word in words]
        if program == "nexo":
            nexo(*arguments, stdin="a value\n")
        else:
            assert words[:3] == ["python", "-m", "hosting.backup"], words
            assert backup.main(arguments[2:]) == 0, words
        yield " ".join(words)
