"""The statements on rows. Each checks and writes in one go, so that one that fails has written nothing.

A change is made ready on the calling task (`insert`, `put`, ...) and carried out by the writer under an ETag it draws.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from hub.errors import Changed, Exists, Missing
from hub.storage import limits
from hub.storage.embedded.sought import Sought, sought_by, sought_of
from hub.storage.embedded.values import decode, decode_list, encode, encode_list, path
from hub.storage.ports import ANY_ETAG, Found, Row, Value, Values

Address: TypeAlias = tuple[str, str, str]
"""Table, partition, key."""

Write: TypeAlias = Callable[[sqlite3.Connection, str], None]
"""Changes one row and gives it this ETag."""

_INSERT: Final = "INSERT INTO rows(tbl, partition, key, etag, columns, sought) VALUES(?, ?, ?, ?, ?, ?)"
_AT: Final = "tbl = ? AND partition = ? AND key = ?"
_ETAG_FITS: Final = f"? IN (etag, '{ANY_ETAG}')"


def insert(address: Address, values: Values) -> Write:
    """Raises `Exists`."""
    columns, sought = encode(values), sought_of(values)

    def write(connection: sqlite3.Connection, etag: str) -> None:
        written = connection.execute(f"{_INSERT} ON CONFLICT DO NOTHING", (*address, etag, columns, sought))
        if not written.rowcount:
            raise Exists

    return write


def put(address: Address, values: Values) -> Write:
    """Insert or overwrite."""
    columns, sought = encode(values), sought_of(values)

    def write(connection: sqlite3.Connection, etag: str) -> None:
        overwrite = "etag = excluded.etag, columns = excluded.columns, sought = excluded.sought"
        connection.execute(f"{_INSERT} ON CONFLICT DO UPDATE SET {overwrite}", (*address, etag, columns, sought))

    return write


def replace(address: Address, values: Values, expected: str) -> Write:
    """Raises `Changed`, `Missing`."""
    columns, sought = encode(values), sought_of(values)
    return lambda connection, etag: _update(connection, address, columns, sought, etag, expected)


def merge(address: Address, values: Values, expected: str) -> Write:
    """Raises `Changed`, `Missing`, and `LimitExceeded` if the row as a whole would become too large."""
    changed = dict(values)

    def write(connection: sqlite3.Connection, etag: str) -> None:
        row = get(connection, address)
        merged = {**row.values, **changed}
        if expected in (row.etag, ANY_ETAG):
            limits.check_row(row.partition, row.key, merged)
        _update(connection, address, encode(merged), sought_of(merged), etag, expected)

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


@dataclass(frozen=True, slots=True)
class Range:
    """Rows of one partition, by their keys."""

    table: str
    partition: str
    after: str
    before: str | None = None
    through: str | None = None
    """Like `before`, with the row of this key."""

    def conditions(self) -> tuple[str, list[Any]]:
        """As SQL, and its parameters."""
        text, parameters = "tbl = ? AND partition = ? AND key > ?", [self.table, self.partition, self.after]
        for sign, end in (("<", self.before), ("<=", self.through)):
            if end is not None:
                text += f" AND key {sign} ?"
                parameters.append(end)
        return text, parameters

    def up_to(self, key: str | None) -> Range:
        """The same, ended with this key."""
        return Range(self.table, self.partition, self.after, self.before, key)


def query(
    connection: sqlite3.Connection,
    within: Range,
    *,
    limit: int,
    select: Sequence[str] | None,
    where: Values,
    sought: Sought | None = None,
) -> list[Row]:
    """One page. SQLite chooses rows and columns, so that what is not wanted never becomes a Python object."""
    what, parameters = ("columns", []) if select is None else _extract(select)
    conditions, ends = within.conditions()
    parameters += ends
    source = "rows"
    if sought is not None:
        # By name: SQLite has to use it, or says that it cannot. Its own choice may change with its statistics.
        source += f" INDEXED BY {sought.index}"
        conditions += f" AND {sought.condition}"
    if where:
        extract, paths = _extract(list(where))
        conditions += f" AND {extract} = ?"
        parameters += [*paths, encode_list([*where.values(), None, None])]
    statement = f"SELECT key, etag, {what} FROM {source} WHERE {conditions} ORDER BY key LIMIT {limit:d}"  # noqa: S608
    found = connection.execute(statement, parameters).fetchall()
    return [Row(within.partition, key, _columns(select, text), etag) for key, etag, text in found]


def search(
    connection: sqlite3.Connection,
    within: Range,
    *,
    limit: int,
    most: int,
    select: Sequence[str] | None,
    where: Values,
) -> Found:
    """Rows by an index of them, else among the next `most` of the range, whichever columns they have."""
    sought = sought_by(where)
    end = None
    if sought is None:
        # Its end first: rows that come to be meanwhile lie inside it, and are looked at too.
        end = _key_at(connection, within, most)
        within = within.up_to(end)
    found = query(connection, within, limit=limit, select=select, where=where, sought=sought)
    return Found(found, found[-1].key if len(found) == limit else end)


def _key_at(connection: sqlite3.Connection, within: Range, place: int) -> str | None:
    """The key at this place of the range, counted from 1; None if it has fewer rows. Reads the index alone."""
    conditions, parameters = within.conditions()
    statement = f"SELECT key FROM rows WHERE {conditions} ORDER BY key LIMIT 1 OFFSET {place - 1:d}"  # noqa: S608
    found = connection.execute(statement, parameters).fetchall()
    return found[0][0] if found else None


# With one path `json_extract` answers an SQL value, where true is 1; with several, a JSON list that keeps the types.
# So there are always two paths more, to a column that cannot be; they read as null.
_NOWHERE: Final = [path("-")] * 2


def _extract(columns: Sequence[str]) -> tuple[str, list[str]]:
    """The SQL that reads these columns as one JSON list, and its parameters."""
    paths = [*map(path, columns), *_NOWHERE]
    return f"json_extract(columns{', ?' * len(paths)})", paths


def _columns(select: Sequence[str] | None, text: str) -> dict[str, Value]:
    return decode(text) if select is None else decode_list(select, text)


def _update(
    connection: sqlite3.Connection, address: Address, columns: str, sought: int, etag: str, expected: str
) -> None:
    written = connection.execute(
        f"UPDATE rows SET etag = ?, columns = ?, sought = ? WHERE {_AT} AND {_ETAG_FITS}",  # noqa: S608  # constants
        (etag, columns, sought, *address, expected),
    )
    if not written.rowcount:
        _refuse(connection, address)


def _refuse(connection: sqlite3.Connection, address: Address) -> None:
    """Say why no row was written."""
    if connection.execute(f"SELECT 1 FROM rows WHERE {_AT}", address).fetchall():  # noqa: S608
        raise Changed
    raise Missing
