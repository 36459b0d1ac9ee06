"""`@app.retry`: a failed run is tried again in this process. Azure applies it to timers, never to HTTP or queues."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from hosting.contexts import Retry
from hosting.errors import BadSettings, IndexingError
from hosting.hostjson import parse_timespan
from hosting.indexing import IndexedFunction
from hosting.invocations import PROGRAMMATIC, Invocations
from hosting.timers import Clock

FOREVER = -1
DEFAULT_MINIMUM, DEFAULT_MAXIMUM = 1.0, 3600.0  # seconds
_JITTER = 0.2


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how far apart; times are seconds. A fixed delay has `minimum` equal to `maximum`."""

    most: int
    minimum: float
    maximum: float

    def delays(self, rng: random.Random) -> Iterator[float]:
        """The wait before each further attempt."""
        for attempt in count() if self.most == FOREVER else range(self.most):
            spread = 1.0 if self.minimum == self.maximum else rng.uniform(1 - _JITTER, 1 + _JITTER)
            yield min(self.maximum, self.minimum * 2 ** min(attempt, 40) * spread)


def retry_policy(function: IndexedFunction) -> RetryPolicy | None:
    """The policy of a function, if it has one; raises IndexingError, naming the function, if it is not valid."""
    if function.retry is None:
        return None
    where = f"function {function.name}: retry"
    try:
        return _parse({name: value for name, value in function.retry.items() if value is not None})
    except (BadSettings, ValueError, KeyError) as error:
        raise IndexingError(f"{where}: {error}") from error


def _parse(setting: dict[str, str]) -> RetryPolicy:
    most = int(setting["max_retry_count"])
    if most < FOREVER:
        raise ValueError("max_retry_count must be -1 (for ever) or above")
    if setting["strategy"] == "fixed_delay":
        delay = parse_timespan(setting["delay_interval"], "delay_interval")
        return RetryPolicy(most, delay, delay)
    if setting["strategy"] != "exponential_backoff":
        raise ValueError(f"the strategy `{setting['strategy']}` is neither fixed_delay nor exponential_backoff")
    minimum, maximum = setting.get("minimum_interval"), setting.get("maximum_interval")
    return RetryPolicy(
        most,
        DEFAULT_MINIMUM if minimum is None else parse_timespan(minimum, "minimum_interval"),
        DEFAULT_MAXIMUM if maximum is None else parse_timespan(maximum, "maximum_interval"),
    )


async def run_with_retries(
    invocations: Invocations, function: IndexedFunction, trigger: object, clock: Clock, rng: random.Random
) -> None:
    """Run to success, or until the policy has no further attempt. The failures are in the log; none is raised."""
    policy = retry_policy(function)
    retry = Retry(most=policy.most) if policy else Retry()
    delays = policy.delays(rng) if policy else iter(())
    while True:
        error = await invocations.outcome(function, trigger, PROGRAMMATIC, retry)
        delay = next(delays, None)
        if error is None or delay is None:
            return
        await clock.sleep(delay)
        retry = retry.after(error)
