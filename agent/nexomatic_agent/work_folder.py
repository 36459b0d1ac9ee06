"""A task's own folder: its input, its result, and whatever it writes while it runs."""

from __future__ import annotations

from pathlib import Path

from nexomatic_agent.clearing import Clearing
from nexomatic_agent.files import make_private_folder


class WorkFolders:
    """Makes and removes them, all below one folder."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError."""
        self._folder = make_private_folder(folder)

    def make(self, key: str) -> Path:
        """An empty folder for this attempt, open to the agent's account only. Raises OSError."""
        path = self._folder / key
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            self.removal(key).go_on()
            path.mkdir(mode=0o700)
        return path

    def removal(self, key: str) -> Clearing:
        """To remove the folder with all that is in it. What cannot be removed is tried again at the next start."""
        return Clearing(self._folder / key)

    def remove_all(self) -> None:
        """What an earlier life of the agent left behind."""
        for path in list(self._folder.iterdir()):
            Clearing(path).go_on()
