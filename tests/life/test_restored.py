"""What a backup that was put back brings with it, and what must not come back: ETags, receipts, claims, sessions."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from hub.audit.wanted import Wanted
from hub.errors import Changed, Cloned, StaleReceipt, Superseded
from hub.model.audit import RESTORE
from hub.model.event import State
from hub.model.people import Enrolment, Role, Token
from hub.people.identity import Anonymous, Person
from hub.signing import RootKey
from hub.storage.configuration import ConfigurationRows, Edit, Entry, RowKind
from hub.storage.embedded import EmbeddedStorage, open_embedded
from hub.storage.embedded.copying import copy_database, move_on
from hub.storage.keys import EVENTS
from hub.upkeep.restored import Revoke, Settled, settle
from hub.wire import Poll
from tests.contract.rig import ManualClock
from tests.life.rig import SINK, LifeRig, open_rig
from tests.life.test_audit_verify import Trial, found

KEY = RootKey(bytes(32))
TAKEN = "2026-03-01T12:00:00Z"
"""When the manual clock begins."""


class Machine:
    """A database, a copy of it, and the copy put back."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.live, self.copy = folder / "live.db", folder / "copy.db"
        self.clock = clock

    def open(self, path: Path) -> EmbeddedStorage:
        return open_embedded(path, self.clock)

    async def backed_up(self) -> None:
        await asyncio.to_thread(copy_database, self.live, self.copy)

    async def restored(self, revoke: Revoke | None = None) -> Settled:
        """As `hosting.restore` does it."""
        move_on(self.copy, 0, 5000)
        storage = self.open(self.copy)
        settled = await settle(
            storage, self.clock, lambda: secrets.randbits(128), revoke or Revoke(), {"taken_at": TAKEN}
        )
        await storage.close()
        return settled


@pytest.fixture
def machine(tmp_path: Path, clock: ManualClock) -> Machine:
    return Machine(tmp_path, clock)


@pytest.fixture
async def live(machine: Machine) -> AsyncIterator[LifeRig]:
    async with back_again(machine, machine.live) as opened:
        yield opened


def back_again(machine: Machine, path: Path | None = None) -> AbstractAsyncContextManager[LifeRig]:
    """A hub over the copy, with the root key of then: agents and browsers go on with what they hold."""
    storage = machine.open(path or machine.copy)
    return open_rig(storage, machine.clock, root_key=KEY, public_url="https://hub.example.com")


@pytest.mark.parametrize("moved", [True, False])
async def test_what_was_given_out_after_the_backup_is_never_given_out_again(machine: Machine, *, moved: bool) -> None:
    async def life(path: Path) -> tuple[str, str, EmbeddedStorage]:
        machine.clock.advance(60)
        storage = machine.open(path)
        row = await storage.tables.get(EVENTS, "p", "k")
        etag = await storage.tables.merge(EVENTS, "p", "k", {"x": 1}, row.etag)
        (message,) = await storage.queues.receive("queue", count=1, hidden_seconds=0)
        return etag, message.receipt, storage

    storage = machine.open(machine.live)
    await storage.tables.insert(EVENTS, "p", "k", {"x": 0})
    await storage.queues.put("queue", "hello")
    await machine.backed_up()
    await storage.close()
    etag, receipt, storage = await life(machine.live)
    await storage.close()
    if moved:
        await machine.restored()
    theirs, _, storage = await life(machine.copy)
    machine.clock.advance(1)
    (message,) = await storage.queues.receive("queue", count=1, hidden_seconds=0)
    if not moved:  # what this guards against does happen
        assert theirs == etag
    else:
        with pytest.raises(Changed):
            await storage.tables.merge(EVENTS, "p", "k", {"x": 2}, etag)
        with pytest.raises(StaleReceipt):
            await storage.queues.delete("queue", message.id, receipt)
    await storage.close()


async def test_what_ran_then_is_taken_over_and_a_claim_from_after_is_superseded(
    machine: Machine, live: LifeRig
) -> None:
    await live.event_type("A")
    ran, waited = await live.fire("A"), await live.fire("A")
    old = await live.one()
    assert old.event_id == ran.id
    await machine.backed_up()
    later = await live.one()
    assert later.event_id == waited.id
    since = await live.fire("A")
    lost = await live.one()
    machine.clock.advance(1)
    await machine.restored()
    machine.clock.advance(600)
    async with back_again(machine) as back:
        for task in (later, lost):  # claims that this database has never heard of
            with pytest.raises(Superseded):
                await back.report(task)
        assert (await back.read(waited.id)).state is State.QUEUED
        taken = {}
        for _ in range(60):
            for task in await back.poll(slots=8, seconds=0.2):
                taken[task.event_id] = task.attempt
                await back.report(task)
            if len(taken) == 2:
                break
            machine.clock.advance(10)
        assert taken == {ran.id: 2, waited.id: 1}
        with pytest.raises(Superseded):
            await back.report(old)
        assert since.id not in taken
        assert {(await back.read(each)).state for each in taken} == {State.SUCCESS}


async def test_a_sink_that_was_started_anew_since_is_no_copy(machine: Machine, live: LifeRig) -> None:
    presence = live.hub.presence
    await presence.note(SINK, Poll(slots=1, version="1", instance="first-one"), 60)
    await machine.backed_up()
    third = Poll(slots=1, version="1", instance="third-one", replaces="second-one")
    untouched = machine.copy.with_name("untouched.db")
    untouched.write_bytes(machine.copy.read_bytes())
    async with back_again(machine, untouched) as back:
        with pytest.raises(Cloned):  # what this guards against does happen
            await back.hub.presence.note(SINK, third, 60)
    await machine.restored()
    async with back_again(machine) as back:
        await back.hub.presence.note(SINK, third, 60)


# --- people and credentials -------------------------------------------------------------------------------------------


async def give_credentials(rig: LifeRig) -> None:
    now = rig.clock.now()
    token = Entry(RowKind.TOKEN, "ci", Token(name="ci", role=Role.ADMIN, created_at=now), sha256="1" * 64)
    letter = Enrolment(id="e1", sink_type="PYTHON:BASE", uses_left=1, created_at=now, expires_at=now)
    enrolment = Entry(RowKind.ENROLMENT, "e1", letter, sha256="2" * 64)
    await rig.hub.people.users.invite("ben", Role.VIEWER, now)
    write = rig.hub.people.users._write
    await write(lambda _: Edit(put=[token, enrolment]))


async def test_sessions_enrolments_and_invitations_end_and_tokens_and_sinks_if_told(
    machine: Machine, live: LifeRig
) -> None:
    await give_credentials(live)
    await machine.backed_up()
    spare = replace_copy(machine)
    assert await machine.restored() == Settled(1, 1, 1, 0, 1, 0, 1)
    async with back_again(machine) as back:
        seen = await back.hub.configuration.newest()
        assert not seen.of(RowKind.ENROLMENT)
        (user,) = seen.of(RowKind.USER)
        assert user.sha256 == ""
        assert list(seen.credentials.tokens) == ["1" * 64]
    spare()
    assert await machine.restored(Revoke(tokens=True, sinks=True)) == Settled(1, 1, 1, 1, 0, 1, 0)
    storage = machine.open(machine.copy)
    seen = await ConfigurationRows(storage.tables).load({})
    assert (seen.credentials.tokens, seen.credentials.sinks) == ({}, {})
    await storage.close()


def replace_copy(machine: Machine) -> Callable[[], int]:
    """Puts the copy back as it is now."""
    data = machine.copy.read_bytes()
    return lambda: machine.copy.write_bytes(data)


async def test_no_session_is_good_any_more_not_of_a_generation_that_came_later(machine: Machine, live: LifeRig) -> None:
    users, sessions = live.hub.people.users, live.hub.people.sessions
    made = await users.invite("ada", Role.ADMIN, machine.clock.now())
    await machine.backed_up()
    await users.end_all_sessions(made.user.id)  # signed out everywhere, and in again
    cookies = [sessions.begin(user).cookie.partition(";")[0] for user in (made.user, await users.get("ada"))]
    machine.clock.advance(10)
    assert isinstance(await sessions.of(cookies[1]), Person)
    await machine.restored()
    async with back_again(machine) as back:
        for cookie in cookies:
            assert isinstance(await back.hub.people.sessions.of(cookie), Anonymous)


# --- the audit --------------------------------------------------------------------------------------------------------


async def test_the_audit_says_what_happened_and_does_not_call_it_whole(tmp_path: Path) -> None:
    clock = ManualClock()
    machine = Machine(tmp_path, clock)
    trial = Trial(machine.open(machine.live))
    trial.clock = clock
    trial.audit = trial.process()
    await trial.people(2)
    await trial.audit.anchoring.step()
    clock.advance(60)
    await machine.backed_up()
    clock.advance(3600)
    await trial.people(3)
    await trial.audit.anchoring.step()
    clock.advance(60)
    await trial.storage.close()
    await machine.restored()
    trial.storage = machine.open(machine.copy)
    trial.audit = trial.process()
    await trial.people(1)
    ((seq, what),) = await found(trial)
    assert seq == 5
    assert what == (
        "the entry is missing: the anchor of 2026-03-01T13:01:00Z saw the chain reach it; "
        "entry 3 says that a backup of 2026-03-01T12:00:00Z was restored at 2026-03-01T13:02:00Z"
    )
    clock.advance(3600)
    await trial.people(3)
    await trial.audit.anchoring.step()
    ((_, replaced),) = await found(trial)
    assert replaced.startswith("the entry is not the one that the anchor of 2026-03-01T13:01:00Z saw; entry 3 says")
    (entry,) = (await trial.audit.people.page(Wanted(action=RESTORE), after=None, limit=10)).items
    assert (entry.entry.actor, entry.entry.resource) == ("hub", "storage")
    await trial.storage.close()
