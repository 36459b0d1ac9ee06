"""A task's own folder: its input, its result, and whatever it writes while it runs."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Any

from nexomatic_agent.files import make_private_folder

log = logging.getLogger(__name__)


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
            self.remove(key)
            path.mkdir(mode=0o700)
        return path

    def remove(self, key: str) -> None:
        """Remove the folder with all that is in it. What cannot be removed is logged and tried at the next start."""
        path = self._folder / key
        if sys.version_info >= (3, 12):
            shutil.rmtree(path, onexc=_make_writable)
        else:
            shutil.rmtree(path, onerror=_make_writable)
        if path.exists():
            log.warning("the work folder %s could not be removed", path)

    def remove_all(self) -> None:
        """What an earlier life of the agent left behind."""
        for path in self._folder.iterdir():
            self.remove(path.name)


def _make_writable(remove: Any, path: str, _: Any) -> None:
    """A task may have taken its own rights away: give them back and try once more."""
    with contextlib.suppress(OSError):
        for blocked in (str(Path(path).parent), path):
            if not Path(blocked).is_symlink():
                os.chmod(blocked, stat.S_IRWXU)  # noqa: PTH101 - rmtree speaks in strings
        if remove in (os.scandir, os.open, os.lstat):
            shutil.rmtree(path, ignore_errors=True)
        else:
            remove(path)
