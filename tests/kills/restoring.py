"""Backups of a real platform under load, and the last of them put back into a fresh home, where its sink goes on.

Everything is killed while callers send: the sink holds claims and results that the restored hub has never heard of.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from hosting import backup
from hosting.restore import Wish, restore
from hub.process import DATABASE
from tests.e2e.local_platform import Platform
from tests.kills import leftovers
from tests.kills.account import Account, seconds_of, told_violations
from tests.kills.callers import Book, Callers
from tests.kills.plan import Pace
from tests.kills.platform import configure, count_open, new_platform
from tests.kills.run import LOOK_SECONDS, MOST_OPEN, check, collect, settle, violations_of
from tests.soak.runs import Figures

STATE = ("sink", "sink.hub", "admin.token", "admin.password", "modules", "tmp")
"""What is on the machine beside the database: the agent's state and modules, and how one signs in."""
AFTER_SECONDS = 0.5
"""Of load, between the last backup and the death of all."""


@dataclass(frozen=True)
class Run:
    """What to do, and for how long callers send before the last backup begins."""

    seed: int
    seconds: float
    pace: Pace
    backups: int = 1


def carry_out(run: Run, home: Path) -> Figures:
    """The figures. Raises `Violation`, which names the seed."""
    platform, book = new_platform(home, "embedded"), Book()
    with violations_of(str(run)):
        with platform:
            took, began, folder = _fire(run, platform, book)
            back_up, put_back = _restored(platform, folder)
            with back_up:
                known = _known(book, began)
                back_up.until(lambda: count_open(back_up, 1) == 0 and _settled(back_up, known), 240, LOOK_SECONDS)
                account = _account(back_up, known, book)
                audit = back_up.client.get("/api/audit?action=RESTORE")["items"]
                back_up.stop()
        check([*book.surprises, *told_violations(account), *leftovers.database_faults(back_up.home)])
        assert [each["resource"] for each in audit] == ["storage"]
    return {
        "backups": run.backups,
        "longest backup, s": round(max(took), 2),
        "restore, s": round(put_back, 2),
        "MiB": (folder / DATABASE).stat().st_size / 2**20,
        "events acknowledged": len(book.acknowledged),
        "of those, before the backup began": len(known.acknowledged),
        "longest wait of a caller for its answer, s": round(max(e.answered - e.asked for e in book.acknowledged), 2),
        "results that came too late, kept by the sink": len(list((back_up.home / "sink" / "lost").iterdir())),
        **_outcomes(account),
    }


def _fire(run: Run, platform: Platform, book: Book) -> tuple[list[float], float, Path]:
    """Load, backups, and the death of all: how long each took, when the last began, and where it is."""
    took: list[float] = []
    with Callers(run.seed, run.pace, configure(platform), book) as callers:
        for number in range(run.backups):
            until = time.monotonic() + run.seconds / run.backups
            while time.monotonic() < until:
                time.sleep(LOOK_SECONDS / 5)
                callers.hold(count_open(platform, MOST_OPEN) >= MOST_OPEN)
            callers.hold(False)
            began = time.time()
            folder = backup.take(backup.settings_of(platform.home), platform.home / f"backups-{number}")
            took.append(time.time() - began)
        time.sleep(AFTER_SECONDS)
        callers.abandon()
        platform.kill_all()
    return took, began, folder


def _restored(dead: Platform, folder: Path) -> tuple[Platform, float]:
    """A platform in a fresh home at the old address, with the backup in it and what else was on the machine."""
    fresh = dead.home.with_name("fresh")
    fresh.mkdir()
    for name in STATE:
        source = dead.home / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, fresh / name)
    shutil.copytree(dead.home / "marks", fresh / "marks")
    began = time.monotonic()
    restore(backup.settings_of(fresh), folder, Wish(root_key=dead.home / "root.key"))
    return replace(dead, home=fresh, output=[], _process=None, _reader=None), time.monotonic() - began


def _known(book: Book, began: float) -> Book:
    """What callers had been told when the backup began."""
    return Book(acknowledged=[each for each in book.acknowledged if each.answered < began])


def _settled(platform: Platform, known: Book) -> bool:
    settle(platform, known)
    return True


def _account(platform: Platform, known: Book, book: Book) -> Account:
    """What was acknowledged while the backup was being made may be in it, or not."""
    account = collect(platform, known)
    return replace(account, unanswered=book.unanswered + len(book.acknowledged) - len(known.acknowledged))


def _outcomes(account: Account) -> Figures:
    outcomes = Counter(attempt["outcome"] for event in account.events.values() for attempt in event["attempts"])
    assert all(seconds_of(event["finished_at"]) < seconds_of(None) for event in account.events.values())
    return {f"attempts: {outcome}": times for outcome, times in sorted(outcomes.items())}
