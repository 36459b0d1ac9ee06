"""The supervisor: real processes that die, refuse to die, and must not be left behind."""

from __future__ import annotations

import io
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from hosting.child import backoff
from hosting.child_log import ChildLog, Voice
from hosting.errors import DidNotStart, HostingError, Stopped
from hosting.supervisor import ChildSpec, Supervisor
from tests.hosting.support import PATIENCE_SECONDS, assert_gone

pytestmark = pytest.mark.processes

ENV = {"PATH": os.environ["PATH"]}
FOREVER = "while :; do sleep 0.05; done"
NOWHERE = "http://127.0.0.1:1/"


class Watched:
    """A supervisor, and everything it has told about process ids."""

    def __init__(self, folder: Path, grace: float = PATIENCE_SECONDS) -> None:
        self.told: queue.Queue[dict[str, int]] = queue.Queue()
        self.terminal = io.StringIO()
        self.folder = folder
        self.supervisor = Supervisor(
            folder / "logs", lambda pids: self.told.put(dict(pids)), grace=grace, terminal=self.terminal
        )

    def shell(self, name: str, script: str, ready_url: str | None = None) -> None:
        self.supervisor.start(ChildSpec(name, ("sh", "-c", script), ENV, self.folder, ready_url))

    def next_pids(self, fits: Callable[[dict[str, int]], bool]) -> dict[str, int]:
        """The next process ids told that fit."""
        while not fits(pids := self.told.get(timeout=PATIENCE_SECONDS)):
            pass
        return pids

    def log(self) -> str:
        return self.supervisor.log.path.read_text()

    def log_line(self, text: str) -> str:
        """Wait for a line: it comes through a pipe, from a process that tells nobody that it has written."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            for line in self.log().splitlines():
                if text in line:
                    return line
            assert time.monotonic() < deadline, f"{text!r} is not in the log: {self.log()}"
            time.sleep(0.02)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    yield watched
    watched.supervisor.stop()


def test_children_run_are_told_about_and_are_gone_after_stop(watched: Watched) -> None:
    watched.shell("one", FOREVER)
    watched.shell("two", FOREVER)
    watched.supervisor.wait_ready("one", PATIENCE_SECONDS)
    pids = watched.next_pids(lambda pids: len(pids) == 2)
    assert list(pids) == ["one", "two"]
    assert pids == watched.supervisor.pids()
    processes = [psutil.Process(pid) for pid in pids.values()]
    assert {os.getpgid(pid) for pid in pids.values()} == set(pids.values())  # each in a group of its own
    watched.supervisor.stop()
    assert [each.is_running() for each in processes] == [False, False]
    assert watched.next_pids(lambda pids: not pids) == {}


def test_a_child_that_is_killed_is_started_again_and_the_pids_stay_true(watched: Watched) -> None:
    watched.shell("hub", FOREVER)
    first = watched.next_pids(lambda pids: "hub" in pids)["hub"]
    os.kill(first, signal.SIGKILL)
    assert watched.next_pids(lambda pids: "hub" not in pids) == {}
    second = watched.next_pids(lambda pids: "hub" in pids)["hub"]
    assert second != first
    assert watched.supervisor.pids() == {"hub": second}
    assert "WARNING hub was killed by SIGKILL; it is started again" in watched.terminal.getvalue()


def test_a_child_that_says_so_by_its_status_is_not_started_again(watched: Watched) -> None:
    for name, status in (("stopped", 7), ("restarted", 6)):
        spec = ChildSpec(name, ("sh", "-c", f"exit {status}"), ENV, watched.folder, final_status=7)
        watched.supervisor.start(spec)
    assert watched.log_line("stopped ended with status 7, and is not started again")
    assert watched.log_line("restarted ended with status 6; it is started again")
    assert "stopped ended with status 7; it is started again" not in watched.log()


def test_what_a_dead_child_left_in_its_group_is_killed(watched: Watched) -> None:
    watched.shell("hub", f"sleep 3600 & echo left $!; {FOREVER}")
    pid = watched.next_pids(lambda pids: "hub" in pids)["hub"]
    orphan = psutil.Process(int(watched.log_line("left").split()[-1]))
    os.kill(pid, signal.SIGKILL)
    assert_gone(orphan)


@pytest.mark.parametrize(("deaths", "seconds"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (6, 16), (7, 30), (99, 30)])
def test_the_wait_before_a_start_grows_with_deaths_in_a_row(deaths: int, seconds: float) -> None:
    assert backoff(deaths) == seconds


def test_a_child_that_dies_again_and_again_is_not_waited_for(watched: Watched) -> None:
    watched.shell("bad", "echo cannot start: the disk is missing >&2; exit 2", NOWHERE)
    with pytest.raises(DidNotStart, match=r"(?s)bad died again and again; .*the disk is missing"):
        watched.supervisor.wait_ready("bad", PATIENCE_SECONDS)


def test_a_crash_ends_who_stands_on_it_and_both_are_started_again(watched: Watched) -> None:
    watched.shell("store", FOREVER)
    standing = ChildSpec("hub", ("sh", "-c", FOREVER), ENV, watched.folder, stands_on="store")
    watched.supervisor.start(standing)
    watched.shell("bystander", FOREVER)
    first = watched.next_pids(lambda pids: len(pids) == 3)
    os.kill(first["store"], signal.SIGKILL)
    second = watched.next_pids(lambda pids: len(pids) == 3 and not {pids["store"], pids["hub"]} & set(first.values()))
    assert second["bystander"] == first["bystander"]
    assert "hub is killed: store has crashed, and may have forgotten what hub remembers of it" in watched.log()


def test_an_orderly_end_ends_nobody_else(watched: Watched) -> None:
    watched.shell("store", f"trap 'exit 0' TERM; echo ready; {FOREVER}")
    watched.log_line("ready")
    watched.supervisor.start(ChildSpec("hub", ("sh", "-c", FOREVER), ENV, watched.folder, stands_on="store"))
    first = watched.next_pids(lambda pids: len(pids) == 2)
    os.kill(first["store"], signal.SIGTERM)
    second = watched.next_pids(lambda pids: pids.get("store", first["store"]) != first["store"])
    assert second["hub"] == first["hub"]
    assert "hub is killed" not in watched.log()


def test_a_program_that_does_not_exist_says_so(watched: Watched) -> None:
    watched.supervisor.start(ChildSpec("none", ("no-such-program",), ENV, watched.folder, NOWHERE))
    with pytest.raises(DidNotStart, match="cannot start no-such-program: No such file"):
        watched.supervisor.wait_ready("none", PATIENCE_SECONDS)


def test_a_folder_that_does_not_exist_says_so(watched: Watched) -> None:
    watched.supervisor.start(ChildSpec("lost", ("sh",), ENV, watched.folder / "nowhere"))
    with pytest.raises(DidNotStart):
        watched.supervisor.wait_ready("lost", PATIENCE_SECONDS)
    assert "could not be started" in watched.log()


def test_ready_is_when_the_address_answers(watched: Watched) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    program = f"sleep 0.2; exec {sys.executable} -m http.server {port} --bind 127.0.0.1"
    watched.shell("web", program, url)
    watched.supervisor.wait_ready("web", PATIENCE_SECONDS)
    watched.shell("also", FOREVER, f"tcp://127.0.0.1:{port}")
    watched.supervisor.wait_ready("also", PATIENCE_SECONDS)
    watched.shell("deaf", FOREVER, "tcp://127.0.0.1:1")
    with pytest.raises(DidNotStart, match="deaf is not ready"):
        watched.supervisor.wait_ready("deaf", 0.1)
    watched.shell("mute", FOREVER, NOWHERE)
    with pytest.raises(DidNotStart, match=r"mute is not ready after 0\.1 s"):
        watched.supervisor.wait_ready("mute", 0.1)


def test_the_last_started_is_stopped_first(watched: Watched) -> None:
    for name in ("one", "two", "three"):
        watched.shell(name, f"trap 'echo {name} ends; exit 0' TERM; echo {name} began; {FOREVER}")
        watched.log_line(f"{name} began")
    watched.supervisor.stop()
    ends = [line.split()[2] for line in watched.log().splitlines() if line.endswith("ends")]
    assert ends == ["three", "two", "one"]
    assert "started again" not in watched.log()


def test_a_child_that_ignores_sigterm_is_killed_with_all_it_started(tmp_path: Path) -> None:
    watched = Watched(tmp_path, grace=0.2)
    script = "trap '' TERM; sleep 3600 & echo group $!; setsid sleep 3600 & sleep 0.1; echo ready; " + FOREVER
    watched.shell("stubborn", script)
    watched.log_line("ready")
    pid = watched.supervisor.pids()["stubborn"]
    everybody = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    assert any(os.getsid(each.pid) != os.getsid(pid) for each in everybody), "one has left the group"
    watched.supervisor.stop()
    for each in everybody:
        assert_gone(each)
    assert "does not end within 0.2 s and is killed" in watched.terminal.getvalue()


def test_a_child_waiting_to_be_started_again_can_be_stopped(watched: Watched) -> None:
    watched.shell("bad", "exit 1")
    watched.log_line("it is started again in 1 s")
    watched.supervisor.stop()
    assert watched.supervisor.pids() == {}


def test_names_are_taken_once_and_nothing_starts_after_stop(watched: Watched) -> None:
    watched.shell("hub", FOREVER)
    with pytest.raises(HostingError, match="named hub already"):
        watched.shell("hub", FOREVER)
    watched.supervisor.stop()
    watched.supervisor.stop()
    with pytest.raises(Stopped):
        watched.shell("late", FOREVER)


def test_a_callback_that_fails_loses_no_child(tmp_path: Path) -> None:
    terminal = io.StringIO()

    def fail(_: Mapping[str, int]) -> None:
        raise OSError("the disk is full")

    with Supervisor(tmp_path, fail, terminal=terminal) as supervisor:
        supervisor.start(ChildSpec("hub", ("sh", "-c", FOREVER), ENV, tmp_path))
        supervisor.wait_ready("hub", PATIENCE_SECONDS)
        pid = supervisor.pids()["hub"]
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)
    assert "the process ids cannot be passed on: OSError('the disk is full')" in terminal.getvalue()


def test_a_child_gets_the_given_environment_and_folder_and_nothing_else(watched: Watched) -> None:
    spec = ChildSpec("env", ("sh", "-c", f"env; pwd; echo end; {FOREVER}"), {**ENV, "A": "1"}, watched.folder)
    watched.supervisor.start(spec)
    watched.log_line(" end")
    names = {line.split()[2].partition("=")[0] for line in watched.log().splitlines() if "=" in line}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "A"}
    assert any(line.endswith(str(watched.folder)) for line in watched.log().splitlines())


# --- the program that supervises is killed or told to stop -----------------------------------------------------------

PROGRAM = """
    import sys
    from pathlib import Path
    from hosting.errors import Stopped
    from hosting.supervisor import ChildSpec, Supervisor
    folder = Path(sys.argv[1])
    supervisor = Supervisor(folder, lambda pids: print(*pids.values(), flush=True), grace=10.0)
    supervisor.handle_signals()
    try:
        for name in ("one", "two"):
            script = "trap 'echo " + name + " ends; exit' TERM; echo ready; while :; do sleep 0.05; done"
            supervisor.start(ChildSpec(name, ("sh", "-c", script), {"PATH": sys.argv[2]}, folder))
        if sys.argv[3:]:
            supervisor.start(ChildSpec("deaf", ("sleep", "3600"), {"PATH": sys.argv[2]}, folder, "http://127.0.0.1:1/"))
            supervisor.wait_ready("deaf", 3600)
        supervisor.wait()
    except Stopped:
        print("stopped while waiting", flush=True)
    finally:
        supervisor.stop()
"""


def _supervising(folder: Path, *arguments: str) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """A program that supervises, and its children once all of them run."""
    argv = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(folder), os.environ["PATH"], *arguments]
    program = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert program.stdout is not None
    wanted = 2 + len(arguments)
    pids = next(line.split() for line in program.stdout if len(line.split()) == wanted)
    children = [psutil.Process(int(pid)) for pid in pids]
    log = folder / "children.log"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not log.exists() or log.read_text().count("ready") < 2:  # until then a signal would meet no trap
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return program, children


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a child with its parent")
def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    program, children = _supervising(tmp_path)
    program.kill()
    program.communicate()
    for child in children:
        assert_gone(child)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_children_in_order(tmp_path: Path, number: int) -> None:
    program, children = _supervising(tmp_path)
    program.send_signal(number)
    program.communicate(timeout=PATIENCE_SECONDS)
    assert program.returncode == 0
    assert not any(child.is_running() for child in children)
    log = (tmp_path / "children.log").read_text()
    assert log.index("two ends") < log.index("one ends")


def test_a_signal_ends_the_wait_for_a_child_too(tmp_path: Path) -> None:
    program, children = _supervising(tmp_path, "deaf")
    program.send_signal(signal.SIGTERM)
    output, _ = program.communicate(timeout=PATIENCE_SECONDS)
    assert "stopped while waiting" in output
    assert not any(child.is_running() for child in children)


# --- the log ---------------------------------------------------------------------------------------------------------


def test_the_log_has_a_column_of_names_and_the_terminal_only_what_is_loud(watched: Watched) -> None:
    lines = [
        "2026-11-23T22:55:01.123Z INFO    hub quiet",
        "2026-11-23T22:55:02.123Z WARNING hub loud",
        '{"level": "ERROR", "n": 1}',
        '{"level": "info"}',
        "Azurite is up",
    ]
    watched.shell("hub", f"printf '%s\\n' {' '.join(repr(line) for line in lines)} end; {FOREVER}")
    watched.log_line(" end")
    written = watched.log().splitlines()
    assert written[:4] == [f"hub      {lines[0]}", f"hub      {lines[1]}", lines[2], lines[3]]
    name, at, text = written[4].split(maxsplit=2)
    assert (name, at[-1], text) == ("hub", "Z", "Azurite is up")
    assert json.loads(written[2]) == {"level": "ERROR", "n": 1}
    assert watched.terminal.getvalue().splitlines() == [f"hub      {lines[1]}", lines[2]]


@pytest.mark.parametrize(
    ("lines", "loud"),
    [
        (["INFO fine", "WARNING bad", "INFO fine"], [False, True, False]),
        (["ERROR bad", "  at line 7", "ValueError: it", "next"], [True, True, True, False]),
        (
            ["Traceback (most recent call last):", '  File "x"', "app.errors.Missing: it", "next"],
            [True, True, False, False],
        ),
        (["Traceback (most recent call last):", '  File "x"', "KeyError: 'it'", "next"], [True, True, True, False]),
        (["  indented", "INFO an ERROR far away"], [False, False]),
        (["2026-01-01 22:55:01,123 - tool - CRITICAL - x"], [True]),
        ([" " * 100 + "ERROR"], [False]),
        (['{"level": "warning"}', "{not json ERROR}"], [True, True]),
    ],
)
def test_what_is_loud(lines: list[str], loud: list[bool]) -> None:
    voice = Voice()
    assert [voice.is_loud(line) for line in lines] == loud


def test_lines_of_many_threads_stay_whole(tmp_path: Path) -> None:
    log = ChildLog(tmp_path, io.StringIO())

    def write(name: str) -> None:
        for number in range(200):
            log.write(name, f"{name * 50} {number}", loud=False)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    lines = log.path.read_text().splitlines()
    assert len(lines) == 600
    assert all(line.split()[2] == line[0] * 50 for line in lines)
