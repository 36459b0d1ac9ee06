"""Calls from callers, admins and agents to hubs: lost, doubled, slow or late as planned.

A hub that is killed while it answers is heard no more; one that is down refuses at once. A caller that gives up does
not stop the hub: what it began goes on beside the caller's next try.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

from hub.errors import Cloned, Invalid, LeaseRunOut, NotFound, Rejected, Superseded, Unavailable
from hub.wiring import Hub
from tests.simulation.faults import Fault, Faults, Hit, Layer
from tests.simulation.hub_pool import SimHub
from tests.simulation.process import Process
from tests.simulation.trace import Trace

T = TypeVar("T")

TRAVEL_SECONDS = 0.02


class NoAnswer(Exception):
    """Refused, timed out, cut off, 503: what was asked may or may not have happened."""


class Refused(Exception):
    """The hub answered with an error that trying again does not change."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class _Answer(Generic[T]):
    value: T


@dataclass(frozen=True)
class _Error:
    error: Exception


class Network:
    """Carries calls to whichever hub the load balancer picks."""

    def __init__(self, servers: list[SimHub], faults: Faults, rng: Random, trace: Trace) -> None:
        self._servers = servers
        self._faults = faults
        self._rng = rng
        self._trace = trace
        self._heedless: set[asyncio.Task[None]] = set()
        self.surprises: list[str] = []
        """Errors that no handler may let out."""

    async def call(
        self,
        caller: Process,
        what: str,
        about: str,
        handle: Callable[[Hub], Awaitable[T]],
        *,
        patience: float = 15.0,
    ) -> T:
        """The answer of some hub. Raises `NoAnswer`, or `Refused`. Never returns once the caller is dead."""
        await caller.pass_on()
        now = asyncio.get_running_loop().time()
        hit = self._faults.at(Layer.NETWORK, caller.name, what, now)
        if hit is not None:
            self._trace.add(caller.name, f"!! {what}", hit.fault.value, f"({hit.seconds:.2f} s)", about)
        try:
            async with asyncio.timeout(patience):
                answer = await self._with(hit, what, handle)
        except TimeoutError:
            answer = None
        if self._faults.out(Layer.NETWORK, asyncio.get_running_loop().time()):
            answer = None
        await caller.pass_on()
        return self._heard(caller, what, about, answer)

    async def _with(
        self, hit: Hit | None, what: str, handle: Callable[[Hub], Awaitable[T]]
    ) -> _Answer[T] | _Error | None:
        if hit is None:
            return await self._ask(what, handle)
        seconds = hit.seconds
        match hit.fault:
            case Fault.FAIL:
                await asyncio.sleep(seconds)
                return None
            case Fault.LOST:
                await self._ask(what, handle)
                await asyncio.sleep(seconds)
                return None
            case Fault.LATE:
                self._start_heedless(seconds, what, handle)
                await asyncio.sleep(seconds * self._rng.random())
                return None
            case Fault.DUPLICATE:
                self._start_heedless(self._rng.random() * TRAVEL_SECONDS, what, handle)
            case Fault.SLOW:
                await asyncio.sleep(seconds)
        return await self._ask(what, handle)

    async def _ask(self, what: str, handle: Callable[[Hub], Awaitable[T]]) -> _Answer[T] | _Error | None:
        """Ask a hub. The question goes on there even if nobody waits for the answer any more."""
        await asyncio.sleep(self._rng.random() * TRAVEL_SECONDS)
        server = self._rng.choice(self._servers)
        process = server.process
        if process is None or not process.alive:
            return None
        work = process.start(self._answer(server.name, what, handle, server.handler))
        return await process.until_death(work)

    async def _answer(
        self, server: str, what: str, handle: Callable[[Hub], Awaitable[T]], handler: Hub
    ) -> _Answer[T] | _Error:
        try:
            return _Answer(await handle(handler))
        except (Superseded, LeaseRunOut, Invalid, NotFound, Rejected, Unavailable, Cloned) as error:
            return _Error(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the oracle must hear of it
            self._trace.add(server, f"?? {what}", repr(error))
            self.surprises.append(f"{server} let out of {what}: {error!r}")
            return _Error(error)

    def _start_heedless(self, seconds: float, what: str, handle: Callable[[Hub], Awaitable[T]]) -> None:
        async def later() -> None:
            await asyncio.sleep(seconds)
            await self._ask(what, handle)

        task = asyncio.create_task(later())
        self._heedless.add(task)
        task.add_done_callback(self._heedless.discard)

    def _heard(self, caller: Process, what: str, about: str, answer: _Answer[T] | _Error | None) -> T:
        if answer is None:
            self._trace.add(caller.name, what, about, "-> no answer")
            raise NoAnswer(f"{what}: no answer")
        if isinstance(answer, _Answer):
            self._trace.add(caller.name, what, about, "->", answer.value)
            return answer.value
        self._trace.add(caller.name, what, about, "->", repr(answer.error))
        if isinstance(answer.error, Cloned):  # no agent runs twice here: only what a dead one has sent may be told so
            self.surprises.append(f"{caller.name} lives, and is called a copy")
        raise _refusal(answer.error)


def _refusal(error: Exception) -> Exception:
    if isinstance(error, Superseded):
        return Refused(409, error.reason)
    if isinstance(error, Rejected | LeaseRunOut):
        return Refused(409, str(error))
    if isinstance(error, NotFound):
        return Refused(404, str(error))
    if isinstance(error, Invalid):
        return Refused(400, str(error))
    return NoAnswer(repr(error))
