"""Runs a function once: on the event loop or in the thread pool, to its end, whatever becomes of who asked for it.

The worker is never told that a caller went away, so nothing here cancels a handler: an invocation is a task of its own.
What runs too long ends the process (see `watchdog.py`), as on Azure; there is no gentler way out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from azure.functions.decorators.core import Binding

from hosting.contexts import InvocationContext, Retry
from hosting.indexing import IndexedFunction
from hosting.logs import Running, running, thread_local
from hosting.outputs import Out, encode_output

PROGRAMMATIC = "This function was programmatically called via the host APIs."
# Takes a binding and the messages put out; sends them.
Send = Callable[[Binding, list[bytes]], Awaitable[None]]
T = TypeVar("T")


class UnexpectedReturn(TypeError):
    """A function without a `$return` output returned something."""


class Interrupted(Exception):
    """Something that the handler waited for was cancelled."""


@dataclass(slots=True)
class Invocations:
    """Everything that runs in this process."""

    pool: ThreadPoolExecutor
    send: Send | None  # None: the app has no output that is sent
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    started: dict[int, tuple[float, str]] = field(default_factory=dict)  # by id(): monotonic seconds, function
    _quiet: dict[str, bool] = field(default_factory=dict)

    def start(
        self, function: IndexedFunction, trigger: object, reason: str = PROGRAMMATIC, retry: Retry | None = None
    ) -> asyncio.Task[Any]:
        """Run the function with its trigger's value. The task ends with what it returned, or with its exception.

        The failure is logged here, so whoever waits need not; nobody has to wait.
        """
        return self.track(asyncio.get_running_loop().create_task(self._run(function, trigger, reason, retry)))

    def track(self, task: asyncio.Task[T]) -> asyncio.Task[T]:
        """Count a task among what must end before the process does."""
        self.tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    async def outcome(
        self, function: IndexedFunction, trigger: object, reason: str = PROGRAMMATIC, retry: Retry | None = None
    ) -> BaseException | None:
        """Run the function and wait for its end; answers what it failed with, None for success."""
        task = self.start(function, trigger, reason, retry)
        await asyncio.wait((task,))
        return task.exception()

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled():
            task.exception()  # it was logged; without this, asyncio would complain that nobody looked

    async def _run(self, function: IndexedFunction, trigger: object, reason: str, retry: Retry | None) -> Any:
        invocation = Running(function.name)
        running.set(invocation)
        began = time.monotonic()
        self.started[id(invocation)] = began, function.name
        quiet = self._is_quiet(function)
        if not quiet:
            _line(function, f"Executing 'Functions.{function.name}' (Reason='{reason}', Id={invocation.id})")
        try:
            returned = await self._call(function, trigger, invocation, retry)
        except Exception:
            _failed(function, invocation, began)
            raise
        except asyncio.CancelledError as error:  # the app's own doing: the host cancels nothing
            _failed(function, invocation, began)
            raise Interrupted from error
        finally:
            del self.started[id(invocation)]
        if not quiet:
            _line(function, _executed(function, "Succeeded", invocation, began))
        return returned

    async def _call(self, function: IndexedFunction, trigger: object, invocation: Running, retry: Retry | None) -> Any:
        arguments: dict[str, Any] = {function.trigger.name: trigger}
        if function.signature.wants_context:
            arguments["context"] = InvocationContext(invocation, function.directory, retry or Retry())
        outs = {binding.name: Out() for binding in function.outputs} if function.outputs else {}
        arguments.update(outs)
        if function.is_async:
            returned = await function.call(**arguments)
        else:
            loop = asyncio.get_running_loop()
            returned = await loop.run_in_executor(self.pool, _in_thread, function, arguments, invocation)
        if returned is not None and function.returns is None:
            raise UnexpectedReturn(f"function {function.name} returned a value, but has no output that takes it")
        if outs or (function.returns is not None and function.returns.type != "http"):
            await self._send_outputs(function, outs, returned)
        return returned

    async def _send_outputs(self, function: IndexedFunction, outs: Mapping[str, Out], returned: Any) -> None:
        """Only after success: what was `.set()` before an exception is never sent. Nothing set is nothing sent."""
        values = [(binding, outs[binding.name].get()) for binding in function.outputs]
        if function.returns is not None and function.returns.type != "http":
            values.append((function.returns, returned))
        encoded = [(binding, encode_output(binding, value)) for binding, value in values if value is not None]
        for binding, value in encoded:
            assert self.send is not None, "an app with outputs has a way to send them"
            await self.send(binding, value)

    def _is_quiet(self, function: IndexedFunction) -> bool:
        quiet = self._quiet.get(function.name)
        if quiet is None:
            quiet = self._quiet[function.name] = not _logger_of(function).isEnabledFor(logging.DEBUG)
        return quiet

    async def drain(self, seconds: float) -> int:
        """Wait until nothing runs, or the time is up; answers how many still run."""
        deadline = time.monotonic() + seconds
        while self.tasks and (left := deadline - time.monotonic()) > 0:
            await asyncio.wait(self.tasks, timeout=left)
        return len(self.tasks)


def _in_thread(function: IndexedFunction, arguments: Mapping[str, Any], invocation: Running) -> Any:
    # Threads of the pool are used again: what they know about the run before must go.
    token = running.set(invocation)
    thread_local.invocation_id = invocation.id
    try:
        return function.call(**arguments)
    finally:
        running.reset(token)
        thread_local.invocation_id = None


def _logger_of(function: IndexedFunction) -> logging.Logger:
    return logging.getLogger(f"Function.{function.name}")


def _line(function: IndexedFunction, text: str) -> None:
    _logger_of(function).debug("%s", text)


def _failed(function: IndexedFunction, invocation: Running, began: float) -> None:
    _logger_of(function).error("%s", _executed(function, "Failed", invocation, began), exc_info=True)


def _executed(function: IndexedFunction, outcome: str, invocation: Running, began: float) -> str:
    duration = (time.monotonic() - began) * 1000
    return f"Executed 'Functions.{function.name}' ({outcome}, Id={invocation.id}, Duration={duration:.0f}ms)"
