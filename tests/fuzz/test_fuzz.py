"""Nonsense, through the hub's functions as the host calls them: only 2xx and 4xx come back, and no memory stays.

`make soak ONLY=fuzz` sends 20 000 and more to a real process; a failure says the request, which the seed draws again.
"""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections import Counter
from typing import Any

from functions.eventgrid import eventgrid
from tests.functions.shell import Shell, opened_shell
from tests.fuzz.drawing import GRID_PATH, Known, Sent, requests_of
from tests.fuzz.judging import reached, wrong_with
from tests.fuzz.nonsense import Draw
from tests.fuzz.preparing import prepared

SEED = 1
WARM, MEASURED = 500, 500
MOST_GROWTH = 0.05
"""Of what the hub holds after it has warmed up."""


async def knows(shell: Shell) -> Known:
    async def ask(method: str, path: str, document: Any, bearer: str | None) -> Any:
        return await shell.ok(method, path, document, token=bearer)

    return await prepared(ask)


async def send(shell: Shell, sent: Sent) -> tuple[int, dict[str, str], bytes]:
    """Event Grid's deliveries go to the function, one by one, as its host would."""
    if sent.target.startswith(GRID_PATH):
        events = json.loads(sent.body)
        for event in events if isinstance(events, list) else [events]:
            await eventgrid(event=json.dumps(event))
        return 202, {}, b""
    headers = {"host": "hub", "content-length": str(len(sent.body)), **sent.headers}
    reply = await shell.send(sent.method, sent.target, headers, sent.body)
    return reply.status, dict(reply.headers), reply.body


async def test_nonsense_is_answered_with_2xx_or_4xx_and_leaves_nothing() -> None:
    tracemalloc.start()  # before there is a hub: what is held is all of it
    try:
        async with opened_shell() as shell:
            before, after, counts = await fuzzed(shell, Draw(SEED))
    finally:
        tracemalloc.stop()
    assert reached(counts) is None, counts
    assert after - before < MOST_GROWTH * before


async def fuzzed(shell: Shell, draw: Draw) -> tuple[int, int, Counter[tuple[str, int]]]:
    """What is held in bytes, once it is warm and at the end; and how each kind of request was answered."""
    known = await knows(shell)
    counts: Counter[tuple[str, int]] = Counter()

    async def some(number: int) -> int:
        for _ in range(number):
            sent = requests_of(draw, known, lambda: int(shell.clock.now().timestamp()))
            status, headers, body = await send(shell, sent)
            assert wrong_with(sent, status, headers, body) is None
            counts[sent.kind, status] += 1
            shell.clock.seconds += 0.01
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    return await some(WARM), await some(MEASURED), counts
