"""Encrypted values of secrets as rows: one row for each version of each secret, never the value itself.

A row is written once and not changed, but for being encrypted anew under another root key. Which version of a secret
stands is said by the configuration.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from hub.errors import Missing
from hub.storage import codec
from hub.storage.keys import SECRETS
from hub.storage.ports import ANY_ETAG, Row, Tables, Value

_PARTITION: Final = "values"
_PAGE: Final = 1000
_HEAD: Final = ("format", "name", "version", "key_id", "written_at")


@dataclass(frozen=True, slots=True)
class SealedValue:
    """A value as it is stored."""

    key_id: str
    """Names the root key it is encrypted under."""
    nonce: bytes
    ciphertext: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ValueHead:
    """A row without its value."""

    name: str
    version: str
    key_id: str
    written_at: datetime


class SecretRows:
    """Reads and writes the rows. Raises what `Tables` raises."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def put(self, name: str, version: str, sealed: SealedValue, written_at: datetime) -> None:
        """Add a row. Doing it twice is doing it once: nobody else draws the same version."""
        await self._tables.put(SECRETS, _PARTITION, _key(name, version), _values(name, version, sealed, written_at))

    async def get(self, name: str, version: str) -> SealedValue:
        """One value. Raises `Missing`."""
        return _sealed(await self._tables.get(SECRETS, _PARTITION, _key(name, version)))

    async def read_for_change(self, name: str, version: str) -> tuple[SealedValue, str]:
        """One value, and the ETag for writing it anew. Raises `Missing`."""
        row = await self._tables.get(SECRETS, _PARTITION, _key(name, version))
        return _sealed(row), row.etag

    async def replace(self, head: ValueHead, sealed: SealedValue, etag: str) -> None:
        """The same value, encrypted anew. Raises `Changed`, `Missing`."""
        values = _values(head.name, head.version, sealed, head.written_at)
        await self._tables.replace(SECRETS, _PARTITION, _key(head.name, head.version), values, etag)

    async def remove(self, name: str, version: str) -> None:
        """Remove a row; one that is not there is fine."""
        with suppress(Missing):
            await self._tables.delete(SECRETS, _PARTITION, _key(name, version), ANY_ETAG)

    async def heads(self) -> list[ValueHead]:
        """All rows without their values, but for those of a newer release: one read for each thousand."""
        rows: list[Row] = []
        while True:
            after = rows[-1].key if rows else ""
            page = await self._tables.query(SECRETS, _PARTITION, after=after, limit=_PAGE, select=_HEAD)
            rows += page
            if len(page) < _PAGE:
                return [_head(row) for row in rows if codec.reads(row.values.get("format"))]


def _key(name: str, version: str) -> str:
    return f"{name.casefold()}:{version}"


def _values(name: str, version: str, sealed: SealedValue, written_at: datetime) -> dict[str, Value]:
    return {
        "format": codec.written(),
        "name": name,
        "version": version,
        "written_at": codec.text_of_time(written_at),
        "key_id": sealed.key_id,
        "nonce": sealed.nonce,
        "ciphertext": sealed.ciphertext,
    }


def _sealed(row: Row) -> SealedValue:
    codec.check_format(SECRETS, row.values["format"])
    nonce, ciphertext = row.values["nonce"], row.values["ciphertext"]
    assert isinstance(nonce, bytes)
    assert isinstance(ciphertext, bytes)
    return SealedValue(str(row.values["key_id"]), nonce, ciphertext)


def _head(row: Row) -> ValueHead:
    name, version, key_id = (str(row.values[column]) for column in ("name", "version", "key_id"))
    return ValueHead(name, version, key_id, codec.time_of_text(str(row.values["written_at"])))
