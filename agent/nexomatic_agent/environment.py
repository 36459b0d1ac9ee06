"""What a task is told: its declared environment and its input document."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nexomatic_agent.attempt import Attempt

INHERITED = ("PATH", "HOME", "LANG", "TZ")
INHERITED_WINDOWS = ("PATH", "PATHEXT", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "USERPROFILE", "PROGRAMDATA")
LARGEST_VARIABLE_BYTES = 64 * 1024
"""A larger parameter is in the input document only: Linux refuses to start a process with one twice as large."""


def input_document(attempt: Attempt, parameters: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What goes to standard input."""
    event = {
        "event_id": attempt.event_id,
        "event_type": attempt.event_type,
        "action": attempt.action,
        "attempt": attempt.attempt,
        "source": attempt.source,
        "parent_id": attempt.parent_id,
        "root_id": attempt.root_id,
        "correlation_id": attempt.correlation_id,
        "traceparent": attempt.traceparent,
        "created_at": attempt.created_at,
        "timeout_seconds": attempt.timeout_seconds,
        "work_folder": str(folder),
    }
    return {"event": event, "payload": attempt.payload, "parameters": dict(parameters)}


def as_bytes(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def without_secrets(document: Mapping[str, Any], secrets: Iterable[str]) -> dict[str, Any]:
    """The document as it may lie on disk: the values of these parameters are null."""
    hidden = dict.fromkeys(secrets)
    return {**document, "parameters": {**document["parameters"], **hidden}}


def task_environment(
    attempt: Attempt, parameters: Mapping[str, Any], folder: Path, inherited: Mapping[str, str], passed: Iterable[str]
) -> tuple[dict[str, str], list[str]]:
    """The task's whole environment, and the parameters that do not fit into one."""
    names = (*(INHERITED_WINDOWS if os.name == "nt" else INHERITED), *passed)
    environment = {name: inherited[name] for name in names if name in inherited}
    environment.setdefault("PATH", os.defpath)
    environment.setdefault("LANG", "C.UTF-8")
    environment.update(dict.fromkeys(("TEMP", "TMP") if os.name == "nt" else ("TMPDIR",), str(folder)))
    environment.update(
        NEXOMATIC_EVENT_ID=attempt.event_id,
        NEXOMATIC_EVENT_TYPE=attempt.event_type,
        NEXOMATIC_ACTION=attempt.action,
        NEXOMATIC_ATTEMPT=str(attempt.attempt),
        NEXOMATIC_INPUT=str(input_file(folder)),
        NEXOMATIC_RESULT=str(result_file(folder)),
    )
    if attempt.traceparent is not None:
        environment["TRACEPARENT"] = attempt.traceparent
    too_large = []
    for name, value in parameters.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if "\0" in text or len(text.encode("utf-8", "surrogatepass")) > LARGEST_VARIABLE_BYTES:
            too_large.append(name)
        else:
            environment[variable_name(name)] = text
    return environment, too_large


def variable_name(parameter: str) -> str:
    """`disk-path` is found as `NEXOMATIC_PARAM_DISK_PATH`."""
    return "NEXOMATIC_PARAM_" + re.sub(r"[^A-Z0-9]", "_", parameter.upper())


def input_file(folder: Path) -> Path:
    return folder / "input.json"


def result_file(folder: Path) -> Path:
    return folder / "result.json"
