"""A folder as a bundle: a zip with the same bytes wherever it is made, and its signature."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import stat
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nexo_cli.errors import Exit, NexoError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_TIME: Final = (1980, 1, 1, 0, 0, 0)
_LEFT_OUT: Final = ("__pycache__",)
_SUFFIXES_LEFT_OUT: Final = (".pyc", ".pyo")
_NO_SIGNING: Final = "signing needs the package cryptography"
_INSTALL: Final = "pip install 'nexo-cli[signing]'"


def bundle_of(path: Path) -> bytes:
    """The bytes of a zip, or of one made of a folder's files. Raises `NexoError`."""
    try:
        return _zipped(path) if path.is_dir() else path.read_bytes()
    except OSError as error:
        raise NexoError(f"{error.filename or path} cannot be read: {error.strerror}", Exit.USAGE) from error


def _zipped(folder: Path) -> bytes:
    """Stored, not compressed: what compresses differs from machine to machine, and the bytes are the bundle's name."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as bundle:
        for name, path in sorted(_files(folder)):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.create_system = 3  # Unix: elsewhere the mode would not be read
            runs = path.stat().st_mode & stat.S_IXUSR
            entry.external_attr = (stat.S_IFREG | (0o755 if runs else 0o644)) << 16
            bundle.writestr(entry, path.read_bytes())
    if not bundle.filelist:
        raise NexoError(f"{folder} has no files that go into a bundle", Exit.USAGE)
    return made.getvalue()


def _files(folder: Path) -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".") and each not in _LEFT_OUT]
        for name in [*names, *folders]:
            path = Path(parent, name)
            if name.startswith(".") or name.endswith(_SUFFIXES_LEFT_OUT):
                continue
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise NexoError(f"{path} is a link or no file: a bundle has files and folders only", Exit.USAGE)
            if path.is_file():
                found.append((path.relative_to(folder).as_posix(), path))
    return found


def signed_text(data: bytes) -> bytes:
    """What a signature is made over."""
    return b"nexomatic-bundle sha256:" + hashlib.sha256(data).hexdigest().encode()


def signature_of(data: bytes, key_file: Path) -> str:
    """The key's id, a colon, and the signature as base64. Raises `NexoError`."""
    key = _private_key(key_file)
    return f"{key_id_of(_public(key))}:{base64.b64encode(key.sign(signed_text(data))).decode()}"


def new_key(key_file: Path) -> str:
    """Draw a key, write its private half for this user alone, and answer the line that agents trust it by."""
    library = _Library()
    key = library.Ed25519PrivateKey.generate()
    text = key.private_bytes(library.Encoding.PEM, library.PrivateFormat.PKCS8, library.NoEncryption())
    try:
        handle = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(text)
    except OSError as error:
        raise NexoError(f"{key_file} cannot be written: {error.strerror}", Exit.USAGE) from error
    return trust_line(key)


def trust_line(key: Ed25519PrivateKey) -> str:
    """A line of an agent's file of trusted keys."""
    return f"ed25519 {base64.b64encode(_public(key)).decode()}"


def key_id_of(public: bytes) -> str:
    """What a signature names its key by."""
    return hashlib.sha256(public).hexdigest()[:16]


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def _private_key(key_file: Path) -> Ed25519PrivateKey:
    library = _Library()
    try:
        key = library.load_pem_private_key(key_file.read_bytes(), password=None)
    except OSError as error:
        raise NexoError(f"{key_file} cannot be read: {error.strerror}", Exit.USAGE) from error
    except (ValueError, TypeError) as error:
        raise NexoError(f"{key_file} holds no key without a password in PEM", Exit.USAGE) from error
    if not isinstance(key, library.Ed25519PrivateKey):
        raise NexoError(f"{key_file} holds a key of another kind than Ed25519", Exit.USAGE)
    return key


class _Library:
    """What is used of `cryptography`, which is installed only where one signs. Raises `NexoError` without it."""

    def __init__(self) -> None:
        try:
            from cryptography.hazmat.primitives import serialization
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        except ImportError as error:
            raise NexoError(_NO_SIGNING, hint=_INSTALL) from error
        self.Ed25519PrivateKey = Ed25519PrivateKey
        self.Encoding = serialization.Encoding
        self.PrivateFormat = serialization.PrivateFormat
        self.NoEncryption = serialization.NoEncryption
        self.load_pem_private_key = serialization.load_pem_private_key
