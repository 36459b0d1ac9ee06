"""Modules that misbehave, on a real agent: each ends with a clear result and a complete or visibly cut log, and leaves
nothing behind: no process, no file, no thread, no descriptor. The table is agent_testing/nasty.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_testing.fake_hub import FakeHub
from agent_testing.footprint import MOST_MEGABYTES, Footprint, descendants, heaps_of_threads, peak_megabytes
from agent_testing.nasty import CASES, Nasty
from agent_testing.process import AgentProcess
from agent_testing.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]

MODULES = Path(__file__).parent / "modules"
LOG_BYTES = 100_000
"""Kept of one attempt's log."""
NOTES_BYTES = 1_000
"""And what the agent says of it itself."""
DEADLINE_SECONDS = 60.0
"""A busy machine with a slow disk takes its time to make and remove a thousand folders."""


class Bench:
    """One agent for all cases: what one leaves behind, the next would show."""

    def __init__(self, hub: FakeHub, agent: AgentProcess) -> None:
        hub.wait_call("poll", number=2)
        self.hub = hub
        self.agent = agent
        self.before = Footprint.of(agent.pid)

    def run(self, case: Nasty) -> list[str]:
        """What is wrong with how the case ended."""
        parameters = [{"name": name, "value": value} for name, value in case.parameters.items()]
        task = self.hub.give(
            module=case.module,
            runtime=case.runtime,
            payload=dict(case.payload),
            parameters=parameters,
            timeout_seconds=case.timeout_seconds,
        )
        said, texts = self.hub.wait_result(task), self.hub.texts(task)
        problems = case.problems(said["state"], said["code"], said["message"], said["data"], texts)
        kept = sum(len(text.encode()) for text in texts)
        return problems if kept <= LOG_BYTES + NOTES_BYTES else [*problems, f"{kept} bytes of log are kept"]

    def left(self) -> list[str]:
        """Processes and files of tasks."""
        folders = ("journal", "spool", "work")
        files = [str(path) for name in folders for path in (self.agent.state / name).iterdir()]
        return descendants(self.agent.pid) + files

    def leaks(self) -> bool:
        return Footprint.of(self.agent.pid).more_than_at_rest(self.before)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    options = ("--slots", "2", "--grace-seconds", "1", "--log-attempt-bytes", str(LOG_BYTES))
    with FakeHub() as hub, AgentProcess(hub.address, tmp_path_factory.mktemp("agent"), MODULES, *options) as agent:
        made = Bench(hub, agent)
        hub.hold = 5.0  # many short polls would be most of this test's work
        hub.deadline_seconds = DEADLINE_SECONDS
        yield made
        assert "could not be removed" not in agent.log()
        assert "Z ERROR " not in agent.log()
        assert peak_megabytes(agent.pid) < MOST_MEGABYTES
        assert heaps_of_threads(agent.pid) == 0
        wait_until(lambda: not made.leaks(), "threads and files to be closed", DEADLINE_SECONDS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_ends_clearly_and_leaves_nothing_behind(bench: Bench, case: Nasty) -> None:
    assert bench.run(case) == []
    wait_until(lambda: bench.left() == [], f"nothing left, not {bench.left()}", DEADLINE_SECONDS)
