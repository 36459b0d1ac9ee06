"""Statistics over HTTP."""

from __future__ import annotations

import pytest

from tests.functions.shell import SINK_TYPE, Shell


async def run(shell: Shell, credential: str, state: str, **result: object) -> None:
    await shell.fire()
    task = await shell.claim(credential)
    shell.clock.seconds += 2
    said = {"token": task["token"], "state": state, **result}
    await shell.ok("POST", f"/agent/events/{task['event_id']}/result", said, token=credential)


async def test_what_happened_in_the_last_day(shell: Shell) -> None:
    await shell.configure()
    credential = await shell.enrol()
    await run(shell, credential, "SUCCESS")
    await run(shell, credential, "ERROR", code="BROKEN")
    await shell.ok("POST", (await shell.configure()), {"a": 1}, token=None)
    shell.clock.seconds += 3600
    await shell.hub.stats.write()

    stats = await shell.ok("GET", "/api/stats")

    total = stats["total"]
    assert total["fired"] == 3
    assert total["ended"] == {"SUCCESS": 1, "WARNING": 0, "ERROR": 1}
    assert total["event_types"] == [{"event_type": "GO", "fired": 3, "ended": total["ended"]}]
    assert total["sources"] == [
        {"source_kind": "MANUAL", "source": None, "fired": 2},
        {"source_kind": "WEBHOOK", "source": "hook", "fired": 1},
    ]
    assert total["sinks"] == [{"sink": "box", "ended": total["ended"]}]
    assert (total["codes"], total["outcomes"]) == ({"BROKEN": 1}, {"ERROR": 1, "SUCCESS": 1})
    assert total["run"]["p50"] == pytest.approx(2, rel=0.13)
    assert total["wait"]["p50"] == 0
    assert total["storage"]["total"] == sum(total["storage"]["operations"].values()) > 0
    assert 0 < total["storage"]["estimated_cost"] < 0.01
    (point,) = stats["series"]
    assert (point["at"], point["fired"], point["ended"]) == ("2026-03-01T12:00:00.000Z", 3, total["ended"])


async def test_a_day_without_events_is_empty(shell: Shell) -> None:
    stats = await shell.ok("GET", "/api/stats?step=day")
    assert (stats["total"]["fired"], stats["series"]) == (0, [])
    assert stats["total"]["wait"] == {"p50": None, "p90": None, "p99": None}


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("from=2026-03-01T12:00:00", "from", "time zone"),
        ("to=2020-01-01T00:00:00Z&from=2021-01-01T00:00:00Z", "from", "before `to`"),
        ("from=2020-01-01T00:00:00Z", "from", "at most 92 days"),
        ("from=2026-02-01T00:00:00Z&step=minute", "step", "choose a longer one"),
        ("step=week", "step", "minute"),
        ("until=2026-03-01T12:00:00Z", "until", "is not a parameter here"),
    ],
)
async def test_what_cannot_be_asked(shell: Shell, query: str, field: str, words: str) -> None:
    assert words in (await shell("GET", f"/api/stats?{query}")).errors()[field]


async def test_statistics_name_no_more_than_lists_do(shell: Shell) -> None:
    """Pools are not among them, payloads and results neither."""
    await shell.configure()
    await run(shell, await shell.enrol(), "SUCCESS", data="canary-result", message="canary-message")
    shell.clock.seconds += 60
    await shell.hub.stats.write()
    text = (await shell("GET", "/api/stats")).body.decode()
    assert "canary" not in text
    assert SINK_TYPE not in text
