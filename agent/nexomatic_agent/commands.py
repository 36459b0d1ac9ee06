"""What the hub has told this sink to do: carried out once, whatever is repeated, and whatever becomes of the process.

The last command is kept on disk before anything is done about it. A process that starts and finds there that it was to
restart or stop is the one after: the command is done. So no command can end two processes.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any, Callable, Optional

from nexomatic_agent.files import UnreadableDocument, read_document, write_document

log = logging.getLogger(__name__)

DRAIN, RESUME, RESTART, STOP = "drain", "resume", "restart", "stop"
TAKEN, DONE, FAILED = "TAKEN", "DONE", "FAILED"


def known(started_again: bool) -> list[str]:
    """The commands this agent can carry out. `started_again`: whatever ends here, so there is no stopping it."""
    return [DRAIN, RESUME, RESTART] if started_again else [DRAIN, RESUME, RESTART, STOP]


def is_started_again() -> bool:
    """Whether a process that ends here is started again however it ends: a container of Kubernetes is."""
    return "KUBERNETES_SERVICE_HOST" in os.environ


class Commands:
    """The last command, and whether this sink is to drain. Any thread may call it."""

    def __init__(self, folder: Path, begun: Callable[[str], None], names: list[str]) -> None:
        """`begun` is told of each new command, once. Raises UnreadableDocument, OSError."""
        self._path = folder / "command.json"
        self._begun = begun
        self._names = names
        self._lock = threading.Lock()
        self._said, self.drained = self._read()

    def take(self, command: str, command_id: str) -> bool:
        """The hub said this. Whether it is new; what is not known, or was heard before, is nothing."""
        with self._lock:
            if command not in self._names or (self._said is not None and self._said["id"] == command_id):
                return False
            drained = command == DRAIN if command in (DRAIN, RESUME) else self.drained
            said = {"id": command_id, "command": command, "state": DONE if command == RESUME else TAKEN}
            try:
                write_document(self._path, {**said, "drained": drained})
            except OSError as error:
                log.error("the command %s cannot be kept, and is not carried out: %s", command, error)
                self._said = {**said, "state": FAILED}
                return True
            self._said, self.drained = said, drained
        log.info("the hub says: %s", command)
        self._begun(command)
        return True

    def status(self, empty: bool) -> Optional[dict[str, str]]:
        """What a poll says of it; `empty`: nothing is in hand."""
        with self._lock:
            if self._said is not None and self._said["state"] == TAKEN and self._said["command"] == DRAIN and empty:
                self._said = {**self._said, "state": DONE}
            return self._said

    @property
    def ending(self) -> Optional[str]:
        """`restart` or `stop`, if this process is to end because of it."""
        said = self._said
        if said is None or said["state"] != TAKEN or said["command"] not in (RESTART, STOP):
            return None
        return said["command"]

    def stopped(self) -> None:
        """This process ends now, as it was told to: the hub is to know."""
        with self._lock:
            if self._said is not None:
                self._said = {**self._said, "state": DONE}

    def _read(self) -> tuple[Optional[dict[str, str]], bool]:
        try:
            document: dict[str, Any] = read_document(self._path)
        except FileNotFoundError:
            return None, False
        try:
            said = {name: str(document[name]) for name in ("id", "command", "state")}
            drained = document["drained"] is True
        except KeyError as error:
            raise UnreadableDocument(f"{self._path} has no {error}") from None
        if said["command"] in (RESTART, STOP):
            said["state"] = DONE
        return said, drained


def forget(folder: Path) -> None:
    """A new credential begins without a past. Raises OSError."""
    (folder / "command.json").unlink(missing_ok=True)
