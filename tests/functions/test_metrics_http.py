"""`/api/metrics` as Prometheus scrapes it: read by its own parser."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hub.errors import Unavailable
from hub.rules import census
from hub.rules.metrics import METRICS, Scope, Shape
from hub.storage.keys import UPKEEP
from hub.upkeep.metrics import Requests, requests
from tests.functions.shell import POLL, SINK_TYPE, Shell

POOL = {"sink_type": SINK_TYPE}


@pytest.fixture(autouse=True)
def _own_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "by_route", Requests().by_route)
    monkeypatch.setattr(requests, "turned_away", Requests().turned_away)


class Scraped:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self.families = {each.name: each for each in text_string_to_metric_families(text)}

    def __call__(self, name: str, **labels: str) -> float:
        """The one number of this name with these labels, whatever its others."""
        (found,) = [value for with_labels, value in self.all(name) if labels.items() <= with_labels.items()]
        return found

    def all(self, name: str) -> list[tuple[Mapping[str, str], float]]:
        every = [sample for family in self.families.values() for sample in family.samples]
        return [(each.labels, each.value) for each in every if each.name == name]


async def scrape(shell: Shell, **options: Any) -> Scraped:
    reply = await shell("GET", "/api/metrics", **options)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return Scraped(reply.body.decode())


async def ended(shell: Shell, credential: str, state: str, **result: Any) -> str:
    event_id = await shell.fire()
    task = await shell.claim(credential)
    shell.clock.seconds += 10
    url = f"/agent/events/{event_id}"
    renewed = await shell.ok("POST", f"{url}/renew", {"token": task["token"]}, token=credential)
    body = {"token": renewed["token"], "state": state, **result}
    await shell.ok("POST", f"{url}/result", body, token=credential)
    return event_id


async def test_what_happens_to_events_is_counted(shell: Shell) -> None:
    await shell.configure()
    credential = await shell.enrol()
    await ended(shell, credential, "SUCCESS")
    await ended(shell, credential, "ERROR", code="OWN-OF-THE-MODULE")
    await ended(shell, credential, "ERROR")
    cancelled = await shell.fire()
    await shell.ok("POST", f"/api/events/{cancelled}/cancel")
    found = await scrape(shell)
    assert found("nexomatic_events_created_total", event_type="GO") == 4
    assert found("nexomatic_events_finished_total", event_type="GO", state="SUCCESS") == 1
    assert found("nexomatic_events_finished_total", event_type="GO", state="ERROR") == 3
    assert found("nexomatic_events_failures_total", result_code="CANCELLED") == 1
    assert found("nexomatic_events_failures_total", result_code="other") == 2
    assert found("nexomatic_attempts_finished_total", outcome="SUCCESS") == 1
    assert found("nexomatic_claims_total") == 3
    assert found("nexomatic_renewals_total") == 3
    assert found("nexomatic_event_run_seconds_sum") == 30
    assert found("nexomatic_event_run_seconds_count") == 3
    assert found("nexomatic_event_run_seconds_bucket", le="5.01187") == 0
    assert found("nexomatic_event_run_seconds_bucket", le="25.1189") == 3
    assert found("nexomatic_event_run_seconds_bucket", le="+Inf") == 3
    assert found("nexomatic_event_wait_seconds_count") == 3
    assert found("nexomatic_storage_operations_total", operation="table.insert") > 0
    assert found("nexomatic_build_info") == 1


async def test_what_waits_and_who_is_there_is_counted_by_the_timer_for_every_process(shell: Shell) -> None:
    await shell.configure(unroutable_after_seconds=120)
    credential = await shell.enrol("runs")
    ephemeral = (await shell.ok("POST", "/api/enrolments", {"sink_type": SINK_TYPE, "ephemeral": True}))["token"]
    gone = {"token": ephemeral, "name": "gone", "version": "1"}
    other = (await shell.ok("POST", "/agent/enroll", gone, token=None))["credential"]
    await shell.ok("POST", "/agent/poll", {**POLL, "slots": 0}, token=other)
    await shell.fire()
    await shell.claim(credential)
    await shell.fire()
    await shell.hub.upkeep.tick()
    shell.clock.seconds += 9
    found = await scrape(shell)
    assert found("nexomatic_queue_depth", **POOL) == 1
    assert found("nexomatic_events_running", **POOL) == 1
    assert found("nexomatic_events_oldest_waiting_seconds", **POOL) == 9
    assert found("nexomatic_events_unroutable", **POOL) == 0
    assert found("nexomatic_sinks", state="ONLINE", **POOL) == 2
    assert found("nexomatic_sinks_lost", **POOL) == 0
    assert found("nexomatic_survey_age_seconds") == 9
    assert found("nexomatic_survey_whole") == 1
    assert found("nexomatic_heartbeat_age_seconds") == 9
    for _ in range(4):
        shell.clock.seconds += 60
        await shell.hub.upkeep.tick()
    found = await scrape(shell)
    assert found("nexomatic_queue_depth", **POOL) == 2, "whose sink has gone waits again"
    assert found("nexomatic_events_unroutable", **POOL) == 2
    assert found("nexomatic_sinks", state="OFFLINE", **POOL) == 2
    assert found("nexomatic_sinks_lost", **POOL) == 1, "an ephemeral one goes by itself"


async def test_a_sink_that_said_it_goes_is_not_lost_and_after_the_hubs_own_absence_nobody_is(shell: Shell) -> None:
    await shell.configure()
    drained, there = await shell.enrol("drained"), await shell.enrol("there")
    await shell.ok("POST", "/agent/poll", {**POLL, "slots": 0, "draining": True}, token=drained)
    await shell.ok("POST", "/agent/poll", {**POLL, "slots": 0}, token=there)
    await shell.hub.upkeep.tick()
    shell.clock.seconds += 3600
    await shell.hub.upkeep.tick()
    assert (await scrape(shell))("nexomatic_sinks_lost", **POOL) == 0
    for _ in range(4):
        shell.clock.seconds += 60
        await shell.hub.upkeep.tick()
    assert (await scrape(shell))("nexomatic_sinks_lost", **POOL) == 1


async def test_a_scrape_reads_two_rows_whatever_there_is(shell: Shell) -> None:
    await shell.configure()
    await shell.hub.upkeep.tick()
    await scrape(shell)  # which reads the token
    before = shell.hub.storage.operations.by_kind()
    await scrape(shell)
    assert shell.hub.storage.operations.by_kind() - before == {"table.get": 2}


async def test_counters_never_fall_when_minutes_are_written_down_or_cannot_be(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shell.configure()
    shell.hub.stats.start("one")
    seen = []

    async def look() -> None:
        found = await scrape(shell)
        seen.append((found("nexomatic_events_created_total", process="one"), found("nexomatic_claims_total")))

    async def away(*_: Any) -> None:
        raise Unavailable

    for _ in range(3):
        await shell.fire()
        await look()
        shell.clock.seconds += 61
        with monkeypatch.context() as patched:
            patched.setattr(shell.hub.stats._rows, "write", away)
            await shell.hub.stats.write()
        await look()
        await shell.hub.stats.write()
        await look()
    assert seen == [(1, 0)] * 3 + [(2, 0)] * 3 + [(3, 0)] * 3


async def test_requests_are_counted_by_template_and_never_by_address(shell: Shell) -> None:
    hook = await shell.configure(source={"rate": {"limit": 1, "per_seconds": 60, "burst": 1}})
    await shell.ok("POST", hook, {}, token=None)
    (await shell("POST", hook, {}, token=None)).problem(429)
    (await shell("POST", "/hooks/made-up", {}, token=None)).problem(404)
    (await shell("GET", "/api/events/01ARZ3NDEKTSV4RRFFQ69G5FAV")).problem(404)
    (await shell("GET", "/api/no-such/thing")).problem(404)
    found = await scrape(shell)
    hooks = {"route": "POST /hooks/{key}"}
    assert found("nexomatic_http_requests_total", status_class="2xx", **hooks) == 1
    assert found("nexomatic_http_requests_total", status_class="4xx", **hooks) == 2
    assert found("nexomatic_http_requests_total", route="GET /api/events/{id}", status_class="4xx") == 1
    assert found("nexomatic_http_requests_total", route="other", status_class="4xx") == 1
    assert found("nexomatic_http_turned_away_total", status="429") == 1
    text = (await shell("GET", "/api/metrics")).body.decode()
    assert hook.rpartition("/")[2] not in text
    assert "made-up" not in text


async def test_without_storage_a_process_still_tells_what_it_knows(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shell.configure()
    await shell.hub.upkeep.tick()
    await scrape(shell)

    async def away(table: str, *rest: str) -> Any:
        if table == UPKEEP:
            raise Unavailable
        return await get(table, *rest)

    get = shell.hub.storage.tables.get
    monkeypatch.setattr(shell.hub.storage.tables, "get", away)
    found = await scrape(shell)
    assert found("nexomatic_claims_total") == 0
    assert found.all("nexomatic_heartbeat_age_seconds") == []


async def test_every_metric_of_the_table_is_told_and_no_other(shell: Shell) -> None:
    hook = await shell.configure(source={"rate": {"limit": 1, "per_seconds": 60, "burst": 1}})
    await shell.ok("POST", hook, {}, token=None)
    await shell("POST", hook, {}, token=None)
    credential = await shell.enrol()
    await shell.claim(credential)
    await ended(shell, credential, "ERROR")
    await shell.hub.upkeep.tick()
    found = await scrape(shell)
    suffix = {Shape.COUNTER: "_total", Shape.GAUGE: "", Shape.HISTOGRAM: ""}
    told = {f"{name}{suffix[Shape(family.type)]}": family for name, family in found.families.items()}
    assert set(told) == {each.exposed for each in METRICS}
    for each in METRICS:
        family = told[each.exposed]
        assert (family.documentation, family.type) == (each.help, each.shape)
        for sample in family.samples:
            process = ["process"] if each.scope is Scope.PROCESS else []
            assert sorted(set(sample.labels) - {"le"}) == sorted([*each.labels, *process])


async def test_pools_beyond_a_number_count_together(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census, "MOST_POOLS", 1)
    await shell.configure()
    names = ["A:FIRST", "Z:LAST", "Z:MORE"]
    await asyncio.gather(*(shell.ok("PUT", f"/api/sink-types/{name}", {"name": name}) for name in names))
    await shell.fire()
    await shell.hub.upkeep.tick()
    found = await scrape(shell)
    assert {labels["sink_type"]: value for labels, value in found.all("nexomatic_queue_depth")} == {
        "A:FIRST": 0,
        "other": 1,
    }


async def test_who_may_not_look_is_told_nothing(shell: Shell) -> None:
    (await shell("GET", "/api/metrics", token=None)).problem(401)
    await shell.configure()
    (await shell("GET", "/api/metrics", token=await shell.enrol())).problem(403)
    made = await shell.ok("POST", "/api/tokens", {"name": "prometheus", "role": "VIEWER"})
    await scrape(shell, token=made["token"])
