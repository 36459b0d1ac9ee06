"""Doing several things at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def together(*calls: Coroutine[Any, Any, Any]) -> None:
    """Run all to their end, then raise the first error, if there was one.

    All to their end: an operation that was begun beside one that failed may have taken effect, and whoever tries again
    must not overtake it.
    """
    for answer in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer
