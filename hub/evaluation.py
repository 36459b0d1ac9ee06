"""Expressions evaluated without holding up the event loop, each call bounded to 250 ms of work.

A thread cannot be killed, and a process that can is too dear where the hub runs: on a function instance with one core
and 512 MB, a pool would double the memory, take most of a second to start and, forked from the host's worker, inherit
its locks. Neither is needed, because evaluation stops itself: the interpreter counts its steps and looks at the time
on its way (`rules/expression_budget.py`), and does nothing large that it has not counted first. What is left to solve
is that the loop goes on meanwhile:

- A document under 4 KiB is evaluated at once, with steps for a few milliseconds, because going to a thread and back
  costs more than nearly all of them take. One that needs more begins again in the thread.
- All else goes to one thread. A second would only compete for the same interpreter lock, with the loop too. While it
  works, the thread lets go of that lock about twice a millisecond. Left to itself Python would keep it for five, and
  the loop needs it back after every single read and write: it gets at least twice as much done this way.

Time is the thread's own processor time, so that a busy machine does not make an innocent expression fail.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from pydantic import JsonValue

from hub.rules import expressions, strict_json
from hub.rules.expression_budget import MAX_STEPS, Budget, ExpressionTooSlow
from hub.rules.expressions import MAX_DOCUMENT_BYTES

MAX_SECONDS: Final = 0.25
SMALL_DOCUMENT_BYTES: Final = 4096
SMALL_STEPS: Final = 5000


class Evaluation(Protocol):
    """Evaluates JMESPath expressions over a JSON text of at most `MAX_DOCUMENT_BYTES`."""

    async def evaluate(self, expression: str, document: bytes) -> JsonValue:
        """What the expression says of the document; null where it finds nothing.

        Raises `Invalid` for a wrong expression, document or result, `ExpressionTooSlow` (an `Invalid`) over the bound,
        `TooLarge` for a document over the limit.
        """
        ...

    async def evaluate_all(self, expressions: Sequence[str], document: bytes) -> list[JsonValue]:
        """The same for several expressions over one document, read once; the first that fails raises.

        The time is for all of them together, the steps are for each.
        """
        ...


class InlineEvaluator:
    """Evaluates where it is called, bounded by steps alone: the same call always ends the same way. For simulation."""

    async def evaluate(self, expression: str, document: bytes) -> JsonValue:
        return _evaluate((expression,), document, MAX_STEPS)[0]

    async def evaluate_all(self, expressions: Sequence[str], document: bytes) -> list[JsonValue]:
        return _evaluate(expressions, document, MAX_STEPS)


class Evaluator:
    """Evaluates small documents at once, others in a thread of its own. One per process."""

    def __init__(
        self, max_seconds: float = MAX_SECONDS, processor_time: Callable[[], float] = time.thread_time
    ) -> None:
        self._max_seconds = max_seconds
        self._processor_time = processor_time
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="expressions")

    async def evaluate(self, expression: str, document: bytes) -> JsonValue:
        return (await self.evaluate_all((expression,), document))[0]

    async def evaluate_all(self, expressions: Sequence[str], document: bytes) -> list[JsonValue]:
        if len(document) < SMALL_DOCUMENT_BYTES:
            try:
                return _evaluate(expressions, document, SMALL_STEPS)
            except ExpressionTooSlow:
                pass  # it gets its full measure below
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._within_time, expressions, document)

    def close(self) -> None:
        """Take no more. What runs ends by itself within its bound."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _within_time(self, expressions: Sequence[str], document: bytes) -> list[JsonValue]:
        end = self._processor_time() + self._max_seconds

        def out_of_time() -> bool:
            time.sleep(0)  # lets go of the interpreter lock, if only for a moment
            return self._processor_time() > end

        return _evaluate(expressions, document, MAX_STEPS, out_of_time)


def _evaluate(
    wanted: Sequence[str], document: bytes, steps: int, out_of_time: Callable[[], bool] | None = None
) -> list[JsonValue]:
    value = strict_json.read(document, max_bytes=MAX_DOCUMENT_BYTES)
    return [expressions.evaluate(each, value, Budget(steps, out_of_time)) for each in wanted]
