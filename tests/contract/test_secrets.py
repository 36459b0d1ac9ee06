"""The keeper of secrets on every storage engine."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from hub.clock import SystemClock
from hub.configure import copy
from hub.configure.matching import Match
from hub.errors import Changed, Invalid, Missing
from hub.secrets.port import MOST_VALUE_BYTES
from hub.signing import RootKey
from hub.storage.counting import counting
from hub.storage.keys import CONFIGURATION, SECRETS
from hub.storage.ports import Storage
from tests.contract.rig import unique
from tests.unit.keeping import NEW_KEY, OLD_KEY, Keeper, keeper_over

VALUE = "hunter2 für alle 🔑\n"


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "NEWS_SECONDS", 0)


@pytest.fixture
def name() -> str:
    return unique("secret")


@pytest.fixture
def keeper(storage: Storage) -> Keeper:
    return keeper_over(storage.tables, SystemClock())


def another(storage: Storage, **keys: RootKey) -> Keeper:
    """Another process over the same storage."""
    return keeper_over(storage.tables, SystemClock(), **keys)


async def test_a_value_comes_back_as_it_was_put(keeper: Keeper, name: str) -> None:
    info = await keeper.secrets.put(name, VALUE, "for tests", by="alice")
    found = await keeper.secrets.get(name.upper())
    assert (found.name, found.value, found.version) == (name, VALUE, info.version)
    assert await keeper.secrets.describe(name) == info
    assert (info.description, info.changed_by) == ("for tests", "alice")
    assert info in await keeper.secrets.list()


async def test_another_value_is_another_version_and_the_old_one_is_gone(
    storage: Storage, keeper: Keeper, name: str
) -> None:
    old = await keeper.secrets.put(name, "old")
    new = await keeper.secrets.put(name.upper(), "new")
    assert old.version != new.version
    assert (await keeper.secrets.get(name)).value == "new"
    with pytest.raises(Missing):
        await keeper.rows.get(name, old.version)
    assert [each.version for each in await keeper.rows.heads() if each.name.casefold() == name.casefold()] == [
        new.version
    ]


async def test_what_was_deleted_is_missing_and_so_is_its_value(keeper: Keeper, name: str) -> None:
    info = await keeper.secrets.put(name, VALUE)
    await keeper.secrets.delete(name)
    for call in (keeper.secrets.get(name), keeper.secrets.describe(name), keeper.secrets.delete(name)):
        with pytest.raises(Missing, match=name):
            await call
    with pytest.raises(Missing):
        await keeper.rows.get(name, info.version)


async def test_another_process_reads_a_new_secret_at_once_and_a_replaced_one_too(
    storage: Storage, keeper: Keeper, name: str
) -> None:
    other = another(storage)
    await other.copy.current()
    await keeper.secrets.put(name, "first")
    assert (await other.secrets.get(name)).value == "first"
    await keeper.secrets.put(name, "second")  # the other's copy of the configuration still names the first
    assert (await other.secrets.get(name)).value == "second"
    await keeper.secrets.delete(name)
    with pytest.raises(Missing):
        await other.secrets.get(name)


async def test_a_write_goes_to_the_version_that_was_expected_or_nowhere(keeper: Keeper, name: str) -> None:
    def match(*revisions: str, absent: bool = False) -> Match:
        return Match(frozenset(revisions) or None, absent)

    with pytest.raises(Changed):
        await keeper.secrets.put(name, "x", expect=match("1").check)
    first = await keeper.secrets.put(name, "first", expect=match(absent=True).check)
    with pytest.raises(Changed):
        await keeper.secrets.put(name, "x", expect=match(absent=True).check)
    with pytest.raises(Changed):
        await keeper.secrets.put(name, "x", expect=partial(match().check, required=True))
    second = await keeper.secrets.put(name, "second", expect=match(first.version).check)
    with pytest.raises(Changed):
        await keeper.secrets.delete(name, expect=match(first.version).check)
    assert (await keeper.secrets.get(name)).value == "second"
    heads = [each.version for each in await keeper.rows.heads() if each.name == name]
    assert heads == [second.version], "what was refused left nothing behind"
    await keeper.secrets.delete(name, expect=match(second.version).check)


async def test_of_many_who_expect_the_same_version_one_wins(storage: Storage, keeper: Keeper, name: str) -> None:
    first = await keeper.secrets.put(name, "first")
    other = another(storage)
    expect = Match(frozenset({first.version})).check
    writers = [(keeper, "a"), (other, "b"), (keeper, "c"), (other, "d")]
    done = await asyncio.gather(
        *(who.secrets.put(name, value, expect=expect) for who, value in writers), return_exceptions=True
    )
    won = [value for (_, value), answer in zip(writers, done, strict=True) if not isinstance(answer, BaseException)]
    assert len(won) == 1
    assert all(isinstance(answer, Changed) for answer in done if isinstance(answer, BaseException))
    assert (await another(storage).secrets.get(name)).value == won[0]


async def test_the_largest_value_fits_and_one_byte_more_is_refused(keeper: Keeper, name: str) -> None:
    await keeper.secrets.put(name, "ü" * (MOST_VALUE_BYTES // 2))
    assert (await keeper.secrets.get(name)).value == "ü" * (MOST_VALUE_BYTES // 2)
    with pytest.raises(Invalid, match=str(MOST_VALUE_BYTES)):
        await keeper.secrets.put(name, "ü" * (MOST_VALUE_BYTES // 2) + "x")


async def test_reading_costs_one_operation_and_replacing_four(keeper: Keeper, name: str) -> None:
    await keeper.secrets.put(name, "first")
    await keeper.copy.current()
    with counting() as read:
        await keeper.secrets.get(name)
    assert read == {"table.get": 1}
    with counting() as replaced:
        await keeper.secrets.put(name, "second")
    # The value; the newest configuration, as it is for every change; what it says; the old value.
    assert replaced == {"table.put": 1, "table.get": 1, "table.transact": 1, "table.delete": 1}


async def test_nothing_in_storage_holds_the_value(storage: Storage, keeper: Keeper, name: str) -> None:
    await keeper.secrets.put(name, "a-value-that-must-not-show", "described")
    rows = [
        *await storage.tables.query(SECRETS, "values"),
        *await storage.tables.query(CONFIGURATION, "current"),
    ]
    assert any(name in row.key for row in rows)
    assert "a-value-that-must-not-show" not in repr([row.values for row in rows])


async def test_two_root_keys_are_good_during_a_rotation_and_tidying_ends_it(
    storage: Storage, keeper: Keeper, name: str
) -> None:
    await keeper.secrets.put(name, VALUE)
    rotating = another(storage, key=NEW_KEY, previous=OLD_KEY)
    assert (await rotating.secrets.get(name)).value == VALUE
    while await rotating.tidying.step():
        pass
    after = another(storage, key=NEW_KEY)
    assert (await after.secrets.get(name)).value == VALUE
    assert {each.key_id for each in await after.rows.heads() if each.name == name} == {NEW_KEY.key_id}
