"""Results that the hub has not recorded yet, on disk; and those it will not take, kept aside for people."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from nexomatic_agent.files import (
    make_private_folder,
    read_head,
    read_more,
    remove,
    remove_half_written,
    write_document,
)
from nexomatic_agent.intents import TaskResult

LOST_KEPT = 100
"""So many results without a lease are kept, the newest."""


@dataclass(frozen=True)
class Spooled:
    """A result, and the lease it is reported under."""

    event_id: str
    attempt: int
    token: str
    lease_seconds: float
    result: TaskResult


class Spool:
    """One file a result: it, and behind it what is left of its log, a chunk a line, so that a long one is never held
    as a whole."""

    def __init__(self, folder: Path, lost: Path) -> None:
        """Raises OSError."""
        self._folder = make_private_folder(folder)
        self._lost = make_private_folder(lost)

    def sweep(self) -> None:
        """Remove what a kill left half written. Raises OSError."""
        for folder in (self._folder, self._lost):
            remove_half_written(folder)

    def write(self, key: str, spooled: Spooled, logs: Iterable[dict[str, Any]]) -> None:
        """Raises OSError."""
        write_document(self._folder / f"{key}.json", {**vars(spooled), "result": vars(spooled.result)}, logs)

    def read(self, key: str) -> Optional[Spooled]:
        """None if there is none. Raises UnreadableDocument, KeyError, TypeError, OSError."""
        try:
            document = read_head(self._folder / f"{key}.json")
        except FileNotFoundError:
            return None
        fields = {name: document[name] for name in Spooled.__dataclass_fields__}
        return Spooled(**{**fields, "result": TaskResult(**document["result"])})

    def logs(self, key: str) -> Iterator[dict[str, Any]]:
        """The chunks of log. Raises UnreadableDocument, OSError while they are read."""
        return read_more(self._folder / f"{key}.json")

    def keys(self) -> list[str]:
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def remove(self, key: str) -> None:
        """Raises OSError."""
        remove(self._folder / f"{key}.json")

    def keep_aside(self, key: str, reason: str, result: TaskResult) -> None:
        """Keep a result the hub did not take, for whoever asks what became of it. Raises OSError."""
        write_document(self._lost / f"{key}.json", {"reason": reason, "result": vars(result)})
        kept = sorted(self._lost.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        for path in kept[:-LOST_KEPT]:
            with contextlib.suppress(OSError):
                path.unlink()
