"""The kinds of operations, as they are counted."""

from __future__ import annotations

from enum import StrEnum


class Operation(StrEnum):
    """One kind of request to the service. Each sending of it is one operation on the bill."""

    TABLE_CREATE = "table.create"
    TABLE_INSERT = "table.insert"
    TABLE_GET = "table.get"
    TABLE_PUT = "table.put"
    TABLE_REPLACE = "table.replace"
    TABLE_MERGE = "table.merge"
    TABLE_DELETE = "table.delete"
    TABLE_QUERY = "table.query"
    TABLE_TRANSACT = "table.transact"
    QUEUE_CREATE = "queue.create"
    QUEUE_PUT = "queue.put"
    QUEUE_RECEIVE = "queue.receive"
    QUEUE_UPDATE = "queue.update"
    QUEUE_DELETE = "queue.delete"
    QUEUE_DEPTH = "queue.depth"
    BLOB_CREATE = "blob.create"
    BLOB_PUT = "blob.put"
    BLOB_GET = "blob.get"
    BLOB_DELETE = "blob.delete"
    BLOB_ADD = "blob.add"
    BLOB_LIST = "blob.list"
