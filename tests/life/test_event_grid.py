"""Event Grid's events: each is taken once, whatever dies, fails or comes again; what can never be taken is recorded."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from hub.errors import Paused, TooMany, Unavailable
from hub.model.configuration import Kind
from hub.model.receipt import Receipt, Verdict
from hub.storage import keys
from hub.storage.embedded import open_embedded
from hub.storage.ports import Storage
from hub.wiring import Hub
from tests.contract.rig import ManualClock
from tests.life.hooks import SINK_TYPE, Breaking, Died, hub_over, stored_events, take_hints

QUEUE = keys.queue_of_sink_type(SINK_TYPE)
TWO: dict[str, dict[str, Any]] = {"ONE": {"payload": "body.data"}, "TWO": {}, "NEVER": {"filter": "`false`"}}


@pytest.fixture
async def storage(clock: ManualClock) -> AsyncIterator[Storage]:
    opened = open_embedded(None, clock)
    await opened.prepare()
    yield opened
    await opened.close()


@pytest.fixture
def hub(storage: Storage, clock: ManualClock) -> Hub:
    return hub_over(storage, clock)


async def configure(hub: Hub, event_types: dict[str, dict[str, Any]], **sources: dict[str, Any]) -> None:
    """Event Grid sources that fire these; one called `grid` unless others are named."""
    common = {"sink_type": SINK_TYPE, "action": "go"}
    named = sources or {"grid": {}}
    source: dict[str, Any] = {"kind": "EVENTGRID", "event_types": list(event_types)}
    await hub.resources.apply(
        {
            Kind.SINK_TYPE: [{"name": SINK_TYPE}],
            Kind.ACTION: [{"name": "go", "runtime": "python", "module": "m:f"}],
            Kind.EVENT_TYPE: [{"name": name, **common, **fields} for name, fields in event_types.items()],
            Kind.SOURCE: [{**source, "name": name, **fields} for name, fields in named.items()],
        }
    )


def event(number: Any = 1, **fields: Any) -> str:
    return json.dumps({"id": f"id-{number}", "topic": "plant", "eventType": "T", "subject": "s", "data": {}, **fields})


async def deliver(hub: Hub, number: Any = 1, **fields: Any) -> None:
    await hub.sources.event_grid.receive(event(number, **fields))


async def receipts(hub: Hub, source: str = "grid") -> list[Receipt]:
    return (await hub.sources.receipt_list.page(source, after=None, limit=200)).items


def verdicts(found: list[Receipt]) -> list[Verdict]:
    return [each.verdict for each in reversed(found)]


async def test_what_an_event_costs(hub: Hub) -> None:
    await configure(hub, {"GO": {"filter": "body.subject == 's'"}}, grid={"types": ["T"]})
    await deliver(hub, "warm-up")
    operations = hub.storage.operations.by_kind
    cases: list[tuple[dict[str, Any], dict[str, int]]] = [
        ({"number": 1}, {"table.insert": 2, "queue.put": 1, "table.merge": 1}),  # two more than the event itself
        ({"number": 1}, {"table.insert": 2, "table.get": 1}),  # again: it is noted, read, and its receipt
        ({"number": 2, "subject": "other"}, {"table.insert": 2}),  # nobody wants it: noted, and its receipt
        ({"number": None, "id": ""}, {"table.insert": 1}),  # poison: its receipt
        ({"number": 3, "eventType": "U"}, {}),  # not heard
    ]
    for fields, cost in cases:
        before = operations()
        await deliver(hub, **fields)
        assert operations() - before == cost, fields


@pytest.mark.parametrize("dying", [True, False], ids=["dies", "fails"])
@pytest.mark.parametrize("after", [True, False], ids=["after", "before"])
async def test_at_whatever_operation_the_hub_stops_the_next_delivery_makes_the_same_events(
    storage: Storage, clock: ManualClock, hub: Hub, after: bool, dying: bool
) -> None:
    """Two sources that fire two event types each: so it also stops between two event types, and between two sources."""
    await configure(hub, TWO, one={}, two={"types": ["t"]})
    await deliver(hub, "warm-up")  # the hour's partition is known
    places = 0
    for number in range(100):
        before = set(await stored_events(hub))
        await take_hints(storage, QUEUE)
        engine = Breaking(storage)
        breaking = hub_over(engine, clock)
        await breaking.configuration.current()
        engine.done, engine.at, engine.after, engine.error = 0, number, after, Died if dying else Unavailable
        taken = False
        with suppress(Died, Unavailable):
            await deliver(breaking, number)
            taken = True
        first = set(await stored_events(hub)) - before
        # What storage did not do is sent again. (After: it may have said first that something is there already.)
        assert after or taken is not engine.hit, engine.names
        clock.advance(3700)  # into another hour: the ids must not follow the clock
        for _ in range(2):
            await deliver(hub, number)
            found = set(await stored_events(hub)) - before
            assert len(found) == 4, engine.names
            assert first <= found
        assert await take_hints(storage, QUEUE) == found
        if not engine.hit:
            places = number
            break
    assert places >= 12, "the fault has been at every operation"


async def test_a_hub_that_dies_between_two_event_types(storage: Storage, clock: ManualClock, hub: Hub) -> None:
    await configure(hub, TWO)
    await deliver(hub, "warm-up")
    before = set(await stored_events(hub))
    engine = Breaking(storage)
    breaking = hub_over(engine, clock)
    await breaking.configuration.current()
    engine.done, engine.at, engine.error = 0, 3, Died  # its row, one event and its hint are there
    with pytest.raises(Died):
        await deliver(breaking)
    (left,) = set(await stored_events(hub)) - before
    clock.advance(3700)
    await deliver(hub)
    found = set(await stored_events(hub)) - before
    assert (len(found), left in found) == (2, True)
    told = [{line.event_id for line in each.event_types if line.event_id} for each in await receipts(hub)]
    assert found in told


async def test_a_batch_at_several_hubs_at_once(storage: Storage, clock: ManualClock, hub: Hub) -> None:
    await configure(hub, TWO)
    hubs = [hub, hub_over(storage, clock), hub_over(storage, clock)]
    await asyncio.gather(*(deliver(each, number) for each in hubs * 3 for number in range(5)))
    assert len(await stored_events(hub)) == 10
    assert Counter(verdicts(await receipts(hub))) == {Verdict.ACCEPTED: 5, Verdict.DUPLICATE: 40}


async def test_an_id_is_unique_where_it_is_from_and_not_beyond(hub: Hub) -> None:
    await configure(hub, {"GO": {}})
    await deliver(hub, topic="plant")
    await deliver(hub, topic="office")
    await deliver(hub, topic="plant", subject="the same event, changed")
    assert len(await stored_events(hub)) == 2


async def test_events_that_retention_has_taken_do_not_come_back(hub: Hub, clock: ManualClock) -> None:
    await configure(hub, {"GO": {}})
    await deliver(hub)
    (event_id,) = await stored_events(hub)
    await hub.context.events.delete(event_id, (await hub.context.events.get(event_id)).etag)
    clock.advance(24 * 3600)
    await deliver(hub)
    assert await stored_events(hub) == []


class TestPoison:
    @pytest.mark.parametrize(
        ("fields", "verdict", "status"),
        [
            ({"id": 7}, Verdict.REFUSED, 400),
            ({"data": 10**30}, Verdict.REFUSED, 400),
            ({"data": "x" * 100_000}, Verdict.REFUSED, 413),
            ({"data": "no number"}, Verdict.UNFIRED, 202),
        ],
    )
    async def test_it_is_recorded_and_acknowledged(
        self, storage: Storage, clock: ManualClock, fields: dict[str, Any], verdict: Verdict, status: int
    ) -> None:
        from hub.life.terms import Terms

        hub = hub_over(storage, clock, terms=Terms(max_payload=50_000))
        await configure(hub, {"GO": {"filter": "abs(body.data) > `0`"}})
        await deliver(hub, **fields)
        (receipt,) = await receipts(hub)
        assert (receipt.verdict, receipt.status) == (verdict, status)
        assert receipt.reason or receipt.event_types[0].reason
        assert await stored_events(hub) == []

    @pytest.mark.parametrize("fields", [{"id": ""}, {"data": "no number"}], ids=["refused", "unfired"])
    @pytest.mark.parametrize("after", [True, False], ids=["after", "before"])
    async def test_it_is_sent_again_when_it_could_not_be_recorded(
        self, storage: Storage, clock: ManualClock, hub: Hub, fields: dict[str, Any], after: bool
    ) -> None:
        await configure(hub, {"GO": {"filter": "abs(body.data) > `0`"}})
        for number in range(10):
            engine = Breaking(storage)
            breaking = hub_over(engine, clock)
            await breaking.configuration.current()
            engine.done, engine.at, engine.after = 0, number, after
            taken = False
            with suppress(Unavailable):
                await deliver(breaking, number, **fields)
                taken = True
            assert taken is not engine.hit
            if taken:
                break
        assert number >= 1

    async def test_a_flood_of_it_is_counted(self, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        from hub.sources import refusal_count

        monkeypatch.setattr(refusal_count, "WRITE_EVERY_SECONDS", 0)
        await configure(hub, {"GO": {}})
        for _ in range(150):
            await deliver(hub, id="")
        await hub.sources.receipts.counted.flush()
        found = await receipts(hub)
        assert len(found) == 101
        assert sum(each.count for each in found) == 150

    async def test_what_no_source_can_be_told_of_is_in_the_log_once_a_minute(
        self, hub: Hub, clock: ManualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        await configure(hub, {"GO": {}}, grid={"types": ["T"]}, off={"types": ["Y"], "enabled": False})
        caplog.set_level(logging.WARNING, "hub.sources.eventgrid")
        for text in ("nonsense", event(eventType="X\nY"), event(eventType="Y")):
            for _ in range(5):
                await hub.sources.event_grid.receive(text)
            clock.advance(60)
        said = [record.getMessage() for record in caplog.records]
        assert [each.split(" ")[0] for each in said] == ["1", "5", "5"]
        assert said[0].endswith("the last one is no JSON object"), "and nothing of it"
        assert "'X\\nY', and no source hears it" in said[1]
        assert await stored_events(hub) == []


class TestWhatMayPassLater:
    async def test_a_full_queue_refuses_and_the_rest_of_the_hub_goes_on(self, hub: Hub, clock: ManualClock) -> None:
        await configure(hub, {"GO": {}})
        await hub.resources.apply({Kind.SINK_TYPE: [{"name": SINK_TYPE, "max_queue_depth": 1}]})
        await deliver(hub, 1)
        clock.advance(2)
        for _ in range(2):
            with pytest.raises(TooMany):
                await deliver(hub, 2)
            clock.advance(2)
        found = await receipts(hub)
        assert [(each.verdict, each.status) for each in found[:2]] == [(Verdict.REFUSED, 429)] * 2
        await take_hints(hub.storage, QUEUE)
        clock.advance(2)
        await deliver(hub, 2)
        assert len(await stored_events(hub)) == 2

    async def test_a_paused_source_keeps_no_other_from_its_events(self, hub: Hub, clock: ManualClock) -> None:
        pause = {"note": "", "until": None}
        await configure(hub, {"GO": {}}, a={"pause": pause}, other={}, deaf={"pause": pause, "filter": "`false`"})
        for _ in range(2):
            with pytest.raises(Paused):
                await deliver(hub)
            clock.advance(1)
            assert len(await stored_events(hub)) == 1
        await configure(hub, {"GO": {}}, a={}, other={}, deaf={"pause": pause, "filter": "`false`"})
        await deliver(hub)
        assert len(await stored_events(hub)) == 2
        assert verdicts(await receipts(hub, "other")) == [Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.DUPLICATE]
        assert await receipts(hub, "deaf") == []


@pytest.mark.parametrize(
    ("expression", "heard"),
    [
        ("body.data.size > `10`", True),
        ("body.data.size > `100`", False),
        ("body.data.nothing", False),
        ("headers.\"ce-type\" == 'T' && headers.\"ce-source\" == 'plant'", True),
        ("body.eventType == 'T'", True),
        ("query", True),
        ("`0`", True),
    ],
)
async def test_a_sources_filter(hub: Hub, expression: str, heard: bool) -> None:
    await configure(hub, {"GO": {}}, grid={"filter": expression})
    await deliver(hub, data={"size": 11})
    assert len(await stored_events(hub)) == heard
    assert len(await receipts(hub)) == heard  # what is not heard leaves none
