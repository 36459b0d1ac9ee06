"""Modules that misbehave, drawn at random and many at once, on one sink of the whole platform; then the account.

Each event must end as its module must end, at its first attempt, with a complete or visibly cut log; and afterwards
nothing may be left: no process, no file, no thread, no descriptor, and no memory to speak of.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agent_testing.footprint import MOST_MEGABYTES, Footprint, descendants, megabytes, peak_megabytes
from agent_testing.nasty import CASES, MODULES, Nasty

from hosting.hub_client import HubClient, address
from tests.e2e.local_platform import Platform
from tests.soak.runs import Figures, Violation

FOLDER = Path(__file__).resolve().parents[2] / "agent" / "tests" / "modules"
SLOTS = 6
SETTINGS = {
    "NEXOMATIC_AGENT_SLOTS": str(SLOTS),
    "NEXOMATIC_AGENT_GRACE_SECONDS": "1",
    "NEXOMATIC_AGENT_LOG_ATTEMPT_BYTES": "100000",
}
MOST_MEGABYTES_MORE = 10
"""What the idle sink may hold more than it held after the first quarter of a run in which it met each kind."""
REST_SECONDS = 60.0
"""Within this the sink must have cleared up, and its idle threads be gone."""
LOOK_SECONDS = 0.2
KINDS = {case.name for case in CASES}
FINAL = ("SUCCESS", "WARNING", "ERROR")


def run(seed: int, seconds: float) -> Figures:
    """Raises `Violation` with all that is wrong."""
    with tempfile.TemporaryDirectory() as folder, a_platform(Path(folder) / "home") as platform:
        return storm(platform, seed, seconds)


def a_platform(home: Path) -> Platform:
    """One with the modules that misbehave, and little patience with them."""
    (home / "modules").mkdir(parents=True)
    for name in MODULES:
        shutil.copy(FOLDER / name, home / "modules")
    return Platform(home, environ=SETTINGS)


def storm(platform: Platform, seed: int, seconds: float) -> Figures:
    """Fire for so many seconds, and settle the account. Raises `Violation`."""
    configure(platform.client)
    sink, draw = platform.pid("sink"), random.Random(seed)
    before, firing = Footprint.of(sink), Firing(platform.client, draw)
    firing.go_on(seconds / 4)
    # Some kinds make it hold more, once and for good: a sink that has not met them all has not grown as far as it does.
    warm = megabytes(sink) if firing.met == KINDS else None
    firing.go_on(seconds * 3 / 4)
    problems = [*firing.problems, *left_behind(platform, sink, before, warm)]
    if problems:
        raise Violation("\n".join([f"seed {seed}, {firing.ended} events:", *problems[:20]]))
    return {
        "events": firing.ended,
        "kinds of misbehaviour among them": len(firing.met),
        "lines of log": firing.lines,
        "sink: most memory at a time, MB": round(peak_megabytes(sink), 1),
        "sink: memory afterwards, MB": round(megabytes(sink), 1),
    }


def configure(client: HubClient) -> None:
    """An event type for each runtime, and for what ends and what does not."""
    parameters = [{"name": name.upper(), "type": "DATA", "value": name} for name in ("do", "signal")]
    actions = (
        {"runtime": "python", "module": "nasty:run"},
        {"runtime": "shell", "module": "nasty.sh", "parameters": parameters},
    )
    for action in actions:
        for seconds in sorted({case.timeout_seconds for case in CASES}):
            name = _event_type(str(action["runtime"]), seconds)
            client.put(address("actions", name), {"name": name, "timeout_seconds": seconds, **action})
            client.put(address("event-types", name), {"name": name, "sink_type": "PYTHON:BASE", "action": name})


def _event_type(runtime: str, timeout_seconds: int) -> str:
    return f"NASTY-{runtime}-{timeout_seconds}"


class Firing:
    """Keeps the sink busy, and looks at how each event ended."""

    def __init__(self, client: HubClient, draw: random.Random) -> None:
        self._client = client
        self._draw = draw
        self._open: dict[str, Nasty] = {}
        self._next: list[Nasty] = []
        """Each kind once, in an order that is drawn."""
        self.problems: list[str] = []
        self.met: set[str] = set()
        self.ended = 0
        self.lines = 0

    def go_on(self, seconds: float) -> None:
        """For so long, and until all that was fired has ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until or self._open:
            while len(self._open) < 2 * SLOTS and time.monotonic() < until:
                self._next = self._next or self._draw.sample(CASES, len(CASES))
                self._fire(self._next.pop())
            time.sleep(LOOK_SECONDS)
            for event_id in self._ended():
                self._settle(event_id, self._open.pop(event_id))

    def _fire(self, case: Nasty) -> None:
        payload = case.payload if case.runtime == "shell" else {"module": case.module, **case.payload}
        name = _event_type(case.runtime, case.timeout_seconds)
        fired = self._client.post("/api/events", {"event_type": name, "payload": payload})
        self._open[fired["id"]] = case

    def _ended(self) -> list[str]:
        listed = {each["id"]: each["state"] for each in self._client.get("/api/events?limit=200")["items"]}
        return [event_id for event_id in self._open if self._state(event_id, listed) in FINAL]

    def _state(self, event_id: str, listed: Mapping[str, str]) -> str:
        """Of one that takes its time, hundreds of newer ones may have come meanwhile: it is read by itself."""
        return listed.get(event_id) or str(self._client.get(f"/api/events/{event_id}")["state"])

    def _settle(self, event_id: str, case: Nasty) -> None:
        event = self._client.get(f"/api/events/{event_id}")
        texts = [line["text"] for line in whole_log(self._client, event_id)]
        said = (event["state"], event["result_code"], event["result_message"], event["result_data"])
        self.problems += [f"{event_id} {words}" for words in case.problems(*said, texts)]
        if len(event["attempts"]) != 1:
            self.problems.append(f"{event_id} {case.name}: attempts {event['attempts']}")
        self.met.add(case.name)
        self.ended += 1
        self.lines += len(texts)


def whole_log(client: HubClient, event_id: str) -> Iterator[Any]:
    """All lines of a final event's log, page by page, as a reader sees them."""
    after, complete = 0, False
    while not complete:
        page = client.get(f"/api/events/{event_id}/logs?after={after}")
        yield from page["lines"]
        after = page["lines"][-1]["seq"] if page["lines"] else after
        complete = page["complete"]


def left_behind(platform: Platform, sink: int, before: Footprint, warm: float | None) -> list[str]:
    """What the sink still holds, once it has had time to clear up."""
    deadline = time.monotonic() + REST_SECONDS
    while (found := [*_files(platform), *descendants(sink), *_leaks(sink, before)]) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    if platform.pid("sink") != sink:
        found.append("the sink was restarted")
    if peak_megabytes(sink) > MOST_MEGABYTES:
        found.append(f"the sink held {peak_megabytes(sink):.0f} MB at a time")
    if warm is not None and megabytes(sink) > warm + MOST_MEGABYTES_MORE:
        found.append(f"the sink holds {megabytes(sink):.0f} MB; after the first quarter it held {warm:.0f}")
    return found + _complaints(platform)


def _complaints(platform: Platform) -> list[str]:
    """What the sink was not content with."""
    files = sorted((platform.home / "logs").glob("children.log*"))
    lines = [line for file in files for line in file.read_text("utf-8", "replace").splitlines()]
    return [line for line in lines if line.startswith("sink ") and ("Z ERROR" in line or "could not be" in line)]


def _files(platform: Platform) -> list[str]:
    state = platform.home / "sink"
    return [str(path) for name in ("journal", "spool", "work", "lost") for path in (state / name).iterdir()]


def _leaks(sink: int, before: Footprint) -> list[str]:
    now = Footprint.of(sink)
    return [f"the sink has {now}, and had {before}"] if now.more_than_at_rest(before) else []
