"""What this agent has in hand, on disk: after a crash it knows what to kill and what to hand back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from nexomatic_agent.attempt import attempt_key
from nexomatic_agent.files import make_private_folder, read_document, remove, remove_half_written, write_document


@dataclass(frozen=True)
class Claim:
    """An attempt that was taken on. `mark` is in the environment of everything its task starts."""

    event_id: str
    attempt: int
    token: str
    lease_seconds: float
    mark: str
    started: bool
    """Its child may have run."""

    @property
    def key(self) -> str:
        return attempt_key(self.event_id, self.attempt)


class Journal:
    """One file a claim, and one for its process once there is one."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError."""
        self._folder = make_private_folder(folder)

    def write(self, claim: Claim) -> None:
        """Raises OSError; then the claim is not on disk, or as it was before."""
        write_document(self._folder / f"{claim.key}.json", vars(claim).copy())

    def note_process(self, key: str, process: dict[str, Any]) -> None:
        """Add what identifies the task's process. Raises OSError."""
        write_document(self._folder / f"{key}.process", process)

    def process(self, key: str) -> Optional[dict[str, Any]]:
        """Raises UnreadableDocument, OSError."""
        try:
            return read_document(self._folder / f"{key}.process")
        except FileNotFoundError:
            return None

    def read(self, key: str) -> Claim:
        """Raises UnreadableDocument, KeyError, OSError."""
        document = read_document(self._folder / f"{key}.json")
        return Claim(**{name: document[name] for name in Claim.__dataclass_fields__})

    def keys(self) -> list[str]:
        """Of every claim on disk, oldest event first."""
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def sweep(self) -> None:
        """Remove what a kill left half written, or half removed. Raises OSError."""
        remove_half_written(self._folder)
        for path in self._folder.glob("*.process"):
            if not path.with_suffix(".json").exists():
                remove(path)

    def remove(self, key: str) -> None:
        """Raises OSError."""
        # The claim last: it is what the next start finds the other by.
        remove(self._folder / f"{key}.process")
        remove(self._folder / f"{key}.json")
