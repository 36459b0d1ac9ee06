"""Putting a backup of the embedded engine in place. Killed at any line, it leaves what was there before or the backup.

All of it happens on a copy beside the place, made complete first; `replacing.py` says how it takes the place.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from hosting import backup_manifest as manifests
from hosting.backup_manifest import BadBackup, Manifest
from hosting.errors import HostingError
from hub.clock import SystemClock
from hub.errors import Unavailable
from hub.process import DATABASE
from hub.root_key import read as read_root_key
from hub.settings import Settings
from hub.storage.embedded import open_embedded
from hub.storage.embedded.anchors import FILE as ANCHORS
from hub.storage.embedded.copying import move_on, openings_of
from hub.storage.embedded.database import SCHEMA_VERSION
from hub.storage.embedded.files import copy_private, flush_folder, write_private
from hub.storage.embedded.lock import FileLock
from hub.storage.embedded.replacing import finish, new_draft, replace_by_draft
from hub.upkeep.restored import Revoke, Settled, settle

_LEAST_STEP: Final = 1 << 12
_SPREAD: Final = 1 << 15
"""Openings to skip: more than a hub is started between a backup and its restore, and another number each time, for the
same backup may be put back twice."""
_RANDOM_BITS: Final = 256


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for, beside the backup."""

    replace: bool = False
    """Over a database that is there."""
    root_key: Path | None = None
    new_root_key: bool = False
    revoke_tokens: bool = False
    revoke_sinks: bool = False


def restore(settings: Settings, backup: Path, wish: Wish) -> list[str]:
    """Put a backup in place, and answer what was done, in lines for who asked for it.

    Raises `HostingError` (not a whole backup, a database in the way, no root key), `Unavailable` (a hub is running),
    `Rejected`, `OSError`.
    """
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = settings.home / DATABASE
    lock = FileLock(database)
    try:
        finish(database)
        return list(_restore(settings, backup, wish, database))
    finally:
        lock.release()


def _restore(settings: Settings, backup: Path, wish: Wish, database: Path) -> Iterator[str]:
    manifest = manifests.read(backup)
    if manifest.database_format > SCHEMA_VERSION:
        what = f"its database is of format {manifest.database_format}, and this release reads up to {SCHEMA_VERSION}"
        raise BadBackup(f"{backup} was made by release {manifest.version}: {what}")
    if database.exists() and not wish.replace:
        raise HostingError(f"{database} is there: to put the backup in its place say --replace; it is kept beside")
    key = _root_key(settings, manifest, wish)
    draft = new_draft(database.parent)
    try:
        settled = _fill(draft, backup, manifest, database, wish)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    if key is not None:
        _put_root_key(settings.root_key_file, key)
    aside = f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    was_there = database.exists()
    replace_by_draft(database, aside)
    yield f"restored  {database}, as it was at {manifest.taken_at}"
    if was_there:
        yield f"kept      {database.parent / aside}, what was there before"
    yield from _told(settled, wish)


def _fill(draft: Path, backup: Path, manifest: Manifest, database: Path, wish: Wish) -> Settled:
    """Make the database as it will be in this folder."""
    for name, each in manifest.files.items():
        if copy_private(backup / name, draft / name) != each.sha256:
            raise BadBackup(f"{backup / name} is not what the manifest says: it was altered, or cut short")
    if DATABASE not in manifest.files:
        raise BadBackup(f"{backup} holds no database")
    _add_anchors(database.parent / ANCHORS, draft / ANCHORS)
    move_on(draft / DATABASE, openings_of(database), _LEAST_STEP + secrets.randbelow(_SPREAD))
    said: dict[str, JsonValue] = {
        "taken_at": manifest.taken_at,
        "version": manifest.version,
        "sha256": manifest.files[DATABASE].sha256,
    }
    return asyncio.run(_settle(draft / DATABASE, Revoke(wish.revoke_tokens, wish.revoke_sinks), said))


async def _settle(database: Path, revoke: Revoke, said: dict[str, JsonValue]) -> Settled:
    clock = SystemClock()
    storage = open_embedded(database, clock)  # brings a file of an older format to this release's
    try:
        found = await storage.integrity_check()
        if found:
            raise BadBackup(f"the backup is damaged: {'; '.join(found[:3])}")
        settled = await settle(storage, clock, lambda: secrets.randbits(_RANDOM_BITS), revoke, said)
    finally:
        await storage.close()
    log = database.with_name(f"{database.name}-wal")
    if log.exists() and log.stat().st_size:
        raise Unavailable(f"{log} could not be copied into its database")
    return settled


def _add_anchors(there: Path, draft: Path) -> None:
    """What the audit said of itself stays, whatever database is put in place: those lines first, then the backup's."""
    kept = there.read_bytes() if there.exists() else b""
    if kept and not kept.endswith(b"\n"):
        kept += b"\n"
    brought = draft.read_bytes() if draft.exists() else b""
    known = set(kept.split(b"\n"))
    lines = [each for each in brought.split(b"\n")[:-1] if each not in known]
    draft.unlink(missing_ok=True)
    if kept or lines:
        write_private(draft, kept + b"".join(each + b"\n" for each in lines))


def _root_key(settings: Settings, manifest: Manifest, wish: Wish) -> bytes | None:
    """The root key that has to be put in place, if any. Raises `HostingError` if it is not that of the backup."""
    file, needed = settings.root_key_file, manifest.root_key_id
    if wish.root_key is not None:
        if settings.root_key is not None:
            raise HostingError(
                "NEXOMATIC_ROOT_KEY is set, and would be used in place of --root-key: set it to that key"
            )
        given = read_root_key(wish.root_key).key_id
        if needed not in (None, given):
            raise HostingError(f"{wish.root_key} is key {given}, and the backup was made with key {needed}")
        if not file.exists():
            return wish.root_key.read_bytes()
    there = settings.root_key or (read_root_key(file) if file.exists() else None)
    if there is not None and (wish.new_root_key or needed in (None, there.key_id)):
        return None
    if there is not None:
        what = f"the root key here is {there.key_id}, and the backup was made with {needed}"
        raise HostingError(f"{what}: put that one in place of {file}, or say --new-root-key")
    if not wish.new_root_key:
        what = "without it no secret of the backup can be read"
        raise HostingError(f"there is no root key {file}, and {what}: say --root-key FILE, or --new-root-key")
    return None


def _put_root_key(file: Path, key: bytes) -> None:
    draft = file.with_name(f"{file.name}.restored")
    draft.unlink(missing_ok=True)
    write_private(draft, key)
    draft.rename(file)
    flush_folder(file.parent)


def _told(settled: Settled, wish: Wish) -> Iterator[str]:
    ended = f"the sessions of {settled.users} users, {settled.enrolments} enrolment tokens, {settled.invitations}"
    yield f"ended     {ended} invitations, {settled.tokens_ended} access tokens, {settled.sinks_ended} sinks"
    if settled.tokens_back:
        yield (
            f"back      {settled.tokens_back} access tokens, also those revoked since: nexo tokens list; "
            "--revoke-tokens ends all"
        )
    if settled.sinks_back:
        yield (
            f"back      {settled.sinks_back} sinks, also those removed since: nexo sinks list; --revoke-sinks ends all"
        )
    yield "back      passwords, webhook addresses and secrets as they were then: what was changed because somebody"
    yield "          else knew it has to be changed again"
    if wish.new_root_key:
        yield "lost      secrets, if the root key is another: put each again, or nothing that needs one will run"
