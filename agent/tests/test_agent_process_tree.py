"""Killing all that a task started, and nothing else."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional

import pytest
from agent_testing.waiting import is_alive, read_pid, wait_until
from nexomatic_agent import linux_processes as linux
from nexomatic_agent import process_tree
from nexomatic_agent.process_tree import ProcessTree, kill_remains

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")

FOLDER = Path(__file__).parent / "modules"
MARK, ANOTHER, LEFT_BEHIND = (f"{mark}-{os.getpid()}" for mark in ("a-mark", "another-mark", "left-behind"))
"""Marks are searched for on the whole machine, where another process may run the same tests."""


@contextlib.contextmanager
def adopting_orphans() -> Iterator[None]:
    """As an agent does, whose only children are its tasks. This process has others, such as a test's storage server."""
    others = set(linux._orphans())
    assert linux.adopt_orphans(), "this kernel hands orphans to a subreaper"
    linux._own.tasks |= others
    try:
        yield
    finally:
        linux._own.tasks -= others
        linux._own.adopts = False


@pytest.fixture(params=["subreaper", "search"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both ways in which what is left behind is found."""
    with adopting_orphans() if request.param == "subreaper" else contextlib.nullcontext():
        yield request.param


def start(script: str, folder: Path, mark: str = MARK) -> ProcessTree:
    environment = {"PATH": os.environ["PATH"], "NEXOMATIC_PARAM_FOLDER": str(folder)}
    return ProcessTree(["sh", str(FOLDER / script)], folder, environment, mark)


def finish(tree: ProcessTree) -> int:
    code = tree.wait()
    for pipe in tree.pipes:
        pipe.close()
    return code


def test_a_grandchild_in_its_own_session_that_ignores_being_asked_is_killed(way: str, tmp_path: Path) -> None:
    tree = start("stubborn.sh", tmp_path)
    grandchild = read_pid(tmp_path / "grandchild")
    tree.interrupt()
    assert is_alive(grandchild)
    tree.kill()
    assert finish(tree) == -signal.SIGKILL
    assert not is_alive(grandchild)
    assert not is_alive(tree._process.pid)


@pytest.fixture
def adopting() -> Iterator[None]:
    with adopting_orphans():
        yield


def test_a_daemon_that_shed_its_environment_is_killed_when_the_task_ends(adopting: None, tmp_path: Path) -> None:
    tree = start("daemon.sh", tmp_path)
    assert finish(tree) == 0
    assert not is_alive(read_pid(tmp_path / "daemon"))


# --- whose an orphan is that says nothing


@contextlib.contextmanager
def another_task(folder: Path) -> Iterator[ProcessTree]:
    tree = ProcessTree(["sleep", "1000"], folder, {"PATH": os.environ["PATH"]}, ANOTHER)
    try:
        yield tree
    finally:
        tree.kill()
        finish(tree)


def a_tick_later() -> None:
    """Births are told apart by clock ticks."""
    time.sleep(3 / os.sysconf("SC_CLK_TCK"))


def test_it_is_the_ending_tasks_if_no_other_ran_at_its_birth(adopting: None, tmp_path: Path) -> None:
    """Else, on an agent that is never idle, it would live for ever."""
    ending = start("hidden.sh", tmp_path)
    daemon = read_pid(tmp_path / "daemon")
    a_tick_later()
    with another_task(tmp_path) as younger:
        assert finish(ending) == 0
        assert not is_alive(daemon)
        assert is_alive(younger._process.pid)


def test_it_is_left_to_the_other_task_that_ran_at_its_birth(adopting: None, tmp_path: Path) -> None:
    with another_task(tmp_path):
        a_tick_later()
        ending = start("hidden.sh", tmp_path)
        daemon = read_pid(tmp_path / "daemon")
        assert finish(ending) == 0
        assert is_alive(daemon)
    assert not is_alive(daemon)


def test_it_is_not_left_by_two_tasks_that_end_at_once(
    adopting: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would take it for the other's, and there may be no third to clear it up."""
    looking = threading.Barrier(2, timeout=60)
    look, looked = linux._marked, threading.local()

    def at_the_same_time(*arguments: Any) -> set[int]:
        if not hasattr(looked, "once"):
            looked.once = True
            looking.wait()
        return look(*arguments)

    monkeypatch.setattr(linux, "_marked", at_the_same_time)
    elder = ProcessTree(["sh", "-c", "read line"], tmp_path, {"PATH": os.environ["PATH"]}, ANOTHER)
    a_tick_later()
    younger = start("hidden.sh", tmp_path)
    daemon = read_pid(tmp_path / "daemon")
    waiters = [threading.Thread(target=finish, args=(tree,)) for tree in (elder, younger)]
    for waiter in waiters:
        waiter.start()
    elder.pipes[0].write(b"\n")
    for waiter in waiters:
        waiter.join()
    assert not is_alive(daemon)


def test_it_is_left_while_a_task_is_started_that_may_have_begun_before_its_birth(
    adopting: None, tmp_path: Path
) -> None:
    with linux.starting_child():
        ending = start("hidden.sh", tmp_path)
        daemon = read_pid(tmp_path / "daemon")
        assert finish(ending) == 0
        assert is_alive(daemon)
    with another_task(tmp_path):
        pass
    assert not is_alive(daemon)


def test_it_is_the_ending_tasks_if_it_holds_its_output(adopting: None, tmp_path: Path) -> None:
    with another_task(tmp_path):
        a_tick_later()
        ending = start("daemon.sh", tmp_path)
        daemon = read_pid(tmp_path / "daemon")
        assert finish(ending) == 0
        assert not is_alive(daemon)


@pytest.mark.parametrize("how", ["loud", "quiet"])
def test_one_whose_first_thread_has_ended_is_known_by_its_others(adopting: None, tmp_path: Path, how: str) -> None:
    """By its number /proc shows nothing of it: neither what it holds nor its environment."""
    with another_task(tmp_path):
        a_tick_later()
        environment = {"PATH": os.environ["PATH"], "NEXOMATIC_PARAM_FOLDER": str(tmp_path)}
        ending = ProcessTree([sys.executable, str(FOLDER / "headless.py"), how], tmp_path, environment, MARK)
        daemon = read_pid(tmp_path / "daemon")
        assert finish(ending) == 0
        assert linux.look_up(daemon) is None


def test_a_task_that_is_being_started_is_not_reaped_as_an_orphan(adopting: None) -> None:
    """It would lose its exit code, and fail without anybody hearing of it."""
    looked = threading.Event()
    codes: list[int] = []

    def start_a_task() -> None:
        with linux.starting_child():
            new = subprocess.Popen(["sh", "-c", "exit 3"], start_new_session=True)
            os.waitid(os.P_PID, new.pid, os.WEXITED | os.WNOWAIT)
            dead.set()
            looked.wait(60)
        codes.append(new.wait())

    dead = threading.Event()
    starting = threading.Thread(target=start_a_task)
    starting.start()
    assert dead.wait(60)
    assert linux.remains("no-such-mark", 0, ()) == []
    looked.set()
    starting.join()
    assert codes == [3]


def test_what_cannot_be_killed_is_named_and_no_longer_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process_tree, "GONE_SECONDS", 0.05)
    monkeypatch.setattr(linux, "kill", lambda _: None)
    with a_process(NEXOMATIC_TASK_MARK=LEFT_BEHIND) as process:
        assert kill_remains(LEFT_BEHIND, None) == 1
    assert f"processes cannot be killed, and are left: {process.pid}" in caplog.text


def test_what_starts_another_whenever_it_is_killed_is_not_chased_for_ever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process_tree, "CHASE_SECONDS", 0.05)
    monkeypatch.setattr(process_tree, "time", SimpleNamespace(monotonic=itertools.count(0, 0.01).__next__))
    monkeypatch.setattr(linux, "kill", lambda _: None)
    numbers = iter(range(1, 1_000_000))
    assert process_tree._kill_until_gone(lambda: [linux.Process(next(numbers), 1, 1, 1, zombie=False)]) > 1
    assert "cannot be killed" in caplog.text


def test_whoever_holds_the_output_is_found_by_the_pipe(tmp_path: Path) -> None:
    """Without the list of children, a daemon without the mark outlives its task; its pipe gives it away."""
    tree = start("daemon.sh", tmp_path)
    tree.wait()
    daemon = read_pid(tmp_path / "daemon")
    assert is_alive(daemon)
    tree.kill_pipe_holders()
    wait_until(lambda: not is_alive(daemon), "the daemon's end")
    assert tree.pipes[1].read() == b"done\n"
    for pipe in tree.pipes:
        pipe.close()


def test_where_nothing_can_be_searched_the_group_is_killed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As without /proc: what did not leave the task's group goes with it."""
    monkeypatch.setattr(linux, "remains", lambda *_: [])
    tree = ProcessTree(["sh", "-c", "sleep 1000 & echo $!"], tmp_path, {"PATH": os.environ["PATH"]}, MARK)
    left = int(tree.pipes[1].readline())
    assert finish(tree) == 0
    wait_until(lambda: not is_alive(left), "the end of what it left in its group")


def test_another_tasks_orphans_are_left_alone(way: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    running = start("stubborn.sh", first, MARK)
    kept = read_pid(first / "grandchild")
    ending = start("stubborn.sh", second, ANOTHER)
    killed = read_pid(second / "grandchild")
    ending.kill()
    finish(ending)
    assert not is_alive(killed)
    assert is_alive(kept)
    running.kill()
    finish(running)
    assert not is_alive(kept)


def test_stopping_what_has_ended_is_harmless(tmp_path: Path) -> None:
    tree = ProcessTree(["true"], tmp_path, {"PATH": os.environ["PATH"]}, MARK)
    assert finish(tree) == 0
    tree.interrupt()
    tree.kill()


def test_a_program_that_cannot_start_leaves_nothing_counted_as_running(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no-such-program"):
        ProcessTree([str(tmp_path / "no-such-program")], tmp_path, {}, MARK)
    assert (linux._own.starting, linux._own.tasks, linux._own.running) == ([], set(), {})


# --- after a crash of the agent


@contextlib.contextmanager
def a_process(**environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is not this one's task."""
    process = subprocess.Popen(
        ["sleep", "1000"], env={"PATH": os.environ["PATH"], **environment}, start_new_session=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def described(pid: int) -> dict[str, Any]:
    return {"pid": pid, **linux.birth(pid)}


def test_remains_are_found_by_the_mark() -> None:
    with a_process(NEXOMATIC_TASK_MARK=LEFT_BEHIND) as process:
        assert kill_remains(LEFT_BEHIND, None) == 1
        assert process.wait() == -signal.SIGKILL


def test_what_is_becoming_another_program_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment cannot be read at this moment: taken for one without a mark, it would be left to live."""
    read = linux._environment
    looked_at: set[int] = set()

    def none_at_first(pid: int) -> Optional[bytes]:
        if pid in looked_at:
            return read(pid)
        looked_at.add(pid)
        return b""

    monkeypatch.setattr(linux, "_environment", none_at_first)
    with a_process(NEXOMATIC_TASK_MARK=LEFT_BEHIND) as process:
        assert kill_remains(LEFT_BEHIND, None) == 1
        assert process.wait() == -signal.SIGKILL


def test_what_never_had_an_environment_is_not_waited_for_for_ever() -> None:
    process = subprocess.Popen(["sleep", "1000"], env={}, start_new_session=True)
    try:
        assert kill_remains("no-such-mark", None) == 0
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_remains_are_found_by_number_and_birth() -> None:
    with a_process() as process:
        assert kill_remains("no-such-mark", described(process.pid)) == 1
        assert process.wait() == -signal.SIGKILL


def test_remains_are_found_by_descent(tmp_path: Path) -> None:
    """Without the mark, and in a session of its own."""
    script = "env -i setsid sh -c 'echo $$ > child; exec sleep 1000' & wait"
    process = subprocess.Popen(["sh", "-c", script], cwd=tmp_path, start_new_session=True)
    child = read_pid(tmp_path / "child")
    kill_remains("no-such-mark", described(process.pid))
    assert process.wait() == -signal.SIGKILL
    wait_until(lambda: not is_alive(child), "the child's end")


@pytest.mark.parametrize("wrong", [{"born": 1}, {"boot": "another boot"}])
def test_a_number_that_is_another_processs_now_is_not_killed(wrong: dict[str, Any]) -> None:
    with a_process() as process:
        assert kill_remains("no-such-mark", {**described(process.pid), **wrong}) == 0
        assert process.poll() is None


def test_a_handle_to_a_process_that_is_another_now_kills_nothing() -> None:
    with a_process() as process:
        found = linux.look_up(process.pid)
        assert found is not None
        linux.kill(linux.Process(found.pid, found.born + 1, found.parent, found.session, zombie=False))
        assert process.poll() is None


def test_nothing_remains_is_nothing_killed() -> None:
    assert kill_remains("no-such-mark", {"pid": 2**22 + 1, "born": 1, "boot": "x"}) == 0
    assert kill_remains("no-such-mark", None) == 0
