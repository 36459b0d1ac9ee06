"""Callers: systems that post to webhooks, and try again only what was not acknowledged."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

import requests

from tests.kills.plan import Job, Pace, bursts

ANSWER_SECONDS = 30.0
FIRST_AGAIN_SECONDS, AGAIN_SECONDS = 0.1, 1.0
"""Before the second try, and at most between two later ones."""
JOIN_SECONDS = 120.0


@dataclass(frozen=True)
class Acknowledged:
    """One event that the hub has answered 202 for."""

    event_id: str
    job: Job
    asked: float
    answered: float
    """Seconds since 1970: when the call that was answered began, and when its answer was read."""


@dataclass
class Book:
    """What all callers were told. Any thread may write."""

    acknowledged: list[Acknowledged] = field(default_factory=list)
    unanswered: int = 0
    """Calls without a 202: each may or may not have fired an event."""
    surprises: list[str] = field(default_factory=list)
    """Answers that a caller should never get."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledge(self, event_id: str, job: Job, asked: float) -> None:
        with self._lock:
            self.acknowledged.append(Acknowledged(event_id, job, asked, time.time()))

    def ids(self) -> set[str]:
        """Of all events that were acknowledged."""
        with self._lock:
            return {each.event_id for each in self.acknowledged}

    def not_answered(self) -> None:
        with self._lock:
            self.unanswered += 1

    def surprised(self, words: str) -> None:
        with self._lock:
            self.surprises.append(words)


class Callers:
    """Several callers at once. Leaving the `with` block lets each end its burst, all of it acknowledged."""

    def __init__(self, seed: int, pace: Pace, addresses: Mapping[str, str], book: Book) -> None:
        """`addresses`: of the webhook for each kind of work."""
        self._addresses = addresses
        self._book = book
        self._stop = threading.Event()
        self._abandoned = threading.Event()
        self._go_on = threading.Event()
        self._go_on.set()
        self._threads = [
            threading.Thread(
                target=self._call, args=(bursts(seed, number, pace),), name=f"caller {number}", daemon=True
            )
            for number in range(pace.callers)
        ]

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def hold(self, hold: bool) -> None:
        """Begin no burst while this machine cannot keep up: what is measured is not how long a queue can be."""
        if hold:
            self._go_on.clear()
        else:
            self._go_on.set()

    def abandon(self) -> None:
        """Nobody is going to answer any more: what is not acknowledged yet never will be."""
        self._stop.set()
        self._abandoned.set()
        self._go_on.set()

    def __exit__(self, error: object, *_: object) -> None:
        self._stop.set()
        self._go_on.set()
        if error is not None:
            self._abandoned.set()  # nobody may ever answer
        for each in self._threads:
            each.join(JOIN_SECONDS)
            assert not each.is_alive(), "a caller was not answered for two minutes"

    def _call(self, sends: Iterator[tuple[list[Job], float]]) -> None:
        with requests.Session() as session:
            for jobs, pause in sends:
                for job in jobs:
                    self._deliver(session, job)
                self._go_on.wait()
                if self._stop.wait(pause):
                    return

    def _deliver(self, session: requests.Session, job: Job) -> None:
        """Until it is acknowledged."""
        wait = 0.0
        while not self._abandoned.wait(wait):
            wait = min(AGAIN_SECONDS, wait + FIRST_AGAIN_SECONDS)
            asked = time.time()
            try:
                answer = session.post(self._addresses[job.kind], json=job.payload, timeout=ANSWER_SECONDS)
            except requests.RequestException:
                self._book.not_answered()
                continue
            if answer.status_code == 202:
                self._book.acknowledge(answer.json()["event_id"], job, asked)
                return
            self._book.not_answered()
            if answer.status_code != 503:
                self._book.surprised(f"a caller was answered {answer.status_code} {answer.text[:300]}")
                return
