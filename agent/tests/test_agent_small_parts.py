"""The agent's small parts: its own log, waits, threads, slots, what it reads from the hub."""

from __future__ import annotations

import io
import itertools
import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from agent_testing.fake_hub import a_task
from hypothesis import given
from hypothesis import strategies as st
from nexomatic_agent import console
from nexomatic_agent.answers import Transient
from nexomatic_agent.attempt import BadAttempt, read_attempt
from nexomatic_agent.capabilities import Capabilities
from nexomatic_agent.crew import Crew
from nexomatic_agent.environment import variable_name
from nexomatic_agent.holdings import Holdings
from nexomatic_agent.hub_watch import HubWatch
from nexomatic_agent.interpreter import BadInterpreter, find_interpreter
from nexomatic_agent.launch import Launcher
from nexomatic_agent.modules import Modules
from nexomatic_agent.retry import Backoff
from nexomatic_agent.strict_json import NotStrict, read_strict
from nexomatic_agent.timer import Timer

# --- its own log


@pytest.fixture
def log_lines() -> Any:
    """The agent's log as it goes to standard error."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    console.configure("DEBUG", stream)
    yield lambda: stream.getvalue().splitlines()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_record_is_one_line_whatever_it_holds(log_lines: Any) -> None:
    logging.getLogger("nexomatic_agent.polling").warning("a\nb\x1b[31m %s", "c\r\u2028d")
    (line,) = log_lines()
    assert line.endswith(r"Z WARNING polling: a\nb\x1b[31m c\r\u2028d")


def test_an_exception_is_one_sentence(log_lines: Any) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("x").exception("failed")
    (line,) = log_lines()
    assert r"failed (ValueError: two\nlines at " in line


def watched(lines: list[str]) -> list[str]:
    """What the log says of the hub, without the times."""
    return [line.split("Z ", 1)[1].replace(" hub_watch:", "") for line in lines if " DEBUG " not in line]


def failure(kind: str) -> Transient:
    return Transient(f"{kind} with other words each time: {next(COUNT)}", kind)


COUNT = itertools.count()


def test_the_hub_is_said_to_be_away_once_and_back_once(log_lines: Any) -> None:
    watch = HubWatch("poll", iter([1.0, 8.0]).__next__)
    watch.succeeded()
    for kind in ("refused", "refused", "reset", "refused", "reset"):
        watch.failed(failure(kind))
    watch.succeeded()
    watch.succeeded()
    said = watched(log_lines())
    assert [line.split(" with")[0] for line in said] == [
        "WARNING poll: no success: refused",
        "WARNING poll: no success: reset",
        "INFO poll: the hub answers again, after 7 s",
    ]


def test_while_the_hub_answers_one_call_and_not_another_it_is_not_away_and_back_each_time(log_lines: Any) -> None:
    watch = HubWatch("calls", lambda: 0.0)
    for _ in range(5):
        watch.failed(failure("503"), "a")
        watch.succeeded("b")
        watch.failed(failure("503"), "b")
    watch.succeeded("a", "c")
    assert len(watched(log_lines())) == 1
    watch.succeeded("b")
    assert watched(log_lines())[1:] == ["INFO calls: the hub answers again, after 0 s"]


def test_an_outage_of_many_kinds_is_not_a_flood(log_lines: Any) -> None:
    watch = HubWatch("calls", lambda: 0.0)
    for number in range(100):
        watch.failed(failure(str(number)))
    assert len(watched(log_lines())) == 5


# --- waiting


@given(draw=st.floats(0, 1), failures=st.integers(1, 200))
def test_waits_grow_to_their_limit_and_start_over(draw: float, failures: int) -> None:
    backoff = Backoff(lambda: draw, first_seconds=1.0, most_seconds=30.0)
    waits = [backoff.failed() for _ in range(failures)]
    assert waits == sorted(waits)
    assert all(0.75 <= wait <= 30.0 for wait in waits)
    backoff.succeeded()
    assert backoff.failed() <= 1.0


def test_the_timer_calls_in_order_and_survives_a_mistake(log_lines: Any) -> None:
    called: list[str] = []
    done = threading.Event()
    timer = Timer(clock=lambda: 100.0)
    ready = threading.Event()
    timer.at(1.0, ready.wait)  # type: ignore[arg-type]  # holds the thread until all are in
    timer.at(5.0, done.set)
    timer.at(3.0, lambda: called.append("second"))
    timer.at(2.0, lambda: called.append("first"))
    timer.at(4.0, lambda: [][0])
    ready.set()
    assert done.wait(60)
    assert called == ["first", "second"]
    assert any("a timed step failed" in line for line in log_lines())


def test_the_timer_waits_for_what_is_not_due() -> None:
    now = [0.0]
    timer, called = Timer(clock=lambda: now[0]), threading.Event()
    timer.at(0.001, called.set)
    now[0] = 1.0
    timer.at(0.5, lambda: None)
    assert called.wait(60)


def test_the_crew_runs_everything_on_a_bounded_number_of_threads() -> None:
    crew, lock, done = Crew(most=3), threading.Lock(), threading.Semaphore(0)
    names: set[str] = set()
    barrier = threading.Barrier(3)

    def job(number: int) -> None:
        if number < 3:
            barrier.wait(60)  # three at once, or never
        with lock:
            names.add(threading.current_thread().name + str(threading.get_ident()))
        done.release()
        if number == 3:
            raise ZeroDivisionError

    for number in range(20):
        crew.submit(lambda number=number: job(number))  # type: ignore[misc]
    for _ in range(20):
        assert done.acquire(timeout=60)
    assert len(names) == 3


def no_thread(self: threading.Thread) -> None:
    """What a machine does on which a task has started threads until there was no room for another."""
    raise RuntimeError("can't start new thread")


def test_without_a_thread_to_be_had_the_crew_does_its_work_on_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    crew, done = Crew(most=3), []
    crew.submit(lambda: done.append(threading.get_ident()))
    crew.submit(lambda: done.append(threading.get_ident()))
    assert done == [threading.get_ident()] * 2
    monkeypatch.undo()
    later = threading.Event()
    crew.submit(later.set)
    assert later.wait(60)


# --- slots


def test_a_paused_agent_offers_no_slot_until_the_pause_is_over() -> None:
    now = [0.0]
    holdings = Holdings(3, clock=lambda: now[0])
    assert holdings.free == 3
    holdings.pause(30.0)
    assert holdings.free == 0
    now[0] = 30.0
    assert holdings.free == 3
    assert holdings.wait_empty(0)


# --- what the hub hands out


def test_an_attempt_is_read_and_unknown_fields_are_left_aside() -> None:
    parameters = [{"name": "a", "value": [1]}, {"name": "b", "secret": "s"}, {"name": "c", "value": None}]
    attempt = read_attempt({**a_task(parameters=parameters, warning_codes=[3]), "colour": "blue"})
    assert (attempt.parameters, attempt.secrets) == ({"a": [1], "c": None}, {"b": "s"})
    assert attempt.warning_codes == {3}
    assert attempt.key == f"{attempt.event_id}-1"
    assert "lease-token" not in repr(attempt)


@pytest.mark.parametrize(
    "wrong",
    [
        {"event_id": "../../etc"},
        {"event_id": ""},
        {"event_id": None},
        {"token": 7},
        {"attempt": "1"},
        {"attempt": True},
        {"lease_seconds": -1},
        {"lease_seconds": float("nan")},
        {"confirm": 1},
        {"parameters": {}},
        {"parameters": [{"value": 1}]},
        {"parameters": ["a"]},
        {"warning_codes": None},
        {"timeout_seconds": None},
    ],
)
def test_what_cannot_be_read_is_refused_by_name(wrong: dict[str, Any]) -> None:
    (field,) = wrong
    with pytest.raises(BadAttempt, match=field):
        read_attempt({**a_task(), **wrong})


@pytest.mark.parametrize("task", [None, [], "task", {}])
def test_what_is_no_task_at_all_is_refused(task: Any) -> None:
    with pytest.raises(BadAttempt):
        read_attempt(task)


@pytest.mark.parametrize(
    ("name", "variable"), [("path", "PATH"), ("disk-path", "DISK_PATH"), ("a.b:c", "A_B_C"), ("größe", "GR_SSE")]
)
def test_parameters_become_variables(name: str, variable: str) -> None:
    assert variable_name(name) == f"NEXOMATIC_PARAM_{variable}"


# --- JSON as the hub takes it

NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(value=VALUES)
def test_what_json_holds_is_read_as_it_was(value: Any) -> None:
    assert read_strict(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "content",
    [
        b"NaN", b"[Infinity]", b"-Infinity", b"18446744073709551616", b"-9223372036854775809", b"1" * 5000, b"1e999",
        b'{"a": 1, "a": 1}', b'"\\ud800"', b'{"\\udfff": 1}', b"[" * 65 + b"]" * 65, b"[" * 100_000, b"\xff", b"", b"{",
        b"1 2", b"'a'",
    ],
)  # fmt: skip
def test_what_the_hub_would_refuse_is_refused(content: bytes) -> None:
    with pytest.raises(NotStrict):
        read_strict(content)


def test_a_name_that_is_there_twice_among_many_is_found_at_once() -> None:
    """Were each looked up among all others, this would take hours, and the agent would do nothing else."""
    names = ",".join(f'"{number}":0' for number in range(300_000))
    with pytest.raises(NotStrict, match="'299999' is there twice"):
        read_strict(f'{{{names},"299999":0}}'.encode())


def test_the_limits_themselves_are_fine() -> None:
    assert read_strict(b"\xef\xbb\xbf18446744073709551615") == 2**64 - 1
    assert read_strict(b"[" * 64 + b"]" * 64)


# --- what the machine has


def test_capabilities_are_news_until_heard_and_when_a_module_comes(tmp_path: Path) -> None:
    (tmp_path / "one.py").touch()
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "_private.py").touch()
    interpreter = find_interpreter(None)
    modules = Modules((tmp_path, tmp_path / "absent"), interpreter.sites)
    capabilities = Capabilities(Launcher(modules, interpreter), modules.folders)
    first = capabilities.news()
    assert first is not None
    assert first["modules"] == ["one", "package"]
    assert {"python", "shell", "exec"} <= set(first["runtimes"])
    assert capabilities.news() == first
    capabilities.heard(first)
    assert capabilities.news() is None
    (tmp_path / "two.sh").touch()
    later = capabilities.news()
    assert later is not None
    assert later["modules"] == ["one", "package", "two.sh"]


def test_capabilities_asked_for_twice_at_once_are_whole_both_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = find_interpreter(None)
    modules = Modules((tmp_path,), interpreter.sites)
    capabilities = Capabilities(Launcher(modules, interpreter), modules.folders)
    runtimes, meanwhile = Launcher.runtimes, []

    def slow(launcher: Launcher) -> list[str]:
        monkeypatch.undo()
        meanwhile.append(capabilities.news())
        return runtimes(launcher)

    monkeypatch.setattr(Launcher, "runtimes", slow)
    assert capabilities.news() == meanwhile[0]


@pytest.mark.parametrize(
    "content", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\necho hello\n", "#!/bin/sh\necho '[\"/x\", [], [3, 6]]'\n"]
)
def test_an_interpreter_that_will_not_do_is_named(tmp_path: Path, content: str) -> None:
    program = tmp_path / "python"
    program.write_text(content)
    program.chmod(0o755)
    with pytest.raises(BadInterpreter, match="python: "):
        find_interpreter(program)
