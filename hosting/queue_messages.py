"""A queue message as a handler gets it. Without the Azure SDK: an app that has no queues need not load it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azure.functions.meta import Datum

from hosting.indexing import QUEUE, IndexedFunction
from hosting.signatures import converter

if TYPE_CHECKING:
    from azure.storage.queue import QueueMessage


def decode_message(function: IndexedFunction, body: bytes, message: QueueMessage | None) -> object:
    """The message as the handler gets it; `message` is None when it never was in a queue."""
    if function.signature.plain is not None:
        return body if function.signature.plain is bytes else body.decode()
    metadata: dict[str, Datum] = {}
    if message is not None:
        metadata = {
            "Id": Datum(message.id, "string"),
            "DequeueCount": Datum(message.dequeue_count, "int"),
            "InsertionTime": _moment(message.inserted_on),
            "ExpirationTime": _moment(message.expires_on),
            "NextVisibleTime": _moment(message.next_visible_on),
            "PopReceipt": Datum(message.pop_receipt, "string"),
        }
    return converter(QUEUE).decode(Datum(body, "bytes"), trigger_metadata=metadata)


def _moment(value: Any) -> Datum:
    return Datum(value.isoformat(), "string") if value else Datum(None, None)
