"""Rows with ETags, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial

from hub.errors import NexomaticError
from hub.storage import limits
from hub.storage.counting import OperationCounter
from hub.storage.embedded import rows
from hub.storage.embedded.database import Versions
from hub.storage.embedded.lanes import Lane
from hub.storage.ports import Change, Delete, Found, Insert, Put, Replace, Row, Values


class EmbeddedTables:
    """Rows of all tables, in one SQL table. Gets have a lane of their own, so that no long query holds them up."""

    def __init__(
        self, writes: Lane, gets: Lane, queries: Lane, versions: Versions, operations: OperationCounter
    ) -> None:
        self._writes = writes
        self._gets = gets
        self._queries = queries
        self._versions = versions
        self._operations = operations

    async def insert(self, table: str, partition: str, key: str, values: Values) -> str:
        _check(table, partition, key, values)
        return await self._write("table.insert", rows.insert((table, partition, key), values))

    async def get(self, table: str, partition: str, key: str) -> Row:
        limits.check_table(table)
        limits.check_keys(partition, key)
        self._operations.add("table.get")
        return await self._gets.run(lambda connection: rows.get(connection, (table, partition, key)))

    async def put(self, table: str, partition: str, key: str, values: Values) -> str:
        _check(table, partition, key, values)
        return await self._write("table.put", rows.put((table, partition, key), values))

    async def replace(self, table: str, partition: str, key: str, values: Values, etag: str) -> str:
        _check(table, partition, key, values)
        return await self._write("table.replace", rows.replace((table, partition, key), values, etag))

    async def merge(self, table: str, partition: str, key: str, values: Values, etag: str) -> str:
        _check(table, partition, key, values)
        return await self._write("table.merge", rows.merge((table, partition, key), values, etag))

    async def delete(self, table: str, partition: str, key: str, etag: str) -> None:
        limits.check_table(table)
        limits.check_keys(partition, key)
        await self._write("table.delete", rows.delete((table, partition, key), etag))

    async def query(
        self,
        table: str,
        partition: str,
        *,
        after: str = "",
        before: str | None = None,
        limit: int = limits.MAX_PAGE_ROWS,
        select: Sequence[str] | None = None,
        where: Values | None = None,
    ) -> list[Row]:
        limits.check_table(table)
        limits.check_query(partition, after, before, limit)
        chosen = None if select is None else tuple(select)
        wanted = dict(where or {})
        limits.check_columns(wanted)
        for column in chosen or ():
            limits.check_column_name(column)
        within = rows.Range(table, partition, after, before)
        self._operations.add("table.query")
        return await self._queries.run(partial(rows.query, within=within, limit=limit, select=chosen, where=wanted))

    async def search(
        self,
        table: str,
        partition: str,
        *,
        where: Values,
        after: str = "",
        limit: int = limits.MAX_PAGE_ROWS,
        most: int = limits.MAX_PAGE_ROWS,
        select: Sequence[str] | None = None,
    ) -> Found:
        limits.check_table(table)
        limits.check_search(partition, after, limit, most)
        chosen = None if select is None else tuple(select)
        wanted = dict(where)
        limits.check_columns(wanted)
        for column in chosen or ():
            limits.check_column_name(column)
        search = partial(
            rows.search,
            within=rows.Range(table, partition, after),
            limit=limit,
            most=most,
            select=chosen,
            where=wanted,
        )
        self._operations.add("table.query")
        return await self._queries.run(search)

    async def transact(self, table: str, partition: str, changes: Sequence[Change]) -> None:
        limits.check_table(table)
        limits.check_changes(partition, changes)
        if not changes:
            return
        writes = [_write_of((table, partition, change.key), change) for change in changes]
        self._operations.add("table.transact")
        await self._writes.run(lambda connection: _all_or_none(connection, writes, self._versions))

    async def _write(self, kind: str, write: rows.Write) -> str:
        def with_new_etag(connection: sqlite3.Connection) -> str:
            etag = self._versions.text()
            write(connection, etag)
            return etag

        self._operations.add(kind)
        return await self._writes.run(with_new_etag)


def _check(table: str, partition: str, key: str, values: Values) -> None:
    limits.check_table(table)
    limits.check_row(partition, key, values)


def _write_of(address: rows.Address, change: Change) -> rows.Write:
    match change:
        case Insert():
            return rows.insert(address, change.values)
        case Put():
            return rows.put(address, change.values)
        case Replace():
            return rows.replace(address, change.values, change.etag)
        case Delete():
            return rows.delete(address, change.etag)


def _all_or_none(connection: sqlite3.Connection, writes: Sequence[rows.Write], versions: Versions) -> None:
    connection.execute("SAVEPOINT changes")
    try:
        for write in writes:
            write(connection, versions.text())
    except NexomaticError:
        connection.execute("ROLLBACK TO changes")
        connection.execute("RELEASE changes")
        raise
    connection.execute("RELEASE changes")
