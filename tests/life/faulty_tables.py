"""An engine's tables, of which one operation goes wrong in one way: for trying every one of them in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any

from hub.errors import Unavailable
from hub.storage.ports import Storage


class Wrong(StrEnum):
    """What goes wrong."""

    FAILS = "fails"
    LOST = "takes effect, and nobody hears of it"
    TWICE = "is sent twice, and the second answer is heard"
    DIES_BEFORE = "the process dies before it"
    DIES_AFTER = "the process dies after it"


class Killed(BaseException):
    """The process is dead: nothing it would still do happens."""


class FaultyTables:
    """The tables of a storage as one process sees them: the operation of this number goes wrong."""

    def __init__(self, engine: Any, number: int, wrong: Wrong) -> None:
        self._engine = engine
        self._number = number
        self._wrong = wrong
        self.asked: list[str] = []
        """What was asked, in order."""
        self.dead = False

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        carry_out = getattr(self._engine, name)

        async def operation(*arguments: Any, **options: Any) -> Any:
            if self.dead:
                raise Killed
            self.asked.append(f"{name} {arguments[0]}")
            if len(self.asked) != self._number:
                return await carry_out(*arguments, **options)
            return await self._go_wrong(lambda: carry_out(*arguments, **options))

        return operation

    async def _go_wrong(self, carry_out: Callable[[], Awaitable[Any]]) -> Any:
        if self._wrong in (Wrong.LOST, Wrong.TWICE, Wrong.DIES_AFTER):
            await carry_out()
        if self._wrong is Wrong.TWICE:
            return await carry_out()
        if self._wrong in (Wrong.DIES_BEFORE, Wrong.DIES_AFTER):
            self.dead = True
            raise Killed
        raise Unavailable("no answer in time")


WRITES = frozenset({"insert", "replace", "transact"})


class SlowToAnswer:
    """The tables of a storage as one process sees them: what it writes is written at once, and answered late."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        carry_out: Callable[..., Awaitable[Any]] = getattr(self._engine, name)
        if name not in WRITES:
            return carry_out

        async def operation(*arguments: Any, **options: Any) -> Any:
            answer = await carry_out(*arguments, **options)
            await asyncio.sleep(self.seconds)
            return answer

        return operation


class FaultyStorage:
    """A storage with such tables."""

    def __init__(self, engine: Storage, tables: FaultyTables | SlowToAnswer) -> None:
        self._engine = engine
        self.tables = tables

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)
