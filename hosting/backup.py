"""A backup of the embedded engine while the hub runs, and putting one back.

`python -m hosting.backup take --to FOLDER`, `… check BACKUP`, `… restore BACKUP`. docs/backup.md says what is in a
backup and what has to be kept beside it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hosting import backup_manifest as manifests
from hosting.backup_manifest import Manifest
from hosting.errors import HostingError
from hosting.restore import Wish, restore
from hub.errors import NexomaticError, Rejected
from hub.process import DATABASE
from hub.root_key import read as read_root_key
from hub.settings import Settings
from hub.settings_table import STORAGE, Engine
from hub.storage import codec
from hub.storage.embedded.anchors import FILE as ANCHORS
from hub.storage.embedded.copying import copy_database, size_of
from hub.storage.embedded.files import copy_private, flush_folder, write_private
from hub.version import VERSION

ROOT: Final = Path(__file__).resolve().parent.parent
HOME: Final = "NEXOMATIC_HOME"
LEFT_FREE: Final = 64 * 1024 * 1024
"""Bytes that a backup leaves free where it is written: the hub may be writing there too."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says. Ends with 1 and words when it cannot be done."""
    options = _parser().parse_args(arguments)
    try:
        settings = settings_of(options.home)
        if options.command == "take":
            print(take(settings, options.to, options.with_root_key))
        elif options.command == "check":
            found = checked(options.backup)
            print(f"{options.backup} is whole: taken at {found.taken_at} by release {found.version}")
        else:
            wish = Wish(
                options.replace, options.root_key, options.new_root_key, options.revoke_tokens, options.revoke_sinks
            )
            for line in restore(settings, options.backup, wish):
                print(line)
    except (HostingError, NexomaticError, OSError) as error:
        print(f"{options.command}: {error}", file=sys.stderr)
        return 1
    return 0


def settings_of(home: Path | None) -> Settings:
    """The hub's settings, in this folder if one is given. Raises `HostingError` unless they are of one machine."""
    where = home or os.environ.get(HOME) or ROOT / ".local"
    settings = Settings.from_env({**os.environ, HOME: str(Path(where).resolve())})
    if settings.storage is not Engine.EMBEDDED:
        raise HostingError(f"{STORAGE} is {settings.storage}: a storage account has backups of its own")
    return settings


def take(
    settings: Settings,
    to: Path,
    with_root_key: Path | None = None,
    on_step: Callable[[int, int], None] = lambda _, __: None,
) -> Path:
    """A backup in a new folder below `to`, which is answered. The hub may be running. Blocks.

    The folder appears whole, or not at all. `with_root_key` names a file that gets a copy of the root key. `on_step` is
    told how many pages of the database are left, and of how many. Raises `HostingError`, `Rejected`, `OSError`.
    """
    database = settings.home / DATABASE
    to.mkdir(parents=True, exist_ok=True, mode=0o700)
    free, size = shutil.disk_usage(to).free, size_of(database)
    if free < size + LEFT_FREE:
        raise HostingError(f"{to} has {free >> 20} MiB free, and the backup needs {size + LEFT_FREE >> 20} MiB")
    taken_at = datetime.now(UTC)
    name = f"nexomatic-{taken_at:%Y%m%dT%H%M%S.%fZ}"
    partial = to / f".{name}.partial"
    partial.mkdir(mode=0o700)
    try:
        _fill(settings, partial, taken_at, on_step)
        if with_root_key is not None:
            _keep_root_key(settings, with_root_key)
        partial.rename(to / name)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    flush_folder(to)
    return to / name


def checked(folder: Path) -> Manifest:
    """The manifest of a backup all of whose files are what it says. Raises `BadBackup`."""
    manifest = manifests.read(folder)
    manifests.check(folder, manifest)
    return manifest


def _fill(settings: Settings, folder: Path, taken_at: datetime, on_step: Callable[[int, int], None]) -> None:
    anchors = settings.home / ANCHORS
    if anchors.exists():  # before the database: they must not have seen more than it holds
        copy_private(anchors, folder / ANCHORS)
    copied = copy_database(settings.home / DATABASE, folder / DATABASE, on_step)
    Manifest(
        version=VERSION,
        taken_at=f"{taken_at:%Y-%m-%dT%H:%M:%SZ}",
        database_format=copied.format,
        rows_format=codec.FORMAT,
        openings=copied.openings,
        root_key_id=_root_key_id(settings),
        files={each.name: manifests.of_file(each) for each in sorted(folder.iterdir())},
    ).write(folder)
    flush_folder(folder)


def _root_key_id(settings: Settings) -> str | None:
    if settings.root_key is not None:
        return settings.root_key.key_id
    try:
        return read_root_key(settings.root_key_file).key_id
    except Rejected:
        return None


def _keep_root_key(settings: Settings, to: Path) -> None:
    if settings.root_key is not None:
        raise HostingError("the root key is in the setting NEXOMATIC_ROOT_KEY, not in a file: keep it from there")
    read_root_key(settings.root_key_file)
    try:
        write_private(to, settings.root_key_file.read_bytes())
    except FileExistsError:
        raise HostingError(f"{to} is there already, and is not overwritten: it may be the only copy of a key") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hosting.backup", description=__doc__)
    parser.add_argument("--home", type=Path, help=f"the hub's data folder; else {HOME}, else .local")
    commands = parser.add_subparsers(dest="command", required=True)
    taking = commands.add_parser("take", help="make a backup; the hub may be running")
    taking.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="it gets a folder of its own in there")
    taking.add_argument("--with-root-key", type=Path, metavar="FILE", help="copy the root key too, to this new file")
    checking = commands.add_parser("check", help="whether a backup is whole")
    checking.add_argument("backup", type=Path)
    restoring = commands.add_parser("restore", help="put a backup in place; no hub may be running")
    restoring.add_argument("backup", type=Path)
    restoring.add_argument("--replace", action="store_true", help="over a database that is there; it is kept beside")
    restoring.add_argument("--root-key", type=Path, metavar="FILE", help="the root key of then, if it is not in place")
    restoring.add_argument(
        "--new-root-key", action="store_true", help="do without the root key of then: secrets have to be put again"
    )
    restoring.add_argument("--revoke-tokens", action="store_true", help="end every access token")
    restoring.add_argument("--revoke-sinks", action="store_true", help="remove every sink: each is enrolled again")
    return parser


if __name__ == "__main__":
    sys.exit(main())
