"""Running an event again: as it was or as it would be today, with a payload of its own, once for each key."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from hub.errors import NotFound, Rejected, TooMany, Unavailable
from hub.life.rerun import Wish
from hub.life.terms import Terms
from hub.model.configuration import EventType, RetryPolicy, SinkType
from hub.model.event import Event, State
from hub.rules import ids
from hub.rules.keeping import Keeping
from hub.rules.rerunning import KEPT_KEYS, KEY_VALID, RerunAs
from hub.rules.resolving import MOST_STATIC_BYTES
from hub.storage.configuration import ConfigurationRows, Edit, RowKind
from hub.storage.embedded import open_embedded
from hub.wire import ResultState, Task
from tests.contract.rig import ManualClock
from tests.life.rig import SINK_TYPE, LifeRig, open_rig

TODAY, RECORDED = RerunAs.TODAY, RerunAs.RECORDED
PARAMETERS = [
    {"name": "path", "type": "STATIC", "value": {"deep": ["/tmp", 1]}},
    {"name": "host", "type": "DATA", "value": "host"},
    {"name": "token", "type": "SECRET", "value": "api-token"},
]
OTHERS = [
    {"name": "path", "type": "STATIC", "value": "/var"},
    {"name": "host", "type": "DATA", "value": "other"},
    {"name": "more", "type": "STATIC", "value": 7},
]


async def ended(rig: LifeRig, name: str = "A", payload: bytes = b'{"host":"web-1","other":"web-2"}') -> Event:
    """An event that ran and is over."""
    event = await rig.fire(name, payload)
    await rig.report(await rig.one(), ResultState.ERROR, code="EXIT_1")
    return await rig.read(event.id)


async def again(rig: LifeRig, event: Event, how: RerunAs = TODAY, key: str | None = None) -> Event:
    return await rig.hub.reruns.rerun(Wish(event.id, how, key))


def told(task: Task) -> dict[str, Any]:
    """What of a task comes from the configuration."""
    parameters = [each.model_dump() for each in task.parameters]
    return {
        "module": task.module,
        "runtime": task.runtime,
        "action": task.action,
        "timeout": task.timeout_seconds,
        "lease": task.lease_seconds,
        "warnings": task.warning_codes,
        "parameters": parameters,
    }


async def first_configuration(rig: LifeRig) -> None:
    await rig.event_type("NEXT")
    action = {"parameters": PARAMETERS, "timeout_seconds": 100, "warning_codes": (3,), "module": "old:run"}
    await rig.event_type("A", action=action, on={"on_success": "NEXT"}, lease_seconds=40)


@pytest.mark.parametrize("how", list(RerunAs))
async def test_what_a_rerun_runs(rig: LifeRig, how: RerunAs) -> None:
    await first_configuration(rig)
    event = await ended(rig)
    before = event.attempts[0]
    await rig.event_type("A", action={"parameters": OTHERS, "timeout_seconds": 7, "module": "new:run"})

    made = await again(rig, event, how)
    task = await rig.one()

    assert (task.event_id, task.payload, made.rerun_of) == (made.id, {"host": "web-1", "other": "web-2"}, event.id)
    if how is RECORDED:
        assert told(task) == {
            "module": "old:run",
            "runtime": "python",
            "action": "do-A",
            "timeout": 100,
            "lease": 40,
            "warnings": (3,),
            "parameters": [
                {"name": "path", "value": {"deep": ["/tmp", 1]}},
                {"name": "host", "value": "web-1"},
                {"name": "token", "secret": "api-token"},
            ],
        }
        assert (await rig.read(made.id)).attempts[0].run == before.run, "its configuration version too"
    else:
        assert told(task)["module"] == "new:run"
        assert [each["name"] for each in told(task)["parameters"]] == ["path", "host", "more"]
    await rig.report(task)
    follow_on = (await rig.read(made.id)).follow_on
    assert (follow_on is not None) is (how is RECORDED), "the edges are recorded too"


async def test_it_is_a_root_of_its_own_with_the_callers_correlation(rig: LifeRig) -> None:
    await rig.event_type("NEXT")
    await rig.event_type("A", on={"on_failure": "NEXT"})
    root = await rig.fire("A", correlation_id="order-7")
    await rig.report(await rig.one(), ResultState.ERROR)
    following = await rig.one()
    await rig.report(following)

    made = await again(rig, await rig.read(following.event_id))

    assert (made.parent_id, made.root_id, made.depth, made.rerun_of) == (None, made.id, 0, following.event_id)
    assert made.correlation_id == "order-7"
    assert (await rig.one()).payload["parent"]["id"] == root.id
    wish = Wish(root.id, TODAY, correlation_id="order-8")
    assert (await rig.hub.reruns.rerun(wish)).correlation_id == "order-8"


async def test_a_rerun_as_it_was_is_tried_again_as_it_was_and_can_be_run_again_as_it_was(rig: LifeRig) -> None:
    await first_configuration(rig)
    event = await ended(rig)
    await rig.event_type("A", action={"module": "new:run"}, retry=RetryPolicy(max_attempts=2, backoff_seconds=0))
    made = await again(rig, event, RECORDED)
    await rig.report(await rig.one(), ResultState.ERROR)
    assert told(await rig.one())["module"] == "old:run"
    await rig.hub.canceller.cancel(made.id)

    third = await again(rig, await rig.read(made.id), RECORDED)
    task = await rig.one()
    assert (task.event_id, task.module) == (third.id, "old:run")
    assert task.parameters[0].model_dump()["value"] == {"deep": ["/tmp", 1]}


async def test_a_rerun_as_it_was_that_never_began_can_be_run_again_as_it_was(rig: LifeRig) -> None:
    await first_configuration(rig)
    made = await again(rig, await ended(rig), RECORDED)
    await rig.hub.canceller.cancel(made.id)
    assert (await rig.read(made.id)).follow_on is None, "it was cancelled, and only success is followed"
    await again(rig, await rig.read(made.id), RECORDED)
    assert (await rig.one()).module == "old:run"


async def test_cancelled_in_the_queue_it_is_followed_by_what_was_recorded(rig: LifeRig) -> None:
    await rig.event_type("NEXT")
    await rig.event_type("A", on={"on_failure": "NEXT"})
    event = await ended(rig)
    await rig.report(await rig.one())
    await rig.event_type("A")
    for how, followed in ((RECORDED, True), (TODAY, False)):
        made = await rig.hub.canceller.cancel((await again(rig, event, how)).id)
        assert (made.follow_on is not None) is followed


async def test_it_needs_nothing_of_the_configuration_but_its_event_type(rig: LifeRig) -> None:
    await first_configuration(rig)
    event = await ended(rig)
    await rig.event_type("B", action={"module": "new:run"})
    await rig.configure(EventType(name="A", sink_type=SINK_TYPE, action="do-B"))
    await _remove(rig, RowKind.ACTION, "do-A")
    await again(rig, event, RECORDED)
    assert told(await rig.one())["module"] == "old:run"


async def _remove(rig: LifeRig, kind: RowKind, name: str) -> None:
    seen = await rig.hub.configuration.newest()
    entry = seen.get(kind, name)
    assert entry is not None
    await ConfigurationRows(rig.hub.storage.tables).write(seen, Edit(remove=[entry]), f"without {name}")
    rig.hub.configuration.invalidate()


class TestRefusals:
    async def test_of_an_event_that_has_not_ended(self, rig: LifeRig) -> None:
        await rig.event_type("A")
        event = await rig.fire("A")
        for _ in range(2):
            with pytest.raises(Rejected, match="has not ended yet"):
                await again(rig, event)
            await rig.poll(seconds=0.2)

    async def test_of_one_that_is_not_there(self, rig: LifeRig) -> None:
        with pytest.raises(NotFound):
            await rig.hub.reruns.rerun(Wish(ids.new(rig.clock.now(), 0, 1), TODAY, "key"))

    async def test_of_one_whose_event_type_is_gone_or_disabled(self, rig: LifeRig) -> None:
        await rig.event_type("A")
        event = await ended(rig)
        await rig.event_type("A", enabled=False)
        with pytest.raises(Rejected, match="A is disabled"):
            await again(rig, event)
        await _remove(rig, RowKind.EVENT_TYPE, "A")
        with pytest.raises(Rejected, match="no event type A any more"):
            await again(rig, event, RECORDED)

    async def test_as_it_was_of_one_that_never_ran(self, rig: LifeRig) -> None:
        await rig.event_type("A")
        event = await rig.fire("A")
        await rig.hub.canceller.cancel(event.id)
        with pytest.raises(Rejected, match="it never ran"):
            await again(rig, event, RECORDED)
        await again(rig, event)

    async def test_as_it_was_when_its_fixed_parameters_were_too_large_to_keep(self, rig: LifeRig) -> None:
        fits, too_large = "x" * (MOST_STATIC_BYTES - len('{"big":""}')), "x" * MOST_STATIC_BYTES
        for value, kept in ((fits, True), (too_large, False)):
            await rig.event_type("A", action={"parameters": [{"name": "big", "type": "STATIC", "value": value}]})
            event = await ended(rig)
            if kept:
                await again(rig, event, RECORDED)
                assert (await rig.one()).parameters[0].model_dump()["value"] == value
                continue
            with pytest.raises(Rejected, match=r"fixed parameters \(big\) were too large"):
                await again(rig, event, RECORDED)
            await again(rig, event)

    async def test_while_its_queue_is_full(self, rig: LifeRig) -> None:
        await rig.event_type("A")
        event = await ended(rig)
        await rig.configure(SinkType(name=SINK_TYPE, max_queue_depth=1))
        await again(rig, event)
        with pytest.raises(TooMany):
            await again(rig, event)

    async def test_when_its_payload_is_gone(self, rig: LifeRig) -> None:
        await rig.event_type("A")
        event = await ended(rig, payload=b'"' + b"x" * 50_000 + b'"')
        assert event.payload.blob is not None
        await rig.hub.storage.blobs.delete("payloads", event.payload.blob)
        with pytest.raises(Rejected, match="payload is not in storage"):
            await again(rig, event)


@pytest.mark.parametrize("size", [10, 60_000])
async def test_retention_of_the_old_event_takes_nothing_of_the_new_one(clock: ManualClock, size: int) -> None:
    terms = Terms(inline_bytes=1000)
    async with open_rig(open_embedded(None, clock), clock, terms=terms, keeping=Keeping.all_for(1)) as rig:
        await rig.event_type("A")
        event = await ended(rig, payload=b'"' + b"x" * size + b'"')
        clock.advance(86_400 + 7_200)
        made = await again(rig, event)
        await rig.hub.upkeep.tick()
        with pytest.raises(NotFound):
            await rig.hub.logs.read(event.id, after=0)
        task = await rig.one()
        assert (task.event_id, len(task.payload)) == (made.id, size)


class TestKeys:
    async def test_the_same_key_is_the_same_rerun(self, rig: LifeRig) -> None:
        await rig.event_type("A")
        event = await ended(rig)
        first = await again(rig, event, key="k")
        await rig.report(await rig.one())
        second = await again(rig, event, key="k")
        assert (second.id, second.state) == (first.id, State.SUCCESS), "as it stands by now"
        assert await rig.poll(slots=8, seconds=0.2) == ()

    async def test_another_key_and_none_at_all_are_others(self, rig: LifeRig) -> None:
        await rig.event_type("A")
        event = await ended(rig)
        made = [(await again(rig, event, key=key)).id for key in ("k", "l", None, None)]
        assert len(set(made)) == 4

    async def test_it_means_one_event_and_one_way(self, rig: LifeRig) -> None:
        await rig.event_type("A")
        event, other = await ended(rig), await ended(rig)
        assert (await again(rig, event, key="k")).id != (await again(rig, other, key="k")).id
        with pytest.raises(Rejected, match="run again as today, not as recorded"):
            await again(rig, event, RECORDED, key="k")

    async def test_many_at_once_make_one(self, either: LifeRig) -> None:
        await either.event_type("A")
        event = await ended(either)
        made = await asyncio.gather(*(again(either, event, key="k") for _ in range(8)))
        assert len({each.id for each in made}) == 1

    async def test_one_that_was_noted_and_not_made_is_made_by_asking_again(
        self, rig: LifeRig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await rig.event_type("A")
        event = await ended(rig)
        with monkeypatch.context() as patch:

            async def broken(*_: object) -> None:
                raise Unavailable

            patch.setattr(rig.hub.creator, "create", broken)
            with pytest.raises(Unavailable):
                await again(rig, event, key="k")
        noted = (await rig.read(event.id)).reruns
        made = await again(rig, event, key="k")
        assert made.id in (noted or "")
        assert (await rig.one()).event_id == made.id

    async def test_it_is_valid_for_a_day(self, rig: LifeRig, clock: ManualClock) -> None:
        await rig.event_type("A")
        event = await ended(rig)
        first = await again(rig, event, key="k")
        clock.advance((KEY_VALID - timedelta(seconds=1)).total_seconds())
        assert (await again(rig, event, key="k")).id == first.id
        clock.advance(1)
        assert (await again(rig, event, key="k")).id != first.id

    async def test_a_row_keeps_so_many(self, rig: LifeRig) -> None:
        await rig.event_type("A")
        event = await ended(rig)
        made = [(await again(rig, event, key=f"k{number}")).id for number in range(KEPT_KEYS + 1)]
        assert [(await again(rig, event, key=f"k{number}")).id for number in range(1, KEPT_KEYS + 1)] == made[1:]
        assert (await again(rig, event, key="k0")).id != made[0]

    async def test_what_is_owed_is_not_disturbed(self, rig: LifeRig) -> None:
        """Noting a rerun changes the row of an event whose follow-on is being made."""
        await rig.event_type("B")
        await rig.event_type("A", on={"on_failure": "B"})
        event = await ended(rig)
        assert event.settled
        await again(rig, event, key="k")
        after = await rig.read(event.id)
        assert after.settled
        assert after.model_copy(update={"reruns": None}) == event
