"""`nexomatic-hub upgrade` and `rollback`: from one release to another, and back by itself when the new one is not well.

What is under way is written down before it begins. Killed at any line, `current` leads to a whole release, the old or
the new one, and the same command again goes on. Data is put back only where the release to run cannot read it: then
its format says so, and not a memory of what was done.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hosting.errors import HostingError
from hosting.service.archive import check_digest, unpack
from hosting.service.control import Service
from hosting.service.layout import Layout, environment

UNDER_WAY = "under-way.json"
LAST = "last-upgrade.json"
BACKUPS = "before-upgrade"
"""Below the data folder: the backup that each upgrade takes first. Those of the last two are kept."""
_KEPT_BACKUPS = 2


@dataclass(frozen=True, slots=True)
class Move:
    """From one release to another, by version. `backup`: what to put back if the old one cannot read the data."""

    old: str
    new: str
    backup: str | None = None
    back: bool = False
    """A rollback: nobody goes back from it."""


class Upgrade:
    """One command, by itself on this machine."""

    def __init__(self, layout: Layout, environ: Mapping[str, str], patience_seconds: float) -> None:
        self._layout = layout
        self._service = Service(layout, environment(layout, environ), patience_seconds)

    def upgrade(self, archive: Path, digest: str | None) -> str:
        """To the release of an archive; what came of it. Raises HostingError, OSError: the old one runs then."""
        with self._alone():
            check_digest(archive, digest)
            new = self._place(archive)
            move = self._under_way()
            if move is None and new == self._current():
                return f"{new} is the release that runs already"
            if move is not None and (move.back or move.new != new):
                what = "rollback" if move.back else f"upgrade to {move.new}"
                raise HostingError(f"a {what} was interrupted: repeat that first, or nexomatic-hub rollback")
            if move is None:
                move = Move(self._current(), new)
                self._check_formats(move)
                self._note(move)
            return self._carry_out(move)

    def rollback(self, *, restore: bool) -> str:
        """To the release before, or out of an upgrade that was interrupted. Raises HostingError, OSError."""
        with self._alone():
            move = self._under_way()
            if move is None or not move.back:
                move = self._way_back(move)
            if self._format(move.new) < self._data_format() and not restore:
                raise HostingError(
                    f"{move.new} cannot read the data as they are now. --restore puts back the backup "
                    f"{move.backup} that was taken before the upgrade: everything since is lost"
                )
            self._note(move)
            self._run(move.new, move.backup)
            self._layout.previous.unlink(missing_ok=True)
            self._forget()
            return f"{move.new} runs again"

    def _way_back(self, move: Move | None) -> Move:
        if move is not None:
            return Move(move.new, move.old, move.backup, back=True)
        if not self._layout.previous.is_symlink():
            raise HostingError("there is no release before this one")
        last = self._read(LAST)
        return Move(self._current(), self._layout.previous.readlink().name, last.backup if last else None, back=True)

    def _carry_out(self, move: Move) -> str:
        fresh: str | None = None
        try:
            if fresh := self._back_up(move):
                move = Move(move.old, move.new, fresh)
                self._note(move)
            self._run(move.new, None)
        except HostingError as error:
            # A backup of an earlier, interrupted try is not put back unasked: the new release may have run since.
            self._run(move.old, fresh)
            self._forget()
            raise HostingError(f"{error} -- {move.old} runs again; journalctl -u nexomatic-hub says more") from None
        _link(self._layout.previous, f"releases/{move.old}")
        self._write(LAST, move)
        self._forget()
        self._tidy(move)
        return f"{move.new} runs; nexomatic-hub rollback goes back to {move.old}"

    def _run(self, version: str, backup: str | None) -> None:
        """Make a release the one that runs. Raises HostingError when it is not well."""
        is_newer = self._data_format() > self._format(version)
        if is_newer and backup is None:
            raise HostingError(
                f"{self._current()} is not well, and {version} cannot read the data as they are now: "
                "nexomatic-hub rollback --restore puts back those of before the upgrade, and all since is lost"
            )
        self._service.stop()
        _link(self._layout.current, f"releases/{version}")
        if is_newer and backup is not None:
            self._hub(version, "backup", "restore", backup, "--replace")
        if not self._service.start(self._layout.releases / version):
            raise HostingError(f"{version} is not well")

    # --- parts ---

    def _place(self, archive: Path) -> str:
        unpacked = self._layout.software / "unpacked"
        try:
            release = unpack(archive, unpacked)
            python = getattr(sys, "_base_executable", sys.executable)
            done = subprocess.run(  # noqa: S603 - of an archive that was held against its digest
                [python, "-I", release / "place.py", release, self._layout.releases],
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)
        if done.returncode != 0:
            raise HostingError(done.stderr.strip())
        return Path(done.stdout.strip()).name

    def _back_up(self, move: Move) -> str | None:
        """A backup of all that the old release wrote; None when there is no data, or the new one came by already."""
        found = self._data_format()
        if found == 0 or found > self._format(move.old):
            return None
        if self._format(move.old) != self._format(move.new):
            self._service.stop()  # nothing may come after a backup that may have to be put back
        folder = self._layout.data / BACKUPS
        return self._hub(move.old, "backup", "take", "--to", str(folder)).splitlines()[-1]

    def _check_formats(self, move: Move) -> None:
        old, new = self._format(move.old), self._format(move.new)
        if new < old:
            raise HostingError(f"{move.new} is older: it reads data up to format {new}, and {move.old} writes {old}")

    def _format(self, version: str) -> int:
        release = json.loads((self._layout.releases / version / "release.json").read_text("utf-8"))
        return int(release["database_format"])

    def _data_format(self) -> int:
        return int(self._hub(self._current(), "data-format"))

    def _hub(self, version: str, *arguments: str) -> str:
        """What a command of a release says. It becomes the data's owner by itself. Raises HostingError."""
        command = [str(self._layout.releases / version / "nexomatic-hub"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - all ours
        if done.returncode != 0:
            raise HostingError(done.stderr.strip() or f"nexomatic-hub {arguments[0]} failed")
        return str(done.stdout).strip()

    def _current(self) -> str:
        return self._layout.current.readlink().name

    def _tidy(self, move: Move) -> None:
        for each in self._layout.releases.iterdir():
            if each.name not in (move.old, move.new):
                shutil.rmtree(each, ignore_errors=True)
        backups = self._layout.data / BACKUPS
        for each in sorted(backups.glob("nexomatic-*"))[:-_KEPT_BACKUPS] if backups.is_dir() else ():
            shutil.rmtree(each, ignore_errors=True)

    # --- what is under way ---

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._layout.software / "upgrade.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise HostingError("another upgrade or rollback is under way") from None
            yield

    def _under_way(self) -> Move | None:
        return self._read(UNDER_WAY)

    def _note(self, move: Move) -> None:
        self._write(UNDER_WAY, move)

    def _forget(self) -> None:
        (self._layout.software / UNDER_WAY).unlink(missing_ok=True)

    def _read(self, name: str) -> Move | None:
        try:
            found: dict[str, Any] = json.loads((self._layout.software / name).read_text("utf-8"))
        except FileNotFoundError:
            return None
        return Move(**found)

    def _write(self, name: str, move: Move) -> None:
        path = self._layout.software / name
        draft = path.with_suffix(".draft")
        with draft.open("w") as file:
            json.dump(asdict(move), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


def _link(path: Path, target: str) -> None:
    """Let a link lead elsewhere, in one step."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(path)
