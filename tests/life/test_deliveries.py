"""Deduplication: one delivery fires its events once, whatever dies, fails or comes at the same time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from hub.errors import Unavailable
from hub.model.configuration import Kind
from hub.model.receipt import Fate
from hub.rules.strict_json import write
from hub.sources.webhook import Accepted
from hub.storage import keys
from hub.storage.embedded import open_embedded
from hub.storage.ports import Storage
from hub.upkeep import sweep
from hub.wiring import Hub
from tests.contract.rig import ManualClock
from tests.life.hooks import Breaking, Died, configure, deliver, hub_over, stored_events, take_hints

DEDUPE: dict[str, JsonValue] = {"header": "X-Delivery", "hours": 24}
TWO: dict[str, dict[str, Any]] = {"ONE": {"payload": "body.id"}, "TWO": {}, "NEVER": {"filter": "`false`"}}
QUEUE = keys.queue_of_sink_type("PYTHON:BASE")


@pytest.fixture
async def storage(clock: ManualClock) -> Any:
    opened = open_embedded(None, clock)
    await opened.prepare()
    yield opened
    await opened.close()


@pytest.fixture
def hub(storage: Storage, clock: ManualClock) -> Hub:
    return hub_over(storage, clock)


def ids_of(accepted: Accepted) -> list[str]:
    return [line.event_id for line in accepted.lines if line.event_id is not None]


async def test_a_repeated_delivery_is_answered_with_the_same_events_and_fires_nothing(hub: Hub) -> None:
    key = await configure(hub, TWO, dedupe=DEDUPE)
    first = await deliver(hub, key, x_delivery="d-1")
    assert not first.duplicate
    second = await deliver(hub, key, b'{"id": "another body"}', x_delivery="d-1")
    assert second.duplicate
    assert ids_of(second) == ids_of(first)
    assert [line.fate for line in second.lines] == [Fate.DUPLICATE, Fate.DUPLICATE, Fate.FILTERED]
    assert second.event is not None
    assert sorted(await stored_events(hub)) == sorted(ids_of(first))
    page = await hub.sources.receipt_list.page("hook", after=None, limit=10)
    assert {receipt.duplicate_of for receipt in page.items} == {None, first.receipt_id}
    third = await deliver(hub, key, x_delivery="d-2")
    assert not set(ids_of(third)) & set(ids_of(first))


async def test_what_deduplication_costs(hub: Hub) -> None:
    key = await configure(hub, {"GO": {}}, dedupe=DEDUPE)
    await deliver(hub, key, x_delivery="d-0")
    operations = hub.storage.operations.by_kind
    before = operations()
    await deliver(hub, key, x_delivery="d-1")
    assert operations() - before == {"table.insert": 2, "queue.put": 1, "table.merge": 1}  # two more than without
    before = operations()
    await deliver(hub, key, x_delivery="d-1")
    assert operations() - before == {"table.insert": 2, "table.get": 2}  # the delivery and its event, and a receipt


async def test_without_deduplication_each_delivery_fires(hub: Hub) -> None:
    key = await configure(hub, {"GO": {}})
    await deliver(hub, key, x_delivery="d-0")
    before = hub.storage.operations.by_kind()
    await deliver(hub, key, x_delivery="d-0")
    assert hub.storage.operations.by_kind() - before == {"table.insert": 1, "queue.put": 1}
    assert len(await stored_events(hub)) == 2


@pytest.mark.parametrize("dying", [True, False], ids=["dies", "fails"])
@pytest.mark.parametrize("after", [True, False], ids=["after", "before"])
async def test_at_whatever_operation_the_first_hub_stops_the_second_delivery_meets_it(
    storage: Storage, clock: ManualClock, hub: Hub, after: bool, dying: bool
) -> None:
    key = await configure(hub, TWO, dedupe=DEDUPE)
    await deliver(hub, key, x_delivery="warm-up")  # the hour's partition is known
    operations = 0
    for number in range(100):
        delivery = f"d-{number}"
        before = set(await stored_events(hub))
        await take_hints(storage, QUEUE)
        engine = Breaking(storage)
        breaking = hub_over(engine, clock)
        await breaking.configuration.current()
        engine.done, engine.at, engine.after, engine.error = 0, number, after, Died if dying else Unavailable
        answered: Accepted | None = None
        with suppress(Died, Unavailable):
            answered = await deliver(breaking, key, x_delivery=delivery)
        clock.advance(3700)  # into another hour: the ids must not follow the clock
        second = await deliver(hub, key, x_delivery=delivery)
        third = await deliver(hub, key, x_delivery=delivery)
        assert len(ids_of(second)) == 2
        assert ids_of(third) == ids_of(second)
        assert third.duplicate
        assert answered is None or ids_of(answered) == ids_of(second)
        assert set(await stored_events(hub)) - before == set(ids_of(second)), engine.names
        assert await take_hints(storage, QUEUE) == set(ids_of(second))
        if not engine.hit:
            operations = number
            break
    assert operations >= 6, "the fault has been at every operation"


@pytest.mark.parametrize("after", [True, False], ids=["after", "before"])
async def test_a_receipt_never_names_an_event_that_is_not_there(
    storage: Storage, clock: ManualClock, hub: Hub, after: bool
) -> None:
    key = await configure(hub, {"ONE": {}, "TWO": {"payload": "body.id"}, "THREE": {}})
    await deliver(hub, key)
    for number in range(100):
        engine = Breaking(storage)
        breaking = hub_over(engine, clock)
        await breaking.configuration.current()
        engine.done, engine.at, engine.after, engine.error = 0, number, after, Died
        with suppress(Died):
            await deliver(breaking, key)
        clock.advance(1)
        there = set(await stored_events(hub))
        page = await hub.sources.receipt_list.page("hook", after=None, limit=200)
        for receipt in page.items:
            assert {line.event_id for line in receipt.event_types} <= there, engine.names
        if not engine.hit:
            break
    assert number >= 6, "the fault has been at every operation"


async def test_the_same_delivery_at_two_hubs_at_once(storage: Storage, clock: ManualClock, hub: Hub) -> None:
    key = await configure(hub, TWO, dedupe=DEDUPE)
    hubs = [hub, hub_over(storage, clock), hub_over(storage, clock)]
    for round_ in range(5):
        before = set(await stored_events(hub))
        answers = await asyncio.gather(*(deliver(each, key, x_delivery=f"d-{round_}") for each in hubs * 4))
        assert len({tuple(ids_of(each)) for each in answers}) == 1
        assert set(await stored_events(hub)) - before == set(ids_of(answers[0]))
        assert sum(not each.duplicate for each in answers) == 1
    page = await hub.sources.receipt_list.page("hook", after=None, limit=200)
    assert len(page.items) == 5 * 12


async def test_after_its_window_a_delivery_is_a_new_one(hub: Hub, clock: ManualClock) -> None:
    key = await configure(hub, {"GO": {}}, dedupe={"header": "X-Delivery", "hours": 2})
    first = await deliver(hub, key, x_delivery="d-1")
    clock.advance(7199)
    assert (await deliver(hub, key, x_delivery="d-1")).duplicate
    clock.advance(1)
    second = await deliver(hub, key, x_delivery="d-1")
    assert not second.duplicate
    assert ids_of(second) != ids_of(first)
    assert (await deliver(hub, key, x_delivery="d-1")).duplicate


async def test_a_delivery_that_fired_nothing_is_asked_again(hub: Hub) -> None:
    key = await configure(hub, {"GO": {"filter": "`false`"}}, dedupe=DEDUPE)
    first = await deliver(hub, key, x_delivery="d-1")
    assert ids_of(first) == []
    await configure(hub, {"GO": {}}, dedupe=DEDUPE)
    second = await deliver(hub, key, x_delivery="d-1")
    assert len(ids_of(second)) == 1
    assert not second.duplicate


async def test_events_that_retention_has_taken_do_not_come_back(hub: Hub) -> None:
    key = await configure(hub, {"GO": {}}, dedupe=DEDUPE)
    first = await deliver(hub, key, x_delivery="d-1")
    (event_id,) = ids_of(first)
    stored = await hub.context.events.get(event_id)
    await hub.context.events.delete(event_id, stored.etag)
    second = await deliver(hub, key, x_delivery="d-1")
    assert (ids_of(second), second.event, second.duplicate) == ([event_id], None, True)
    assert await stored_events(hub) == []


async def test_a_second_body_never_takes_the_place_of_the_first(storage: Storage, clock: ManualClock, hub: Hub) -> None:
    """A hub that dies before it says what it fired leaves a payload that the next try may not write over."""
    key = await configure(hub, {"GO": {}}, dedupe=DEDUPE)
    engine = Breaking(storage)
    breaking = hub_over(engine, clock)
    await breaking.configuration.current()
    engine.done, engine.at, engine.error = 0, 4, Died  # blob, row and hint are there: the note of it is not
    large = write({"id": "first" * 20_000})
    with pytest.raises(Died):
        await deliver(breaking, key, large, x_delivery="d-1")
    second = await deliver(hub, key, write({"id": "other" * 20_000}), x_delivery="d-1")
    assert second.event is not None
    content = (await hub.context.events.get(second.event.id)).event.payload
    assert await hub.context.contents.load(keys.PAYLOADS, content) == large


class TestWhatADeliveryIsKnownBy:
    @pytest.mark.parametrize(
        ("dedupe", "same", "other"),
        [
            ({"header": "x-DELIVERY"}, {"x_delivery": "ä"}, {"x_delivery": "a"}),
            ({"path": 'headers."webhook-id"'}, {"webhook_id": "1"}, {"webhook_id": "2"}),
            ({"path": "body.id"}, {"body": b'{"id": 1, "n": 1}'}, {"body": b'{"id": "1"}'}),
            ({"path": "[body.id, body.n]"}, {"body": b'{"id": 1, "n": 1}'}, {"body": b'{"id": 1, "n": 2}'}),
        ],
    )
    async def test_a_header_or_a_part_of_the_request(
        self, hub: Hub, dedupe: dict[str, Any], same: dict[str, Any], other: dict[str, Any]
    ) -> None:
        key = await configure(hub, {"GO": {}}, dedupe=dedupe)
        first, again, another = [await deliver(hub, key, **each) for each in (same, same, other)]
        assert (first.duplicate, again.duplicate, another.duplicate) == (False, True, False)

    @pytest.mark.parametrize(
        ("dedupe", "note"),
        [
            ({"header": "X-Delivery"}, "says no delivery id"),
            ({"path": "body.nothing"}, "says no delivery id"),
            ({"path": "length(body.id.id)"}, "length"),
        ],
    )
    async def test_what_says_none_is_let_in_and_its_receipt_says_so(
        self, hub: Hub, dedupe: dict[str, Any], note: str
    ) -> None:
        key = await configure(hub, {"GO": {}}, dedupe=dedupe)
        answers = [await deliver(hub, key) for _ in range(2)]
        assert ids_of(answers[0]) != ids_of(answers[1])
        receipt = await hub.sources.receipt_list.get("hook", answers[0].receipt_id)
        assert note in (receipt.reason or "")

    async def test_sources_do_not_meet_each_others(self, hub: Hub) -> None:
        key = await configure(hub, {"GO": {}}, dedupe=DEDUPE)
        source: JsonValue = {"name": "two", "kind": "WEBHOOK", "event_types": ["GO"], "dedupe": {**DEDUPE}}
        saved = (await hub.resources.apply({Kind.SOURCE: [source]}))[0]
        await deliver(hub, key, x_delivery="d-1")
        assert not (await deliver(hub, saved.entry.key, x_delivery="d-1")).duplicate


class TestSweep:
    async def test_what_is_over_goes_and_what_is_not_stays(self, hub: Hub, clock: ManualClock) -> None:
        key = await configure(hub, {"GO": {"filter": "body.ok"}}, dedupe={"header": "X-Delivery", "hours": 48})
        await deliver(hub, key, b"\xff" * 100_000, x_delivery="unfired", content_type="application/octet-stream")
        await deliver(hub, key, b'{"ok": true}', x_delivery="old")
        assert await self.rows(hub) == (1, 2)
        clock.advance(15 * 86_400)
        await deliver(hub, key, b'{"ok": true}', x_delivery="new")
        await deliver(hub, key, b"{}", x_delivery="new, unfired")
        for _ in range(16):
            await hub.upkeep.tick()
            clock.advance(60)
        assert await self.rows(hub) == (1, 2)
        assert (await deliver(hub, key, b'{"ok": true}', x_delivery="new")).duplicate

    async def test_a_hub_that_was_off_for_long_cleans_up_after_itself(self, hub: Hub, clock: ManualClock) -> None:
        key = await configure(hub, {"GO": {"filter": "`false`"}})
        await deliver(hub, key)
        clock.advance(100 * 86_400)
        for _ in range(16 * 100):
            await hub.upkeep._sweep.step()
            clock.advance(60)
        assert await self.rows(hub) == (0, 0)

    async def test_a_step_is_bounded_and_comes_everywhere(
        self, hub: Hub, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sweep, "PAGE", 4)
        monkeypatch.setattr(sweep, "PAGES_A_STEP", 2)
        key = await configure(hub, {"GO": {"filter": "`false`"}}, dedupe={"header": "X-Delivery", "hours": 1})
        for number in range(200):
            await deliver(hub, key, x_delivery=f"d-{number}")
        await configure(hub, {"GO": {"filter": "`false`"}}, dedupe={"header": "X-Delivery", "hours": 700})
        for number in range(200, 300):
            await deliver(hub, key, x_delivery=f"d-{number}")
        clock.advance(3 * 3600)
        before = hub.storage.operations.by_kind()
        await hub.upkeep._sweep.step()
        assert (hub.storage.operations.by_kind() - before)["table.query"] <= 2 * 3
        for _ in range(16 * 60):
            await hub.upkeep._sweep.step()
            clock.advance(60)
        assert (await self.rows(hub))[1] == 100

    async def rows(self, hub: Hub) -> tuple[int, int]:
        """How many receipts and deliveries there are."""
        tables, now = hub.storage.tables, hub.clock.now()
        days = range(int((now - timedelta(days=120)).timestamp()) // 86_400, int(now.timestamp()) // 86_400 + 1)
        receipts = [
            len(await tables.query(keys.RECEIPTS, f"{day:06d}-{part}")) for day in days for part in "0123456789abcdef"
        ]
        deliveries = [len(await tables.query(keys.DELIVERIES, part)) for part in "0123456789abcdef"]
        return sum(receipts), sum(deliveries)
