"""`/runtime/webhooks/eventgrid`: how Event Grid delivers, both in its own schema and as CloudEvents.

The handler runs once for each event, all at once; one failure fails the delivery, and Event Grid sends it all again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from azure.functions.meta import Datum
from multidict import CIMultiDict

from hosting.answers import SERVER, Answer, plain_answer
from hosting.indexing import EVENT_GRID, IndexedFunction
from hosting.invocations import Invocations
from hosting.signatures import converter

EXTENSION = "eventgrid"
SYSTEM_KEY = "eventgrid_extension"
METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS")
DEFAULT_ORIGIN = "eventgrid.azure.net"
# Who may ask for the CloudEvents handshake: Event Grid, in the clouds it runs in.
KNOWN_ORIGINS = (DEFAULT_ORIGIN, "eventgrid.azure.us", "eventgrid.azure.cn")

_logger = logging.getLogger("Host.Triggers.EventGrid")


class EventGrid:
    """The Event Grid functions of an app, by exact name."""

    def __init__(self, functions: Iterable[IndexedFunction], invocations: Invocations) -> None:
        self._functions = {each.name: each for each in functions if each.kind == EVENT_GRID}
        self._invocations = invocations

    @property
    def has_functions(self) -> bool:
        return bool(self._functions)

    async def answer(self, method: str, headers: Mapping[str, str], params: Mapping[str, str], body: bytes) -> Answer:
        """The answer to one request, whose key has been checked."""
        function = self._functions.get(params.get("functionName", ""))
        if method == "OPTIONS":
            return _allow(headers.get("webhook-request-origin", ""))
        if function is None:
            return plain_answer(404, f"cannot find function: '{params.get('functionName', '')}'")
        kind = headers.get("aeg-event-type", "").split(",")[0].lower()
        if kind == "unsubscribe":
            return plain_answer(202)
        if kind not in ("subscriptionvalidation", "notification"):
            return plain_answer(400)
        try:
            content = json.loads(body)
            return _validated(content) if kind == "subscriptionvalidation" else await self._deliver(function, content)
        except (ValueError, LookupError, TypeError) as error:  # the extension parses without looking first
            _logger.warning("a delivery to %s cannot be read: %s: %s", function.name, type(error).__name__, error)
            return plain_answer(500)

    async def _deliver(self, function: IndexedFunction, content: Any) -> Answer:
        events = content if isinstance(content, list) else [content]
        if not all(isinstance(event, dict) for event in events):
            raise TypeError("an event is an object")
        decoded = [decode_event(function, json.dumps(event)) for event in events]
        tasks = [self._invocations.start(function, event) for event in decoded]
        failures = [each for each in await _all(tasks) if each is not None]
        return plain_answer(500, str(failures[0])) if failures else plain_answer(202)


async def _all(tasks: Sequence[asyncio.Task[Any]]) -> list[BaseException | None]:
    """What each task failed with. Waiting is all this does: a caller that goes away stops none of them."""
    if tasks:
        await asyncio.wait(tasks)
    return [task.exception() for task in tasks]


def decode_event(function: IndexedFunction, text: str) -> object:
    """The event as the handler gets it: an object by its own schema, whatever the annotation says, or its text."""
    if function.signature.plain:
        return text
    return converter(EVENT_GRID).decode(Datum(text, "json"), trigger_metadata={})


def _validated(content: Any) -> Answer:
    """The handshake of Event Grid's own schema. As a CloudEvent, the data is JSON in a string."""
    data = content[0]["data"] if isinstance(content, list) else content["data"]
    data = json.loads(data) if isinstance(data, str) else data
    return plain_answer(200, json.dumps({"validationResponse": data["validationCode"]}))


def _allow(origin: str) -> Answer:
    """The handshake of CloudEvents."""
    allowed = origin if origin.lower() in KNOWN_ORIGINS else DEFAULT_ORIGIN
    return Answer(200, CIMultiDict({"Server": SERVER, "Webhook-Allowed-Origin": allowed}), b"")
