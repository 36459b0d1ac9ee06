"""Doing several things at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def together(*calls: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run all to their end, then raise the first error, if there was one; else what each answered.

    All to their end: an operation that was begun beside one that failed may have taken effect, and whoever tries again
    must not overtake it.
    """
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers
