"""What Azurite forgets when it is killed: measured, for it promises nothing; and that the platform gets over it.

Azurite keeps everything in memory, and writes tables, messages and blobs to its disk every 5 s, each for itself. When
killed, it comes back with what it wrote last: events that were acknowledged may be gone, others be where they were
before, or be without their message. Whatever is acknowledged afterwards is kept as ever.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from hosting.hub_client import HubClient
from tests.e2e.local_platform import Platform
from tests.kills.account import Account, Mark, read_marks, violations
from tests.kills.callers import Acknowledged, Book, Callers
from tests.kills.killer import Killer
from tests.kills.plan import Blow, Pace
from tests.kills.platform import configure, count_open, event_lines, log_texts, marks_of, new_platform
from tests.kills.run import LOOK_SECONDS, check, left_behind, violations_of
from tests.soak.runs import Figures

PACE = Pace(targets={}, between_blows=(0.0, 0.0), callers=2, burst=(1, 4), between_bursts=(0.1, 0.5))
MOST_OPEN = 40
BEFORE_SECONDS = (6.0, 11.0)
"""Of load before the kill: more than Azurite's 5 s, at any moment of them."""
AFTER_SECONDS = 3.0
STILL_SECONDS = 20.0
"""Nothing has moved for so long: whatever is open then waits for a message that was forgotten."""


def measure(seed: int, home: Path) -> Figures:
    """One kill. Raises `Violation` for what the platform itself did wrong."""
    platform = new_platform(home, "azurite")
    book = Book()
    with violations_of(f"Azurite killed, seed {seed}"):
        with platform:
            hub = platform.pid("hub")
            killed, again = _fire(seed, platform, book)
            assert platform.pid("hub") != hub, "the hub was not started anew, and remembers what Azurite has forgotten"
            _wait_until_still(platform)
            before = [each for each in book.acknowledged if each.answered < killed]
            figures = _figures(platform.client, before, killed, read_marks(marks_of(home)))
            account = _account(platform, book, again)
            code = platform.stop()
        check([*book.surprises, *violations(account), *left_behind(platform, code, refused=None)])
    return figures


def _fire(seed: int, platform: Platform, book: Book) -> tuple[float, float]:
    """Load, a kill, load. When it was killed, and when the platform acknowledged again, in seconds since 1970."""
    load = Random(f"{seed} forgetting").uniform(*BEFORE_SECONDS)
    killer = Killer(platform, iter([Blow(0.0, "storage")]))
    with Callers(seed, PACE, configure(platform), book) as callers:
        _keep_up(platform, callers, load)
        with killer:
            killed = time.time()
            platform.until(lambda: killer.struck.total() == 1, 30)
        platform.until(lambda: any(each.asked > killed for each in list(book.acknowledged)), 60)
        again = time.time()
        _keep_up(platform, callers, AFTER_SECONDS)
    return killed, again


def _keep_up(platform: Platform, callers: Callers, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
        callers.hold(count_open(platform, MOST_OPEN) >= MOST_OPEN)
    callers.hold(False)  # who waits for a call that is answered would wait for ever, were they held when time was up


def _wait_until_still(platform: Platform) -> None:
    """Until nothing is open, or nothing of it has moved for a while."""
    seen: list[Any] = []
    since = time.monotonic()

    def still() -> bool:
        nonlocal seen, since
        lines = platform.client.get("/api/events?state=QUEUED,RUNNING&limit=200")["items"]
        now = [(line["id"], line["state"], line["attempt"]) for line in lines]
        if now != seen:
            seen, since = now, time.monotonic()
        return not now or time.monotonic() - since > STILL_SECONDS

    platform.until(still, 300, look_seconds=LOOK_SECONDS)


def _figures(client: HubClient, before: Sequence[Acknowledged], killed: float, marks: Sequence[Mark]) -> Figures:
    events = {each.event_id: client.get(f"/api/events/{each.event_id}") for each in before}
    missing = [each for each in before if events[each.event_id] is None]
    oldest = max((killed - each.answered for each in missing), default=0)
    waiting = [event for event in events.values() if event is not None and event["finished_at"] is None]
    starts = Counter((mark.event_id, mark.attempt) for mark in marks if mark.what == "started")
    return {
        "acknowledged before the kill": len(before),
        "of those forgotten": len(missing),
        "most seconds of acknowledgements forgotten": round(oldest, 1),
        "still there but without their message": len(waiting),
        "attempts that ran twice, the first being forgotten": sum(times > 1 for times in starts.values()),
    }


def _account(platform: Platform, book: Book, again: float) -> Account:
    """The account of what was asked for after the platform was up again: that keeps every promise."""
    acknowledged = [each for each in book.acknowledged if each.asked > again]
    roots = {each.event_id for each in acknowledged}
    ids = [line["id"] for line in event_lines(platform.client) if line["root_id"] in roots]
    return Account(
        acknowledged=acknowledged,
        unanswered=book.unanswered,
        half_created=(),
        events={event_id: platform.client.get(f"/api/events/{event_id}") for event_id in ids},
        logs={event_id: log_texts(platform.client, event_id) for event_id in ids},
        marks=[mark for mark in read_marks(marks_of(platform.home)) if mark.event_id in ids],
    )
