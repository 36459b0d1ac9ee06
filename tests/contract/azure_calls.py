"""Calls of the Azure engine, for tests that look at what the service is asked or what its answers mean."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeAlias

from hub.storage.azure import AzureStorage, Endpoints, Patience, open_azure
from hub.storage.keys import EVENTS, PAYLOADS
from hub.storage.ports import Insert
from tests.contract.fault_server import Behaviour, FaultServer

QUICK = Patience(budget_seconds=60, first_pause_seconds=0.001, longest_pause_seconds=0.002)
"""Time enough for a busy machine, pauses as short as can be."""

ONCE_AT_MOST = replace(QUICK, first_pause_seconds=1000, longest_pause_seconds=1000)
"""Any pause of our own choosing would be past the budget."""

Call: TypeAlias = Callable[[AzureStorage], Awaitable[object]]

GET: Call = lambda storage: storage.tables.get(EVENTS, "p", "row")  # noqa: E731
INSERT: Call = lambda storage: storage.tables.insert(EVENTS, "p", "row", {"text": "x"})  # noqa: E731
PUT_ROW: Call = lambda storage: storage.tables.put(EVENTS, "p", "row", {})  # noqa: E731
REPLACE: Call = lambda storage: storage.tables.replace(EVENTS, "p", "row", {}, 'W/"1"')  # noqa: E731
MERGE: Call = lambda storage: storage.tables.merge(EVENTS, "p", "row", {}, 'W/"1"')  # noqa: E731
DELETE: Call = lambda storage: storage.tables.delete(EVENTS, "p", "row", 'W/"1"')  # noqa: E731
QUERY: Call = lambda storage: storage.tables.query(EVENTS, "p")  # noqa: E731
PUT: Call = lambda storage: storage.queues.put("queue", "body")  # noqa: E731
RECEIVE: Call = lambda storage: storage.queues.receive("queue", count=1, hidden_seconds=1)  # noqa: E731
UPDATE: Call = lambda storage: storage.queues.update("queue", "id", "receipt", hidden_seconds=0)  # noqa: E731
DELETE_MESSAGE: Call = lambda storage: storage.queues.delete("queue", "id", "receipt")  # noqa: E731
DEPTH: Call = lambda storage: storage.queues.depth("queue")  # noqa: E731
GET_BLOB: Call = lambda storage: storage.blobs.get(PAYLOADS, "blob")  # noqa: E731
PUT_BLOB: Call = lambda storage: storage.blobs.put(PAYLOADS, "blob", b"data")  # noqa: E731
DELETE_BLOB: Call = lambda storage: storage.blobs.delete(PAYLOADS, "blob")  # noqa: E731
TRANSACT: Call = lambda storage: storage.tables.transact(EVENTS, "p", [Insert("row", {})])  # noqa: E731
PREPARE: Call = lambda storage: storage.prepare()  # noqa: E731

ON_ROWS = (GET, INSERT, PUT_ROW, REPLACE, MERGE, DELETE, QUERY, TRANSACT)
ON_MESSAGES = (PUT, RECEIVE, UPDATE, DELETE_MESSAGE, DEPTH)
ON_BLOBS = (GET_BLOB, PUT_BLOB, DELETE_BLOB)
EVERY_CALL = (*ON_ROWS, *ON_MESSAGES, *ON_BLOBS, PREPARE)


@asynccontextmanager
async def opened(address: str | Endpoints, patience: Patience = QUICK) -> AsyncIterator[AzureStorage]:
    storage = await open_azure(address, patience=patience)
    try:
        yield storage
    finally:
        await storage.close()


@asynccontextmanager
async def facing(*script: Behaviour, patience: Patience = QUICK) -> AsyncIterator[tuple[AzureStorage, FaultServer]]:
    """An engine whose service does this."""
    async with FaultServer(*script) as server, opened(server.connection_string, patience) as storage:
        yield storage, server
