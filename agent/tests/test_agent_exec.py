"""`nexomatic-agent exec`: a task through the real child, without a hub."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from agent_testing.process import AGENT_FOLDER
from agent_testing.waiting import is_alive, read_pid

pytestmark = pytest.mark.processes


def command(modules: Path, *arguments: str, temporary: Path = Path("/tmp"), **options: Any) -> subprocess.Popen[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(modules), "PYTHONPATH": str(AGENT_FOLDER)}
    environment["TMPDIR"] = str(temporary)
    line = [sys.executable, "-m", "nexomatic_agent", "exec", "--modules", str(modules), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(line, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True, **options)


def run(modules: Path, *arguments: str, given: str = "", **options: Any) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    with command(modules, *arguments, **options) as process:
        out, err = process.communicate(given, timeout=60)
        return process.returncode, out, err


def test_it_shows_the_log_and_prints_the_result(modules: Path) -> None:
    parameters = ("--param", "path=/var/tmp", "--param", "days:=7")
    code, out, err = run(modules, "sample:echo", "--payload", "-", *parameters, given='{"a": "ä"}')
    result = json.loads(out)
    assert (code, result["state"]) == (0, "SUCCESS")
    assert result["data"]["payload"] == {"a": "ä"}
    assert result["data"]["params"] == {"path": "/var/tmp", "days": 7}
    assert err.splitlines()[0].endswith(" stdout INFO    hello")
    assert not Path(result["data"]["folder"]).exists(), "the work folder is removed"


@pytest.mark.parametrize(
    ("arguments", "code", "result_code"),
    [
        (("sample:warn",), 3, "ODD"),
        (("sample:fail",), 1, "ValueError"),
        (("nowhere:run",), 1, "MODULE_NOT_FOUND"),
        (("plain.sh", "--runtime", "shell", "--param", "code=7"), 1, "EXIT_7"),
        (("plain.sh", "--runtime", "shell", "--param", "code=7", "--warning-codes", "6,7"), 3, "EXIT_7"),
    ],
)
def test_the_exit_code_tells_the_state(modules: Path, arguments: tuple[str, ...], code: int, result_code: str) -> None:
    exit_code, out, _ = run(modules, *arguments)
    assert (exit_code, json.loads(out)["code"]) == (code, result_code)


def test_the_work_folder_is_removed_however_deep_it_is(modules: Path, tmp_path: Path) -> None:
    payload = tmp_path / "payload.json"
    payload.write_text('{"levels": 1200}')
    code, out, err = run(modules, "nasty_folder:deep", "--payload", str(payload), temporary=tmp_path)
    assert (code, json.loads(out)["data"], err) == (0, 1200, "")
    assert [path for path in tmp_path.iterdir() if path.name.startswith("nexomatic-")] == []


def test_the_current_folder_is_looked_into(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def run(payload, params, context):\n    return 'here'\n")
    code, out, _ = run(tmp_path / "nowhere", "mine:run", cwd=tmp_path)
    assert (code, json.loads(out)["data"]) == (0, "here")


def test_the_time_out_is_kept(modules: Path, tmp_path: Path) -> None:
    payload = json.dumps({"folder": str(tmp_path)})
    code, out, _ = run(modules, "sample:wait", "--payload", "-", "--timeout", "0.2", given=payload)
    assert (code, json.loads(out)["code"]) == (1, "TIMEOUT")


def test_an_interrupt_ends_the_task(modules: Path, tmp_path: Path) -> None:
    (tmp_path / "payload").write_text(json.dumps({"folder": str(tmp_path)}))
    with command(modules, "sample:wait", "--payload", str(tmp_path / "payload")) as process:
        child = read_pid(tmp_path / "pid-1")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert json.loads(out)["code"] == "STOPPED"
    assert not is_alive(child)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sample:echo", "--param", "nothing"), "must be NAME=TEXT or NAME:=JSON"),
        (("sample:echo", "--param", "a:={"), "must be JSON"),
        (("sample:echo", "--payload", "/nowhere"), "is not a JSON document"),
        (("sample:echo", "--warning-codes", "x"), "must be exit codes"),
        (("sample:echo", "--slots", "0"), "--slots must be a whole number"),
    ],
)
def test_what_is_wrong_is_said(modules: Path, arguments: tuple[str, ...], words: str) -> None:
    code, out, err = run(modules, *arguments)
    assert (code, out) == (2, "")
    assert words in err
