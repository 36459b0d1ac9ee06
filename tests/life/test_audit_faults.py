"""Recording, with every storage operation of a recorded change going wrong in every way in turn.

Whatever happens: the chain holds; there is one entry of the attempt; what was changed has an entry that says what; and
no entry says DONE of what was not.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from hub.audit.attempt import Who
from hub.audit.unfinished import GIVEN_UP_AFTER
from hub.configure.matching import Match
from hub.errors import Changed, NexomaticError, Rejected
from hub.evaluation import InlineEvaluator
from hub.model.audit import AuditEntry, Change, Result
from hub.model.configuration import Kind
from hub.options import Options
from hub.rules import audit_chain
from hub.rules.audit_chain import START
from hub.signing import RootKey
from hub.storage.audit_rows import AuditRows
from hub.storage.embedded import open_embedded
from hub.storage.keys import AUDIT
from hub.storage.ports import Storage
from hub.wiring import Hub, build
from tests.contract.rig import ManualClock
from tests.life.faulty_tables import FaultyStorage, FaultyTables, Killed, Wrong

ANN = Who("users/ann", "10.0.0.1")
MOST_OPERATIONS = 40
_numbers = itertools.count(1)


def hub_over(storage: Any, clock: ManualClock) -> Hub:
    """Another process. Whatever it draws, nobody else does."""
    return build(
        Options(root_key=RootKey(bytes(32))),
        cast(Storage, storage),
        clock,
        InlineEvaluator(),
        lambda: next(_numbers) * 0x9E3779B97F4A7C15F39CC0605CEDC8341,
    )


async def make_a_pool(hub: Hub) -> None:
    async with hub.audit.trail.attempt(ANN, "PUT /api/sink-types/{name}", "sink-types/A"):
        await hub.resources.put(Kind.SINK_TYPE, "A", {}, Match())


async def put_a_secret(hub: Hub) -> None:
    async with hub.audit.trail.attempt(ANN, "PUT /api/secrets/{name}", "secrets/a") as attempt:
        await attempt.intend()
        await hub.secret_book.put("a", "value", "", Match(), "ann")


async def pool_is_there(hub: Hub) -> bool:
    return (await hub.configuration.newest()).snapshot.sink_type("A") is not None


async def secret_is_there(hub: Hub) -> bool:
    return any(each.name == "a" for each in await hub.secret_book.list())


async def chain_of(storage: Storage) -> list[AuditEntry]:
    """All entries, the oldest first, from a chain that holds."""
    rows = AuditRows(storage.tables)
    head = await rows.head()
    links = []
    for number in range(head.partition + 1):
        links += (await rows.page(number))[::-1]
    reached, broken = audit_chain.follow("people", START, links)
    assert broken is None
    assert audit_chain.ends("people", reached, head.point) is None
    return [audit_chain.decode(each.body) for each in links]


Doing = Callable[[Hub], Awaitable[None]]
Looking = Callable[[Hub], Awaitable[bool]]


@pytest.mark.parametrize("wrong", Wrong)
@pytest.mark.parametrize(
    ("do", "is_done"), [(make_a_pool, pool_is_there), (put_a_secret, secret_is_there)], ids=["pool", "secret"]
)
async def test_every_operation_of_a_recorded_change(do: Doing, is_done: Looking, wrong: Wrong) -> None:
    tried = 0
    for number in range(1, MOST_OPERATIONS):
        clock = ManualClock()
        storage = open_embedded(None, clock)
        tables = FaultyTables(storage.tables, number, wrong)
        answered = await _ends_well(do, hub_over(FaultyStorage(storage, tables), clock))
        if len(tables.asked) < number:
            break  # it asked for no more: every operation was tried
        tried += 1
        later = hub_over(storage, clock)
        clock.advance(GIVEN_UP_AFTER.total_seconds() + 1)
        await later.audit.unfinished.step()
        where = f"{wrong} at {number}: {tables.asked[number - 1]}"
        await _check(storage, done=await is_done(later), answered=answered, where=where)
        await storage.close()
    assert tried >= 5


async def _ends_well(do: Doing, hub: Hub) -> bool:
    try:
        await do(hub)
    except (NexomaticError, Killed):
        return False
    return True


async def _check(storage: Storage, *, done: bool, answered: bool, where: str) -> None:
    found = await chain_of(storage)
    assert len(found) <= 1, where
    assert found or not done, f"{where}: a change without its record"
    assert found or not answered, f"{where}: acknowledged without its record"
    for entry in found:
        assert (entry.actor, entry.address) == (ANN.actor, ANN.address)
        if done:
            assert entry.result is not Result.REFUSED, where
            assert entry.changes[0].after is not None, f"{where}: the record does not say what was changed"
        if entry.result is Result.DONE:
            assert done, f"{where}: DONE is said of what was not"
    assert await AuditRows(storage.tables).pending(_LATE, 10) == [], f"{where}: finished attempts are kept"


_LATE = ManualClock().now().replace(year=2100)


async def test_without_faults_it_costs_three_operations_more_than_the_change() -> None:
    clock = ManualClock()
    storage = open_embedded(None, clock)
    hub = hub_over(storage, clock)
    await make_a_pool(hub)
    before = storage.operations.by_kind()
    async with hub.audit.trail.attempt(ANN, "DELETE /api/sink-types/{name}", "sink-types/A"):
        await hub.resources.delete(Kind.SINK_TYPE, "A", Match())
    recorded = storage.operations.by_kind() - before
    await hub.resources.put(Kind.SINK_TYPE, "A", {}, Match())
    before = storage.operations.by_kind()
    await hub.resources.delete(Kind.SINK_TYPE, "A", Match())
    assert recorded - (storage.operations.by_kind() - before) == {
        "table.put": 1,
        "table.get": 1,
        "table.transact": 1,
    }


async def test_two_processes_at_once_leave_one_chain_without_a_gap() -> None:
    clock = ManualClock()
    storage = open_embedded(None, clock)
    tables = [FaultyTables(_Slow(storage.tables), 0, Wrong.FAILS) for _ in range(3)]
    hubs = [hub_over(FaultyStorage(storage, each), clock) for each in tables]
    work = [
        hub.audit.trail.record(Who(f"users/{n}-{m}"), "POST /x", "x") for n, hub in enumerate(hubs) for m in range(7)
    ]
    await asyncio.gather(*work)
    found = await chain_of(storage)
    assert [each.seq for each in found] == list(range(1, 22))
    assert {each.actor for each in found} == {f"users/{n}-{m}" for n in range(3) for m in range(7)}


class _Slow:
    """Gives the others a turn before each operation."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        carry_out = getattr(self._engine, name)

        async def operation(*arguments: Any, **options: Any) -> Any:
            await asyncio.sleep(0)
            answer = await carry_out(*arguments, **options)
            await asyncio.sleep(0)
            return answer

        return operation


async def test_a_full_partition_is_followed_by_the_next_whatever_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.storage.audit_rows.A_PARTITION", 3)
    monkeypatch.setattr("hub.audit.people_list.A_PARTITION", 3)
    for wrong, number in itertools.product(Wrong, range(1, 30)):
        clock = ManualClock()
        storage = open_embedded(None, clock)
        tables = FaultyTables(storage.tables, number, wrong)
        hub = hub_over(FaultyStorage(storage, tables), clock)
        said = []
        for turn in range(8):
            try:
                await hub.audit.trail.record(Who(f"users/{turn}"), "POST /x", "x")
            except (NexomaticError, Killed):
                continue
            said.append(f"users/{turn}")
        other = hub_over(storage, clock)
        await other.audit.trail.record(Who("users/last"), "POST /x", "x")
        actors = [each.actor for each in await chain_of(storage)]
        assert len(actors) == len(set(actors)), (wrong, number)
        assert set(said) <= set(actors), (wrong, number)
        assert actors[-1] == "users/last"
        await storage.close()


async def test_a_head_that_was_written_since_it_was_read_is_not_written_over() -> None:
    """Also where the place of the entry is free: somebody may have taken out what lay there."""
    clock = ManualClock()
    storage = open_embedded(None, clock)
    hub = hub_over(storage, clock)
    await hub.audit.trail.record(ANN, "POST /x", "x")
    rows = AuditRows(storage.tables)
    head = await rows.head()
    entry = audit_chain.decode((await rows.page(0))[0].body).model_copy(update={"seq": 2})
    await hub.audit.trail.record(ANN, "POST /x", "y")
    (newest, *_) = await storage.tables.query(AUDIT, "people-00000000", before="head")
    await storage.tables.delete(AUDIT, "people-00000000", newest.key, newest.etag)
    with pytest.raises(Changed):
        await rows.add(audit_chain.link(entry, head.point), head)


async def test_what_was_intended_and_then_refused_is_not_told_as_a_change() -> None:
    clock = ManualClock()
    storage = open_embedded(None, clock)
    hub = hub_over(storage, clock)

    async def too_late() -> None:
        async with hub.audit.trail.attempt(ANN, "POST /x", "x") as attempt:
            await attempt.intend([Change(resource="x", after={"state": "ERROR"})])
            raise Rejected("too late")

    with pytest.raises(Rejected):
        await too_late()
    (entry,) = await chain_of(storage)
    assert (entry.result, entry.reason, entry.changes) == (Result.REFUSED, "too late", ())


@pytest.mark.parametrize("pointer", [0, 1, 7])
async def test_where_to_begin_to_look_for_the_end_may_be_wrong(pointer: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.storage.audit_rows.A_PARTITION", 3)
    clock = ManualClock()
    storage = open_embedded(None, clock)
    for _ in range(8):
        await hub_over(storage, clock).audit.trail.record(ANN, "POST /x", "x")
    await storage.tables.put(AUDIT, "people", "newest", {"format": 1, "partition": pointer})
    await hub_over(storage, clock).audit.trail.record(ANN, "POST /x", "x")
    assert [each.seq for each in await chain_of(storage)] == list(range(1, 10))


async def test_an_attempt_that_is_still_under_way_is_let_be() -> None:
    clock = ManualClock()
    storage = open_embedded(None, clock)
    slow, other = hub_over(storage, clock), hub_over(storage, clock)
    async with slow.audit.trail.attempt(ANN, "POST /x", "x") as attempt:
        await attempt.intend()
        clock.advance(GIVEN_UP_AFTER.total_seconds() - 1)
        assert await other.audit.unfinished.step() == 0
    assert [each.result for each in await chain_of(storage)] == [Result.DONE]


async def test_what_was_begun_and_ended_is_kept_no_longer_than_needed() -> None:
    clock = ManualClock()
    storage = open_embedded(None, clock)
    hub = hub_over(storage, clock)
    for _ in range(3):
        async with hub.audit.trail.attempt(ANN, "POST /x", "x") as attempt:
            await attempt.intend()
    rows = AuditRows(storage.tables)
    assert len(await rows.pending(_LATE, 10)) == 3
    clock.advance(GIVEN_UP_AFTER.total_seconds() + 1)
    await hub.audit.unfinished.step()
    assert await rows.pending(_LATE, 10) == []
    assert [each.result for each in await chain_of(storage)] == [Result.DONE] * 3
