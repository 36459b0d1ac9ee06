"""The contract with modules, through real child processes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Optional

import pytest
from agent_testing.fake_hub import a_task
from agent_testing.waiting import is_alive, read_pid, wait_until
from nexomatic_agent import runner
from nexomatic_agent.attempt import read_attempt
from nexomatic_agent.attempt_log import AttemptLog, LogLimits
from nexomatic_agent.intents import StopReason, TaskResult
from nexomatic_agent.interpreter import Interpreter, find_interpreter
from nexomatic_agent.launch import Launcher
from nexomatic_agent.masking import Masker
from nexomatic_agent.modules import Modules
from nexomatic_agent.runner import Job, Runner, RunnerSettings
from nexomatic_agent.stopping import Stopper

ENOUGH_SECONDS = 60.0
"""For a task that ends when it is asked to, on whatever machine."""


class Desk:
    """Runs tasks one after the other and keeps their logs."""

    def __init__(
        self,
        folder: Path,
        modules: Path,
        inherited: Optional[Mapping[str, str]] = None,
        grace_seconds: float = ENOUGH_SECONDS,
    ) -> None:
        interpreter = find_interpreter(None)
        self.folder = folder
        self.log = AttemptLog(LogLimits())
        self.stopper = Stopper(grace_seconds, self._later)
        self.on_start: Callable[[Mapping[str, Any]], None] = lambda _: None
        settings = RunnerSettings(dict(inherited if inherited is not None else os.environ), ("PASSED_ON",), 100_000)
        self._runner = Runner(Launcher(Modules((modules,), interpreter.sites), interpreter), settings)

    @staticmethod
    def _later(seconds: float, callback: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, callback)
        timer.daemon = True
        timer.start()

    def run(self, module: str, runtime: str = "python", **task: Any) -> TaskResult:
        """Run one task to its end. `params` are fixed values, `secrets` values of secrets, by parameter."""
        secrets: dict[str, str] = task.pop("secrets", {})
        parameters = [{"name": name, "value": value} for name, value in task.pop("params", {}).items()]
        parameters += [{"name": name, "secret": f"secret-of-{name}"} for name in (*secrets, *task.pop("withheld", ()))]
        attempt = read_attempt(a_task(module=module, runtime=runtime, parameters=parameters, **task))
        masker = Masker(secrets.values())
        self.log = AttemptLog(LogLimits(), masker)
        work = self.folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        job = Job(attempt, work, f"mark-of-this-test-{os.getpid()}", self.log, secrets, masker)
        return self._runner.run(job, self.stopper, self.on_start, lambda: None)

    def lines(self) -> list[tuple[str, str, str]]:
        rest = [line for chunk in self.log.rest() for line in chunk["lines"]]
        return [(line["stream"], line["level"], line["text"]) for line in rest]

    def texts(self) -> list[str]:
        return [text for _, _, text in self.lines()]


@pytest.fixture
def desk(tmp_path: Path, modules: Path) -> Desk:
    return Desk(tmp_path, modules)


# --- what a Python function is given, and what becomes of what it returns


def test_a_function_gets_payload_parameters_and_context(desk: Desk) -> None:
    payload, params = {"a": [1, None, "ä"]}, {"path": "/var", "deep": {"x": 1.5}}
    result = desk.run("sample:echo", payload=payload, params=params, traceparent="00-1-2-01")
    assert (result.state, result.code, result.message) == ("SUCCESS", None, None)
    assert result.data["payload"] == payload
    assert result.data["params"] == params
    context = result.data["context"]
    assert (context["event_type"], context["attempt"], context["source"]) == ("DISK_CLEANUP", 1, "hook")
    assert (context["traceparent"], context["timeout_seconds"]) == ("00-1-2-01", 300.0)
    assert context["work_folder"] == result.data["folder"] == str(desk.folder / "work")
    assert desk.lines() == [("stdout", "INFO", "hello")]


def test_the_environment_is_the_declared_one_and_nothing_else(tmp_path: Path, modules: Path) -> None:
    inherited = {**os.environ, "NEXOMATIC_AGENT_TOKEN": "not for tasks", "PASSED_ON": "yes", "OTHER": "no"}
    result = Desk(tmp_path, modules, inherited).run(
        "sample:echo", params={"disk-path": "/x", "n": 3}, traceparent="00-1-2-01"
    )
    environment = result.data["environment"]
    assert environment["NEXOMATIC_PARAM_DISK_PATH"] == "/x"
    assert environment["NEXOMATIC_PARAM_N"] == "3"
    assert environment["TRACEPARENT"] == "00-1-2-01"
    assert environment["PASSED_ON"] == "yes"
    assert environment["TMPDIR"] == str(tmp_path / "work")
    allowed = {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "TRACEPARENT", "PASSED_ON"}
    assert {name for name in environment if not name.startswith("NEXOMATIC_")} <= allowed
    assert "NEXOMATIC_AGENT_TOKEN" not in environment


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("sample:nothing", TaskResult("SUCCESS")),
        ("sample:warn", TaskResult("WARNING", "ODD", "look at this", {"left": 3})),
        ("sample:odd", TaskResult("ERROR", "Odd", "Odd")),
        ("sample:missing", TaskResult("ERROR", "MODULE_NOT_FOUND", "the module sample has no function missing")),
        ("sample:Path", TaskResult("ERROR", "TypeError", "unsupported operand")),
    ],
)
def test_what_a_function_does_becomes_the_result(desk: Desk, module: str, expected: TaskResult) -> None:
    result = desk.run(module)
    if module == "sample:Path":  # any callable is called; its error is its own
        assert (result.state, result.code) == ("ERROR", "TypeError")
    else:
        assert result == expected


def test_an_exception_is_an_error_with_its_traceback_in_the_log(desk: Desk) -> None:
    result = desk.run("sample:fail")
    assert result == TaskResult("ERROR", "ValueError", "no such thing")
    texts = desk.texts()
    assert texts[:2] == ["about to fail", "Traceback (most recent call last):"]
    assert texts[-1] == "ValueError: no such thing"
    assert "_nexomatic_child" not in "".join(texts), "the traceback begins in the module's own code"
    assert {level for stream, level, _ in desk.lines() if stream == "stderr"} == {"ERROR"}


def test_an_import_error_inside_the_module_is_its_own(desk: Desk) -> None:
    result = desk.run("broken:run")
    assert (result.state, result.code) == ("ERROR", "ModuleNotFoundError")
    assert "there_is_no_such_module" in (result.message or "")


@pytest.mark.parametrize("module", ["sample:unreadable", "sample:infinite", "sample:surrogate"])
def test_a_result_json_cannot_hold_is_an_error(desk: Desk, module: str) -> None:
    result = desk.run(module)
    assert (result.state, result.code) == ("ERROR", "RESULT_NOT_JSON")
    assert result.message


@pytest.mark.parametrize(
    ("code", "state", "name"), [(0, "SUCCESS", None), (3, "ERROR", "EXIT_3"), (4, "WARNING", "EXIT_4")]
)
def test_sys_exit_is_an_exit_code(desk: Desk, code: int, state: str, name: Optional[str]) -> None:
    result = desk.run("sample:leave", payload={"code": code}, warning_codes=[4])
    assert (result.state, result.code) == (state, name)


def test_both_streams_and_logging_keep_their_order(desk: Desk) -> None:
    desk.run("sample:mixed")
    expected: list[tuple[str, str, str]] = []
    for number in range(50):
        expected += [
            ("stdout", "INFO", f"out {number}"),
            ("stderr", "ERROR", f"err {number}"),
            ("stderr", "WARNING", f"log {number}"),
            ("stderr", "WARNING", "and more"),
        ]
    assert desk.lines() == [*expected, ("stdout", "INFO", "no end of line")]


def test_logging_keeps_its_level_from_info_on(desk: Desk) -> None:
    desk.run("sample:levels")
    assert [(level, text) for _, level, text in desk.lines()] == [
        (level.upper(), level) for level in ("info", "warning", "error", "critical")
    ]


def test_site_packages_can_be_imported_although_the_start_leaves_them_out(desk: Desk) -> None:
    import requests

    assert desk.run("sample:requests_version").data == requests.__version__


def test_a_module_may_read_its_input_from_standard_input(desk: Desk) -> None:
    document = json.loads(desk.run("sample:standard_input", payload={"x": 1}).data)
    assert document["payload"] == {"x": 1}
    assert document["event"]["event_type"] == "DISK_CLEANUP"


def test_a_large_payload_arrives_whole(desk: Desk) -> None:
    payload = ["x" * 1000] * 3000
    result = desk.run("sample:standard_input", payload=payload)
    assert result.code == "RESULT_NOT_JSON"
    assert "larger than" in (result.message or "")
    assert desk.run("sample:nothing", payload=payload).state == "SUCCESS"


# --- other runtimes


def test_a_shell_script_ends_by_exit_code_with_its_last_lines(desk: Desk) -> None:
    result = desk.run("plain.sh", "shell", params={"code": 5})
    assert (result.state, result.code) == ("ERROR", "EXIT_5")
    assert sorted((result.message or "").split("\n")) == ["err", "out"]
    assert sorted(desk.lines()) == [("stderr", "ERROR", "err"), ("stdout", "INFO", "out")]


def test_a_warning_code_is_a_warning(desk: Desk) -> None:
    assert desk.run("plain.sh", "shell", params={"code": 5}, warning_codes=[5]).state == "WARNING"


def test_the_result_file_counts_more_than_the_exit_code(desk: Desk) -> None:
    assert desk.run("result.sh", "shell") == TaskResult("WARNING", "FROM_FILE", "m", [1])


def test_an_executable_runs_by_itself(desk: Desk) -> None:
    assert desk.run("result.sh", "exec") == TaskResult("WARNING", "FROM_FILE", "m", [1])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("[]", "an object"),
        ('{"state": "DONE"}', "not one of SUCCESS, WARNING, ERROR"),
        ('{"state": "SUCCESS", "stat": 1}', "not stat"),
        ('{"state": "SUCCESS", "code": 7}', "a code that is not a string"),
        ('{"data": NaN}', "NaN"),
        ('{"data": 99999999999999999999}', "64 bit"),
        ('{"data": 1, "data": 2}', "twice"),
        ('{"data": "\\ud800"}', "surrogate"),
        ('{"data": ' + "[" * 70 + "]" * 70 + "}", "64 levels"),
        ('{"data": "' + "x" * 200_000 + '"}', "larger than 100000 bytes"),
    ],
)
def test_a_bad_result_file_is_an_error_that_says_why(desk: Desk, tmp_path: Path, content: str, words: str) -> None:
    source = tmp_path / "content"
    source.write_text(content)
    script = tmp_path / "modules" / "write.sh"
    script.parent.mkdir()
    script.write_text(f'cp "{source}" "$NEXOMATIC_RESULT"\n')
    result = Desk(tmp_path, script.parent).run("write.sh", "shell")
    assert (result.state, result.code) == ("ERROR", "BAD_RESULT")
    assert words in (result.message or "")


@pytest.mark.parametrize(
    "put", ['mkfifo "$NEXOMATIC_RESULT"', 'mkdir "$NEXOMATIC_RESULT"', 'ln -s /etc/passwd "$NEXOMATIC_RESULT"']
)
def test_what_is_no_plain_result_file_is_not_read(tmp_path: Path, put: str) -> None:
    (tmp_path / "put.sh").write_text(put)
    assert Desk(tmp_path, tmp_path).run("put.sh", "shell").code == "BAD_RESULT"


def test_a_result_without_a_state_takes_it_from_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "data.sh").write_text('echo \'{"data": {"n": 1}}\' > "$NEXOMATIC_RESULT"; exit 2')
    result = Desk(tmp_path, tmp_path).run("data.sh", "shell")
    assert (result.state, result.code, result.data) == ("ERROR", "EXIT_2", {"n": 1})


def test_death_by_signal_is_named(tmp_path: Path) -> None:
    (tmp_path / "die.sh").write_text("kill -SEGV $$")
    assert Desk(tmp_path, tmp_path).run("die.sh", "shell").code == "SIGNAL_SEGV"


@pytest.mark.parametrize(
    ("runtime", "module", "code"),
    [
        ("python", "nowhere:run", "MODULE_NOT_FOUND"),
        ("python", "nowhere.deep:run", "MODULE_NOT_FOUND"),
        ("python", "sample", "MODULE_NOT_FOUND"),
        ("python", "../sample:run", "MODULE_NOT_FOUND"),
        ("shell", "nowhere.sh", "MODULE_NOT_FOUND"),
        ("shell", "../conftest.py", "MODULE_NOT_FOUND"),
        ("exec", "/bin/true", "MODULE_NOT_FOUND"),
        ("exec", "sample.py", "START_FAILED"),
        ("cobol", "sample", "RUNTIME_MISSING"),
    ],
)
def test_what_cannot_run_is_an_error_in_words_and_starts_nothing(
    desk: Desk, runtime: str, module: str, code: str
) -> None:
    result = desk.run(module, runtime)
    assert (result.state, result.code) == ("ERROR", code)
    assert result.message
    assert desk.lines() == []


@pytest.mark.skipif(shutil.which("pwsh") is not None, reason="this machine has PowerShell")
def test_a_missing_powershell_is_named(desk: Desk) -> None:
    result = desk.run("plain.sh", "powershell")
    assert (result.code, result.message) == ("RUNTIME_MISSING", "this machine has no pwsh on its PATH")


def test_bundles_and_secrets_that_are_not_there_are_named(desk: Desk) -> None:
    assert desk.run("sample:nothing", bundle="tools@1").code == "BUNDLE_UNAVAILABLE"
    result = desk.run("sample:nothing", withheld=["token"])
    assert (result.code, result.message) == (
        "SECRET_UNAVAILABLE",
        "this agent was not given the secrets secret-of-token",
    )


# --- secrets


def test_secrets_reach_the_task_but_neither_disk_nor_log_nor_result(tmp_path: Path) -> None:
    (tmp_path / "leaky.sh").write_text(
        'echo "env $NEXOMATIC_PARAM_TOKEN"; cat; echo; cat "$NEXOMATIC_INPUT"\n'
        'printf "%s" "$NEXOMATIC_PARAM_TOKEN" | base64 >&2\n'
        'echo "{\\"state\\": \\"ERROR\\", \\"message\\": \\"bad $NEXOMATIC_PARAM_TOKEN\\", \\"data\\": [\\"$NEXOMATIC_PARAM_TOKEN\\"]}" > "$NEXOMATIC_RESULT"\n'  # noqa: E501
    )
    desk = Desk(tmp_path, tmp_path)
    result = desk.run("leaky.sh", "shell", secrets={"token": "hunter22-and-more"}, params={"plain": "x"})
    assert result == TaskResult("ERROR", None, "bad ***", ["***"])
    output = "\n".join(desk.texts())
    assert "hunter22" not in output
    assert "aHVudGVyMjI" not in output
    assert "env ***" in output
    assert '"token":"***"' in output, "standard input held the value"
    assert '"token":null' in output, "the file holds null"
    assert "hunter22" not in (tmp_path / "work" / "input.json").read_text()


# --- stopping


@pytest.mark.parametrize("reason", StopReason)
def test_a_stopped_python_task_runs_its_finally(desk: Desk, reason: StopReason, tmp_path: Path) -> None:
    def stop_once_it_runs() -> None:
        read_pid(tmp_path / "pid-1")
        desk.stopper.stop(reason)

    threading.Thread(target=stop_once_it_runs).start()
    result = desk.run("sample:wait", payload={"folder": str(tmp_path)})
    assert result.code == ("TIMEOUT" if reason is StopReason.TIMEOUT else "STOPPED")
    assert (tmp_path / "finally").exists()


def test_a_task_stopped_before_its_start_does_not_start(desk: Desk, tmp_path: Path) -> None:
    desk.stopper.stop(StopReason.HAND_BACK)
    assert desk.run("sample:wait", payload={"folder": str(tmp_path)}).code == "STOPPED"
    assert not (tmp_path / "pid-1").exists()


def test_a_task_that_ignores_the_interruption_is_killed_and_its_message_says_so(tmp_path: Path) -> None:
    (tmp_path / "deaf.sh").write_text(
        "trap '' TERM; echo $$ > pid; echo waiting for the disk; while :; do sleep 1; done"
    )
    desk = Desk(tmp_path, tmp_path, grace_seconds=0.2)

    def stop_once_it_runs() -> None:
        read_pid(tmp_path / "work" / "pid")
        wait_until(lambda: desk.texts() == ["waiting for the disk"], "its line")
        desk.stopper.stop(StopReason.TIMEOUT)

    threading.Thread(target=stop_once_it_runs).start()
    result = desk.run("deaf.sh", "shell", timeout_seconds=7)
    assert result.message == (
        "the task was stopped after 7 s; it went on when it was interrupted, and was killed; before, it wrote:\n"
        "waiting for the disk"
    )


def test_a_task_that_has_stopped_itself_is_woken_to_be_interrupted(tmp_path: Path) -> None:
    (tmp_path / "nap.sh").write_text("trap 'echo cleaned up; exit 1' TERM; echo $$ > pid; kill -STOP $$")
    desk = Desk(tmp_path, tmp_path)

    def stop_once_it_sleeps() -> None:
        pid = read_pid(tmp_path / "work" / "pid")
        wait_until(lambda: ") T " in Path(f"/proc/{pid}/stat").read_text(), "its nap")
        desk.stopper.stop(StopReason.TIMEOUT)

    threading.Thread(target=stop_once_it_sleeps).start()
    result = desk.run("nap.sh", "shell")
    assert result.code == "TIMEOUT"
    assert desk.texts() == ["cleaned up"]


# --- what the agent cannot reach, and what it cannot do


def test_a_hidden_process_that_holds_only_one_of_the_outputs_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "DRAINED_SECONDS", 0.2)
    hides = "env -i setsid sh -c 'echo $$ > pid; exec sleep 1000' > /dev/null &"
    (tmp_path / "hold.sh").write_text(f"{hides}\nwhile [ ! -s pid ]; do sleep 0.01; done")
    result = Desk(tmp_path, tmp_path).run("hold.sh", "shell")
    assert result.state == "SUCCESS"
    pid = read_pid(tmp_path / "work" / "pid")
    wait_until(lambda: not is_alive(pid), "the end of the process")


def test_a_large_input_that_nobody_reads_holds_up_nothing(tmp_path: Path) -> None:
    """Else the agent would wait to write it, and with it the task's end, for as long as a daemon holds the pipe."""
    (tmp_path / "leaves.sh").write_text("exec 3<&0; sleep 1000 & echo $! > pid; echo ended")
    desk = Desk(tmp_path, tmp_path)
    assert desk.run("leaves.sh", "shell", payload="x" * 3_000_000).state == "SUCCESS"
    assert desk.texts() == ["ended"]
    assert not is_alive(read_pid(tmp_path / "work" / "pid"))


def test_output_that_never_ends_is_given_up_with_a_line_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "DRAINED_SECONDS", 0.1)
    (tmp_path / "short.sh").write_text("read line; echo short")
    desk = Desk(tmp_path, tmp_path)
    holders: list[Any] = []
    # This process itself, which the agent's own is in this test, and which it never kills.
    desk.on_start = lambda process: holders.append(open(f"/proc/{process['pid']}/fd/1", "wb", buffering=0))  # noqa: SIM115, PTH123
    assert desk.run("short.sh", "shell").state == "SUCCESS"
    assert desk.texts()[-1] == "[the rest of the output is not read: a process that cannot be killed holds it]"
    with holders[0] as holder, contextlib.suppress(BrokenPipeError):
        while True:
            holder.write(b"too late\n")
            time.sleep(0.001)
    assert "too late" not in desk.texts()


def test_when_the_agent_fails_its_task_is_not_left_running(desk: Desk, tmp_path: Path) -> None:
    pids: list[int] = []

    def fail(process: Mapping[str, Any]) -> None:
        pids.append(int(process["pid"]))
        raise RuntimeError("can't start new thread")

    desk.on_start = fail
    with pytest.raises(RuntimeError, match="can't start"):
        desk.run("sample:wait", payload={"folder": str(tmp_path)})
    assert not is_alive(pids[0])


# --- speed


def test_much_output_is_read_and_counted(tmp_path: Path) -> None:
    (tmp_path / "flood.sh").write_text("yes 'a line of forty-nine characters and its line end' | head -n 1000000\n")
    desk = Desk(tmp_path, tmp_path)
    assert desk.run("flood.sh", "shell").state == "SUCCESS"
    assert desk.texts()[-1] == "[log cut: the task wrote 1000000 lines, 49000000 bytes in all]"


def test_the_child_imports_next_to_nothing_before_the_module(tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text(
        "import sys\nloaded = sorted(sys.modules)\ndef run(payload, params, context):\n    return loaded\n"
    )
    loaded = set(Desk(tmp_path, tmp_path).run("bare:run").data)
    assert {"_nexomatic_child", "nexomatic"} <= loaded
    slow = {
        "json",
        "re",
        "enum",
        "typing",
        "dataclasses",
        "logging",
        "inspect",
        "subprocess",
        "os",
        "site",
        "traceback",
    }
    assert loaded & slow == set()


def test_a_shim_is_seen_through(tmp_path: Path) -> None:
    shim = tmp_path / "python"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    shim.chmod(0o755)
    assert (
        find_interpreter(shim)
        == find_interpreter(None)
        == Interpreter(os.path.realpath(sys.executable), find_interpreter(None).sites)
    )


def test_output_appears_while_the_task_runs(desk: Desk, tmp_path: Path) -> None:
    thread = threading.Thread(
        target=desk.run, args=("sample:say_and_wait",), kwargs={"payload": {"folder": str(tmp_path)}}
    )
    thread.start()
    wait_until(lambda: desk.texts() == ["still here"], "the line")
    (tmp_path / "go").touch()
    thread.join()
