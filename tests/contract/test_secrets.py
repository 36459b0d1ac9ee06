"""Secrets on every storage engine, with their values in it or in a key vault beside it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from functools import partial

import pytest

from hub.clock import SystemClock
from hub.configure import copy
from hub.configure.matching import Match
from hub.errors import Changed, Invalid, Missing, Rejected
from hub.secrets.keyvault import keepers
from hub.secrets.port import MOST_VALUE_BYTES
from hub.secrets.vault import Vault
from hub.signing import RootKey
from hub.storage.counting import counting
from hub.storage.keys import CONFIGURATION, SECRETS
from hub.storage.ports import Storage
from tests.contract.rig import unique
from tests.unit.keeping import NEW_KEY, OLD_KEY, Keeper, keeper_over
from tests.vault_server import VaultServer, vault_of, vault_server

PREFIX = "tests-"


def random() -> int:
    return secrets.randbits(128)


VALUE = "hunter2 für alle 🔑\n"


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "NEWS_SECONDS", 0)


@pytest.fixture
def name() -> str:
    return unique("secret")


class Place:
    """Where values are kept: in the hub's storage, or in a vault beside it."""

    def __init__(self, storage: Storage, server: VaultServer | None, vault: Vault | None) -> None:
        self.storage = storage
        self.server = server
        self._vault = vault

    def process(self, **keys: RootKey) -> Keeper:
        """A process of its own."""
        clock = SystemClock()
        vault = keepers(self._vault, PREFIX, clock, random) if self._vault is not None else None
        return keeper_over(self.storage.tables, clock, vault=vault, **keys)

    async def readable(self, keeper: Keeper, name: str) -> set[str]:
        """The versions of this secret that can be read where they are kept."""
        if self.server is not None:
            there = [(key, held) for key, held in self.server.secrets.items() if not held.deleted]
            return {
                f"{key.rpartition('-')[2]}.{each.version}"
                for key, held in there
                if key.startswith(f"{PREFIX}{name}-".lower())
                for each in held.versions
                if each.enabled
            }
        return {each.version for each in await keeper.rows.heads() if each.name.casefold() == name.casefold()}


@pytest.fixture(params=["in the hub", "in a vault"])
async def place(request: pytest.FixtureRequest, storage: Storage) -> AsyncIterator[Place]:
    if request.param == "in the hub":
        yield Place(storage, None, None)
        return
    async with vault_server() as server, vault_of(server) as vault:
        yield Place(storage, server, vault)


@pytest.fixture
def keeper(place: Place) -> Keeper:
    return place.process()


async def test_a_value_comes_back_as_it_was_put(keeper: Keeper, name: str) -> None:
    info = await keeper.secrets.put(name, VALUE, "for tests", by="alice")
    found = await keeper.secrets.get(name.upper())
    assert (found.name, found.value, found.version) == (name, VALUE, info.version)
    assert await keeper.secrets.describe(name) == info
    assert (info.description, info.changed_by) == ("for tests", "alice")
    assert info in await keeper.secrets.list()


async def test_another_value_is_another_version_and_the_one_before_is_kept_and_no_older_one(
    place: Place, keeper: Keeper, name: str
) -> None:
    made = [await keeper.secrets.put(name, value, by="bob") for value in ("one", "two", "three")]
    assert len({each.version for each in made}) == 3
    assert (await keeper.secrets.get(name)).value == "three"
    assert made[2].previous == made[1].standing
    assert await place.readable(keeper, name) == {made[1].version, made[2].version}


async def test_the_version_before_can_stand_again_and_then_the_other_is_the_one_before(
    place: Place, keeper: Keeper, name: str
) -> None:
    one, two = [await keeper.secrets.put(name, value, "d", by="bob") for value in ("one", "two")]
    back = await keeper.secrets.restore(
        name.upper(), one.version, by="carol", expect=Match(frozenset({two.version})).check
    )
    assert (back.version, back.changed_by, back.description) == (one.version, "carol", "d")
    assert back.previous is not None
    assert back.previous.version == two.version
    assert await keeper.secrets.describe(name) == back
    assert (await keeper.secrets.get(name)).value == "one"
    assert await keeper.secrets.restore(name, one.version) == back, "asked again, nothing changes"
    assert await place.readable(keeper, name) == {one.version, two.version}


async def test_what_is_not_kept_cannot_be_restored(keeper: Keeper, name: str) -> None:
    with pytest.raises(Missing, match=name):
        await keeper.secrets.restore(name, "1")
    one = await keeper.secrets.put(name, "one")
    with pytest.raises(Rejected, match="no earlier one is kept"):
        await keeper.secrets.restore(name, "1")
    two = await keeper.secrets.put(name, "two")
    with pytest.raises(Changed):
        await keeper.secrets.restore(name, one.version, expect=Match(frozenset({one.version})).check)
    with pytest.raises(Rejected, match=f"version {one.version} can be restored"):
        await keeper.secrets.restore(name, "1")
    assert (await keeper.secrets.describe(name)).version == two.version


async def test_what_was_deleted_is_missing_and_so_are_its_values(place: Place, keeper: Keeper, name: str) -> None:
    await keeper.secrets.put(name, VALUE)
    await keeper.secrets.put(name, "another")
    await keeper.secrets.delete(name)
    for call in (keeper.secrets.get(name), keeper.secrets.describe(name), keeper.secrets.delete(name)):
        with pytest.raises(Missing, match=name):
            await call
    assert await place.readable(keeper, name) == set()


async def test_a_name_that_was_deleted_can_be_put_again_and_nothing_of_before_comes_back(
    place: Place, keeper: Keeper, name: str
) -> None:
    await keeper.secrets.put(name, "before")
    await keeper.secrets.delete(name)
    again = await keeper.secrets.put(name, "after")
    assert again.previous is None
    assert (await keeper.secrets.get(name)).value == "after"
    assert await place.readable(keeper, name) == {again.version}


async def test_another_process_reads_a_new_secret_at_once_and_a_replaced_one_too(
    place: Place, keeper: Keeper, name: str
) -> None:
    other = place.process()
    await other.copy.current()
    await keeper.secrets.put(name, "first")
    assert (await other.secrets.get(name)).value == "first"
    await keeper.secrets.put(name, "second")
    assert (await place.process().secrets.get(name)).value == "second"
    await keeper.secrets.delete(name)
    with pytest.raises(Missing):
        await place.process().secrets.get(name)


async def test_a_process_that_missed_two_puts_reads_what_stands(place: Place, keeper: Keeper, name: str) -> None:
    await keeper.secrets.put(name, "first")
    other = place.process()
    await other.copy.current()
    for value in ("second", "third"):  # and the value that the other knows of is kept no more
        await keeper.secrets.put(name, value)
    assert (await other.secrets.get(name)).value == "third"


async def test_a_write_goes_to_the_version_that_was_expected_or_nowhere(
    place: Place, keeper: Keeper, name: str
) -> None:
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
    assert await place.readable(keeper, name) == {first.version, second.version}, "what was refused left nothing behind"
    await keeper.secrets.delete(name, expect=match(second.version).check)


async def test_of_many_who_expect_the_same_version_one_wins(place: Place, keeper: Keeper, name: str) -> None:
    first = await keeper.secrets.put(name, "first")
    other = place.process()
    expect = Match(frozenset({first.version})).check
    writers = [(keeper, "a"), (other, "b"), (keeper, "c"), (other, "d")]
    done = await asyncio.gather(
        *(who.secrets.put(name, value, expect=expect) for who, value in writers), return_exceptions=True
    )
    won = [value for (_, value), answer in zip(writers, done, strict=True) if not isinstance(answer, BaseException)]
    assert len(won) == 1
    assert all(isinstance(answer, Changed) for answer in done if isinstance(answer, BaseException))
    assert (await place.process().secrets.get(name)).value == won[0]
    stands = await keeper.secrets.describe(name)
    assert await place.readable(keeper, name) == {first.version, stands.version}, "who lost left nothing behind"


async def test_the_largest_value_fits_and_one_byte_more_is_refused(keeper: Keeper, name: str) -> None:
    await keeper.secrets.put(name, "ü" * (MOST_VALUE_BYTES // 2))
    assert (await keeper.secrets.get(name)).value == "ü" * (MOST_VALUE_BYTES // 2)
    with pytest.raises(Invalid, match=str(MOST_VALUE_BYTES)):
        await keeper.secrets.put(name, "ü" * (MOST_VALUE_BYTES // 2) + "x")


async def test_what_reading_and_replacing_cost(place: Place, keeper: Keeper, name: str) -> None:
    await keeper.secrets.put(name, "first")
    await keeper.secrets.put(name, "second")
    await keeper.copy.current()
    server = place.server
    called = len(server.calls) if server else 0
    with counting() as read:
        await keeper.secrets.get(name)
        await keeper.secrets.get(name)
    assert read == ({} if server else {"table.get": 2}), "a vault's answer is remembered"
    assert not server or len(server.calls) == called + 1
    with counting() as replaced:
        await keeper.secrets.put(name, "third")
    # Twice the newest configuration, and what it says; in the hub the value, and the one that is dropped.
    values = {} if server else {"table.put": 1, "table.delete": 1}
    assert replaced == {"table.get": 2, "table.transact": 1, **values}
    assert not server or [call.split()[0] for call in server.calls[called + 1 :]] == ["PUT", "PATCH"]


async def test_nothing_in_storage_holds_the_value(storage: Storage, keeper: Keeper, name: str) -> None:
    await keeper.secrets.put(name, "a-value-that-must-not-show", "described")
    rows = [
        *await storage.tables.query(SECRETS, "values"),
        *await storage.tables.query(CONFIGURATION, "current"),
    ]
    assert any(name in row.key for row in rows)
    assert "a-value-that-must-not-show" not in repr([row.values for row in rows])


async def test_two_root_keys_are_good_during_a_rotation_and_tidying_ends_it(storage: Storage, name: str) -> None:
    place = Place(storage, None, None)
    keeper = place.process()
    first = await keeper.secrets.put(name, "first")
    await keeper.secrets.put(name, VALUE)
    rotating = place.process(key=NEW_KEY, previous=OLD_KEY)
    assert (await rotating.secrets.get(name)).value == VALUE
    while await rotating.tidying.step():
        pass
    after = place.process(key=NEW_KEY)
    assert (await after.secrets.get(name)).value == VALUE
    assert {each.key_id for each in await after.rows.heads() if each.name == name} == {NEW_KEY.key_id}
    await after.secrets.restore(name, first.version)
    assert (await after.secrets.get(name)).value == "first", "the version before was encrypted anew too"
