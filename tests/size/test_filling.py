"""The rows that fill a hub are those that a used hub has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random

import pytest

from hub.clock import SystemClock
from hub.model.event import Event, State
from hub.rules import ids, lifecycle
from hub.rules.partitions import partition_of
from hub.storage import codec
from hub.storage.embedded import open_embedded
from hub.storage.events import EventRows
from hub.storage.log_rows import decode_chunk
from hub.storage.receipt_codec import decode_receipt
from tests.size.copying import Template, Written
from tests.size.filling import Story, fill, tell
from tests.size.history import RARE, Teller

NEWEST = datetime(2026, 11, 23, 12, tzinfo=UTC)
STORY = Story(1500, NEWEST, timedelta(days=3), queued=100)


@cache
def events() -> list[tuple[Written, Event]]:
    return [(each, codec.decode_event(each.columns)) for each in tell(STORY)]


def test_a_story_has_as_many_events_as_it_says_and_lies_where_it_says() -> None:
    told = events()
    assert len({event.id for _, event in told}) == len(told) == 1500
    assert told[0][1].event_type == RARE
    assert sum(event.state is State.QUEUED for _, event in told) == 100
    assert all(STORY.oldest <= event.created_at <= NEWEST + timedelta(minutes=1) for _, event in told)
    assert all(ids.time_of(event.id) == event.created_at for _, event in told)


def test_every_event_has_had_a_life_that_the_rules_allow() -> None:
    followed = retried = 0
    told = events()
    by_id = {event.id: event for _, event in told}
    for row, event in told:
        assert row.columns[codec.OPEN] is (event.state is State.QUEUED)
        if event.state is State.QUEUED:
            assert (event.attempts, row.waits_on) == ((), event.queue)
            continue
        if event.receipt is not None:
            receipt = decode_receipt(event.receipt)
            assert (receipt.id, receipt.source, receipt.at) == (event.id, event.source, event.created_at)
            assert receipt.event_types[0].event_id == event.id
        assert event.finished_at is not None
        assert event.settled
        assert row.waits_on is None
        assert [each.number for each in event.attempts] == list(range(1, event.attempt + 1))
        assert len({each.claim_id for each in event.attempts}) == event.attempt
        assert all(each.outcome is not None and each.finished_at is not None for each in event.attempts)
        assert event.created_at <= event.attempts[0].started_at < event.finished_at
        retried += event.attempt == 2
        if event.follow_on in by_id:
            child = by_id[event.follow_on]
            followed += 1
            assert (child.parent_id, child.root_id, child.depth) == (event.id, event.root_id, 1)
            assert child.correlation_id == event.correlation_id
            assert child.id == ids.derived(
                event.finished_at, "follow-on", event.id, child.event_type, shard=ids.shard_of(event.id)
            )
    assert followed > 50
    assert retried > 50


def test_a_copy_says_what_the_rules_would_have_written() -> None:
    """A life told for some moment, and one copied to it, differ in nothing but what was drawn."""
    draw = Random(3)
    teller = Teller(draw)
    told = next(life for life in iter(lambda: teller.through(NEWEST), None) if len(life) == 2)
    (first, second) = Template(told, NEWEST, draw, 1).copy(NEWEST)
    parent = codec.decode_event(first.columns)
    claim, drawn = (
        parent.attempts[0].claim_id,
        {"id", "root_id", "follow_on", "correlation_id", "attempts", "receipt", "receipt_id"},
    )
    assert parent.model_dump(exclude=drawn) == told[0].event.model_dump(exclude=drawn)
    assert parent.attempts[0].model_copy(update={"claim_id": claim}) == parent.attempts[0]
    assert claim != told[0].event.attempts[0].claim_id
    assert codec.decode_event(second.columns).parent_id == parent.id
    again = lifecycle.apply(parent, {})
    assert {**codec.encode_event(again), codec.LOG_TAIL: first.columns[codec.LOG_TAIL]} == dict(first.columns)


@pytest.mark.parametrize("shards", [1, 3])
async def test_what_was_filled_is_read_as_if_it_had_been_run(shards: int) -> None:
    clock = SystemClock()
    storage = open_embedded(None, clock)
    story = Story(400, NEWEST, timedelta(hours=5), queued=50, shards=shards)
    assert await fill(storage, story) == 400
    rows, seen = EventRows(storage.tables), 0
    for partition in {partition_of(each.id) for each in tell(story)}:
        for stored in await rows.list(partition):
            seen += 1
            assert stored.event.state is State.QUEUED or decode_chunk(stored.log_tail)
    assert seen == 400
    (queue,) = {each.waits_on for each in tell(story) if each.waits_on}
    assert await storage.queues.depth(queue) == 50
    await storage.close()
