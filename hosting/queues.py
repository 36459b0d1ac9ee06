"""Queue triggers and outputs of an app: finds their accounts and queues by its settings."""

from __future__ import annotations

import base64
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from azure.functions.decorators.core import Binding
from azure.functions.decorators.queue import QueueOutput, QueueTrigger
from azure.storage.queue.aio import QueueClient

from hosting.connections import connection_string
from hosting.hostjson import QueueOptions
from hosting.indexing import IndexedFunction
from hosting.invocations import Invocations
from hosting.queue_listener import Backoff, Listener
from hosting.queue_sending import send_message
from hosting.settings import resolve
from hosting.timers import Clock

POISON_SUFFIX = "-poison"
MAXIMUM_WAIT, MAXIMUM_WAIT_IN_DEVELOPMENT = 60.0, 2.0  # seconds


@dataclass(slots=True)
class Queues:
    """Makes listeners and sends output messages, by the app's settings."""

    settings: Mapping[str, str]
    options: QueueOptions
    _senders: dict[tuple[str, str], QueueClient] = field(default_factory=dict)

    def listener(
        self, function: IndexedFunction, invocations: Invocations, clock: Clock, rng: random.Random
    ) -> Listener:
        """The listener of a queue function; raises BadSettings, naming the function, if its queue cannot be found."""
        assert isinstance(function.trigger, QueueTrigger)
        account, name = self._address(function.trigger, function.name)
        poison = (
            None if name.endswith(POISON_SUFFIX) else QueueClient.from_connection_string(account, name + POISON_SUFFIX)
        )
        queue = QueueClient.from_connection_string(account, name)
        return Listener(function, queue, poison, self.options, invocations, clock, Backoff(self._longest_wait(), rng))

    def _longest_wait(self) -> float:
        if self.options.max_polling_interval is not None:
            return self.options.max_polling_interval
        development = self.settings.get("AZURE_FUNCTIONS_ENVIRONMENT") == "Development"
        return MAXIMUM_WAIT_IN_DEVELOPMENT if development else MAXIMUM_WAIT

    def check_output(self, binding: Binding, function: str) -> None:
        """Raise BadSettings, naming the function, if the queue of an output cannot be found."""
        assert isinstance(binding, QueueOutput)
        self._address(binding, function)

    async def send(self, binding: Binding, messages: list[bytes]) -> None:
        """Send what a function put out, in the encoding that triggers expect."""
        assert isinstance(binding, QueueOutput)
        address = self._address(binding, binding.name)
        if address not in self._senders:
            self._senders[address] = QueueClient.from_connection_string(*address)
        for message in messages:
            text = base64.b64encode(message).decode() if self.options.base64 else message.decode()
            await send_message(self._senders[address], text)

    def _address(self, binding: QueueTrigger | QueueOutput, function: str) -> tuple[str, str]:
        where = f"function {function}: connection"
        name = resolve(binding.queue_name, self.settings, f"function {function}: queue_name")
        return connection_string(binding.connection, self.settings, where), name.lower()

    async def close(self) -> None:
        for sender in self._senders.values():
            await sender.close()
