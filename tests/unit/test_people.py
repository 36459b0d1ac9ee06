"""Tokens, enrolment, and who is calling."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from hub.errors import Invalid, NotAuthenticated, NotFound, Rejected
from hub.model.configuration import Kind
from hub.model.people import Role
from hub.model.sink import Sink
from hub.people.enrolment import WantedEnrolment
from hub.people.identity import FIRST_ADMIN, Anonymous, Person, Via
from hub.storage.configuration import PARTITION
from hub.storage.counting import counting
from hub.storage.keys import CONFIGURATION
from hub.wire import Enrol, Enrolled
from tests.unit.configuring import NO_MATCH, Desk, desk_over, opened_desk

HOUR = timedelta(hours=1)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with opened_desk() as opened:
        await opened.pool()
        yield opened


async def enrolled(desk: Desk, name: str = "box", uses: int = 1) -> Enrolled:
    made = await desk.enrolments.create(WantedEnrolment("PYTHON:BASE", desk.clock.now() + HOUR, uses))
    return await desk.enrolments.exchange(Enrol(token=made.text, name=name, version="1"))


class TestTokens:
    async def test_its_bearer_has_its_role(self, desk: Desk) -> None:
        for role in Role:
            made = await desk.tokens.create(f"my-{role}", role)
            assert len(made.text) == len("nxt_") + 43
            assert await desk.identity.of(f"Bearer {made.text}") == Person(f"my-{role}", role, token=f"my-{role}")

    async def test_storage_holds_its_hash_and_lists_show_neither(self, desk: Desk) -> None:
        made = await desk.tokens.create("ci", Role.VIEWER)
        stored = str(await desk.storage.tables.query(CONFIGURATION, PARTITION))
        assert made.text not in stored
        assert hashlib.sha256(made.text.encode()).hexdigest() in stored
        shown = f"{await desk.tokens.list()!r} {made!r}"
        assert made.text not in shown
        assert hashlib.sha256(made.text.encode()).hexdigest() not in shown

    async def test_it_expires(self, desk: Desk) -> None:
        made = await desk.tokens.create("ci", Role.ADMIN, desk.clock.now() + HOUR)
        desk.clock.seconds += 3599
        await desk.identity.of(f"Bearer {made.text}")
        desk.clock.seconds += 1
        with pytest.raises(NotAuthenticated, match="expired"):
            await desk.identity.of(f"Bearer {made.text}")

    async def test_a_revoked_one_is_refused_at_once_here_and_within_five_seconds_elsewhere(self, desk: Desk) -> None:
        elsewhere = desk_over(desk.storage, desk.clock, first=2)
        made = await desk.tokens.create("ci", Role.ADMIN)
        await elsewhere.identity.of(f"Bearer {made.text}")
        await desk.tokens.revoke("CI")
        with pytest.raises(NotAuthenticated, match="revoked"):
            await desk.identity.of(f"Bearer {made.text}")
        desk.clock.seconds += 5.1
        with pytest.raises(NotAuthenticated, match="revoked"):
            await elsewhere.identity.of(f"Bearer {made.text}")

    async def test_names_are_taken_once(self, desk: Desk) -> None:
        await desk.tokens.create("ci", Role.ADMIN)
        with pytest.raises(Rejected, match="there is a token CI"):
            await desk.tokens.create("CI", Role.VIEWER)
        with pytest.raises(NotFound):
            await desk.tokens.revoke("none")

    @pytest.mark.parametrize(("offset", "said"), [(timedelta(0), "is over"), (-HOUR, "is over")])
    async def test_it_cannot_be_made_expired(self, desk: Desk, offset: timedelta, said: str) -> None:
        with pytest.raises(Invalid, match=said):
            await desk.tokens.create("ci", Role.ADMIN, desk.clock.now() + offset)

    async def test_a_time_needs_its_offset(self, desk: Desk) -> None:
        with pytest.raises(Invalid, match="offset from UTC"):
            await desk.tokens.create("ci", Role.ADMIN, desk.clock.now().replace(tzinfo=None) + HOUR)


class TestEnrolment:
    async def test_the_credential_is_the_sinks(self, desk: Desk) -> None:
        given = await enrolled(desk)
        assert given.credential.startswith("nxs_")
        caller = await desk.identity.of(f"Bearer {given.credential}")
        assert isinstance(caller, Sink)
        assert (caller.name, caller.sink_type) == ("box", "PYTHON:BASE")

    async def test_as_many_sinks_as_it_has_uses(self, desk: Desk) -> None:
        made = await desk.enrolments.create(WantedEnrolment("python:base", desk.clock.now() + HOUR, 3))
        other = desk_over(desk.storage, desk.clock, first=2)
        answers = await asyncio.gather(
            *(
                each.enrolments.exchange(Enrol(token=made.text, name=f"box-{number}", version="1"))
                for number, each in enumerate([desk, other] * 4)
            ),
            return_exceptions=True,
        )
        assert Counter(type(each) for each in answers) == {Enrolled: 3, NotAuthenticated: 5}
        assert len(await desk.sinks.list()) == 3
        assert await desk.enrolments.list() == []

    async def test_it_expires(self, desk: Desk) -> None:
        made = await desk.enrolments.create(WantedEnrolment("PYTHON:BASE", desk.clock.now() + HOUR, 3))
        desk.clock.seconds += 3600
        with pytest.raises(NotAuthenticated, match="expired at 2026-03-01T13:00:00Z"):
            await desk.enrolments.exchange(Enrol(token=made.text, name="box", version="1"))

    async def test_a_name_is_taken_once_and_that_costs_no_use(self, desk: Desk) -> None:
        made = await desk.enrolments.create(WantedEnrolment("PYTHON:BASE", desk.clock.now() + HOUR, 2))
        await desk.enrolments.exchange(Enrol(token=made.text, name="box", version="1"))
        with pytest.raises(Rejected, match="there is a sink BOX"):
            await desk.enrolments.exchange(Enrol(token=made.text, name="BOX", version="1"))
        assert [each.uses_left for each in await desk.enrolments.list()] == [1]

    async def test_the_same_call_again_gets_the_same_answer_and_costs_no_use(self, desk: Desk) -> None:
        """Its answer may have been lost, and it may arrive twice at two processes."""
        made = await desk.enrolments.create(WantedEnrolment("PYTHON:BASE", desk.clock.now() + HOUR, 1))
        call = Enrol(token=made.text, name="box", version="1", nonce="n" * 43)
        other = desk_over(desk.storage, desk.clock, first=2)
        answers = await asyncio.gather(*(each.enrolments.exchange(call) for each in (desk, other, desk, other)))
        desk.clock.seconds += 3600
        assert {await desk.enrolments.exchange(call), *answers} == {answers[0]}
        assert len(answers[0].credential) == len("nxs_") + 43
        assert isinstance(await desk.identity.of(f"Bearer {answers[0].credential}"), Sink)
        assert [each.name for each in await desk.sinks.list()] == ["box"]

    @pytest.mark.parametrize(
        "other", [{"nonce": "m" * 43}, {"nonce": None}, {"name": "BOX"}, {"token": "another"}, {"hours": 1.001}]
    )
    async def test_another_call_is_not_answered_like_it(self, desk: Desk, other: dict[str, Any]) -> None:
        made = await desk.enrolments.create(WantedEnrolment("PYTHON:BASE", desk.clock.now() + 2 * HOUR, 2))
        call = Enrol(token=made.text, name="box", version="1", nonce="n" * 43)
        await desk.enrolments.exchange(call)
        desk.clock.seconds += 3600 * other.pop("hours", 0)
        with pytest.raises((Rejected, NotAuthenticated)):
            await desk.enrolments.exchange(call.model_copy(update=other))

    async def test_a_removed_sink_does_not_come_back_by_repeating_its_call(self, desk: Desk) -> None:
        made = await desk.enrolments.create(WantedEnrolment("PYTHON:BASE", desk.clock.now() + HOUR, 1))
        call = Enrol(token=made.text, name="box", version="1", nonce="n" * 43)
        await desk.enrolments.exchange(call)
        await desk.sinks.delete("box")
        with pytest.raises(NotAuthenticated):
            await desk.enrolments.exchange(call)

    async def test_a_revoked_one_lets_nobody_in(self, desk: Desk) -> None:
        made = await desk.enrolments.create(WantedEnrolment("PYTHON:BASE", desk.clock.now() + HOUR, 2))
        await desk.enrolments.revoke(made.enrolment.id)
        with pytest.raises(NotAuthenticated):
            await desk.enrolments.exchange(Enrol(token=made.text, name="box", version="1"))
        with pytest.raises(NotFound):
            await desk.enrolments.revoke(made.enrolment.id)

    async def test_needs_a_sink_type(self, desk: Desk) -> None:
        with pytest.raises(Invalid, match="no sink type NONE"):
            await desk.enrolments.create(WantedEnrolment("NONE", desk.clock.now() + HOUR, 1))

    async def test_a_removed_sinks_credential_ends(self, desk: Desk) -> None:
        given = await enrolled(desk)
        await desk.sinks.delete("BOX")
        with pytest.raises(NotAuthenticated, match="removed"):
            await desk.identity.of(f"Bearer {given.credential}")
        with pytest.raises(NotFound):
            await desk.sinks.get("box")

    async def test_storage_holds_no_credential(self, desk: Desk) -> None:
        given = await enrolled(desk, uses=2)
        stored = str(await desk.storage.tables.query(CONFIGURATION, PARTITION))
        assert given.credential not in stored
        assert "nxe_" not in stored


class TestIdentity:
    async def test_no_header_is_nobody(self, desk: Desk) -> None:
        assert await desk.identity.of(None) == Anonymous()

    @pytest.mark.parametrize(
        "header", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer x" + "y" * 300, "Bearer nxt_none", "Bearer nxs_none"]
    )
    async def test_what_is_no_credential_is_refused(self, desk: Desk, header: str) -> None:
        with pytest.raises(NotAuthenticated):
            await desk.identity.of(header)

    @pytest.mark.parametrize("header", ["Basic {}", "{}", "Bearer {} {}"])
    async def test_a_credential_counts_behind_its_scheme_alone(self, desk: Desk, header: str) -> None:
        given = await enrolled(desk)
        with pytest.raises(NotAuthenticated):
            await desk.identity.of(header.format(given.credential, given.credential))

    async def test_what_is_too_long_for_one_asks_nothing_of_storage(self, desk: Desk) -> None:
        with counting() as operations, pytest.raises(NotAuthenticated):
            await desk.identity.of("Bearer nxs_" + "y" * 300)
        assert operations == Counter()

    async def test_the_scheme_may_be_in_any_case(self, desk: Desk) -> None:
        made = await desk.tokens.create("ci", Role.ADMIN)
        assert await desk.identity.of(f"bearer  {made.text}") == Person("ci", Role.ADMIN, token="ci")

    async def test_knowing_a_caller_asks_nothing_of_storage(self, desk: Desk) -> None:
        given = await enrolled(desk)
        await desk.identity.of(f"Bearer {given.credential}")
        with counting() as operations:
            await desk.identity.of(f"Bearer {given.credential}")
        assert operations == Counter()

    async def test_a_credential_made_elsewhere_a_moment_ago_is_known(self, desk: Desk) -> None:
        elsewhere = desk_over(desk.storage, desk.clock, first=2)
        await elsewhere.copy.current()
        given = await enrolled(desk)
        assert isinstance(await elsewhere.identity.of(f"Bearer {given.credential}"), Sink)

    async def test_the_first_admin_is_the_settings(self, desk: Desk) -> None:
        first = desk_over(desk.storage, desk.clock, first_admin=hashlib.sha256(b"nxt_first").hexdigest())
        assert await first.identity.of("Bearer nxt_first") == Person(FIRST_ADMIN, Role.ADMIN, via=Via.FIRST_ADMIN_TOKEN)
        with pytest.raises(NotAuthenticated):
            await first.identity.of("Bearer nxt_second")
        with pytest.raises(NotAuthenticated):
            await desk.identity.of("Bearer nxt_first")


async def test_deleting_a_sink_type_waits_for_its_sinks(desk: Desk) -> None:
    await enrolled(desk)
    with pytest.raises(Rejected, match="sinks/box"):
        await desk.resources.delete(Kind.SINK_TYPE, "PYTHON:BASE", NO_MATCH)
