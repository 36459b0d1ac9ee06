"""Rows in Azure Table Storage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

from azure.core import MatchConditions
from azure.core.async_paging import AsyncPageIterator
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from hub.errors import Exists, Missing
from hub.storage import limits
from hub.storage.azure.account import Account
from hub.storage.azure.calls import Caller
from hub.storage.azure.entities import (
    KEY,
    PARTITION,
    SYSTEM_COLUMNS,
    equals,
    only,
    range_filter,
    sent_etag,
    to_entity,
    to_row,
)
from hub.storage.azure.operations import Operation
from hub.storage.azure.pipeline import Plumbing
from hub.storage.ports import Change, Delete, Found, Insert, Put, Replace, Row, Values


class AzureTables:
    """The `Tables` port. A retry may meet its own success as `Exists` or `Changed`: read again and compare."""

    def __init__(self, account: Account, plumbing: Plumbing, call: Caller) -> None:
        self._service = account.table_service(TableServiceClient, **plumbing.options())
        self._pipeline = plumbing.pipeline(self._service._policies)
        self._call = call
        self._clients: dict[str, TableClient] = {}

    async def create(self, table: str) -> None:
        """Make the table if it is not there."""
        try:
            await self._call(Operation.TABLE_CREATE, self._table(table).create_table())
        except Exists:
            return

    async def insert(self, table: str, partition: str, key: str, values: Values) -> str:
        limits.check_row(partition, key, values)
        request = self._table(table).create_entity(
            to_entity(partition, key, values),
            response_preference="return-no-content",  # else the whole row comes back
        )
        return _etag(await self._call(Operation.TABLE_INSERT, request))

    async def get(self, table: str, partition: str, key: str) -> Row:
        limits.check_keys(partition, key)
        return to_row(await self._call(Operation.TABLE_GET, self._table(table).get_entity(partition, key)))

    async def put(self, table: str, partition: str, key: str, values: Values) -> str:
        limits.check_row(partition, key, values)
        request = self._table(table).upsert_entity(to_entity(partition, key, values), UpdateMode.REPLACE)
        return _etag(await self._call(Operation.TABLE_PUT, request))

    async def replace(self, table: str, partition: str, key: str, values: Values, etag: str) -> str:
        limits.check_row(partition, key, values)
        request = self._table(table).update_entity(
            to_entity(partition, key, values), UpdateMode.REPLACE, **_only_if(etag)
        )
        return _etag(await self._call(Operation.TABLE_REPLACE, request))

    async def merge(self, table: str, partition: str, key: str, values: Values, etag: str) -> str:
        limits.check_row(partition, key, values)
        request = self._table(table).update_entity(
            to_entity(partition, key, values), UpdateMode.MERGE, **_only_if(etag)
        )
        return _etag(await self._call(Operation.TABLE_MERGE, request))

    async def delete(self, table: str, partition: str, key: str, etag: str) -> None:
        limits.check_keys(partition, key)
        done: list[bool] = []
        # The SDK takes a missing row for a success, and tells the two apart only by calling `cls` after a real one.
        request = self._table(table).delete_entity(partition, key, cls=lambda *_: done.append(True), **_only_if(etag))
        await self._call(Operation.TABLE_DELETE, request)
        if not done:
            raise Missing

    async def query(
        self,
        table: str,
        partition: str,
        *,
        after: str = "",
        before: str | None = None,
        limit: int = 1000,
        select: Sequence[str] | None = None,
        where: Values | None = None,
    ) -> list[Row]:
        limits.check_query(partition, after, before, limit)
        wanted = dict(where or {})
        pages = self._pages(table, range_filter(partition, after, before, wanted), limit, select, wanted)
        rows: list[Row] = []
        # A page may be short or empty and not be the last: after 5 s the service answers with what it has.
        while len(rows) < limit and (page := await self._call(Operation.TABLE_QUERY, anext(pages, None))) is not None:
            rows += [row async for row in _rows(page) if equals(row, wanted)]
        return [only(row, select) for row in rows[:limit]]

    async def search(
        self,
        table: str,
        partition: str,
        *,
        where: Values,
        after: str = "",
        limit: int = 1000,
        most: int = 1000,
        select: Sequence[str] | None = None,
    ) -> Found:
        """One request, which the service itself ends after 5 s; `most` is no more than checked.

        Only an answer without a row is followed by another request, since nothing in it tells where it ended.
        """
        limits.check_search(partition, after, limit, most)
        pages = self._pages(table, range_filter(partition, after, None, where), limit, select, where)
        while (page := await self._call(Operation.TABLE_QUERY, anext(pages, None))) is not None:
            rows = [row async for row in _rows(page)]
            if rows or pages.continuation_token is None:
                wanted = [only(row, select) for row in rows if equals(row, where)]
                return Found(wanted, None if pages.continuation_token is None else rows[-1].key)
        return Found([], None)

    def _pages(
        self, table: str, condition: str, limit: int, select: Sequence[str] | None, where: Values
    ) -> AsyncPageIterator[TableEntity]:
        limits.check_columns(where)
        for column in select or ():
            limits.check_column_name(column)
        found = self._table(table).query_entities(
            condition,
            results_per_page=limit,
            select=None if select is None else [*SYSTEM_COLUMNS, *{*select, *where}],
        )
        return cast("AsyncPageIterator[TableEntity]", found.by_page())

    async def transact(self, table: str, partition: str, changes: Sequence[Change]) -> None:
        limits.check_changes(partition, changes)
        if changes:
            request = self._table(table).submit_transaction([_operation(partition, change) for change in changes])
            await self._call(Operation.TABLE_TRANSACT, request)

    def _table(self, name: str) -> TableClient:
        client = self._clients.get(name)
        if client is None:
            limits.check_table(name)
            client = self._clients[name] = TableClient(
                self._service.url, name, credential=self._service.credential, pipeline=self._pipeline
            )
        return client


async def _rows(page: AsyncIterator[TableEntity]) -> AsyncIterator[Row]:
    async for entity in page:
        yield to_row(entity)


def _operation(partition: str, change: Change) -> tuple[str, dict[str, Any], dict[str, Any]]:
    match change:
        case Insert(key, values):
            return "create", to_entity(partition, key, values), {}
        case Put(key, values):
            return "upsert", to_entity(partition, key, values), {"mode": UpdateMode.REPLACE}
        case Replace(key, values, etag):
            return "update", to_entity(partition, key, values), {"mode": UpdateMode.REPLACE, **_only_if(etag)}
        case Delete(key, etag):
            return "delete", {PARTITION: partition, KEY: key}, _only_if(etag)


def _only_if(etag: str) -> dict[str, Any]:
    return {"etag": sent_etag(etag), "match_condition": MatchConditions.IfNotModified}


def _etag(answer: Mapping[str, Any]) -> str:
    etag: str = answer["etag"]
    return etag
