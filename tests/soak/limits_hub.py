"""One hub process of the run of limits: takes requests of a source, and lets a sink of its own work.

`python -m tests.soak.limits_hub CONNECTION NAME SECONDS`; prints when each request was let pass, as it happens.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from random import Random

from hub.clock import SystemClock
from hub.errors import TooMany, Unavailable
from hub.evaluation import InlineEvaluator
from hub.limits.source_rate import SourceRates
from hub.limits.token_rows import TokenRows
from hub.model.sink import Sink
from hub.options import Options
from hub.rules.cadence import CadenceMode, Fleet
from hub.signing import RootKey
from hub.storage.azure import open_azure
from hub.wire import Poll, Result, ResultState, Task
from hub.wiring import Hub, build
from tests.soak.limits import POOL, RATE

SLOTS = 6


async def main(connection: str, name: str, seconds: float) -> None:
    storage = await open_azure(connection)
    root_key = RootKey(bytes.fromhex(os.environ["SOAK_ROOT_KEY"]))
    options = Options(root_key=root_key, fleet=Fleet(mode=CadenceMode.HOLD, poll_seconds=1.0))
    hub = build(options, storage, SystemClock(), InlineEvaluator(), lambda: secrets.randbits(256))
    until = time.monotonic() + seconds
    try:
        rows = TokenRows(storage.tables, hub.context.now, hub.context.randomness)
        rates = SourceRates(rows, hub.clock)
        await asyncio.gather(_requests(rates, Random(name), until), _sink(hub, f"sink-{name}", until))
    finally:
        await storage.close()


async def _requests(rates: SourceRates, rng: Random, until: float) -> None:
    """More than the rate: in gusts, with pauses between."""
    while time.monotonic() < until:
        for _ in range(rng.choice((1, 5, 30))):
            try:
                await rates.take("soak", RATE)
            except (TooMany, Unavailable):
                continue
            print(f"{time.time():.4f}", flush=True)
        await asyncio.sleep(rng.expovariate(4))


async def _sink(hub: Hub, name: str, until: float) -> None:
    sink = Sink(name=name, sink_type=POOL, enrolled_at=hub.clock.now())
    busy: set[asyncio.Task[None]] = set()
    while time.monotonic() < until:
        if len(busy) == SLOTS:
            await asyncio.wait(busy, return_when=asyncio.FIRST_COMPLETED)
        busy = {each for each in busy if not each.done()}
        poll = Poll(slots=SLOTS - len(busy), version="1", instance="instance-1")
        answer = await hub.polls.poll(sink, poll)
        busy |= {asyncio.create_task(_work(hub, name, task)) for task in answer.tasks}
    await asyncio.gather(*busy)


async def _work(hub: Hub, name: str, task: Task) -> None:
    await asyncio.sleep(0.2 + Random(task.event_id).random())
    await hub.agents.result(name, task.event_id, Result(token=task.token, state=ResultState.SUCCESS))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
