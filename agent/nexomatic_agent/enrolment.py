"""Becoming a sink: an enrolment token for an identity."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from pathlib import Path
from typing import Callable, Optional

from nexomatic_agent.answers import Transient
from nexomatic_agent.client import Client
from nexomatic_agent.config import Settings
from nexomatic_agent.files import UnreadableDocument, make_private_folder, read_document, remove, write_document
from nexomatic_agent.hub_watch import HubWatch
from nexomatic_agent.identity import Identity, Instances
from nexomatic_agent.retry import Backoff
from nexomatic_agent.trust import trust
from nexomatic_agent.unsealing import public_key


class CannotEnrol(Exception):
    """There is nothing to enrol with, or the hub refused it."""


def enrol(settings: Settings, draw: Callable[[], float], stop: Optional[threading.Event] = None) -> Identity:
    """Enrol and keep the identity. Tries again while the hub does not answer, until `stop` is set.

    Raises CannotEnrol, BadBundle, Refused, Unauthorised, OSError.
    """
    if settings.hub is None or settings.token is None:
        raise CannotEnrol("enrolment needs the hub's address and an enrolment token: set hub, and token or token_file")
    client = Client(settings.hub, None, trust(settings.ca_bundle))
    backoff, watch = Backoff(draw), HubWatch("enrolment", time.monotonic)
    waiting = stop or threading.Event()
    make_private_folder(settings.state)
    started = _Started(settings.state, [settings.hub, settings.token, settings.name])
    seal_to = public_key(settings.state) if settings.seal_secrets else None
    while True:
        try:
            given = client.enrol(settings.token, settings.name, started.nonce, seal_to)
            break
        except Transient as error:
            watch.failed(error)
            if waiting.wait(backoff.failed(error.retry_after)):
                raise CannotEnrol("stopped before the hub answered") from None
    watch.succeeded()
    identity = Identity(settings.hub, given["sink"], given["sink_type"], given["credential"])
    Instances(settings.state).forget()
    identity.save(settings.state)
    started.over()
    return identity


class _Started:
    """An enrolment under way, on disk.

    The hub answers it again to whoever knows its nonce: the first answer may be lost on the way, or by a crash before
    the identity is on disk, and the token used up by then.
    """

    def __init__(self, folder: Path, said: list[str]) -> None:
        """Take up the one that said the same, or begin anew. Raises OSError."""
        self._path = folder / "enrolment.json"
        digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        found = self._read()
        if found.get("said") == digest and isinstance(found.get("nonce"), str):
            self.nonce = str(found["nonce"])
        else:
            self.nonce = secrets.token_urlsafe(32)
            write_document(self._path, {"said": digest, "nonce": self.nonce})

    def over(self) -> None:
        """The identity is on disk. Raises OSError."""
        remove(self._path)

    def _read(self) -> dict[str, object]:
        try:
            return read_document(self._path)
        except (FileNotFoundError, UnreadableDocument):
            return {}
