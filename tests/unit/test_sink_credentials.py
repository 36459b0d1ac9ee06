"""A sink's credential: whom an enrolment token lets in, and how a credential is exchanged for the next one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from hub.errors import Invalid, NotAllowed, NotAuthenticated, Rejected
from hub.model.configuration import Kind
from hub.model.sink import Sink
from hub.people.enrolment import WantedEnrolment
from hub.people.rotation import OVERLAP
from hub.rules.callers import as_address
from hub.storage.configuration import PARTITION
from hub.storage.keys import CONFIGURATION
from hub.wire import Enrol, Enrolled, Rotated
from tests.unit.configuring import NO_MATCH, Desk, desk_over, opened_desk

TYPE = "PYTHON:BASE"
NONCE = "n" * 43


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with opened_desk() as opened:
        await opened.pool()
        yield opened


async def enrol(desk: Desk, name: str = "box", caller: str | None = None, **fields: Any) -> Enrolled:
    wanted = WantedEnrolment(**{"sink_type": TYPE, "expires_at": desk.clock.now() + timedelta(hours=1), **fields})
    made = await desk.enrolments.create(wanted)
    return await desk.enrolments.exchange(Enrol(token=made.text, name=name, version="1"), as_address(caller))


async def known(desk: Desk, credential: str) -> bool:
    try:
        return isinstance(await desk.identity.of(f"Bearer {credential}"), Sink)
    except NotAuthenticated:
        return False


async def rotate(desk: Desk, credential: str, nonce: str = NONCE) -> Rotated:
    return await desk.rotation.rotate(await desk.sinks.get("box"), credential, nonce)


class TestEnrolment:
    async def test_its_sinks_carry_its_labels(self, desk: Desk) -> None:
        await enrol(desk, labels={"site": "Berlin"}, ephemeral=True)
        sink = await desk.sinks.get("box")
        assert (sink.labels, sink.ephemeral) == ({"site": "Berlin"}, True)

    async def test_it_is_for_the_networks_it_names(self, desk: Desk) -> None:
        networks = ("192.0.2.0/24", "2001:db8::/32")
        for caller in ("192.0.2.7", "2001:db8::7"):
            await enrol(desk, f"box-{caller[-1]}-{len(caller)}", caller, networks=networks)
        for elsewhere in ("198.51.100.7", None):
            with pytest.raises(NotAllowed, match="other networks"):
                await enrol(desk, "elsewhere", elsewhere, networks=networks)
        assert len(await desk.sinks.list()) == 2

    async def test_networks_need_somebody_who_tells_addresses(self, desk: Desk) -> None:
        blind = desk_over(desk.storage, desk.clock, first=2, front_end=False)
        with pytest.raises(Invalid, match="NEXOMATIC_FRONT_END"):
            await enrol(blind, networks=("192.0.2.0/24",))
        with pytest.raises(Invalid, match="is no network"):
            await enrol(desk, networks=("192.0.2.7/24",))

    async def test_one_that_says_replace_ends_the_credential_that_was_there(self, desk: Desk) -> None:
        first = await enrol(desk)
        with pytest.raises(Rejected, match="token that says replace"):
            await enrol(desk, "BOX")
        second = await enrol(desk, "BOX", replace=True)
        assert (await known(desk, first.credential), await known(desk, second.credential)) == (False, True)
        assert [each.name for each in await desk.sinks.list()] == ["BOX"]

    async def test_but_none_of_another_type(self, desk: Desk) -> None:
        first = await enrol(desk)
        await desk.pool("ANOTHER")
        with pytest.raises(Rejected, match="is of the sink type PYTHON:BASE"):
            await enrol(desk, sink_type="ANOTHER", replace=True)
        assert await known(desk, first.credential)

    async def test_it_cannot_be_made_expired(self, desk: Desk) -> None:
        with pytest.raises(Invalid, match="expires_at is over"):
            await enrol(desk, expires_at=desk.clock.now())
        assert await desk.enrolments.list() == []

    async def test_its_sink_type_stays_while_it_may_let_somebody_in(self, desk: Desk) -> None:
        await desk.pool("SHORT:LIVED")
        made = await desk.enrolments.create(WantedEnrolment("SHORT:LIVED", desk.clock.now() + timedelta(hours=1)))
        with pytest.raises(Rejected, match=f"is named by enrolments/{made.enrolment.id}"):
            await desk.resources.delete(Kind.SINK_TYPE, "SHORT:LIVED", NO_MATCH)


class TestRotation:
    async def test_the_new_one_is_good_at_once_and_the_old_one_for_an_hour_more(self, desk: Desk) -> None:
        old = (await enrol(desk)).credential
        given = await rotate(desk, old)
        assert given.credential != old
        assert given.valid_until == desk.clock.now().replace(microsecond=0) + OVERLAP
        desk.clock.seconds += OVERLAP.total_seconds() - 1
        assert (await known(desk, old), await known(desk, given.credential)) == (True, True)
        desk.clock.seconds += 1
        assert (await known(desk, old), await known(desk, given.credential)) == (False, True)
        assert (await desk.sinks.get("box")).credential_at is not None

    async def test_the_same_call_again_gets_the_same_answer(self, desk: Desk) -> None:
        """Its answer may have been lost, and it may arrive at two processes at once."""
        old = (await enrol(desk)).credential
        other = desk_over(desk.storage, desk.clock, first=2)
        answers = await asyncio.gather(*(rotate(each, old) for each in (desk, other, desk, other)))
        desk.clock.seconds += 600
        assert {given.credential for given in (*answers, await rotate(desk, old))} == {answers[0].credential}
        assert {given.valid_until for given in answers} == {answers[0].valid_until}

    async def test_who_has_the_old_one_alone_cannot_go_on(self, desk: Desk) -> None:
        """It was read from a backup of the machine, say: without the nonce it brings no new one."""
        old = (await enrol(desk)).credential
        await rotate(desk, old)
        with pytest.raises(Rejected, match="exchanged for another before"):
            await rotate(desk, old, "m" * 43)

    async def test_again_and_again(self, desk: Desk) -> None:
        credentials = [(await enrol(desk)).credential]
        for number in range(3):
            credentials.append((await rotate(desk, credentials[-1], f"{number:043d}")).credential)
        assert [await known(desk, each) for each in credentials] == [False, False, True, True]

    async def test_a_removed_sink_gets_none(self, desk: Desk) -> None:
        old = (await enrol(desk)).credential
        sink = await desk.sinks.get("box")
        await desk.sinks.delete("box")
        with pytest.raises(NotAuthenticated):
            await desk.rotation.rotate(sink, old, NONCE)
        assert not await known(desk, old)

    async def test_storage_holds_hashes(self, desk: Desk) -> None:
        old = (await enrol(desk)).credential
        given = await rotate(desk, old)
        stored = str(await desk.storage.tables.query(CONFIGURATION, PARTITION))
        assert old not in stored
        assert given.credential not in stored
        assert given.credential not in repr(await desk.copy.credentials())
