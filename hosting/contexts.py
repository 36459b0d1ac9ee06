"""The `context` a handler may ask for: `azure.functions.Context` and what hangs on it."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from typing import Any

from azure.functions import Context
from azure.functions._abc import RetryContext, RpcException, TraceContext

from hosting.logs import Running, thread_local


@dataclass(frozen=True)
class Trace(TraceContext):
    """The W3C trace context of an invocation."""

    trace_parent: str = field(default_factory=lambda: f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00")
    trace_state: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure(RpcException):
    """The error of the attempt before this one."""

    source: str
    stack_trace: str
    message: str


@dataclass(frozen=True)
class Retry(RetryContext):
    """Which attempt of a retried run this is; all zero without a retry policy."""

    retry_count: int = 0
    max_retry_count: int = 0
    exception: RpcException = None  # type: ignore[assignment] # the first attempt has none, says the library too


class InvocationContext(Context):
    """What an invocation may know about itself."""

    def __init__(self, invocation: Running, directory: str, retry: Retry) -> None:
        self._invocation = invocation
        self._directory = directory
        self._retry = retry
        self._trace = Trace()

    @property
    def invocation_id(self) -> str:
        return self._invocation.id

    @property
    def thread_local_storage(self) -> Any:
        """Where a thread of the app's own says whose it is: `.invocation_id`."""
        return thread_local

    @property
    def function_name(self) -> str:
        return self._invocation.function

    @property
    def function_directory(self) -> str:
        return self._directory

    @property
    def trace_context(self) -> TraceContext:
        return self._trace

    @property
    def retry_context(self) -> RetryContext:
        return self._retry


assert issubclass(type(thread_local), threading.local)
