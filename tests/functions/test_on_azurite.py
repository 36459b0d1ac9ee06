"""Configuration, tokens and the list of events on the Azure engine. Other tests of a run may share its tables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from hub.errors import Rejected
from hub.life.listing import Wanted
from hub.model.configuration import Kind
from hub.model.people import Role
from hub.people.enrolment import WantedEnrolment
from hub.people.identity import Person
from hub.storage.azure import open_azure
from hub.wire import Enrol
from tests.contract.rig import unique
from tests.unit.configuring import NO_MATCH, Desk, StepClock, desk_over
from tests.unit.event_book import Book

pytestmark = pytest.mark.azurite


@pytest.fixture
async def desks(azurite: str) -> AsyncIterator[tuple[Desk, Desk]]:
    """Two processes over the one account, each with an engine of its own."""
    clock = StepClock()
    async with AsyncExitStack() as stack:
        made = []
        for number in (1, 2):
            storage = await open_azure(azurite)
            stack.push_async_callback(storage.close)
            await storage.prepare()
            made.append(desk_over(storage, clock, first=_first(number)))
        yield made[0], made[1]


def _first(number: int) -> int:
    """Versions and secrets that no other test of the run draws."""
    return number + int(unique("x").rpartition("-")[2]) * 1000 + 1_000_000


async def test_writers_in_two_processes_all_succeed_and_both_see_all(desks: tuple[Desk, Desk]) -> None:
    prefix = unique("pool")
    names = [f"{prefix}-{number}" for number in range(6)]
    await asyncio.gather(*(desks[number % 2].pool(name) for number, name in enumerate(names)))
    for desk in desks:
        snapshot = (await desk.copy.newest()).snapshot
        assert all(snapshot.sink_type(name) for name in names)
        await desk.resources.delete(Kind.SINK_TYPE, names.pop(), NO_MATCH)


async def test_taking_away_and_beginning_to_name_at_once_never_both_succeed(desks: tuple[Desk, Desk]) -> None:
    one, other = desks
    name = unique("both")
    await one.pool(name)
    await one.action(name)
    answers = await asyncio.gather(
        one.resources.delete(Kind.ACTION, name, NO_MATCH),
        other.event_type(name, sink_type=name, action=name),
        return_exceptions=True,
    )
    assert sum(isinstance(each, Exception) for each in answers) == 1


async def test_a_token_and_a_sink_made_in_one_process_are_known_in_the_other(desks: tuple[Desk, Desk]) -> None:
    one, other = desks
    await other.copy.current()
    name = unique("ci")
    token = await one.tokens.create(name, Role.VIEWER)
    assert await other.identity.of(f"Bearer {token.text}") == Person(name, Role.VIEWER, token=name)
    await one.pool(name)
    made = await one.enrolments.create(WantedEnrolment(name, one.clock.now() + timedelta(hours=1)))
    given = await other.enrolments.exchange(Enrol(token=made.text, name=name, version="1"))
    assert given.sink_type == name
    with pytest.raises(Rejected, match="sinks/"):
        await one.resources.delete(Kind.SINK_TYPE, name, NO_MATCH)


async def test_events_are_listed_newest_first(desks: tuple[Desk, Desk]) -> None:
    desk, _ = desks
    book = Book(desk.storage, desk.clock)
    event_type = unique("LISTED")
    made = [
        await book.add(desk.clock.now() - timedelta(minutes=20 * number), 3, event_type=event_type, result_code="X")
        for number in range(12)
    ]
    assert await book.all(Wanted(event_type=event_type), limit=5) == sorted((each.id for each in made), reverse=True)
    assert await book.all(Wanted(search=made[3].id)) == [made[3].id]
