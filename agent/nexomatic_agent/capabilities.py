"""What this sink can run, told to the hub at the first poll and when it changes."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

from nexomatic_agent.launch import Launcher


class Capabilities:
    """Looks at the module folders again only when one of them has changed."""

    def __init__(
        self, launcher: Launcher, folders: Sequence[Path], bundles: Sequence[str] = (), commands: Sequence[str] = ()
    ) -> None:
        self._launcher = launcher
        self._bundles = list(bundles)
        self._folders = folders
        self._commands = commands
        self._seen: Optional[list[int]] = None
        self._current: dict[str, Any] = {}
        self._told: Optional[dict[str, Any]] = None

    def news(self, everything: bool = False) -> Optional[dict[str, Any]]:
        """What the hub does not know yet; None if it knows all, unless everything is to be said again."""
        stamps = [_changed_at(folder) for folder in self._folders]
        if stamps != self._seen:
            self._current = {
                "platform": f"{platform.system()} {platform.release()} {platform.machine()}"[:200],
                "runtimes": self._launcher.runtimes(),
                "modules": list(self._launcher.modules.names()),
                "bundles": self._bundles,
                "commands": list(self._commands),
            }
            self._seen = stamps  # last: the poll of a draining agent asks too, on another thread
        return self._current if everything or self._current != self._told else None

    def heard(self, news: Optional[dict[str, Any]]) -> None:
        """The hub has answered a poll that said this."""
        self._told = news or self._told


def _changed_at(folder: Path) -> int:
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116 - called at every poll
    except OSError:
        return 0
