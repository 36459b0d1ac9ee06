"""Secrets kept for a minute: how old an answer may be, and how many ask the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from hub.errors import Changed, Missing, Unavailable
from hub.model.secret import SecretInfo
from hub.secrets.cached import CachedSecrets
from hub.secrets.memory import MISSING_SECONDS
from hub.secrets.port import Expect, Secret, Secrets, Unreadable, whatever_is_there
from tests.unit.configuring import BEGIN, StepClock


class Engine:
    """Keeps secrets in a dict, counts its readers, and may be held or made to fail."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {"key": "one"}
        self.reads = 0
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()

    async def get(self, name: str) -> Secret:
        self.reads += 1
        self.begun.set()
        error, value = self.error, self.values.get(name.casefold())
        await self.gate.wait()
        if error is not None:
            raise error
        if value is None:
            raise Missing(f"there is no secret {name}")
        return Secret(name, value, value)

    async def put(
        self, name: str, value: str | None, description: str = "", *, by: str = "", expect: Expect = whatever_is_there
    ) -> SecretInfo:
        assert value is not None
        expect(self.values.get(name))
        self.values[name.casefold()] = value
        if self.error is not None:
            raise self.error
        return SecretInfo(name=name, description=description, version=value, changed_at=BEGIN, changed_by=by)

    async def restore(self, name: str, version: str, *, by: str = "", expect: Expect = whatever_is_there) -> SecretInfo:
        expect(self.values.get(name))
        self.values[name.casefold()] = version
        return SecretInfo(name=name, version=version, changed_at=BEGIN, changed_by=by)

    async def delete(self, name: str, *, expect: Expect = whatever_is_there) -> None:
        expect(self.values.get(name))
        del self.values[name.casefold()]

    async def describe(self, name: str) -> SecretInfo:
        return SecretInfo(name=name, version=self.values[name], changed_at=BEGIN)

    async def list(self) -> list[SecretInfo]:
        return [await self.describe(name) for name in self.values]


@pytest.fixture
def clock() -> StepClock:
    return StepClock()


@pytest.fixture
async def engine() -> Engine:
    return Engine()


@pytest.fixture
def cached(engine: Engine, clock: StepClock) -> CachedSecrets:
    inner: Secrets = engine
    kept: Secrets = CachedSecrets(inner, clock)
    assert isinstance(kept, CachedSecrets)
    return kept


async def test_a_value_is_read_once_a_minute(engine: Engine, cached: CachedSecrets, clock: StepClock) -> None:
    for _ in range(5):
        assert (await cached.get("key")).value == "one"
        assert (await cached.get("KEY")).value == "one"
    assert engine.reads == 1
    engine.values["key"] = "two"  # through another process
    clock.seconds += 59.9
    assert (await cached.get("key")).value == "one"
    clock.seconds += 0.1
    assert (await cached.get("key")).value == "two"


async def test_the_minute_begins_with_the_reading(engine: Engine, cached: CachedSecrets, clock: StepClock) -> None:
    engine.gate.clear()
    reading = asyncio.create_task(cached.get("key"))
    await engine.begun.wait()
    clock.seconds += 30  # the engine is slow: what it read may be so old
    engine.gate.set()
    await reading
    clock.seconds += 30
    await cached.get("key")
    assert engine.reads == 2


async def test_many_who_ask_at_once_share_one_read(engine: Engine, cached: CachedSecrets) -> None:
    engine.gate.clear()
    asking = [asyncio.create_task(cached.get("key")) for _ in range(100)]
    await asyncio.sleep(0)
    engine.gate.set()
    assert {each.value for each in await asyncio.gather(*asking)} == {"one"}
    assert engine.reads == 1


async def test_who_is_cancelled_takes_the_answer_from_nobody(engine: Engine, cached: CachedSecrets) -> None:
    engine.gate.clear()
    first, second = (asyncio.create_task(cached.get("key")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    engine.gate.set()
    assert (await second).value == "one"
    assert first.cancelled()
    assert engine.reads == 1


async def test_an_error_is_everybodys_who_waits_and_is_not_kept(engine: Engine, cached: CachedSecrets) -> None:
    engine.error = Unavailable()
    asking = [asyncio.create_task(cached.get("key")) for _ in range(3)]
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(each) for each in answers] == [Unavailable] * 3
    assert engine.reads == 1
    engine.error = None
    assert (await cached.get("key")).value == "one"


async def test_an_error_that_nobody_waits_for_any_more_is_no_noise(engine: Engine, cached: CachedSecrets) -> None:
    engine.error = Unavailable()
    engine.gate.clear()
    asking = asyncio.create_task(cached.get("key"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    engine.gate.set()
    await asyncio.sleep(0.01)  # an exception that is not retrieved would fail this test as a warning


async def test_an_old_value_is_not_used_while_the_engine_is_away(
    engine: Engine, cached: CachedSecrets, clock: StepClock
) -> None:
    await cached.get("key")
    engine.error = Unavailable()
    clock.seconds += 60
    with pytest.raises(Unavailable):
        await cached.get("key")


@pytest.mark.parametrize("error", [Missing("gone"), Unreadable("no key")])
async def test_what_is_missing_is_asked_for_every_five_seconds(
    engine: Engine, cached: CachedSecrets, clock: StepClock, error: Missing
) -> None:
    engine.error = error
    for _ in range(3):
        with pytest.raises(type(error), match=str(error)):
            await cached.get("key")
    assert engine.reads == 1
    engine.error = None
    clock.seconds += MISSING_SECONDS
    assert (await cached.get("key")).value == "one"


async def put(cached: CachedSecrets) -> None:
    await cached.put("KEY", "two")


async def delete(cached: CachedSecrets) -> None:
    await cached.delete("key")


@pytest.mark.parametrize(("change", "expected"), [(put, "two"), (delete, None)])
async def test_a_change_through_this_process_is_in_force_at_once(
    engine: Engine, cached: CachedSecrets, change: Callable[[CachedSecrets], asyncio.Future[None]], expected: str | None
) -> None:
    await cached.get("key")
    await change(cached)
    assert await value_or_none(cached) == expected


@pytest.mark.parametrize(("change", "expected"), [(put, "two"), (delete, None)])
async def test_a_read_that_began_before_a_change_is_not_kept(
    engine: Engine, cached: CachedSecrets, change: Callable[[CachedSecrets], asyncio.Future[None]], expected: str | None
) -> None:
    engine.gate.clear()
    reading = asyncio.create_task(cached.get("key"))
    await engine.begun.wait()
    await change(cached)
    engine.gate.set()
    await reading
    assert await value_or_none(cached) == expected


async def test_a_put_that_may_have_taken_effect_is_looked_up(engine: Engine, cached: CachedSecrets) -> None:
    await cached.get("key")
    engine.error = Unavailable()
    with pytest.raises(Unavailable):
        await cached.put("key", "two")
    engine.error = None
    assert (await cached.get("key")).value == "two"


async def test_expectations_reach_the_engine(engine: Engine, cached: CachedSecrets) -> None:
    def refuse(_: str | None) -> None:
        raise Changed

    with pytest.raises(Changed):
        await cached.put("key", "two", expect=refuse)
    with pytest.raises(Changed):
        await cached.delete("key", expect=refuse)
    assert [each.name for each in await cached.list()] == ["key"]
    assert (await cached.describe("key")).version == "one"


async def value_or_none(cached: CachedSecrets) -> str | None:
    try:
        return (await cached.get("key")).value
    except Missing:
        return None
