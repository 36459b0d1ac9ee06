"""A hub with a long past, a large fleet and a long backlog: what it answers is as quick as on the first day.

The full size, a million events twice over, 2000 sinks and 10 000 events to work off, takes about nine minutes of a
machine with two cores; with less time everything is as much smaller.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.size import measuring
from tests.size.asking import Asked
from tests.size.filling import months, one_hour
from tests.soak.runs import Figures, Violation

FULL_SECONDS: Final = 540.0
EVENTS: Final = 1_000_000
WAITING: Final = 100_000
ON_AZURITE: Final = 20_000
SINKS: Final = 2000
BACKLOG: Final = 10_000
MOST: Final = 3.0
"""No ratio may be above it. What grows with the past would be in the hundreds; what else the machine does makes two."""
MOST_IN_A_PAGE_MS: Final = 3000.0
"""What a page of a search may take: it begins no further read after a second."""
MOST_OF_A_WAIT_MS: Final = 50.0
"""How long one caller of a hundred may wait while upkeep looks at all that is open: for some turns of the event loop.
In milliseconds, since what one of a hundred waits for while nothing happens is chance, and so is any ratio to it. Of
the embedded engine: on Azurite, which has one thread, a page that it reads keeps everybody waiting.
"""
LATE_EMBEDDED: Final = tuple(f"{name}: {measuring.LATE}" for name in ("months", "one hour"))


def run(seed: int, seconds: float) -> Figures:
    """Everything once, as large as the time allows. Raises `Violation` if something grows with the size."""
    share = min(1.0, max(0.01, seconds / FULL_SECONDS))
    figures: dict[str, float] = {"share of the full size": share}
    with tempfile.TemporaryDirectory(prefix="nexomatic-size-") as name:
        folder = Path(name)
        stories = {
            "months": months(int(EVENTS * share), seed),
            "one hour": one_hour(int(EVENTS * share), int(WAITING * share), seed),
        }
        measuring.fill_in_processes({folder / name / "nexomatic.db": story for name, story in stories.items()})
        for name, story in stories.items():
            asked, found = measuring.history(folder / name, name, story, seconds / 15)
            figures |= {f"{name}: events": story.events, **dict(_figures(name, asked)), **found}
        asked, found = measuring.azurite(folder, max(2000, int(ON_AZURITE * share)), seed, seconds / 15)
        figures |= {**dict(_figures("azurite", asked)), **found}
        figures |= measuring.idle_fleet(folder / "fleet", max(20, int(SINKS * share)), max(10.0, seconds / 9))
        drained, found = measuring.backlog(folder / "backlog", max(100, int(BACKLOG * share)), seed, seconds * 10 + 600)
        figures |= found
        for number, tenth in enumerate(drained.tenths, 1):
            figures[f"backlog: tenth {number}, events a second"] = tenth.events_per_second
    judge(figures)
    return figures


def _figures(name: str, asked: Mapping[str, Asked]) -> Iterator[tuple[str, float]]:
    for words, each in asked.items():
        yield f"{name}: {words}, ms{' a page' if each.page else ''}", each.many
        if not each.page:
            yield f"{name}: {words}, ratio to a thousand", each.ratio


def judge(figures: Mapping[str, float]) -> None:
    """Raises `Violation` for figures that grow with the size, and names each."""
    rate = figures["backlog: rate of the last tenth, ratio to the first"]
    bad = {
        **{what: value for what, value in figures.items() if "ratio to" in what and value > MOST},
        **{what: value for what, value in figures.items() if what.endswith("ms a page") and value > MOST_IN_A_PAGE_MS},
        **{what: figures[what] for what in LATE_EMBEDDED if figures[what] > MOST_OF_A_WAIT_MS},
        **{what: value for what, value in figures.items() if what.endswith("receives a second") and value > 1.5},
        **({"backlog: rate of the last tenth, ratio to the first": rate} if rate < 1 / MOST else {}),
    }
    if bad:
        raise Violation(
            "these grow with the size:" + "".join(f"\n  {what}: {value:.2f}" for what, value in bad.items())
        )
