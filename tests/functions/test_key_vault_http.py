"""A hub whose secrets lie in a key vault, as admins, sinks and callers of webhooks meet it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from hub.clock import Clock
from hub.model.secret import Keeper
from hub.secrets.keyvault import FRESH_SECONDS, keepers
from hub.secrets.port import Values
from hub.storage.keys import CONFIGURATION, SECRETS
from tests.contract.test_secrets import random
from tests.functions.shell import Shell, opened_shell
from tests.functions.test_secrets_http import VALUE, put, release, waiting
from tests.vault_server import VaultServer, vault_of, vault_server


@dataclass(frozen=True)
class Rig:
    shell: Shell
    server: VaultServer


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with vault_server() as server, vault_of(server) as vault:

        def made(clock: Clock) -> Mapping[Keeper, Values]:
            vault._clock = clock
            return keepers(vault, "nexomatic-", clock, random)

        async with opened_shell(made) as shell:
            yield Rig(shell, server)


async def test_what_an_admin_puts_lies_in_the_vault_and_goes_to_the_sink_that_holds_the_event(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    event_id, task, credential = await waiting(rig.shell)
    info = await rig.shell.ok("GET", "/api/secrets/api-token")
    assert info["keeper"] == "VAULT"
    assert rig.server.value("nexomatic-api-token") == VALUE
    reply = await release(rig.shell, event_id, task["token"], credential)
    assert reply.json["secrets"] == [{"name": "api-token", "version": info["version"], "value": VALUE}]
    tables = rig.shell.hub.storage.tables
    rows = [*await tables.query(SECRETS, "values"), *await tables.query(CONFIGURATION, "current")]
    assert not any(row.key.startswith("api-token") for row in rows)
    assert VALUE not in repr([row.values for row in rows])
    assert VALUE not in caplog.text


async def test_while_the_vault_is_away_the_attempt_waits_and_then_is_given_its_secret(rig: Rig) -> None:
    event_id, task, credential = await waiting(rig.shell)
    rig.server.outage = "drop"
    refused = await release(rig.shell, event_id, task["token"], credential)
    document = refused.problem(503)
    assert (document["title"], refused.headers["retry-after"]) == ("The key vault does not answer", "2")
    assert (await rig.shell.ok("GET", f"/api/events/{event_id}"))["state"] == "RUNNING"
    rig.server.outage = None
    assert (await release(rig.shell, event_id, task["token"], credential)).json["secrets"][0]["value"] == VALUE


async def test_a_task_that_its_sink_gives_back_meanwhile_fails_nothing_and_is_given_its_secret_later(rig: Rig) -> None:
    event_id, task, credential = await waiting(rig.shell)
    rig.server.outage = "drop"
    for _ in range(3):  # more often than the event may be tried, or lost
        (await release(rig.shell, event_id, task["token"], credential)).problem(503)
        back = {"token": task["token"], "state": "RETURNED", "started": False, "message": "no secrets"}
        await rig.shell.ok("POST", f"/agent/events/{event_id}/result", back, token=credential)
        event = await rig.shell.ok("GET", f"/api/events/{event_id}")
        assert (event["state"], event["attempts"][-1]["outcome"]) == ("QUEUED", "NOT_STARTED")
        task = await rig.shell.claim(credential)
    rig.server.outage = None
    assert (await release(rig.shell, event_id, task["token"], credential)).json["secrets"][0]["value"] == VALUE


async def test_a_vault_that_asks_for_fewer_calls_is_not_called_and_everybody_is_told_for_how_long(rig: Rig) -> None:
    event_id, task, credential = await waiting(rig.shell)
    rig.server.throttle, rig.server.retry_after = 1, "17"
    refused = await release(rig.shell, event_id, task["token"], credential)
    refused.problem(503)
    assert refused.headers["retry-after"] == "17"
    called = len(rig.server.calls)
    rig.shell.clock.seconds += 5
    for reply in (
        await release(rig.shell, event_id, task["token"], credential),
        await put(rig.shell, value="other", if_match="*"),
    ):
        reply.problem(503)
        assert reply.headers["retry-after"] == "12"
    assert len(rig.server.calls) == called
    rig.shell.clock.seconds += 13
    assert (await release(rig.shell, event_id, task["token"], credential)).json["secrets"][0]["value"] == VALUE


async def test_a_flood_of_releases_is_one_call_in_five_minutes(rig: Rig) -> None:
    event_id, task, credential = await waiting(rig.shell, lease_seconds=3600, timeout_seconds=3600)
    called = len(rig.server.calls)
    for _ in range(5):
        assert (await release(rig.shell, event_id, task["token"], credential)).status == 200
    assert len(rig.server.calls) == called + 1
    rig.shell.clock.seconds += FRESH_SECONDS
    assert (await release(rig.shell, event_id, task["token"], credential)).status == 200
    assert len(rig.server.calls) == called + 2


async def test_a_secret_that_is_gone_from_the_vault_is_a_clear_error(rig: Rig) -> None:
    event_id, task, credential = await waiting(rig.shell)
    held = rig.server.find("nexomatic-api-token")
    assert held is not None
    held.deleted = True
    refused = (await release(rig.shell, event_id, task["token"], credential)).problem(404)
    assert refused["type"].endswith(":secret-unavailable")
    assert "api-token is not in the key vault any more: put it again (for the parameter token)" in refused["detail"]


async def test_a_webhook_answers_503_while_its_secret_cannot_be_read(rig: Rig) -> None:
    await put(rig.shell, "gate")
    verify = {"preset": "shared", "header": "X-Gate", "secret": "gate"}
    url = await rig.shell.configure(source={"verify": verify})

    async def deliver() -> int:
        return (await rig.shell("POST", url, {"a": 1}, token=None, x_gate=VALUE)).status

    rig.server.outage = "500"
    assert await deliver() == 503
    rig.server.outage = None
    assert await deliver() == 202
    rig.server.outage = "500"
    assert await deliver() == 202, "remembered"


async def test_what_somebody_else_puts_is_named_with_null_and_rotates_in_the_vault(rig: Rig) -> None:
    body: dict[str, Any] = {"value": None, "description": "of the pipeline"}
    assert "put it there first" in (await rig.shell("PUT", "/api/secrets/api-token", body)).problem(409)["detail"]
    rig.server.put("nexomatic-api-token", VALUE)
    assert (await rig.shell.ok("GET", "/api/secrets"))["items"] == []
    made = await rig.shell("PUT", "/api/secrets/api-token", body)
    assert (made.status, made.json["keeper"]) == (201, "ELSEWHERE")
    assert "change it there" in (await put(rig.shell, if_match="*")).problem(409)["detail"]
