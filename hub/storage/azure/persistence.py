"""Trying again: the policy that stands in the SDKs' pipelines where their own retries would be.

Those count attempts and wait for minutes; this one keeps to the call's deadline.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any, Final

from azure.core.exceptions import IncompleteReadError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy

from hub.storage.azure.calls import current_call
from hub.storage.azure.patience import Patience

_TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
_FAULTS: Final = (ServiceRequestError, ServiceResponseError, IncompleteReadError)
_FOR_THE_SDK_S_RETRIES: Final = ("location_mode", "hosts", "retry_to_secondary")
"""Options that other policies of the SDKs leave for their retries; the transport knows none of them."""


class Persistence(AsyncHTTPPolicy[Any, Any]):
    """Tries again after a transient fault, as long as the call's deadline leaves time for the pause.

    A fault after the request was sent may hide a success: see `errors.py`.
    """

    def __init__(self, patience: Patience, rng: Random) -> None:
        super().__init__()
        self._patience = patience
        self._rng = rng

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        for name in _FOR_THE_SDK_S_RETRIES:
            request.context.options.pop(name, None)
        attempt = 0
        while (response := await self._attempt(request, attempt)) is None:
            attempt += 1
        # The SDKs ask their retries which of an account's two locations answered; ours has one.
        response.context["location_mode"] = response.http_response.location_mode = "primary"
        return response

    async def _attempt(self, request: PipelineRequest[Any], attempt: int) -> PipelineResponse[Any, Any] | None:
        """The answer; None after a fault and the pause that follows it. Raises the fault when time is up."""
        try:
            response = await self.next.send(request)
        except _FAULTS:
            # The first time at once: mostly the service has closed an idle connection.
            pause = self._patience.pause_seconds(attempt, None, self._rng) if attempt else 0.0
            if not await self._paused(pause):
                raise
            return None
        status = response.http_response.status_code
        if status not in _TRANSIENT:
            return response
        current_call().refused = status
        if not await self._paused(self._patience.pause_seconds(attempt, _retry_after(response), self._rng)):
            return response
        await response.http_response.close()  # a download's is unread, and would keep its connection
        return None

    async def _paused(self, seconds: float) -> bool:
        if asyncio.get_running_loop().time() + seconds >= current_call().deadline:
            return False
        await asyncio.sleep(seconds)
        return True


def _retry_after(response: PipelineResponse[Any, Any]) -> float | None:
    """Seconds the service asked us to wait; its other form, a date, is not used by storage."""
    try:
        seconds = float(response.http_response.headers.get("Retry-After", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
