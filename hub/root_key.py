"""The root key, from the settings or from its file, which the embedded engine makes at its first start."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from contextlib import suppress
from pathlib import Path

from hub.errors import Rejected
from hub.settings import Settings
from hub.settings_table import Engine
from hub.signing import ROOT_KEY_BYTES, RootKey


def root_key(settings: Settings) -> RootKey:
    """The root key. Reads, and on the embedded engine makes, its file. Raises `Rejected` when there is none to use."""
    if settings.root_key is not None:
        return settings.root_key
    if settings.storage is Engine.EMBEDDED:
        make(settings.root_key_file)
    return read(settings.root_key_file)


def read(path: Path) -> RootKey:
    """The key in a file. Raises `Rejected`."""
    try:
        secret = base64.b64decode(path.read_text("ascii").strip(), validate=True)
    except OSError as error:
        raise Rejected(f"the root key {path} cannot be read: {error.strerror}") from error
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != ROOT_KEY_BYTES:
        raise Rejected(f"{path} holds no root key: {ROOT_KEY_BYTES} random bytes as base64 are expected")
    return RootKey(secret)


def make(path: Path) -> None:
    """Write a new key for its owner alone, unless the file is there. Raises `Rejected`.

    The file appears complete or not at all: half a key would stop every later start.
    """
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(draft, base64.b64encode(secrets.token_bytes(ROOT_KEY_BYTES)) + b"\n")
        with suppress(FileExistsError):  # another start was quicker: its key is the one
            os.link(draft, path)
    except OSError as error:
        raise Rejected(f"the root key {path} cannot be made: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    path.touch(0o600, exist_ok=False)
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
