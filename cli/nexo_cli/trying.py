"""Runs a module as a sink would: with `nexomatic-agent exec`, whose child is the real one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from nexo_cli import api, output
from nexo_cli.errors import Exit, NexoError

AGENT_VARIABLE: Final = "NEXO_AGENT"
BESIDE: Final = Path(__file__).resolve().parents[2] / "agent"
"""Where the agent lies in a checkout of the project."""
STOP_SECONDS: Final = 30.0
_RUNTIMES: Final = {".sh": "shell", ".ps1": "powershell"}


@dataclass(frozen=True)
class PastEvent:
    """What an event that happened was run with, as far as it can be known here."""

    payload: Any
    module: str
    runtime: str
    parameters: list[str]
    """Fixed ones, as NAME:=JSON."""
    not_given: list[str] = field(default_factory=list)


def runtime_of(module: str) -> str:
    """What a module's name says."""
    return _RUNTIMES.get(Path(module).suffix.lower()) or ("python" if ":" in module else "exec")


def past_event(text: str) -> PastEvent:
    """Of an event of the hub. Its action is today's. Raises `NexoError`, `Problem`."""
    from nexo_cli.client import hub
    from nexo_cli.commands.events import found_id

    there = hub()
    event = there.call(api.GET_EVENTS_ID, id=found_id(there, text))
    event_type = there.call(api.GET_EVENT_TYPES_NAME, name=event["event_type"])
    action = there.call(api.GET_ACTIONS_NAME, name=event_type["action"])
    parameters: dict[str, Any] = {each["name"]: each for each in action.get("parameters", [])}
    parameters |= {each["name"]: each for each in event_type.get("parameters", [])}
    fixed = [f"{name}:={json.dumps(each['value'])}" for name, each in parameters.items() if each["type"] == "STATIC"]
    others = [f"{name} ({each['type']})" for name, each in parameters.items() if each["type"] != "STATIC"]
    return PastEvent(event["payload"], action["module"], action["runtime"], fixed, others)


def try_out(
    module: str, runtime: str, payload: bytes, parameters: list[str], timeout: float
) -> tuple[int, dict[str, Any]]:
    """Its exit code and result; its log goes to standard error as it comes. Raises `NexoError`."""
    command, environ = _agent()
    arguments = ["exec", module, "--runtime", runtime, "--payload", "-", "--timeout", str(timeout)]
    for each in parameters:
        arguments += ["--param", each]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, *arguments], stdin=pipe, stdout=pipe, stderr=pipe, env=environ) as process:  # noqa: S603
        log = threading.Thread(target=_show, args=(process,))
        log.start()
        try:
            said = _talk(process, payload)
        except KeyboardInterrupt:
            process.terminate()  # the agent stops the task, and all that it has started, before it ends itself
            process.wait(STOP_SECONDS)
            raise
        finally:
            log.join(STOP_SECONDS)
        code = process.wait()
    return code, _result(said, code)


def _talk(process: subprocess.Popen[bytes], payload: bytes) -> bytes:
    """What it says, given its input. An agent that refuses what it is asked reads none of it."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError), process.stdin:
        process.stdin.write(payload)
    return process.stdout.read()


def _show(process: subprocess.Popen[bytes]) -> None:
    assert process.stderr is not None
    for each in process.stderr:
        output.log_note(each.decode("utf-8", "replace").rstrip("\n"))


def _result(said: bytes, code: int) -> dict[str, Any]:
    try:
        result = json.loads(said)
    except ValueError:
        raise NexoError(f"the module could not be run: the agent ended with {code}", Exit.USAGE) from None
    if not isinstance(result, dict):
        raise NexoError("the agent printed no result", Exit.FAILED)
    return result


def _agent() -> tuple[list[str], dict[str, str]]:
    """How to call the agent of this machine."""
    environ = dict(os.environ)
    said = environ.get(AGENT_VARIABLE) or shutil.which("nexomatic-agent")
    if said:
        return [said], environ
    if (BESIDE / "nexomatic_agent").is_dir():
        environ["PYTHONPATH"] = str(BESIDE)
        return [sys.executable, "-m", "nexomatic_agent"], environ
    hint = f"Install it: pip install nexomatic-agent; or say where it is: {AGENT_VARIABLE}=…"
    raise NexoError("there is no nexomatic-agent on this machine", Exit.UNAVAILABLE, hint=hint)
