"""The keeper of secrets where things go wrong: altered rows, lost answers, dying processes, keys that are gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.configure import copy
from hub.errors import Changed, Invalid, Missing, Unavailable
from hub.secrets.port import MOST_VALUE_BYTES, Secret, Unreadable, check
from hub.secrets.sealing import Sealer
from hub.secrets.tidying import EVERY, FORGOTTEN_AFTER, MOST_A_STEP
from hub.signing import RootKey
from hub.storage.embedded import open_embedded
from hub.storage.ports import Storage
from hub.storage.secret_rows import SealedValue
from tests.unit.configuring import StepClock
from tests.unit.keeping import NEW_KEY, OLD_KEY, Keeper, keeper_over

VALUE = "a value of the tests"
HOUR = EVERY.total_seconds()


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "NEWS_SECONDS", 0)


@pytest.fixture
def clock() -> StepClock:
    return StepClock()


@pytest.fixture
async def storage(clock: StepClock) -> AsyncIterator[Storage]:
    opened = open_embedded(None, clock)
    await opened.prepare()
    yield opened
    await opened.close()


@pytest.fixture
def keeper(storage: Storage, clock: StepClock) -> Keeper:
    return keeper_over(storage.tables, clock)


class TestSealing:
    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), st.integers(0, 2**128))
    def test_a_value_comes_back_and_its_bytes_do_not_show(self, value: str, number: int) -> None:
        sealed = sealer(randomness=lambda: number).seal(value, name="a", version="1")
        assert sealer().open(sealed, name="A", version="1") == value
        assert len(sealed.nonce) == 12
        assert len(value) < 4 or value.encode() not in sealed.ciphertext

    def test_the_same_value_twice_is_not_the_same_twice(self) -> None:
        numbers = iter((1, 2))
        one = sealer(randomness=lambda: next(numbers))
        assert one.seal(VALUE, name="a", version="1") != one.seal(VALUE, name="a", version="1")

    @pytest.mark.parametrize(("name", "version"), [("b", "1"), ("a", "2"), ("a1", ""), ("", "a1")])
    def test_in_anothers_place_it_does_not_open(self, name: str, version: str) -> None:
        sealed = sealer().seal(VALUE, name="a", version="1")
        with pytest.raises(Unreadable, match="altered"):
            sealer().open(sealed, name=name, version=version)

    @given(st.integers(0, 35))
    def test_a_single_bit_altered_and_it_does_not_open(self, place: int) -> None:
        sealed = sealer().seal(VALUE, name="a", version="1")
        altered = bytearray(sealed.ciphertext)
        altered[place] ^= 1
        with pytest.raises(Unreadable):
            sealer().open(replace(sealed, ciphertext=bytes(altered)), name="a", version="1")

    def test_the_previous_key_opens_and_the_current_one_seals(self) -> None:
        old = sealer().seal(VALUE, name="a", version="1")
        rotating = sealer(NEW_KEY, OLD_KEY)
        assert rotating.open(old, name="a", version="1") == VALUE
        assert rotating.seal(VALUE, name="a", version="1").key_id == NEW_KEY.key_id

    def test_another_hubs_value_says_which_key_is_missing(self) -> None:
        sealed = sealer().seal(VALUE, name="a", version="1")
        with pytest.raises(Unreadable, match=OLD_KEY.key_id) as refused:
            sealer(NEW_KEY).open(sealed, name="a", version="1")
        assert VALUE not in str(refused.value)

    def test_nothing_shows_a_value(self) -> None:
        assert VALUE not in repr(Secret("a", VALUE, "1"))
        assert "ciphertext" not in repr(SealedValue("k", b"n", b"c"))


def sealer(
    key: RootKey = OLD_KEY, previous: RootKey | None = None, randomness: Callable[[], int] = lambda: 7
) -> Sealer:
    return Sealer(key, previous, randomness)


class TestWhatIsTaken:
    @pytest.mark.parametrize("name", ["a", "0", "A-b-1", "-", "x" * 127])
    def test_names(self, name: str) -> None:
        check(name, VALUE)

    @pytest.mark.parametrize("name", ["", "a_b", "a.b", "ä", "a b", "x" * 128, "a\n"])
    def test_names_that_are_refused(self, name: str) -> None:
        with pytest.raises(Invalid, match="1 to 127 letters"):
            check(name, VALUE)

    @pytest.mark.parametrize("value", ["", "x" * (MOST_VALUE_BYTES + 1), "ü" * MOST_VALUE_BYTES, "hunter2\ud83d"])
    def test_values_that_are_refused_are_not_repeated(self, value: str) -> None:
        with pytest.raises(Invalid) as refused:
            check("a", value)
        assert [each.field for each in refused.value.fields] == ["value"]
        assert "hunter2" not in str(refused.value)
        assert "xx" not in str(refused.value)


def failing(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool, error: Exception) -> None:
    """This operation fails once, before or after it took effect."""
    real = getattr(owner, name)

    async def once(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(owner, name, real)
        if after:
            await real(*arguments, **named)
        raise error

    monkeypatch.setattr(owner, name, once)


class TestWhenStorageFails:
    @pytest.mark.parametrize("after", [False, True])
    async def test_a_value_that_may_be_stored_stands_nowhere(
        self, storage: Storage, keeper: Keeper, monkeypatch: pytest.MonkeyPatch, after: bool
    ) -> None:
        await keeper.secrets.put("a", "old")
        failing(monkeypatch, storage.tables, "put", after=after, error=Unavailable())
        with pytest.raises(Unavailable):
            await keeper.secrets.put("a", "new")
        assert (await keeper.secrets.get("a")).value == "old"

    @pytest.mark.parametrize("after", [False, True])
    async def test_a_lost_answer_of_the_configuration_is_looked_up(
        self, storage: Storage, keeper: Keeper, monkeypatch: pytest.MonkeyPatch, after: bool
    ) -> None:
        await keeper.secrets.put("a", "old")
        failing(monkeypatch, storage.tables, "transact", after=after, error=Unavailable())
        if after:
            await keeper.secrets.put("a", "new")
        else:
            with pytest.raises(Unavailable):
                await keeper.secrets.put("a", "new")
        assert (await keeper.secrets.get("a")).value == ("new" if after else "old")

    async def test_an_old_value_that_cannot_be_removed_hinders_nobody(
        self, storage: Storage, keeper: Keeper, clock: StepClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await keeper.secrets.put("a", "oldest")
        await keeper.secrets.put("a", "old")
        failing(monkeypatch, storage.tables, "delete", after=False, error=Unavailable())
        await keeper.secrets.put("a", "new")
        failing(monkeypatch, storage.tables, "delete", after=False, error=Unavailable())
        await keeper.secrets.delete("a")
        assert len(await keeper.rows.heads()) == 3
        clock.seconds += HOUR
        assert await keeper.tidying.step() == 3
        assert await keeper.rows.heads() == []

    async def test_a_value_that_is_gone_is_missing_and_can_be_put_again(self, keeper: Keeper) -> None:
        info = await keeper.secrets.put("a", VALUE)
        await keeper.rows.remove("a", info.version)
        with pytest.raises(Missing, match="put it again"):
            await keeper.secrets.get("a")
        await keeper.secrets.put("a", VALUE)
        assert (await keeper.secrets.get("a")).value == VALUE

    async def test_a_row_in_anothers_place_is_not_given_out(self, storage: Storage, keeper: Keeper) -> None:
        one, two = await keeper.secrets.put("a", "value of a"), await keeper.secrets.put("b", "value of b")
        row = await storage.tables.get("secrets", "values", f"b:{two.version}")
        await storage.tables.put("secrets", "values", f"a:{one.version}", row.values)
        with pytest.raises(Unreadable):
            await keeper.secrets.get("a")


class TestTidying:
    async def test_what_a_dead_process_left_is_removed_after_an_hour(
        self, storage: Storage, clock: StepClock, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await keeper.secrets.put("a", "old")
        failing(monkeypatch, storage.tables, "transact", after=False, error=Unavailable())
        with pytest.raises(Unavailable):
            await keeper.secrets.put("a", "never confirmed")
        assert await keeper.tidying.step() == 0, "it may be about to stand"
        clock.seconds += FORGOTTEN_AFTER.total_seconds() - 1
        assert await another(storage, clock).tidying.step() == 0
        clock.seconds += 1
        assert await another(storage, clock).tidying.step() == 1
        assert (await keeper.secrets.get("a")).value == "old"
        assert len(await keeper.rows.heads()) == 1

    async def test_it_looks_once_an_hour_and_at_an_empty_table_with_one_operation(
        self, storage: Storage, clock: StepClock, keeper: Keeper
    ) -> None:
        before = storage.operations.by_kind()
        await keeper.tidying.step()
        await keeper.tidying.step()
        clock.seconds += HOUR - 1
        await keeper.tidying.step()
        assert storage.operations.by_kind() - before == {"table.query": 1}
        clock.seconds += 1
        await keeper.tidying.step()
        assert storage.operations.by_kind() - before == {"table.query": 2}

    async def test_a_step_is_bounded_and_the_next_goes_on_at_once(self, storage: Storage, clock: StepClock) -> None:
        old = another(storage, clock)
        for number in range(MOST_A_STEP + 3):
            await old.secrets.put(f"s{number}", VALUE)
        rotating = keeper_over(storage.tables, clock, key=NEW_KEY, previous=OLD_KEY)
        assert [await rotating.tidying.step() for _ in range(3)] == [MOST_A_STEP, 3, 0]
        new = keeper_over(storage.tables, clock, key=NEW_KEY)
        assert {(await new.secrets.get(f"s{number}")).value for number in range(MOST_A_STEP + 3)} == {VALUE}

    async def test_a_process_that_dies_in_the_middle_of_a_step_leaves_the_rest_to_the_next(
        self, storage: Storage, clock: StepClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = another(storage, clock)
        for name in ("a", "b", "c"):
            await old.secrets.put(name, f"old value of {name}")
            await old.secrets.put(name, f"value of {name}")
        writes = iter(range(6))
        real = storage.tables.replace

        async def dies(*arguments: Any) -> Any:
            number = next(writes)
            if number == 3:
                await real(*arguments)  # it takes effect, and nobody hears of it
            if number >= 3:
                raise asyncio.CancelledError
            return await real(*arguments)

        monkeypatch.setattr(storage.tables, "replace", dies)
        with pytest.raises(asyncio.CancelledError):
            await keeper_over(storage.tables, clock, key=NEW_KEY, previous=OLD_KEY).tidying.step()
        monkeypatch.setattr(storage.tables, "replace", real)
        half = {each.key_id for each in await old.rows.heads()}
        assert half == {OLD_KEY.key_id, NEW_KEY.key_id}, "it died in the middle"
        next_one = keeper_over(storage.tables, clock, key=NEW_KEY, previous=OLD_KEY)
        assert {(await next_one.secrets.get(name)).value for name in "abc"} == {f"value of {name}" for name in "abc"}
        assert await next_one.tidying.step() == 2, "what was done is not done again"
        new = keeper_over(storage.tables, clock, key=NEW_KEY)
        for name in "abc":
            assert (await new.secrets.get(name)).value == f"value of {name}"
            before = (await new.secrets.describe(name)).previous
            assert before is not None
            await new.secrets.restore(name, before.version)
            assert (await new.secrets.get(name)).value == f"old value of {name}"

    async def test_what_was_replaced_meanwhile_is_left_alone(
        self, storage: Storage, clock: StepClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await another(storage, clock).secrets.put("a", VALUE)
        rotating = keeper_over(storage.tables, clock, key=NEW_KEY, previous=OLD_KEY)
        failing(monkeypatch, storage.tables, "replace", after=True, error=Changed())
        assert await rotating.tidying.step() == 0
        assert (await rotating.secrets.get("a")).value == VALUE

    async def test_what_no_key_opens_stays_and_is_named_in_the_log(
        self, storage: Storage, clock: StepClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        await another(storage, clock).secrets.put("a", VALUE)
        stranger = keeper_over(storage.tables, clock, key=NEW_KEY)
        assert await stranger.tidying.step() == 0
        assert "the secret a was encrypted under the root key" in caplog.text
        with pytest.raises(Unreadable):
            await stranger.secrets.get("a")
        assert (await another(storage, clock).secrets.get("a")).value == VALUE


def another(storage: Storage, clock: StepClock) -> Keeper:
    return keeper_over(storage.tables, clock)
