"""The agent's package, which lies beside the hub's code: what it is, and its bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.errors import NotFound

ROOT: Final = Path(__file__).resolve().parents[2]
BESIDE_THE_CODE: Final = (ROOT / "agent_package", ROOT / "build" / "agent")
"""In a deployed hub, and where `make agent-package` writes it."""
MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True)
class AgentPackage:
    """One version: a zip of the agent's wheel and of those that it needs."""

    version: str
    path: Path
    sha256: str


class AgentPackages:
    """Finds the package at the first question and keeps what it is, not its bytes. Reads files: call it in a thread."""

    def __init__(self, folders: Sequence[Path] = BESIDE_THE_CODE) -> None:
        self._folders = folders
        self._found: AgentPackage | None = None

    def current(self) -> AgentPackage:
        """What is handed out. Raises `NotFound` with words."""
        if self._found is None:
            manifest = next((each / MANIFEST for each in self._folders if (each / MANIFEST).is_file()), None)
            if manifest is None:
                raise NotFound(
                    "this hub was deployed without the agent's package: make agent-package, then make package"
                )
            said = json.loads(manifest.read_text("utf-8"))
            if "package" not in said:
                raise NotFound("the agent's package is without what it needs: make agent-package")
            self._found = AgentPackage(said["version"], manifest.parent / said["package"], said["package_sha256"])
        return self._found

    def content(self, version: str) -> tuple[AgentPackage, bytes]:
        """This version, and its bytes. Raises `NotFound`."""
        found = self.current()
        if version != found.version:
            raise NotFound(f"this hub hands out the agent {found.version}, and no other version")
        content = found.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != found.sha256:
            self._found = None  # it was replaced, or is being: the next question reads the manifest anew
            raise NotFound("the agent's package is not what its manifest says: make agent-package")
        return found, content
