"""One operation on the service: its name, until when it may take, and what its failure means to the hub."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import ClientError
from azure.core.exceptions import AzureError

from hub.storage.azure.errors import no_answer, translated
from hub.storage.azure.operations import Operation
from hub.storage.azure.patience import Patience

T = TypeVar("T")


@dataclass(slots=True)
class Call:
    """The operation that is being asked for.

    `deadline` is a time of the event loop. `refused` is the status of the service's last transient fault, if it
    answered at all: the attempt that time ends says nothing of what is wrong, the ones before it did.
    """

    operation: Operation
    deadline: float
    refused: int | None = None


_current: ContextVar[Call] = ContextVar("azure_storage_call")


def current_call() -> Call:
    """What this task is asking for. The SDKs pass nothing of ours down to the policies, so the context does."""
    return _current.get()


class Caller:
    """Asks: within the budget, counted under the operation's name, with the errors of `hub/errors.py`."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience

    async def __call__(self, operation: Operation, request: Awaitable[T]) -> T:
        """Await the SDK's request. Raises what the operation's outcome means, `Unavailable` if there was none."""
        call = Call(operation, asyncio.get_running_loop().time() + self._patience.budget_seconds)
        token = _current.set(call)
        try:
            async with asyncio.timeout_at(call.deadline):
                return await request
        # `from None`: the originals quote addresses and answers, which may hold a signature or a caller's data.
        except AzureError as error:
            raise translated(error, operation, call.refused) from None
        except (TimeoutError, ClientError, OSError) as error:
            raise no_answer(error, operation, call.refused) from None
        finally:
            _current.reset(token)
