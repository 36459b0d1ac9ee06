"""Puts messages into queues."""

from __future__ import annotations

from contextlib import suppress

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue.aio import QueueClient


async def send_message(queue: QueueClient, text: str) -> None:
    """Put a text into a queue, which is made if it is missing."""
    try:
        await queue.send_message(text)
    except ResourceNotFoundError:
        with suppress(ResourceExistsError):  # somebody else made it meanwhile
            await queue.create_queue()
        await queue.send_message(text)
