"""Commands to sinks: who hears of them when, what that costs, and what becomes of a sink that does not come back."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from hub.configure.copy import FRESH_SECONDS
from hub.evaluation import InlineEvaluator
from hub.model.sink import Command, CommandState, Heard, Order, Sink
from hub.rules.alerts import Alert
from hub.wire import Capabilities, Do, Poll, Polled
from hub.wiring import Hub, build
from tests.contract.rig import ManualClock
from tests.life.faulty_tables import FaultyStorage, SlowToAnswer
from tests.life.rig import SINK, SINK_TYPE, LifeRig
from tests.life.test_alerts_of_upkeep import OFFLINE_AFTER, _fired, _minutes, told
from tests.life.test_dispatch import virtually

__all__ = ["told"]
KNOWS = Capabilities(platform="test", commands=("drain", "resume", "restart", "stop"))


def polling(hub: Hub, sink: str = SINK, **fields: Any) -> asyncio.Task[Polled]:
    identity = Sink(name=sink, sink_type=SINK_TYPE, enrolled_at=hub.clock.now())
    said = Poll(**{"slots": 1, "version": "1", "instance": "instance-1", **fields})
    return asyncio.create_task(hub.polls.poll(identity, said))


def another(rig: LifeRig, storage: Any = None) -> Hub:
    """Another process of the hub."""
    return build(
        rig.hub.options, storage or rig.hub.storage, rig.clock, InlineEvaluator(), lambda: secrets.randbits(128)
    )


def slow_to_answer(rig: LifeRig) -> tuple[Hub, SlowToAnswer]:
    """Another process, and its tables."""
    tables = SlowToAnswer(rig.hub.storage.tables)
    return another(rig, FaultyStorage(rig.hub.storage, tables)), tables


def done(order: Order) -> dict[str, Any]:
    """How a sink says that it has carried out this command."""
    return Heard(id=order.id, command=order.command, state=CommandState.DONE).model_dump()


def test_a_poll_that_is_held_is_answered_at_once() -> None:
    async def body(rig: LifeRig) -> None:
        await polling(rig.hub, capabilities=KNOWS)
        held = polling(rig.hub)
        await asyncio.sleep(5)
        order = await rig.hub.orders.give(SINK.upper(), Command.DRAIN, "admin")
        began = asyncio.get_running_loop().time()
        assert (await held).commands == (Do(command=Command.DRAIN, id=order.id),)
        assert asyncio.get_running_loop().time() - began < 0.01

    virtually(body)


def test_one_that_another_process_holds_is_answered_when_anybody_asks_there() -> None:
    async def body(rig: LifeRig) -> None:
        other = another(rig)
        await polling(other, capabilities=KNOWS)
        held = polling(other)
        await asyncio.sleep(FRESH_SECONDS + 1)
        order = await rig.hub.orders.give(SINK, Command.DRAIN, "admin")
        await asyncio.sleep(1)
        assert not held.done()
        asked = polling(other, "another")  # any call there makes that process look at its copy
        await asyncio.sleep(0.01)
        assert held.done()
        assert held.result().commands == (Do(command=Command.DRAIN, id=order.id),)
        asked.cancel()

    virtually(body)


def test_a_process_with_an_older_copy_does_not_take_a_sink_back_to_the_command_before() -> None:
    async def body(rig: LifeRig) -> None:
        other = another(rig)
        await polling(rig.hub, capabilities=KNOWS)
        drain = await rig.hub.orders.give(SINK, Command.DRAIN, "admin")
        assert (await polling(other)).commands == (Do(command=Command.DRAIN, id=drain.id),)
        resume = await rig.hub.orders.give(SINK, Command.RESUME, "admin")
        said = done(resume)
        assert (await polling(other, slots=0, command=said)).commands == ()

    virtually(body)


def test_a_command_whose_writing_was_slow_is_not_told_to_a_sink_that_has_heard_the_next() -> None:
    async def body(rig: LifeRig) -> None:
        slow, tables = slow_to_answer(rig)
        await polling(rig.hub, capabilities=KNOWS)
        tables.seconds = 10.0
        giving = asyncio.create_task(slow.orders.give(SINK, Command.DRAIN, "admin"))
        await asyncio.sleep(1)
        resume = await rig.hub.orders.give(SINK, Command.RESUME, "admin")
        said = done(resume)
        held = polling(slow, command=said)
        assert (await giving).command is Command.DRAIN
        await asyncio.sleep(1)
        assert not held.done()
        held.cancel()

    virtually(body)


def test_a_poll_that_began_before_the_newest_command_does_not_tell_the_others_of_the_one_before() -> None:
    async def body(rig: LifeRig) -> None:
        slow, tables = slow_to_answer(rig)
        await polling(rig.hub, capabilities=KNOWS)
        await rig.hub.orders.give(SINK, Command.DRAIN, "admin")
        tables.seconds = 10.0
        began_before = polling(slow, "another")  # its presence is written slowly
        await asyncio.sleep(1)
        tables.seconds = 0.0
        resume = await rig.hub.orders.give(SINK, Command.RESUME, "admin")
        said = done(resume)
        await asyncio.sleep(FRESH_SECONDS)
        held = polling(slow, command=said)
        await asyncio.sleep(10)
        assert not held.done()
        began_before.cancel()
        held.cancel()

    virtually(body)


def test_a_command_that_is_given_while_a_poll_begins_is_its_answer() -> None:
    async def body(rig: LifeRig) -> None:
        slow, tables = slow_to_answer(rig)
        await polling(rig.hub, capabilities=KNOWS)
        tables.seconds = 10.0
        begins = polling(slow)  # its presence is written slowly
        await asyncio.sleep(1)
        assert slow.polls.holding == 0
        tables.seconds = 0.0
        order = await slow.orders.give(SINK, Command.DRAIN, "admin")
        began = asyncio.get_running_loop().time()
        assert (await begins).commands == (Do(command=Command.DRAIN, id=order.id),)
        assert asyncio.get_running_loop().time() - began < 10

    virtually(body)


def test_a_held_poll_costs_no_more_whether_there_is_a_command_or_not() -> None:
    async def cost(rig: LifeRig, **fields: Any) -> int:
        before = rig.hub.storage.operations.by_kind().total()
        answer = await polling(rig.hub, slots=0, **fields)
        assert not answer.commands
        return rig.hub.storage.operations.by_kind().total() - before

    async def body(rig: LifeRig) -> None:
        await polling(rig.hub, capabilities=KNOWS)
        await cost(rig)
        without = await cost(rig)
        order = await rig.hub.orders.give(SINK, Command.DRAIN, "admin")
        heard = done(order)
        await cost(rig, draining=True, leaving=False, command=heard)  # which is written once
        await cost(rig, draining=True, leaving=False, command=heard)
        assert await cost(rig, draining=True, leaving=False, command=heard) == without <= 2

    virtually(body)


async def _says(rig: LifeRig, command: str, state: str, *, leaving: bool) -> None:
    heard = {"id": "an-order", "command": command, "state": state}
    said = {"slots": 0, "version": "1", "instance": "instance-1", "draining": True, "leaving": leaving}
    await rig.hub.presence.note(SINK, Poll.model_validate({**said, "command": heard}), OFFLINE_AFTER)


async def test_a_sink_that_drains_restarts_or_runs_and_does_not_come_back_is_lost(
    told: LifeRig, clock: ManualClock
) -> None:
    for number, command in enumerate(("drain", "restart"), start=1):
        await _says(told, command, "TAKEN", leaving=False)
        await _minutes(told, clock, 10)
        assert len(await _fired(told, Alert.SINK_LOST)) == number


async def test_one_that_was_told_to_stop_is_not_lost(told: LifeRig, clock: ManualClock) -> None:
    for state in ("TAKEN", "DONE"):
        await _says(told, "stop", state, leaving=True)
        await _minutes(told, clock, 10)
    assert await _fired(told, Alert.SINK_LOST) == []
