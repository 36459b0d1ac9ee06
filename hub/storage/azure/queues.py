"""Messages in Azure Queue Storage.

Bodies travel as base64 in UTF-8, which is what a Functions queue trigger expects. A message's `inserted_at` and the
times of its visibility are the service's, in whole seconds.
"""

from __future__ import annotations

import asyncio
import base64
import math
from collections import defaultdict
from contextlib import suppress

from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from hub.errors import Exists, Missing, Unavailable
from hub.storage import limits
from hub.storage.azure.account import Account
from hub.storage.azure.calls import Caller
from hub.storage.azure.operations import Operation
from hub.storage.azure.pipeline import Plumbing
from hub.storage.ports import Message

NEVER_EXPIRES = -1


class AzureQueues:
    """The `Queues` port. A retried put may add a second message: a message is a hint, and may come twice."""

    def __init__(self, account: Account, plumbing: Plumbing, call: Caller) -> None:
        self._service = account.queue_service(QueueServiceClient, **plumbing.options())
        self._pipeline = plumbing.pipeline(self._service._pipeline._impl_policies)
        self._call = call
        self._clients: dict[str, QueueClient] = {}
        self._known: set[str] = set()
        self._making: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def put(self, queue: str, body: str, *, hidden_seconds: float = 0) -> None:
        limits.check_body(body)
        hidden = _whole(limits.hidden_for(hidden_seconds))
        was_known = queue in self._known
        try:
            await self._send(queue, body, hidden)
        except Missing:
            if was_known:  # somebody has deleted it since
                self._known.discard(queue)
            await self._make(queue)
            await self._send_again(queue, body, hidden)

    async def receive(self, queue: str, *, count: int, hidden_seconds: float) -> list[Message]:
        limits.check_count(count)
        hidden = _whole(limits.hidden_for(hidden_seconds, least=limits.MIN_RECEIVE_HIDDEN_SECONDS))
        pages = self._queue(queue).receive_messages(messages_per_page=count, visibility_timeout=hidden).by_page()
        try:
            page = await self._call(Operation.QUEUE_RECEIVE, anext(pages, None))
        except Missing:
            return []
        return [_message(message) async for message in page] if page is not None else []

    async def update(
        self, queue: str, message_id: str, receipt: str, *, hidden_seconds: float, body: str | None = None
    ) -> str:
        if body is not None:
            limits.check_body(body)
        request = self._queue(queue).update_message(
            message_id,
            receipt,
            None if body is None else _encoded(body),
            visibility_timeout=_whole(limits.hidden_for(hidden_seconds)),
        )
        new_receipt = (await self._call(Operation.QUEUE_UPDATE, request)).pop_receipt
        assert new_receipt is not None, "an update always gives one"
        return new_receipt

    async def delete(self, queue: str, message_id: str, receipt: str) -> None:
        await self._call(Operation.QUEUE_DELETE, self._queue(queue).delete_message(message_id, receipt))

    async def depth(self, queue: str) -> int:
        try:
            properties = await self._call(Operation.QUEUE_DEPTH, self._queue(queue).get_queue_properties())
        except Missing:
            return 0
        return properties.approximate_message_count or 0

    async def _send(self, queue: str, body: str, hidden: int) -> None:
        request = self._queue(queue).send_message(_encoded(body), visibility_timeout=hidden, time_to_live=NEVER_EXPIRES)
        await self._call(Operation.QUEUE_PUT, request)

    async def _send_again(self, queue: str, body: str, hidden: int) -> None:
        try:
            await self._send(queue, body, hidden)
        except Missing:
            raise Unavailable(f"The queue {queue} was deleted while it was written to. Try again later.") from None

    async def _make(self, queue: str) -> None:
        async with self._making[queue]:  # a burst of first messages makes it once
            if queue not in self._known:
                with suppress(Exists):
                    await self._call(Operation.QUEUE_CREATE, self._queue(queue).create_queue())
                self._known.add(queue)

    def _queue(self, name: str) -> QueueClient:
        client = self._clients.get(name)
        if client is None:
            limits.check_queue(name)
            client = self._clients[name] = QueueClient(
                self._service.url, name, credential=self._service.credential, _pipeline=self._pipeline
            )
        return client


def _whole(seconds: float) -> int:
    """Visibility has whole seconds: rounded up, so that nothing comes back before its time."""
    return math.ceil(seconds)


def _encoded(body: str) -> str:
    return base64.b64encode(body.encode()).decode()


def _decoded(content: str) -> str:
    """The body; a message that is not base64 is nobody's of ours, and handed on so that it does not block the rest."""
    try:
        return base64.b64decode(content, validate=True).decode()
    except ValueError:
        return content


def _message(message: QueueMessage) -> Message:
    assert message.pop_receipt is not None, "a receive always gives one"
    assert message.inserted_on is not None, "a receive always gives it"
    return Message(
        id=message.id,
        receipt=message.pop_receipt,
        body=_decoded(message.content or ""),
        dequeue_count=message.dequeue_count or 0,
        inserted_at=message.inserted_on,
    )
