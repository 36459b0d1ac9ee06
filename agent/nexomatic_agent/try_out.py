"""`nexomatic-agent exec`: one task through the real child, without a hub."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Optional

from nexomatic_agent import process_trees
from nexomatic_agent.attempt import Attempt
from nexomatic_agent.attempt_log import AttemptLog, LogLimits
from nexomatic_agent.clearing import Clearing
from nexomatic_agent.config import BadSettings, Settings
from nexomatic_agent.intents import StopReason, TaskResult
from nexomatic_agent.interpreter import find_interpreter
from nexomatic_agent.launch import Launcher
from nexomatic_agent.masking import Masker
from nexomatic_agent.modules import Modules
from nexomatic_agent.runner import DiskFailed, Job, Runner, RunnerSettings
from nexomatic_agent.signals import Signals
from nexomatic_agent.stopping import Stopper
from nexomatic_agent.timer import Timer

EXIT_CODES = {"SUCCESS": 0, "ERROR": 1, "WARNING": 3}
LOOK_SECONDS = 0.1


def add_options(command: argparse.ArgumentParser) -> None:
    """What `exec` takes beside the settings."""
    command.add_argument("module", help="package.module:function, or a script below a module folder")
    command.add_argument("--runtime", default="python", choices=("python", "shell", "exec", "powershell"))
    command.add_argument("--payload", type=Path, metavar="FILE", help="JSON document; - for standard input")
    command.add_argument("--param", action="append", default=[], metavar="NAME=TEXT", help="or NAME:=JSON; repeatable")
    command.add_argument("--timeout", type=float, default=300.0, metavar="SECONDS")
    command.add_argument("--warning-codes", default="", metavar="CODES", help="exit codes that mean WARNING: 3,4")


def try_out(settings: Settings, options: argparse.Namespace) -> int:
    """Run the task; its log goes to standard error, its result as JSON to standard output.

    The exit code: 0 SUCCESS, 1 ERROR, 3 WARNING. Raises BadSettings, BadInterpreter, OSError.
    """
    attempt = _attempt(options)
    interpreter = find_interpreter(settings.python)
    launcher = Launcher(Modules((Path.cwd(), *settings.modules), interpreter.sites), interpreter)
    runner = Runner(launcher, RunnerSettings(dict(os.environ), settings.pass_environment, settings.result_bytes))
    process_trees.adopt_orphans()
    folder = Path(tempfile.mkdtemp(prefix="nexomatic-"))
    try:
        result = _run(runner, attempt, folder, settings)
    finally:
        Clearing(folder).go_on()
    shown = {name: value for name, value in vars(result).items() if name != "started"}
    print(json.dumps(shown, indent=2, ensure_ascii=False))  # noqa: T201 - the command's output
    return EXIT_CODES[result.state]


def _run(runner: Runner, attempt: Attempt, folder: Path, settings: Settings) -> TaskResult:
    """The task on a thread of its own, so that the main thread hears of signals."""
    signals, timer = Signals(), Timer()
    stopper = Stopper(settings.grace_seconds, lambda seconds, then: timer.at(time.monotonic() + seconds, then))
    printer = _Printer(LogLimits(settings.log_line_bytes, settings.log_attempt_bytes))
    job = Job(attempt, folder, secrets.token_hex(16), printer.log, {}, Masker())
    results: list[TaskResult] = []

    def on_start(_: Mapping[str, Any]) -> None:
        timer.at(time.monotonic() + attempt.timeout_seconds, lambda: stopper.stop(StopReason.TIMEOUT))

    def work() -> None:
        try:
            results.append(runner.run(job, stopper, on_start, printer.show))
        except DiskFailed as error:
            results.append(TaskResult("ERROR", "START_FAILED", f"the task's input could not be written: {error}"))

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        if signals.wait(LOOK_SECONDS) is not None:
            stopper.stop(StopReason.CANCELLED)
    printer.show()
    return results[0]


class _Printer:
    """Shows the log as it grows."""

    def __init__(self, limits: LogLimits) -> None:
        self.log = AttemptLog(limits)
        self._lock = threading.Lock()

    def show(self) -> None:
        with self._lock:
            while (chunk := self.log.chunk()) is not None:
                for line in chunk["lines"]:
                    print(f"{line['time']} {line['stream']:6} {line['level']:7} {line['text']}", file=sys.stderr)  # noqa: T201
                self.log.stored()


def _attempt(options: argparse.Namespace) -> Attempt:
    problems: list[str] = []
    payload = _payload(options.payload, problems)
    parameters = dict(_parameter(text, problems) for text in options.param)
    codes = [code for code in options.warning_codes.split(",") if code]
    if not all(code.isdigit() for code in codes):
        problems.append("--warning-codes must be exit codes separated by commas, such as 3,4")
    if problems:
        raise BadSettings(problems)
    event_id = "EXEC" + secrets.token_hex(11).upper()
    return Attempt(
        event_id=event_id,
        attempt=1,
        token="",
        lease_seconds=0.0,
        confirm=False,
        event_type="EXEC",
        action="exec",
        runtime=options.runtime,
        module=options.module,
        bundle=None,
        bundle_digest=None,
        bundle_size=None,
        bundle_signature=None,
        payload=payload,
        parameters=parameters,
        secrets={},
        timeout_seconds=options.timeout,
        warning_codes=frozenset(map(int, codes)),
        created_at=datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
        root_id=event_id,
    )


def _payload(path: Optional[Path], problems: list[str]) -> Any:
    if path is None:
        return {}
    try:
        return json.loads(sys.stdin.read() if str(path) == "-" else path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        problems.append(f"--payload {path} is not a JSON document: {error}")
        return None


def _parameter(text: str, problems: list[str]) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.rstrip(":"):
        problems.append(f"--param {text!r} must be NAME=TEXT or NAME:=JSON")
        return "", None
    if not name.endswith(":"):
        return name, value
    try:
        return name[:-1], json.loads(value)
    except ValueError as error:
        problems.append(f"--param {text!r}: what follows := must be JSON: {error}")
        return "", None
