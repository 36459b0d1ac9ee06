"""What a queue trigger does with its queue: polling, retrying, and the poison queue, by the host's rules.

A message is deleted after success. After a failure it is visible again after `visibilityTimeout`, which is 0 by
default: at once. The `maxDequeueCount`th failure moves it to `<queue>-poison`. What is not in the expected encoding
goes there without any run.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import os
import random
from collections.abc import Awaitable
from dataclasses import dataclass, field

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from hosting.hostjson import QueueOptions
from hosting.indexing import IndexedFunction
from hosting.invocations import Invocations
from hosting.queue_messages import decode_message
from hosting.queue_sending import send_message
from hosting.timers import Clock

INVISIBLE_SECONDS = 600
RENEW_SECONDS = 300.0
MINIMUM_WAIT = 0.1  # seconds, between two looks at an empty queue
_JITTER = 0.2

_logger = logging.getLogger("Host.Triggers.Queue")


@dataclass(slots=True)
class Backoff:
    """How long to wait after a look that found nothing."""

    maximum: float
    rng: random.Random
    _misses: int = 0

    def found(self) -> None:
        self._misses = 0

    def next_wait(self) -> float:
        """100 ms after the first miss, then 100 ms and a random share of 100 ms x 2^n, up to the maximum."""
        self._misses += 1
        if self._misses == 1:
            return min(self.maximum, MINIMUM_WAIT)
        growth: float = MINIMUM_WAIT * 2 ** min(self._misses - 2, 32) * self.rng.uniform(1 - _JITTER, 1 + _JITTER)
        return min(self.maximum, MINIMUM_WAIT + growth)


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


@dataclass(slots=True)
class Listener:
    """One queue function's messages: `step` is one look; `run` looks for ever."""

    function: IndexedFunction
    queue: QueueClient
    poison: QueueClient | None  # None: this is a poison queue itself
    options: QueueOptions
    invocations: Invocations
    clock: Clock
    backoff: Backoff
    _handling: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        while True:
            if await self.step():
                await self._room()
            else:
                await self.clock.sleep(self.backoff.next_wait())

    async def step(self) -> bool:
        """Take a batch and start on it; answers whether there was one. Storage that fails is an empty queue."""
        try:
            messages = await self._receive()
        except ResourceNotFoundError:
            return False  # a trigger does not make its queue
        except AzureError as error:
            _logger.warning("%s: the queue %s cannot be read: %s", self.function.name, self.queue.queue_name, error)
            return False
        for message in messages:
            task = self.invocations.track(asyncio.create_task(self.handle(message)))
            self._handling.add(task)
            task.add_done_callback(self._handling.discard)
        if messages:
            self.backoff.found()
        return bool(messages)

    async def _receive(self) -> list[QueueMessage]:
        pages = self.queue.receive_messages(
            messages_per_page=self.options.batch_size, visibility_timeout=INVISIBLE_SECONDS
        ).by_page()
        async for page in pages:
            return [message async for message in page]  # the first only: each page is an operation
        return []

    async def _room(self) -> None:
        """Wait until so few are being handled that the next batch may come."""
        threshold = self.options.new_batch_threshold
        if threshold is None:
            threshold = self.options.batch_size // 2 * (os.cpu_count() or 1)
        while len(self._handling) > threshold:
            await asyncio.wait(self._handling, return_when=asyncio.FIRST_COMPLETED)

    async def handle(self, message: QueueMessage) -> None:
        """One message, from its receipt to its end."""
        try:
            await self._handle(message)
        except AzureError as error:
            # It becomes visible again by itself: at least once is what a queue promises.
            _logger.warning("%s: message %s is left to time out: %s", self.function.name, message.id, error)

    async def _handle(self, message: QueueMessage) -> None:
        body = _decoded(message.content) if self.options.base64 else message.content.encode()
        if body is None:
            await self._to_poison(message, "it is not base64, which host.json's messageEncoding expects")
            return
        if (message.dequeue_count or 0) > self.options.max_dequeue_count:
            await self._to_poison(message, "it was taken too often")
            return
        renewal = asyncio.create_task(self._renew(message))
        try:
            error = await self._invoke(message, body)
        finally:
            renewal.cancel()
            await asyncio.wait((renewal,))
        await self._end(message, error)

    async def _invoke(self, message: QueueMessage, body: bytes) -> BaseException | None:
        try:
            value = decode_message(self.function, body, message)
        except ValueError as error:
            _logger.warning("%s: message %s cannot be decoded: %s", self.function.name, message.id, error)
            return error
        reason = f"New queue message detected on '{self.queue.queue_name}'."
        return await self.invocations.outcome(self.function, value, reason)

    async def _end(self, message: QueueMessage, error: BaseException | None) -> None:
        if error is None:
            await self._settle(self.queue.delete_message(message))
        elif self.poison is None:
            return  # no second poison queue: it stays invisible until its time is up
        elif (message.dequeue_count or 0) >= self.options.max_dequeue_count:
            await self._to_poison(message, f"it failed {message.dequeue_count} times")
        else:
            seconds = int(self.options.visibility_timeout)
            await self._settle(self.queue.update_message(message, visibility_timeout=seconds))

    async def _to_poison(self, message: QueueMessage, reason: str) -> None:
        if self.poison is None:
            return
        _logger.warning("%s: message %s goes to %s: %s", self.function.name, message.id, self.poison.queue_name, reason)
        await send_message(self.poison, message.content)
        await self._settle(self.queue.delete_message(message))

    async def _settle(self, call: Awaitable[object]) -> None:
        """Do it, unless the message is somebody else's by now, or gone."""
        try:
            await call
        except ResourceNotFoundError:
            return
        except HttpResponseError as error:
            if error.status_code not in (400, 409):
                raise

    async def _renew(self, message: QueueMessage) -> None:
        while True:
            await self.clock.sleep(RENEW_SECONDS)
            try:
                renewed = await self.queue.update_message(message, visibility_timeout=INVISIBLE_SECONDS)
            except AzureError as error:
                _logger.warning("%s: message %s cannot be kept: %s", self.function.name, message.id, error)
                return
            message.pop_receipt = renewed.pop_receipt

    async def close(self) -> None:
        await self.queue.close()
        if self.poison is not None:
            await self.poison.close()
