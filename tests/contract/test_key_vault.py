"""A key vault beside the hub: its challenge, its refusals, its outages, and what there is not the hub's."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from azure.core.credentials import AccessTokenInfo
from azure.core.exceptions import ClientAuthenticationError

from hub.configure import copy
from hub.configure.matching import Match
from hub.errors import Changed, Invalid, Missing, Rejected, VaultUnavailable
from hub.model.secret import Keeper as Where
from hub.process import vault_of as vault_of_settings
from hub.secrets.keyvault import FRESH_SECONDS, NEWEST_FRESH_SECONDS, keepers
from hub.secrets.port import Unreadable
from hub.secrets.vault import Vault, open_vault
from hub.settings import Settings
from hub.storage.embedded import open_embedded
from tests.contract.test_secrets import random
from tests.unit.configuring import StepClock
from tests.unit.keeping import Keeper, keeper_over
from tests.vault_server import BEARER, RESOURCE, Bearer, Held, VaultServer, vault_of, vault_server

VALUE = "a-value-that-must-not-show"
PREFIX = "tests-"


class Rig:
    """A vault, and a hub with its values there."""

    def __init__(self, server: VaultServer, vault: Vault, clock: StepClock, process: Callable[..., Keeper]) -> None:
        self.server = server
        self.vault = vault
        self.clock = clock
        self.process = process
        self.keeper = process()

    async def put(self, value: str | None = VALUE, name: str = "a") -> str:
        return (await self.keeper.secrets.put(name, value)).version

    async def get(self, name: str = "a") -> str:
        return (await self.keeper.secrets.get(name)).value

    def held(self) -> Held:
        found = self.server.find("tests-a")
        assert found is not None
        return found


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "NEWS_SECONDS", 0)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    clock = StepClock()
    storage = open_embedded(None, clock)
    await storage.prepare()

    async def no_time(_: float) -> None:
        """Waiting costs the test nothing."""

    async with vault_server() as server, vault_of(server, clock, sleep=no_time) as vault:

        def process(*, in_vault: bool = True) -> Keeper:
            return keeper_over(storage.tables, clock, vault=keepers(vault, PREFIX, clock, random) if in_vault else None)

        yield Rig(server, vault, clock, process)
    await storage.close()


class TestSignIn:
    async def test_the_challenge_is_answered_with_a_token_for_what_it_names(self) -> None:
        credential = Bearer()
        async with vault_server() as server, vault_of(server, credential=credential) as vault:
            assert await vault.write("tests-a", VALUE)
            await vault.read("tests-a")
        assert credential.scopes == [f"{RESOURCE}/.default"]
        assert server.calls == ["PUT /secrets/tests-a"] * 2 + ["GET /secrets/tests-a/"], "challenged once"

    async def test_the_value_is_not_sent_before_the_vault_knows_who_asks(self) -> None:
        bodies: list[bytes] = []

        class Watched(VaultServer):
            async def handle(self, request: web.Request) -> web.StreamResponse:
                bodies.append(await request.read())
                return await super().handle(request)

        async with vault_server(Watched()) as server, vault_of(server) as vault:
            await vault.write("tests-a", VALUE)
        assert [VALUE.encode() in body for body in bodies] == [False, True]

    async def test_a_token_that_is_not_taken_is_an_outage_with_words(self) -> None:
        async with vault_server() as server, vault_of(server, credential=Bearer("another")) as vault:
            with pytest.raises(VaultUnavailable, match=r"does not let the hub do that \(Unauthorized\)"):
                await vault.read("tests-a")

    async def test_a_machine_without_a_managed_identity_is_an_outage_with_words(self) -> None:
        class Nobody(Bearer):
            async def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
                raise ClientAuthenticationError("no managed identity here")

        async with vault_server() as server, vault_of(server, credential=Nobody()) as vault:
            with pytest.raises(VaultUnavailable, match="did not let the hub in, or is not one: ClientAuth"):
                await vault.write("tests-a", VALUE)
        assert server.secrets == {}

    async def test_a_vault_whose_certificate_nobody_vouches_for_is_told_nothing(self) -> None:
        async with vault_server() as server, vault_of(server, trusted=False) as vault:
            with pytest.raises(VaultUnavailable):
                await vault.write("tests-a", VALUE)
        assert server.calls == []

    async def test_a_challenge_of_somebody_elses_domain_gets_no_token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tests.vault_server.RESOURCE", "https://vault.example.com")
        credential = Bearer()
        async with vault_server() as server, vault_of(server, credential=credential) as vault:
            with pytest.raises(VaultUnavailable):
                await vault.read("tests-a")
        assert credential.scopes == []

    async def test_it_asks_as_the_managed_identity_of_the_platform(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[str | None, dict[str, str]]] = []

        async def token(request: web.Request) -> web.Response:
            asked.append((request.headers.get("X-IDENTITY-HEADER"), dict(request.query)))
            return web.json_response(
                {"access_token": BEARER, "expires_on": "4102444800", "resource": RESOURCE, "token_type": "Bearer"}
            )

        app = web.Application()
        app.router.add_get("/msi/token", token)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{runner.addresses[0][1]}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "the-header-of-the-platform")
        opened = open_vault("https://unused.vault.azure.net", "my-identity", StepClock())
        try:
            async with vault_server() as server, vault_of(server, credential=opened._credential) as vault:
                assert await vault.write("tests-a", VALUE)
        finally:
            await opened.close()
            await runner.cleanup()
        ((header, query),) = asked
        assert header == "the-header-of-the-platform"
        assert (query["resource"], query["client_id"]) == (RESOURCE, "my-identity")

    async def test_the_settings_name_the_vault_and_what_names_begin_with(self) -> None:
        environ = {"NEXOMATIC_KEY_VAULT": "https://x.vault.azure.net", "NEXOMATIC_KEY_VAULT_PREFIX": "p-"}
        made = vault_of_settings(Settings.from_env(environ), StepClock())
        assert made is not None
        assert set(made) == {Where.VAULT, Where.ELSEWHERE}
        values: Any = made[Where.VAULT]
        assert (values._prefix, values._vault._client.vault_url) == ("p-", "https://x.vault.azure.net")
        await values._vault.close()
        assert vault_of_settings(Settings.from_env({}), StepClock()) is None


class TestThrottling:
    async def test_who_is_told_to_wait_does_and_says_for_how_long(self, rig: Rig) -> None:
        await rig.put()
        rig.server.throttle = 1
        with pytest.raises(VaultUnavailable, match="fewer calls") as told:
            await rig.get()
        assert told.value.retry_after_seconds == 7
        called = len(rig.server.calls)
        rig.clock.seconds += 6.5
        for call in (rig.get, rig.put):  # whatever is asked for, by whoever
            with pytest.raises(VaultUnavailable) as held:
                await call()
            assert held.value.retry_after_seconds == pytest.approx(0.5)
        assert len(rig.server.calls) == called, "nobody asked the vault meanwhile"
        rig.clock.seconds += 0.6
        assert await rig.get() == VALUE

    async def test_a_vault_that_does_not_say_how_long_is_left_alone_for_longer_each_time(self, rig: Rig) -> None:
        await rig.put()
        rig.server.throttle, rig.server.retry_after = 8, None
        waits = []
        for _ in range(8):
            with pytest.raises(VaultUnavailable) as told:
                await rig.get()
            waits.append(told.value.retry_after_seconds)
            rig.clock.seconds += (told.value.retry_after_seconds or 0) + 0.01
        assert waits == [1, 2, 4, 8, 16, 32, 32, 32]
        assert await rig.get() == VALUE
        rig.server.throttle = 1
        rig.clock.seconds += FRESH_SECONDS
        with pytest.raises(VaultUnavailable) as again:
            await rig.get()
        assert again.value.retry_after_seconds == 1, "an answer ends the row"

    async def test_a_wait_beyond_reason_is_not_believed(self, rig: Rig) -> None:
        await rig.put()
        rig.server.throttle, rig.server.retry_after = 1, "999999"
        with pytest.raises(VaultUnavailable) as told:
            await rig.get()
        assert told.value.retry_after_seconds == 600

    async def test_many_who_ask_for_one_value_are_one_call(self, rig: Rig) -> None:
        await rig.put()
        called = len(rig.server.calls)
        assert set(await asyncio.gather(*(rig.get() for _ in range(20)))) == {VALUE}
        assert len(rig.server.calls) == called + 1


class TestOutages:
    @pytest.mark.parametrize("outage", ["drop", "500", "foreign"])
    async def test_it_is_said_to_be_away_and_nothing_is_missing(self, rig: Rig, outage: str) -> None:
        await rig.put()
        rig.server.outage = outage
        for call in (rig.get(), rig.put("another")):
            with pytest.raises(VaultUnavailable) as told:
                await call
            assert VALUE not in str(told.value)
        rig.server.outage = None
        assert await rig.get() == VALUE

    async def test_one_that_never_answers_is_given_up(self) -> None:
        async with vault_server() as server, vault_of(server, read_seconds=0.2) as vault:
            server.outage = "hang"
            with pytest.raises(VaultUnavailable, match="does not answer"):
                await vault.read("tests-a")

    async def test_what_was_read_is_remembered_for_minutes_and_no_longer(self, rig: Rig) -> None:
        await rig.put()
        assert await rig.get() == VALUE
        rig.server.outage = "drop"
        rig.clock.seconds += FRESH_SECONDS - 1
        assert await rig.get() == VALUE
        rig.clock.seconds += 2
        with pytest.raises(VaultUnavailable):
            await rig.get()
        assert FRESH_SECONDS <= 300

    async def test_a_put_whose_answer_is_lost_leaves_the_value_before(self, rig: Rig) -> None:
        await rig.put()
        real, lost = rig.vault._client.set_secret, rig.server

        async def loses(*arguments: Any, **named: Any) -> Any:
            await real(*arguments, **named)
            lost.outage = "drop"
            return await real(*arguments, **named)

        rig.vault._client.set_secret = loses  # type: ignore[method-assign]
        with pytest.raises(VaultUnavailable):
            await rig.put("another")
        rig.vault._client.set_secret = real  # type: ignore[method-assign]
        rig.server.outage = None
        assert rig.server.value("tests-a") == "another"
        assert await rig.get() == VALUE, "the configuration says which version stands"
        await rig.put("another")
        assert await rig.get() == "another"

    async def test_a_right_that_is_missing_says_where_to_read_of_it(self, rig: Rig) -> None:
        rig.server.forbidden = {"PUT"}
        with pytest.raises(VaultUnavailable, match=r"\(ForbiddenByRbac\): see docs/secrets.md"):
            await rig.put()
        with pytest.raises(Missing):
            await rig.keeper.secrets.describe("a")

    async def test_the_log_says_once_that_it_is_away_and_once_that_it_answers_again(
        self, rig: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        await rig.put()
        rig.server.outage = "drop"
        for _ in range(3):
            with pytest.raises(VaultUnavailable):
                await rig.get()
        rig.server.outage = None
        await rig.get()
        said = [each.getMessage() for each in caplog.records if "the key vault" in each.getMessage()]
        assert [each.split(":")[0] for each in said] == ["the key vault does not answer", "the key vault answers again"]


class TestNames:
    async def test_nothing_but_what_begins_with_the_prefix_is_touched(self, rig: Rig) -> None:
        rig.server.put("a", "of somebody else")
        rig.server.put("root-key", "of somebody else")
        await rig.put()
        assert await rig.get() == VALUE
        await rig.keeper.secrets.delete("a")
        assert {call.split("/")[2].rpartition("-")[0] for call in rig.server.calls} == {"tests-a"}
        assert rig.server.secrets["a"].versions[-1].value == "of somebody else"

    async def test_somebody_elses_secret_is_not_overwritten_and_not_shown(self, rig: Rig) -> None:
        rig.server.put("tests-a", "of somebody else")
        await rig.put()
        assert await rig.get() == VALUE
        await rig.keeper.secrets.delete("a")
        assert rig.server.secrets["tests-a"].versions[-1].value == "of somebody else"
        assert not rig.server.secrets["tests-a"].deleted
        assert await rig.keeper.secrets.list() == []

    async def test_a_put_that_is_refused_asks_the_vault_for_nothing(self, rig: Rig) -> None:
        await rig.put()
        called = len(rig.server.calls)
        with pytest.raises(Changed):
            await rig.keeper.secrets.put("a", "other", expect=Match(absent=True).check)
        assert len(rig.server.calls) == called

    async def test_a_deletion_that_takes_effect_late_does_not_meet_what_was_put_since(self, rig: Rig) -> None:
        await rig.put()
        (before,) = rig.server.secrets
        await rig.keeper.secrets.delete("a")
        await rig.put("after")
        await rig.vault.delete(before)  # the same call again, from a connection that hung
        rig.clock.seconds += FRESH_SECONDS
        assert await rig.get() == "after"

    async def test_versions_of_one_secret_share_its_place(self, rig: Rig) -> None:
        for value in ("one", "two", "three"):
            await rig.put(value)
        (held,) = rig.server.secrets.values()
        assert [each.enabled for each in held.versions] == [False, True, True]

    async def test_a_name_that_is_too_long_with_what_stands_around_it_is_refused(self, rig: Rig) -> None:
        longest = 127 - len(PREFIX) - 13
        await rig.put(name="x" * longest)
        with pytest.raises(Invalid, match=f"at most {longest} are allowed"):
            await rig.put(name="x" * (longest + 1))

    async def test_a_version_that_was_disabled_in_the_vault_is_not_given_out(self, rig: Rig) -> None:
        await rig.put()
        rig.held().versions[-1].enabled = False
        with pytest.raises(Unreadable, match="disabled in the key vault"):
            await rig.get()

    async def test_one_that_was_deleted_in_the_vault_is_missing_and_can_be_put_again(self, rig: Rig) -> None:
        await rig.put()
        held = rig.held()
        held.deleted = True
        with pytest.raises(Missing, match="put it again"):
            await rig.get()
        await rig.put("again")
        assert await rig.get() == "again"
        assert [each.enabled for each in held.versions] == [False, True], "what was deleted does not come back"

    async def test_a_deleted_name_that_is_slow_to_come_back_is_waited_for_or_told_of(self, rig: Rig) -> None:
        await rig.put()
        held = rig.held()
        held.deleted, held.busy, rig.server.slow_names = True, 2, 1
        await rig.put("after")
        assert await rig.get() == "after"
        held.deleted, held.busy = True, 20
        with pytest.raises(VaultUnavailable, match="still deleting or recovering"):
            await rig.put()

    async def test_a_deleted_secret_of_somebody_else_is_not_recovered(self, rig: Rig) -> None:
        rig.server.put("tests-a", "of somebody else")
        rig.server.secrets["tests-a"].deleted = True
        with pytest.raises(Rejected, match="deleted secret tests-a of somebody else: purge it there"):
            await rig.vault.write("tests-a", VALUE)
        assert rig.server.secrets["tests-a"].deleted


class TestWhatSomebodyElsePuts:
    async def test_it_is_read_once_it_is_named_and_the_newest_stands(self, rig: Rig) -> None:
        first = rig.server.put("tests-a", "first")
        assert await rig.put(None) == first
        info = await rig.keeper.secrets.describe("a")
        assert (info.keeper, info.previous) == (Where.ELSEWHERE, None)
        assert await rig.get() == "first"
        second = rig.server.put("tests-a", "second")
        rig.clock.seconds += NEWEST_FRESH_SECONDS - 1
        assert await rig.get() == "first", "remembered"
        rig.clock.seconds += 2
        found = await rig.keeper.secrets.get("a")
        assert (found.value, found.version) == ("second", second)
        assert NEWEST_FRESH_SECONDS <= 300

    async def test_the_hub_never_writes_it_and_deletes_only_its_own_mention(self, rig: Rig) -> None:
        rig.server.put("tests-a", "first")
        await rig.put(None)
        with pytest.raises(Rejected, match="change it there, or delete it here"):
            await rig.put()
        await rig.keeper.secrets.delete("a")
        assert {call.split()[0] for call in rig.server.calls} == {"GET"}
        assert rig.server.value("tests-a") == "first"
        with pytest.raises(Missing):
            await rig.get()

    async def test_what_the_hub_has_put_gets_no_second_name(self, rig: Rig) -> None:
        await rig.put()
        (there,) = rig.server.secrets
        with pytest.raises(Rejected, match="was put by a hub"):
            await rig.put(None, there.removeprefix(PREFIX))

    async def test_what_is_not_there_or_is_the_hubs_own_cannot_be_named_so(self, rig: Rig) -> None:
        with pytest.raises(Rejected, match="somebody has to put it there first"):
            await rig.put(None)
        await rig.put()
        with pytest.raises(Rejected, match="is kept by this hub"):
            await rig.put(None)
        assert await rig.get() == VALUE


class TestMovingIn:
    async def test_what_the_hub_had_stays_there_until_it_is_put_again(self, rig: Rig) -> None:
        before = rig.process(in_vault=False)
        old = await before.secrets.put("a", "in the hub")
        assert await rig.get() == "in the hub"
        assert rig.server.value("tests-a") is None
        await rig.put()
        assert await rig.get() == VALUE
        rig.clock.seconds += 7200
        assert await rig.keeper.tidying.step() == 0, "it is the version before"
        await rig.keeper.secrets.restore("a", old.version)
        assert await rig.get() == "in the hub"
        await rig.put("third")
        await rig.put("fourth")
        assert await rig.keeper.rows.heads() == []

    async def test_without_its_vault_a_hub_says_what_it_cannot_read(self, rig: Rig) -> None:
        await rig.put()
        with pytest.raises(Unreadable, match="NEXOMATIC_KEY_VAULT"):
            await rig.process(in_vault=False).secrets.get("a")

    async def test_without_a_vault_nobody_else_can_put_anything(self, rig: Rig) -> None:
        with pytest.raises(Rejected, match="knows no key vault"):
            await rig.process(in_vault=False).secrets.put("a", None)


async def test_no_value_is_in_a_log_or_an_error(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    calls: list[Callable[[], Awaitable[Any]]] = [rig.put, rig.get, lambda: rig.keeper.secrets.delete("a")]
    said: list[BaseException] = []
    for outage, throttled, forbidden in ((None, 0, ""), ("500", 0, ""), (None, 1, ""), (None, 0, "PUT GET DELETE")):
        rig.server.outage, rig.server.throttle, rig.server.forbidden = outage, throttled, set(forbidden.split())
        for call in calls:
            try:
                await call()
            except (VaultUnavailable, Missing) as error:
                said.append(error)
        rig.clock.seconds += 1000
    assert {type(each) for each in said} == {VaultUnavailable, Missing}
    assert VALUE not in repr(said)
    assert any("fewer calls" in each.getMessage() for each in caplog.records)
    assert VALUE not in caplog.text
    assert VALUE in json.dumps([body.decode() for body in rig.server.sent]), "the vault did send it"
