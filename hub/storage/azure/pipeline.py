"""The way of a request through the SDKs: their policies, less those we can do without, and two of ours.

`Persistence` stands where their own retries would be, `Meter` last before the wire. Left out are policies that cost
time at every call and do nothing here, or harm: the logging policies, which write addresses and headers to the log,
tracing, redirects (storage sends none, and a credential must not follow one), proxies. The session is our own, because
the SDKs' looks for proxies and password files before every request, in a thread: more than half of what a call costs.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any, Final

import aiohttp
from azure.core.exceptions import AzureError, ServiceResponseError
from azure.core.pipeline import AsyncPipeline, PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import (
    AsyncHTTPPolicy,
    AsyncRedirectPolicy,
    AsyncRetryPolicy,
    CustomHookPolicy,
    DistributedTracingPolicy,
    HttpLoggingPolicy,
    NetworkTraceLoggingPolicy,
    ProxyPolicy,
    UserAgentPolicy,
)
from azure.core.pipeline.transport import AioHttpTransport

from hub.clock import Clock
from hub.storage.azure.calls import current_call
from hub.storage.azure.offset import ServiceClock
from hub.storage.azure.patience import Patience
from hub.storage.azure.persistence import Persistence
from hub.storage.counting import OperationCounter

CONNECTIONS: Final = 256
"""At once, to all three services: more than a hub process has requests in hand, fewer than a small plan allows."""
KEEP_ALIVE_SECONDS: Final = 30.0
DNS_SECONDS: Final = 60
LARGE_BODY_BYTES: Final = 256 * 1024

_LEFT_OUT: Final = (
    AsyncRedirectPolicy,
    CustomHookPolicy,
    DistributedTracingPolicy,
    HttpLoggingPolicy,
    NetworkTraceLoggingPolicy,
    ProxyPolicy,
    UserAgentPolicy,  # the session names us
)


class Meter(AsyncHTTPPolicy[Any, Any]):
    """Counts each request sent, lets nobody else answer for the service, and learns the service's clock."""

    def __init__(self, operations: OperationCounter, service_clock: ServiceClock, clock: Clock) -> None:
        super().__init__()
        self._operations = operations
        self._service_clock = service_clock
        self._clock = clock

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        self._operations.add(current_call().operation.value)
        sent = self._clock.now()
        response: PipelineResponse[Any, Any] = await self.next.send(request)
        _check_sender(response)
        self._service_clock.saw(response.http_response.headers.get("Date"), sent, self._clock.now())
        return response


def _check_sender(response: PipelineResponse[Any, Any]) -> None:
    """The service names every answer. What stands between us and it (a proxy, a gateway, a sign-in page) does not.

    Its 404 must not be taken for a missing row, nor its 200 for a row.
    """
    if "x-ms-request-id" not in response.http_response.headers:
        raise ServiceResponseError("The answer is not from the storage service.")


class Transport(AioHttpTransport):  # type: ignore[misc]  # azure-core exports it untyped
    """The SDKs' transport; a large body is written in pieces, between which the event loop may turn."""

    async def open(self) -> None:
        """Called by the SDKs before each request. Raises `AzureError`, not one that is tried again, once closed."""
        if self.session.closed:
            raise AzureError("The engine is closed.")

    def _get_request_data(self, request: Any) -> Any:
        data = super()._get_request_data(request)
        return io.BytesIO(data) if isinstance(data, bytes) and len(data) > LARGE_BODY_BYTES else data


class Plumbing:
    """What all clients of one engine share: the connections, what is counted and learned, how pipelines are made."""

    def __init__(self, patience: Patience, rng: Random, clock: Clock) -> None:
        """Needs a running event loop, which the connections then belong to."""
        self.operations = OperationCounter()
        self.service_clock = ServiceClock()
        self._patience = patience
        self._rng = rng
        self._clock = clock
        self._session = _session()
        self.transport = Transport(
            session=self._session,
            session_owner=False,
            connection_timeout=patience.connect_seconds,
            read_timeout=patience.read_seconds,
        )

    def options(self) -> dict[str, Any]:
        """What a service client is made with."""
        return {"transport": self.transport, "retry_policy": Persistence(self._patience, self._rng)}

    def pipeline(self, standard: Iterable[Any]) -> AsyncPipeline[Any, Any]:
        """A pipeline of the policies that a service client has made for itself, slimmed and metered."""
        meter = Meter(self.operations, self.service_clock, self._clock)
        return AsyncPipeline(self.transport, [*self._slimmed(standard), meter])

    def _slimmed(self, standard: Iterable[Any]) -> Iterator[Any]:
        persistent = 0
        for wrapped in standard:
            policy = getattr(wrapped, "_policy", wrapped)  # a pipeline wraps the policies that do no I/O of their own
            if isinstance(policy, AsyncRetryPolicy):  # the Tables SDK has no option for it
                policy = Persistence(self._patience, self._rng)
            persistent += isinstance(policy, Persistence)
            if not isinstance(policy, _LEFT_OUT):
                yield policy
        if persistent != 1:
            raise RuntimeError(f"The SDK's pipeline tries again in {persistent} places, not one: has it been updated?")

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


def _session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS, ttl_dns_cache=DNS_SECONDS)
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # the SDKs do it
        headers={"User-Agent": "nexomatic"},
    )
    # aiohttp would send a request again by itself when a kept connection turns out closed: unseen and uncounted.
    session._retry_connection = False
    return session
