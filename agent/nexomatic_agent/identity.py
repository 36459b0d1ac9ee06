"""Who this agent is: its sink and credential, and the instance that this start of it is."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from nexomatic_agent.files import UnreadableDocument, read_document, write_document

ROTATE_AFTER_SECONDS = 30 * 86400.0
"""Of an identity from before the hub said how old a credential may get."""
_ROTATE_AFTER = ("rotate_after_seconds", ROTATE_AFTER_SECONDS)


class NotEnrolled(Exception):
    """This agent has no identity yet: run `nexomatic-agent enroll` first, or set an enrolment token."""

    def __init__(self) -> None:
        super().__init__((type(self).__doc__ or "").strip())


@dataclass(frozen=True)
class Identity:
    """What enrolment gave. The credential is sent to this hub and to no other."""

    hub: str
    sink: str
    sink_type: str
    credential: str = field(repr=False)
    given_at: float = 0.0
    """When the credential was given, in seconds since 1970."""
    rotate_after_seconds: Optional[float] = None
    """It is exchanged for another when it is so old; None: never."""

    def save(self, folder: Path) -> None:
        """Keep it, readable by the agent's account only. Raises OSError."""
        write_document(folder / "identity.json", vars(self).copy())


def load_identity(folder: Path) -> Identity:
    """Raises NotEnrolled, UnreadableDocument, OSError."""
    path = folder / "identity.json"
    try:
        document = read_document(path)
        said = {name: str(document[name]) for name in ("hub", "sink", "sink_type", "credential")}
        given_at = document.get("given_at", path.stat().st_mtime)  # releases that rotated nothing wrote it once
        return Identity(**said, given_at=given_at, rotate_after_seconds=document.get(*_ROTATE_AFTER))
    except FileNotFoundError:
        raise NotEnrolled from None
    except KeyError as error:
        raise UnreadableDocument(f"{path} has no {error}: enrol again") from None


@dataclass(frozen=True)
class Instance:
    """This start of the agent's process, and the one the hub knew before it."""

    id: str
    replaces: Optional[str]


class Instances:
    """Draws an instance id at each start and keeps it on disk.

    The hub takes a new instance at once if it names the one the hub knows. An id is therefore kept until a poll under
    it was answered: an agent killed before that starts again under the same id, and whichever of the two the hub
    knows, it is named.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "instance.json"

    def start(self) -> Instance:
        """The instance of this start. Raises OSError."""
        before = self._read()
        if before is not None and not before["answered"]:
            return Instance(before["id"], before["replaces"])
        instance = Instance(secrets.token_hex(16), before["id"] if before else None)
        self._write(instance, answered=False)
        return instance

    def answered(self, instance: Instance) -> None:
        """The hub knows this instance now. Raises OSError."""
        self._write(instance, answered=True)

    def forget(self) -> None:
        """A new credential begins without a past. Raises OSError."""
        self._path.unlink(missing_ok=True)

    def _write(self, instance: Instance, answered: bool) -> None:
        write_document(self._path, {"id": instance.id, "replaces": instance.replaces, "answered": answered})

    def _read(self) -> Optional[dict[str, str]]:
        try:
            document = read_document(self._path)
        except FileNotFoundError:
            return None
        return document
