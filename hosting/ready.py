"""`ready.json`: where the running platform is, for programs that use it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path


class Ready:
    """Written when everything is up, kept true while processes come and go, removed at the end."""

    def __init__(self, path: Path, url: str, token: str) -> None:
        self._path = path
        self._url = url
        self._token = token
        self._user: str | None = None
        self._password: str | None = None
        self._pids: dict[str, int] = {}
        self._written = False
        self._lock = threading.Lock()
        path.unlink(missing_ok=True)  # of a run that was killed: nothing in it is true any more

    def pids_changed(self, pids: Mapping[str, int]) -> None:
        """A process came or went. Called from the supervisor's threads."""
        with self._lock:
            self._pids = dict(pids)
            if self._written:
                self._write()

    def write(self, user: str | None, password: str | None) -> None:
        """Everything is up. `password`: the user's first one, for as long as it is not changed."""
        with self._lock:
            self._written = True
            self._user, self._password = user, password
            self._write()

    def remove(self) -> None:
        """Nothing is up any more."""
        with self._lock:
            self._written = False
            self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        document = {
            "url": self._url,
            "user": self._user,
            "password": self._password,
            "token": self._token,
            "pids": self._pids,
        }
        draft = self._path.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file, indent=2)
        draft.replace(self._path)  # whoever reads it sees the old one or the new one, never half of it
