"""The `context` a handler may ask for: `azure.functions.Context` and what hangs on it."""

from __future__ import annotations

import secrets
from typing import Any

from azure.functions import Context
from azure.functions._abc import RetryContext, RpcException, TraceContext

from hosting.logs import Running, describe, thread_local


class Trace(TraceContext):
    """The W3C trace context of an invocation: a trace of its own, with nothing before it."""

    def __init__(self) -> None:
        self._parent = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"

    @property
    def trace_parent(self) -> str:
        return self._parent

    @property
    def trace_state(self) -> str:
        return ""

    @property
    def attributes(self) -> dict[str, str]:
        return {}


class Failure(RpcException):
    """The error of the attempt before this one."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    @property
    def source(self) -> str:
        return type(self._error).__module__

    @property
    def stack_trace(self) -> str:
        return describe(self._error)

    @property
    def message(self) -> str:
        return str(self._error)


class Retry(RetryContext):
    """Which attempt of a retried run this is; all zero without a retry policy."""

    def __init__(self, count: int = 0, most: int = 0, failure: Failure | None = None) -> None:
        self._count, self._most, self._failure = count, most, failure

    @property
    def retry_count(self) -> int:
        return self._count

    @property
    def max_retry_count(self) -> int:
        return self._most

    @property
    def exception(self) -> Failure:
        return self._failure  # type: ignore[return-value] # None at the first attempt, which the library leaves out

    def after(self, error: BaseException) -> Retry:
        """The attempt that follows this one, which failed."""
        return Retry(self._count + 1, self._most, Failure(error))


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
