"""Traces and metrics as Azure Monitor is sent them: by Microsoft's exporter, to a server that takes its protocol."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hub import process
from hub.insights import sending
from hub.insights.azure_monitor import AzureMonitor
from hub.insights.sending import Insights
from hub.insights.spans import EventSpans
from hub.rules.tracing import inside, run_span_of, trace_of
from hub.upkeep.metrics import Requests, requests
from tests.functions.shell import POLL, SINK_TYPE, Shell, opened_shell
from tests.insights_server import KEY, InsightsServer, insights_server

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOT_SAMPLED = CALLER[:-1] + "0"
CANARY = "canary-never-to-be-seen"


@dataclass(frozen=True)
class Rig:
    shell: Shell
    server: InsightsServer
    insights: Insights

    async def spans(self) -> dict[str, dict[str, Any]]:
        """All that was told so far."""
        await self.insights.send_spans()
        return self.server.spans()

    async def measure(self) -> None:
        await self.insights.send_samples(await self.shell.hub.metrics.gather())

    async def through(self, credential: str, hook: str, state: str = "SUCCESS", **headers: str) -> Any:
        """An event from its webhook to its end; its task."""
        await self.shell.ok("POST", hook, {"secret": CANARY}, token=None, **headers)
        task = await self.shell.claim(credential)
        self.shell.clock.seconds += 3
        url = f"/agent/events/{task['event_id']}/result"
        body = {"token": task["token"], "state": state, "code": CANARY, "message": CANARY, "data": {"x": CANARY}}
        for _ in range(2):  # an answer may get lost
            await self.shell.ok("POST", url, body, token=credential)
        return task


@pytest.fixture(scope="module")
def listening() -> Iterator[InsightsServer]:
    with insights_server() as server:
        yield server


@pytest.fixture(scope="module")
def exporter(listening: InsightsServer) -> AzureMonitor:
    return AzureMonitor(listening.connection_string, "one", retry_total=0)


@pytest.fixture
async def rig(listening: InsightsServer, exporter: AzureMonitor, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    listening.items.clear()
    listening.raw.clear()
    listening.refusing = False
    for name in ("by_route", "turned_away"):
        monkeypatch.setattr(requests, name, getattr(Requests(), name))
    insights = Insights(lambda: exporter)
    async with opened_shell(traces=lambda clock: EventSpans(insights.add, clock.now)) as shell:
        process._insights.keep(insights)
        yield Rig(shell, listening, insights)
        await insights.close()


async def test_one_trace_leads_from_the_webhook_to_the_sink_and_back_and_to_what_follows(rig: Rig) -> None:
    hook = await rig.shell.configure()
    action = {"name": "go", "runtime": "python", "module": "m:f", "on_success": "NEXT"}
    follow_on = {"name": "NEXT", "sink_type": SINK_TYPE, "action": "next"}
    await rig.shell.ok("PUT", "/api/actions/next", {"name": "next", "runtime": "python", "module": "m:f"})
    await rig.shell.ok("PUT", "/api/event-types/NEXT", follow_on)
    etag = (await rig.shell("GET", "/api/actions/go")).headers["etag"]
    await rig.shell.ok("PUT", "/api/actions/go", action, if_match=etag)
    task = await rig.through(await rig.shell.enrol(), hook)
    spans = await rig.spans()
    request, create, wait = spans["POST /hooks/{key}"], spans["create GO"], spans["wait GO"]
    run, report, follows = spans["run GO"], spans["POST /agent/events/{id}/result"], spans["create NEXT"]
    assert len({each["trace"] for each in (request, create, wait, run, report, follows)}) == 1
    assert request["parent"] is None
    assert create["parent"] == request["id"]
    assert wait["parent"] == run["parent"] == follows["parent"] == create["id"]
    assert report["parent"] == run["id"]
    told = trace_of(task["traceparent"])
    assert told is not None
    assert (told.trace_id, told.span_id) == (run["trace"], run["id"]), "what the task does lies inside its attempt"
    assert run["duration"] == "0.00:00:03.000"
    assert run["success"]
    assert run["properties"]["nexomatic.result_code"] == "other"
    assert sum(each["data"]["baseData"].get("name") == "run GO" for each in rig.server.items) == 1, "told once"


async def test_what_waits_is_sent_before_the_process_ends(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "SPANS_EVERY", 1000.0)
    hook = await rig.shell.configure()
    await rig.through(await rig.shell.enrol(), hook)
    assert rig.server.spans() == {}
    await process.let_go()
    assert {"POST /hooks/{key}", "create GO", "run GO"} <= set(rig.server.spans())


async def test_a_callers_trace_goes_on_and_one_that_is_none_does_not(rig: Rig) -> None:
    hook, credential = await rig.shell.configure(), await rig.shell.enrol()
    await rig.through(credential, hook, traceparent=CALLER)
    spans = await rig.spans()
    for name in ("POST /hooks/{key}", "create GO"):
        assert (spans[name]["trace"], spans[name]["parent"]) == (CALLER[3:35], CALLER[36:52])
    rig.server.items.clear()
    await rig.through(credential, hook, traceparent=f"{CALLER} {CANARY}")
    spans = await rig.spans()
    assert spans["POST /hooks/{key}"]["parent"] is None
    assert spans["run GO"]["trace"] == spans["POST /hooks/{key}"]["trace"] != CALLER[3:35]


async def test_a_trace_that_its_caller_does_not_record_is_not_recorded_but_handed_on(rig: Rig) -> None:
    hook = await rig.shell.configure()
    task = await rig.through(await rig.shell.enrol(), hook, traceparent=NOT_SAMPLED)
    assert await rig.spans() == {}
    told = trace_of(task["traceparent"])
    assert told is not None
    assert (told.trace_id, told.sampled) == (CALLER[3:35], False)


async def test_a_failure_is_one_in_the_trace_and_polls_renewals_and_reads_are_in_none(rig: Rig) -> None:
    hook, credential = await rig.shell.configure(), await rig.shell.enrol()
    await rig.through(credential, hook, "ERROR")
    await rig.shell.fire()
    task = await rig.shell.claim(credential)
    await rig.shell.ok("POST", f"/agent/events/{task['event_id']}/renew", {"token": task["token"]}, token=credential)
    await rig.shell.ok("GET", "/api/events", traceparent=CALLER)
    await rig.shell.ok("POST", "/agent/poll", {**POLL, "slots": 0}, token=credential, traceparent=CALLER)
    spans = await rig.spans()
    assert not spans["run GO"]["success"]
    assert {name for name in spans if name.startswith(("GET ", "POST ", "PUT "))} == {
        "POST /hooks/{key}",
        "POST /agent/events/{id}/result",
        "POST /api/events",
    }


async def test_no_payload_header_query_result_secret_or_key_is_sent(rig: Rig) -> None:
    hook, credential = await rig.shell.configure(), await rig.shell.enrol()
    await rig.through(credential, f"{hook}?q={CANARY}", traceparent=CALLER, x_request_id=CANARY, user_agent=CANARY)
    await rig.through(credential, hook, "ERROR", authorization=f"Bearer {CANARY}", cookie=CANARY)
    await rig.spans()
    await rig.shell.hub.upkeep.tick()
    await rig.measure()
    sent = b"\n".join(rig.server.raw).decode()
    assert "create GO" in sent
    assert "nexomatic.events.created" in sent
    key = hook.rpartition("/")[2]
    for each in (CANARY, key, credential, rig.shell.token, "hub.example.com", "attacker.example.com"):
        assert each not in sent


async def test_metrics_are_sent_by_the_names_that_alert_rules_use_and_by_how_much_they_grew(rig: Rig) -> None:
    hook, credential = await rig.shell.configure(unroutable_after_seconds=60), await rig.shell.enrol()
    await rig.through(credential, hook)
    await rig.shell.hub.upkeep.tick()
    await rig.measure()
    created = "nexomatic.events.created"
    assert [(each["value"], each["event_type"]) for each in rig.server.metrics(created)] == [(1, "GO")]
    (run,) = rig.server.metrics("nexomatic.event.run")
    assert (run["count"], run["value"]) == (1, 3)
    assert 2.6 < run["min"] == run["max"] < 3.4
    assert rig.server.metrics("nexomatic.events.unroutable") == [], "what is nought is not paid for"
    await rig.measure()
    assert len(rig.server.metrics(created)) == 1
    await rig.shell.ok("POST", hook, {}, token=None)
    for _ in range(4):
        rig.shell.clock.seconds += 60
        await rig.shell.hub.upkeep.tick()
    rig.shell.clock.seconds += 7
    await rig.measure()
    assert rig.server.metrics(created)[-1]["value"] == 1
    assert rig.server.metrics("nexomatic.events.unroutable")[-1]["value"] == 1
    assert rig.server.metrics("nexomatic.sinks.lost")[-1]["value"] == 1
    assert rig.server.metrics("nexomatic.heartbeat.age")[-1]["value"] == 7
    await rig.shell.claim(credential)
    await rig.shell.hub.upkeep.tick()
    await rig.measure()
    assert rig.server.metrics("nexomatic.events.unroutable")[-1]["value"] == 0, "said once, so that the alert ends"


async def test_what_could_not_be_sent_is_in_the_next_growth_and_the_log_says_so_once(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    hook = await rig.shell.configure()
    rig.server.refusing = True
    for _ in range(2):
        await rig.shell.ok("POST", hook, {}, token=None)
        await rig.measure()
    await rig.insights.send_spans()
    rig.server.refusing = False
    await rig.measure()
    assert [each["value"] for each in rig.server.metrics("nexomatic.events.created")] == [2]
    said = [each.getMessage() for each in caplog.records if "telemetry" in each.getMessage()]
    assert said == ["Azure Monitor does not take the telemetry", "Azure Monitor takes the telemetry"]
    assert KEY not in caplog.text


async def test_a_hub_that_is_opened_with_a_connection_string_sends_by_itself_and_one_without_does_not(
    tmp_path: Path, listening: InsightsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening.items.clear()
    listening.came.clear()
    listening.refusing = False
    environ = {"NEXOMATIC_HOME": str(tmp_path / "a")}
    process._insights.forget()
    without = await process.open_hub(environ)
    assert process.begin_trace() is None
    await without.storage.close()
    environ = {**environ, "APPLICATIONINSIGHTS_CONNECTION_STRING": listening.connection_string}
    opened = await process.open_hub(environ)
    insights = process._insights.forget()
    assert insights is not None
    assert await asyncio.to_thread(listening.came.wait, 20)
    assert listening.metrics("nexomatic.polls.held")[0]["value"] == 0
    assert set(listening.paths) == {"/v2.1/track"}, "the exporter asks and tells nobody else"
    await insights.close()
    await opened.storage.close()


async def test_a_connection_string_that_is_none_hinders_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {"NEXOMATIC_HOME": str(tmp_path), "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=nonsense"}
    opened = await process.open_hub(environ)
    async with asyncio.timeout(20):
        while "Azure Monitor does not take the telemetry" not in caplog.text:  # noqa: ASYNC110 - the log has no event
            await asyncio.sleep(0.02)
    assert "nonsense" not in caplog.text
    insights = process._insights.forget()
    assert insights is not None
    await insights.close()
    await opened.storage.close()


def test_what_is_no_trace_is_handed_on_as_it_is() -> None:
    assert inside(None, run_span_of("1")) is None
    assert inside("00-1-2-01", run_span_of("1")) == "00-1-2-01"


def test_the_exporter_does_nothing_of_its_own_accord() -> None:
    from azure.monitor.opentelemetry.exporter._configuration._state import get_configuration_manager
    from azure.monitor.opentelemetry.exporter.statsbeat._state import is_statsbeat_enabled

    assert get_configuration_manager() is None
    assert not is_statsbeat_enabled()  # type: ignore[no-untyped-call]
    assert os.environ["APPLICATIONINSIGHTS_SDKSTATS_DISABLED"] == "true"
