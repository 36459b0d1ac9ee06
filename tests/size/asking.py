"""What people ask a hub for, and how long an answer takes over the real API, on two hubs in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from tests.size.filling import Story
from tests.size.history import RARE, RARE_CORRELATION, type_name
from tests.size.hub_process import TOKEN, HubProcess

LEAST_ROUNDS: Final = 5
MOST_ROUNDS: Final = 60
FEW: Final = 1000
"""Events of the hub that the other is compared with."""


@dataclass(frozen=True, slots=True)
class Question:
    """Addresses to ask in turn."""

    words: str
    addresses: Sequence[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """How long the answers took: medians, in milliseconds."""

    many: float
    few: float
    """Of the hub that has a thousand events."""
    page: bool
    """The answer was one page of a search that goes on: it costs what a page costs, and says how far it came."""

    @property
    def ratio(self) -> float:
        return self.many / self.few


class Asker:
    """One admin's session with one hub."""

    def __init__(self, hub: HubProcess) -> None:
        self._url = hub.url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {TOKEN}"

    def ask(self, address: str) -> Any:
        """The document. Raises AssertionError for a refusal."""
        answer = self._session.get(self._url + address, timeout=120)
        assert answer.status_code == 200, f"{address}: {answer.status_code} {answer.text}"
        return answer.json()

    def milliseconds(self, address: str) -> float:
        """How long the answer takes."""
        began = time.perf_counter()
        self.ask(address)
        return (time.perf_counter() - began) * 1000


def questions(asker: Asker, oldest: datetime, newest: datetime, draw: Random) -> list[Question]:
    """What there is to ask of a hub whose events lie between these two times."""
    middle = oldest + (newest - oldest) / 2
    later = middle + (newest - oldest) / 10
    known = _some_ids(asker, oldest, newest, draw)
    newest_one = asker.ask("/api/events?limit=1")["items"][0]
    page = asker.ask(_events(limit=50))
    return [
        Question("list, 50 newest", [_events(limit=50)]),
        Question("list, 200 newest", [_events(limit=200)]),
        Question("list, the second page", [_events(limit=50, cursor=page["cursor"])]),
        Question("filter state=SUCCESS", [_events(state="SUCCESS")]),
        Question("filter state=QUEUED,RUNNING", [_events(state="QUEUED,RUNNING")]),
        Question("filter state=ERROR", [_events(state="ERROR", limit=10)]),
        Question("filter event_type", [_events(event_type=type_name(number)) for number in (5, 7, 11)]),
        Question("filter source", [_events(source=f"hook-{number}") for number in range(5)]),
        Question("filter sink", [_events(sink=f"berlin-{number:02d}") for number in range(4)]),
        Question("filter from/to", [_events(**{"from": middle.isoformat(), "to": later.isoformat()})]),
        Question("search by id", [_events(search=each) for each in known]),
        Question("search by correlation id, new", [_events(search=newest_one["correlation_id"], limit=1)]),
        Question("search text", [_events(search="% of the disk", limit=10)]),
        Question("read one event", [f"/api/events/{each}" for each in known]),
        Question("read its logs", [f"/api/events/{each}/logs" for each in known]),
        Question("a page in search of a rare event type", [_events(event_type=RARE)]),
        Question("a page in search of a rare sink", [_events(sink=RARE)]),
        Question("a page in search of an old correlation id", [_events(search=RARE_CORRELATION)]),
    ]


def compare(many: Asker, few: Asker, story: Story, seconds: float) -> dict[str, Asked]:
    """Every question asked of both hubs in turn, by its words, again and again while there is time.

    `story` is what the first was filled with.
    """
    draw = Random(story.seed)
    asked = questions(many, story.oldest, story.newest, draw)
    thousand = story.newest_of_it(FEW)
    asked_of_few = questions(few, thousand.oldest, thousand.newest, draw)
    waits: dict[str, tuple[list[float], list[float]]] = {each.words: ([], []) for each in asked}
    ends_at = time.monotonic() + seconds
    for turn in range(MOST_ROUNDS):
        if turn >= LEAST_ROUNDS and time.monotonic() >= ends_at:
            break
        for question, same in zip(asked, asked_of_few, strict=True):
            pairs = ((many, question, waits[question.words][0]), (few, same, waits[question.words][1]))
            for asker, each, times in pairs if turn % 2 else reversed(pairs):
                times.append(asker.milliseconds(each.addresses[turn % len(each.addresses)]))
    return {
        question.words: Asked(
            statistics.median(waits[question.words][0]),
            statistics.median(waits[question.words][1]),
            any(_is_cut(many.ask(address), address) for address in question.addresses),
        )
        for question in asked
    }


def _is_cut(answer: Any, address: str) -> bool:
    """Whether it is a list that ended before it was full, with more to look through."""
    limit = int(parse_qs(urlsplit(address).query).get("limit", ["50"])[0])
    return "items" in answer and answer["cursor"] is not None and len(answer["items"]) < limit


def _some_ids(asker: Asker, oldest: datetime, newest: datetime, draw: Random) -> list[str]:
    """Events from all over the history."""
    found: set[str] = set()
    for _ in range(10):
        moment = oldest + (newest - oldest) * draw.uniform(0.05, 1)
        page = asker.ask(_events(to=moment.isoformat(), limit=5))
        found |= {each["id"] for each in page["items"]}
    return sorted(found)


def _events(**parameters: object) -> str:
    return f"/api/events?{urlencode(parameters)}"
