"""The statements on rows. Each checks and writes in one go, so that one that fails has written nothing.

A change is made ready on the calling task (`insert`, `put`, ...) and carried out by the writer under an ETag it draws.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from hub.errors import Changed, Exists, Missing
from hub.storage import limits
from hub.storage.embedded.values import decode, decode_list, encode, encode_list, path
from hub.storage.ports import ANY_ETAG, Row, Value, Values

Address: TypeAlias = tuple[str, str, str]
"""Table, partition, key."""

Write: TypeAlias = Callable[[sqlite3.Connection, str], None]
"""Changes one row and gives it this ETag."""

_AT: Final = "tbl = ? AND partition = ? AND key = ?"
_ETAG_FITS: Final = f"? IN (etag, '{ANY_ETAG}')"


def insert(address: Address, values: Values) -> Write:
    """Raises `Exists`."""
    columns = encode(values)

    def write(connection: sqlite3.Connection, etag: str) -> None:
        written = connection.execute(
            "INSERT INTO rows(tbl, partition, key, etag, columns) VALUES(?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (*address, etag, columns),
        )
        if not written.rowcount:
            raise Exists

    return write


def put(address: Address, values: Values) -> Write:
    """Insert or overwrite."""
    columns = encode(values)

    def write(connection: sqlite3.Connection, etag: str) -> None:
        connection.execute(
            "INSERT INTO rows(tbl, partition, key, etag, columns) VALUES(?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET etag = excluded.etag, columns = excluded.columns",
            (*address, etag, columns),
        )

    return write


def replace(address: Address, values: Values, expected: str) -> Write:
    """Raises `Changed`, `Missing`."""
    columns = encode(values)
    return lambda connection, etag: _update(connection, address, columns, etag, expected)


def merge(address: Address, values: Values, expected: str) -> Write:
    """Raises `Changed`, `Missing`, and `LimitExceeded` if the row as a whole would become too large."""
    changed = dict(values)

    def write(connection: sqlite3.Connection, etag: str) -> None:
        row = get(connection, address)
        merged = {**row.values, **changed}
        if expected in (row.etag, ANY_ETAG):
            limits.check_row(row.partition, row.key, merged)
        _update(connection, address, encode(merged), etag, expected)

    return write


def delete(address: Address, expected: str) -> Write:
    """Raises `Changed`, `Missing`."""

    def write(connection: sqlite3.Connection, _: str) -> None:
        deleted = connection.execute(
            f"DELETE FROM rows WHERE {_AT} AND {_ETAG_FITS}",  # noqa: S608  # constants
            (*address, expected),
        )
        if not deleted.rowcount:
            _refuse(connection, address)

    return write


def get(connection: sqlite3.Connection, address: Address) -> Row:
    """Raises `Missing`."""
    found = connection.execute(f"SELECT etag, columns FROM rows WHERE {_AT}", address).fetchall()  # noqa: S608
    if not found:
        raise Missing
    ((etag, columns),) = found
    return Row(address[1], address[2], decode(columns), etag)


def query(
    connection: sqlite3.Connection,
    table: str,
    partition: str,
    *,
    after: str,
    before: str | None,
    limit: int,
    select: Sequence[str] | None,
    where: Values,
) -> list[Row]:
    """One page. SQLite chooses rows and columns, so that what is not wanted never becomes a Python object."""
    what, parameters = ("columns", []) if select is None else _extract(select)
    conditions = "tbl = ? AND partition = ? AND key > ?"
    parameters += [table, partition, after]
    if before is not None:
        conditions += " AND key < ?"
        parameters.append(before)
    if where:
        extract, paths = _extract(list(where))
        conditions += f" AND {extract} = ?"
        parameters += [*paths, encode_list([*where.values(), None, None])]
    statement = f"SELECT key, etag, {what} FROM rows WHERE {conditions} ORDER BY key LIMIT {limit:d}"  # noqa: S608
    found = connection.execute(statement, parameters).fetchall()
    return [Row(partition, key, _columns(select, text), etag) for key, etag, text in found]


# With one path `json_extract` answers an SQL value, where true is 1; with several, a JSON list that keeps the types.
# So there are always two paths more, to a column that cannot be; they read as null.
_NOWHERE: Final = [path("-")] * 2


def _extract(columns: Sequence[str]) -> tuple[str, list[str]]:
    """The SQL that reads these columns as one JSON list, and its parameters."""
    paths = [*map(path, columns), *_NOWHERE]
    return f"json_extract(columns{', ?' * len(paths)})", paths


def _columns(select: Sequence[str] | None, text: str) -> dict[str, Value]:
    return decode(text) if select is None else decode_list(select, text)


def _update(connection: sqlite3.Connection, address: Address, columns: str, etag: str, expected: str) -> None:
    written = connection.execute(
        f"UPDATE rows SET etag = ?, columns = ? WHERE {_AT} AND {_ETAG_FITS}",  # noqa: S608  # constants
        (etag, columns, *address, expected),
    )
    if not written.rowcount:
        _refuse(connection, address)


def _refuse(connection: sqlite3.Connection, address: Address) -> None:
    """Say why no row was written."""
    if connection.execute(f"SELECT 1 FROM rows WHERE {_AT}", address).fetchall():  # noqa: S608
        raise Changed
    raise Missing
