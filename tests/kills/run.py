"""One kill run: a platform under load, blows, an end to all that was begun, and the account."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.e2e.local_platform import Platform
from tests.kills import leftovers
from tests.kills.account import Account, read_marks, seconds_of, violations
from tests.kills.callers import Book, Callers
from tests.kills.killer import Killer
from tests.kills.plan import Pace, blows
from tests.kills.platform import (
    configure,
    count_open,
    event_lines,
    half_created,
    log_texts,
    marks_of,
    new_platform,
    unsettled,
)
from tests.soak.runs import Figures, Violation

SETTLE_SECONDS = 240.0
"""Until everything has ended: two minutes if the hub died between an event's end and its follow-on."""
HALF_SECONDS = 15.0
"""A message that is there comes back sooner: it is hidden for half a lease while nobody has claimed its event."""
PARTS = {"embedded": 2, "azurite": 3}
START_SECONDS = 5.0
"""A start takes about so long."""
MOST_OPEN = 80
MOST_SAID = 40
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Run:
    """What to do, and for how long callers send."""

    seed: int
    seconds: float
    storage: str
    pace: Pace
    false_starts: int = 0
    """So many times the platform is killed while it starts, before it is left alone."""


def carry_out(run: Run, home: Path) -> Figures:
    """The figures. Raises `Violation`, which names the seed."""
    platform = new_platform(home, run.storage)
    book = Book()
    killer = Killer(platform, blows(run.seed, run.pace))
    with violations_of(str(run)):
        _start_falsely(run, platform)
        with platform:
            began = time.monotonic()
            _fire(run, platform, book, killer)
            fired = time.monotonic()
            settle(platform, book)
            settled = time.monotonic()
            account = collect(platform, book)
            code = platform.stop()
        check([*book.surprises, *violations(account), *left_behind(platform, code, _refused(account))])
    return {
        "seconds of fire": round(fired - began, 1),
        "seconds until all had ended": round(settled - fired, 1),
        **_figures(account, killer.struck),
    }


def _start_falsely(run: Run, platform: Platform) -> None:
    """A start on a fresh machine, cut off at any moment of it: the next one must find its way."""
    rng = Random(f"{run.seed} false starts")
    for _ in range(run.false_starts):
        platform.launch()
        time.sleep(rng.uniform(0, START_SECONDS))
        platform.kill_all()


def _fire(run: Run, platform: Platform, book: Book, killer: Killer) -> None:
    with Callers(run.seed, run.pace, configure(platform), book) as callers, killer:
        until = time.monotonic() + run.seconds
        while time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
            callers.hold(count_open(platform, MOST_OPEN) >= MOST_OPEN)


def settle(platform: Platform, book: Book) -> None:
    """Until all is final but what was half created, and that has not moved for a while with every part up."""
    acknowledged = book.ids()
    half: list[str] = []
    since = time.monotonic()

    def settled() -> bool:
        nonlocal half, since
        lines = event_lines(platform.client)
        now = half_created(lines, acknowledged)
        if now != half or len(platform.ready["pids"]) < PARTS[platform.storage]:
            half, since = now, time.monotonic()
        return not set(unsettled(lines)) - set(half) and (not half or time.monotonic() - since > HALF_SECONDS)

    platform.until(settled, SETTLE_SECONDS, LOOK_SECONDS)


def collect(platform: Platform, book: Book) -> Account:
    """Everything there is to know, from the API and from the disk."""
    lines = event_lines(platform.client)
    half = half_created(lines, book.ids())
    ids = [line["id"] for line in lines if line["id"] not in half]
    return Account(
        acknowledged=book.acknowledged,
        unanswered=book.unanswered,
        half_created=half,
        events={event_id: platform.client.get(f"/api/events/{event_id}") for event_id in ids},
        logs={event_id: log_texts(platform.client, event_id) for event_id in ids},
        marks=read_marks(marks_of(platform.home)),
    )


def _refused(account: Account) -> set[str]:
    """The attempts whose results the hub may not have taken."""
    return {
        f"{event_id}-{attempt['number']}"
        for event_id, event in account.events.items()
        for attempt in event["attempts"]
        if attempt["outcome"] == "LOST"
    }


def left_behind(platform: Platform, code: int, refused: set[str] | None) -> list[str]:
    """What a platform that ended with `code` has left; `refused` as of `files_left`."""
    home = platform.home
    found = [*leftovers.processes_left(home), *leftovers.files_left(home, refused), *leftovers.complaints(home)]
    if platform.storage == "embedded":
        found += leftovers.database_faults(home)
    return found if code == 0 else [f"the platform ended with {code}", *found]


def check(found: list[str]) -> None:
    """Raises what was found, the first of it in full."""
    more = [f"… and {len(found) - MOST_SAID} more"] if len(found) > MOST_SAID else []
    assert not found, "\n".join([*found[:MOST_SAID], *more])


@contextmanager
def violations_of(run: str) -> Iterator[None]:
    """Whatever is found wrong is said with what run it was: that is how to see it again."""
    try:
        yield
    except AssertionError as error:
        raise Violation(f"{run}\n{error}") from error


def _figures(account: Account, struck: Mapping[str, int]) -> dict[str, float]:
    outcomes = Counter(attempt["outcome"] for event in account.events.values() for attempt in event["attempts"])
    waits = [seconds_of(event["finished_at"]) - seconds_of(event["created_at"]) for event in account.events.values()]
    return {
        **{f"blows: {target}": times for target, times in sorted(struck.items())},
        "events acknowledged": len(account.acknowledged),
        "events in all, with follow-ons": len(account.events),
        "calls not acknowledged": account.unanswered,
        "events half created, of those": len(account.half_created),
        **{f"attempts: {outcome}": times for outcome, times in sorted(outcomes.items())},
        "longest wait from created to final, s": round(max(waits), 1),
    }
