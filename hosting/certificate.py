"""TLS of the host: a certificate and its key from files, which are read again when they change, or at SIGHUP.

A renewal replaces files; connections that are there go on, new ones meet the new certificate. A pair that cannot be
used (half written, not each other's, a key that others may read) is said in the log, and the one before stays in force.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import stat
from pathlib import Path

from hosting.errors import HostingError

LOOK_SECONDS = 5.0
"""How often the files are looked at."""
_FORBIDDEN = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP

_logger = logging.getLogger("Host.Certificate")


class Certificate:
    """The pair in force. Making one raises HostingError if the files cannot be used."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self._seen = self._stamps()
        self._current = self._read()
        self.context = _server_context()
        """For the listener; each handshake is then given the current one."""
        self.context.load_cert_chain(certificate, key)
        self.context.sni_callback = self._give

    def _give(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Called in each handshake, with a server name or without."""
        connection.context = self._current

    def reload(self) -> bool:
        """Take what the files hold now; whether that could be done. What is wrong is in the log."""
        self._seen = self._stamps()
        try:
            self._current = self._read()
        except HostingError as error:
            _logger.error("the certificate was not renewed, the one before stays in force: %s", error)
            return False
        _logger.info("the certificate %s was read again", self._certificate)
        return True

    async def watch(self, seconds: float = LOOK_SECONDS) -> None:
        """Reload whenever a file has changed; for as long as the task lives."""
        while True:
            await asyncio.sleep(seconds)
            if self._stamps() != self._seen:
                self.reload()

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(self._certificate), _stamp(self._key)]

    def _read(self) -> ssl.SSLContext:
        context = _server_context()
        try:
            _check_rights(self._key)
            # A password of its own would be asked for on a terminal that a service does not have.
            context.load_cert_chain(self._certificate, self._key, password=_no_password)
        except OSError as error:  # ssl.SSLError is one
            raise HostingError(
                f"{self._certificate} and {self._key} cannot be used as a certificate and its key: "
                f"{error.strerror or error}"
            ) from None
        return context


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def _no_password() -> str:
    raise OSError("the key is encrypted; it must lie there without a password")


def _check_rights(key: Path) -> None:
    """Raises HostingError for a key that others than its owner and group may read, or others than its owner change."""
    if os.name == "nt":
        return
    mode = stat.S_IMODE(key.stat().st_mode)
    if mode & _FORBIDDEN:
        raise HostingError(f"the key {key} has the mode {mode:04o}: at most 0640 will do (chmod 640 {key})")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
