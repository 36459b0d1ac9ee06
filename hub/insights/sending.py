"""Sends spans within seconds and metrics each minute, beside the work: nobody waits for it, and what fails is let go.

Spans wait in a bounded memory; when nobody takes them the oldest go. Counters lose nothing: what could not be sent is
in the next minute's growth.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from hub.errors import NexomaticError
from hub.insights.deltas import Sent, news, sent
from hub.insights.spans import Seen, request_span
from hub.model.span import Span
from hub.rules.metrics import Sample

log = logging.getLogger(__name__)

SPANS_EVERY: Final = 5.0
METRICS_EVERY: Final = 60.0
MOST_SPANS: Final = 4096
BATCH: Final = 512


class Exporter(Protocol):
    """Sends, and waits for the answer: called in a thread. Answers whether all was taken; raises nothing."""

    def spans(self, spans: Sequence[Span]) -> bool: ...

    def samples(self, samples: Sequence[Sample]) -> bool: ...


class Insights:
    """Of one process and event loop. `make` loads the SDK, in a thread, when there is something to send."""

    def __init__(self, make: Callable[[], Exporter]) -> None:
        self._make = make
        self._exporter: Exporter | None = None
        self._spans: deque[Span] = deque(maxlen=MOST_SPANS)
        self._sending: asyncio.Task[None] | None = None
        self._measuring: asyncio.Task[None] | None = None
        self._gate = asyncio.Lock()
        self._sent: Sent = {}
        self._away = False

    # --- what happens

    def add(self, span: Span) -> None:
        """One more to send."""
        self._spans.append(span)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_soon(), name="send spans")

    def answered(self, seen: Seen) -> None:
        """A request was answered."""
        span = request_span(seen)
        if span is not None:
            self.add(span)

    # --- sending

    def measure(self, gather: Callable[[], Awaitable[list[Sample]]]) -> None:
        """From now on send the metrics each minute."""
        self._measuring = asyncio.create_task(self._keep_measuring(gather), name="send metrics")

    async def _keep_measuring(self, gather: Callable[[], Awaitable[list[Sample]]]) -> None:
        while True:
            try:
                await self.send_samples(await gather())
            except NexomaticError as error:
                log.warning("metrics could not be gathered: %s", error)
            await asyncio.sleep(METRICS_EVERY)

    async def _send_soon(self) -> None:
        while self._spans:
            await asyncio.sleep(SPANS_EVERY)
            await self.send_spans()

    async def send_spans(self) -> None:
        """Send those that wait."""
        while self._spans:
            batch = [self._spans.popleft() for _ in range(min(BATCH, len(self._spans)))]
            if not await self._send(lambda exporter, some=batch: exporter.spans(some)):  # type: ignore[misc]
                return

    async def send_samples(self, samples: Sequence[Sample]) -> None:
        """Send what is new in them."""
        new = news(samples, self._sent)
        if await self._send(lambda exporter: exporter.samples(new)):
            self._sent = sent(samples)

    async def _send(self, call: Callable[[Exporter], bool]) -> bool:
        async with self._gate:
            try:
                if self._exporter is None:
                    self._exporter = await asyncio.to_thread(self._make)
                taken = await asyncio.to_thread(call, self._exporter)
            except Exception as error:  # noqa: BLE001 - a connection string that is none, say: the hub works without
                log.info("telemetry: %s", error)
                taken = False
        if taken == self._away:
            log.warning("Azure Monitor %s telemetry", "takes the" if taken else "does not take the")
        self._away = not taken
        return taken

    async def close(self) -> None:
        """Send what waits, once, and stop."""
        async with self._gate:  # what is being sent has left the queue: cancelled, it could be lost
            for task in (self._sending, self._measuring):
                if task is not None:
                    task.cancel()
        await self.send_spans()
