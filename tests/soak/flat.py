"""Whether a hub's memory is flat, from what `weighed_host` says while requests come.

After a warm-up what is in use must not rise from one request to the next: the last third of the samples is held
against the third before it. Of numbers that a garbage collection moves the middle is taken; of bytes the least, since
a password that is being hashed takes 64 MiB for a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Final

from hub.storage.embedded.database import CACHE_KIB
from tests.soak.runs import Figures, Violation

Sample = Mapping[str, float]

MOST_A_REQUEST: Final[Mapping[str, float]] = {"blocks": 0.5, "objects": 0.25, "bytes given out": 256.0}
"""What remains of a request, at most: less than one block of Python's, so none of each, and not of each second one."""
CONNECTIONS: Final = 3
"""For writing, for reading one row, for reading many."""
MOST_OF_SQLITE: Final = CONNECTIONS * (CACHE_KIB + 1024) * 1024
"""Full page caches, with what SQLite needs beside their pages, in bytes."""
LEAST_SAMPLES: Final = 12
_OF_A_THIRD: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "blocks": median,
    "objects": median,
    "bytes given out": min,
}


def held_flat(samples: Sequence[tuple[int, Sample]]) -> Figures:
    """What it came to. Each sample with the number of requests before it. Raises `Violation`."""
    if len(samples) < LEAST_SAMPLES:
        raise Violation(f"{len(samples)} samples of the hub's memory are too few to say anything")
    third = len(samples) // 3
    before, after = samples[-2 * third : -third], samples[-third:]
    requests = median(number for number, _ in after) - median(number for number, _ in before)
    figures: dict[str, float] = {}
    for what, of_a_third in _OF_A_THIRD.items():
        then, now = (of_a_third([each[what] for _, each in some]) for some in (before, after))
        figures[f"{what} that remain of a request"] = (now - then) / requests
        if now - then > MOST_A_REQUEST[what] * requests:
            raise Violation(
                f"the hub's {what} rise by {(now - then) / requests:.2f} a request: {then:.0f}, then {now:.0f}"
            )
    most = max(each["bytes of SQLite"] for _, each in samples)
    if most > MOST_OF_SQLITE:
        raise Violation(f"SQLite holds {most:.0f} bytes, more than its caches may")
    last = samples[-1][1]
    return {
        **figures,
        "in use, without SQLite (MiB)": min(each["bytes given out"] for _, each in after) / 2**20,
        "SQLite's page caches (MiB)": most / 2**20,
        "free, kept by the allocator (MiB)": last["bytes kept free"] / 2**20,
    }
