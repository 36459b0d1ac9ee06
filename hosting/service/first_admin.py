"""The first admin of a new hub: a user `admin`, with a password in a file that only the service's account can read.

Not in the log, which others read too. The user is made through the hub's own API, so that the audit knows of it: by a
hub on a port of its own that is stopped again, under a token that nobody ever sees.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hosting.errors import DidNotStart
from hosting.hub_client import HubClient

USER = "admin"
PASSWORD = "first-password"  # noqa: S105 - the name of the file
MADE = "first-admin.made"
_BY_SETTINGS = ("NEXOMATIC_FIRST_ADMIN", "NEXOMATIC_FIRST_ADMIN_TOKEN_SHA256")
_SERVING = re.compile(r" serving (http://127\.0\.0\.1:\d+):")
_STOP_SECONDS = 60.0


def make(app: Path, data: Path, environ: Mapping[str, str]) -> None:
    """Make the user, unless that was done before or the settings name another first admin. Raises HostingError.

    Killed at any line, the next start goes on: the password is kept before it is used.
    """
    if (data / MADE).exists() or any(environ.get(each) for each in _BY_SETTINGS):
        return
    password = _kept_password(data / PASSWORD)
    token = f"nxt_{secrets.token_urlsafe(32)}"
    told = {**environ, _BY_SETTINGS[1]: hashlib.sha256(token.encode()).hexdigest()}
    told.pop("NOTIFY_SOCKET", None)  # it is not the service
    command = [sys.executable, "-m", "hosting.host", "--app", str(app), "--home", str(data / "host"), "--port", "0"]
    with subprocess.Popen(  # noqa: S603 - our own
        command, cwd=app, env=told, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as hub:
        try:
            client = HubClient(_address(hub), token)
            if not client.get("/api/users?limit=1")["items"]:
                client.post("/api/users", {"name": USER, "role": "ADMIN", "password": password})
        finally:
            hub.terminate()
            hub.communicate(timeout=_STOP_SECONDS)
    (data / MADE).touch(0o600)
    print(f"the user {USER} has a first password: run `nexomatic-hub first-password` to see it", flush=True)


def _address(hub: subprocess.Popen[str]) -> str:
    assert hub.stdout is not None
    said: list[str] = []
    for line in hub.stdout:
        said.append(line)
        if found := _SERVING.search(line):
            return found[1]
    raise DidNotStart("".join(["the hub did not start to make its first admin; its words:\n", *said[-20:]]))


def _kept_password(path: Path) -> str:
    if not path.exists():
        draft = path.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{secrets.token_urlsafe(12)}\n")
        draft.replace(path)
    return path.read_text("ascii").strip()
