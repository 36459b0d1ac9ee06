"""Every setting of the agent, once: its name, what it may be, its default and what it is for.

Flags, environment variables, the file and docs/agent.md all follow this table.
"""

from __future__ import annotations

import math
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

from nexomatic_agent.console import LEVELS

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,62}\Z")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
LARGEST_LINE = 65_536
"""The hub takes no longer line of log."""


@dataclass(frozen=True)
class Setting:
    """One setting. `read` turns its text into its value, or raises ValueError saying what is allowed."""

    name: str
    read: Callable[[str], Any]
    default: Callable[[], Any]
    help: str

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return "NEXOMATIC_AGENT_" + self.name.upper()


def _text(text: str) -> str:
    return text


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _paths(text: str) -> tuple[Path, ...]:
    return tuple(_path(part) for part in text.split(os.pathsep) if part)


def _switch(text: str) -> bool:
    switch = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(text.lower())
    if switch is None:
        raise ValueError("must be true or false")
    return switch


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return read


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not low <= seconds <= high:
            raise ValueError(f"must be a number of seconds from {low:g} to {high:g}")
        return seconds

    return read


def _name(text: str) -> str:
    if not NAME.match(text):
        raise ValueError("must be 1 to 63 letters, digits and any of : . _ - and begin with a letter or digit")
    return text


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part for part in re.split(r"[,\s]+", text) if part)
    wrong = [name for name in names if not VARIABLE.match(name)]
    if wrong:
        raise ValueError(f"must be names of environment variables, separated by commas; not {', '.join(wrong)}")
    return names


def _level(text: str) -> str:
    if text.upper() not in LEVELS:
        raise ValueError(f"must be one of {', '.join(LEVELS)}")
    return text.upper()


def _host_name() -> str:
    name = re.sub(r"[^A-Za-z0-9:._-]", "-", socket.gethostname()).lstrip(":._-")[:63]
    return name or "agent"


def _state_folder() -> Path:
    if os.name == "nt":
        return Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData")) / "Nexomatic" / "agent"
    if os.geteuid() == 0:
        return Path("/var/lib/nexomatic-agent")
    return Path.home() / ".local" / "state" / "nexomatic-agent"


def _nothing() -> Optional[str]:
    return None


SETTINGS: tuple[Setting, ...] = (
    Setting("hub", _text, _nothing, "address of the hub; after enrolment, the one the agent enrolled with"),
    Setting("ca_bundle", _path, _nothing, "certificates to trust instead of the bundled ones (a private authority)"),
    Setting(
        "trusted_keys",
        _path,
        _nothing,
        "file of public keys: then nothing runs but bundles that one of them signed (needs the package cryptography)",
    ),
    Setting("bundle_cache_bytes", _whole(1 << 20, 1 << 40), lambda: 512 << 20, "so much of bundles is kept on disk"),
    Setting("state", _path, _state_folder, "folder of identity, journal, spool and work folders"),
    Setting("name", _name, _host_name, "name of this sink when it enrols; the machine's name unless given"),
    Setting("token", _text, _nothing, "enrolment token; better given by environment variable or token_file"),
    Setting("token_file", _path, _nothing, "file that holds the enrolment token"),
    Setting(
        "modules", _paths, lambda: (), "folders where modules are found; `modules` in the state folder unless given"
    ),
    Setting("python", _path, _nothing, "interpreter for Python modules, say of a virtual environment; the agent's own"),
    Setting(
        "pass_environment", _names, lambda: (), "environment variables that tasks inherit beyond the declared ones"
    ),
    Setting(
        "seal_secrets",
        _switch,
        lambda: False,
        "enrol with a key of its own, to which the hub seals secrets (needs the package cryptography)",
    ),
    Setting("slots", _whole(1, 1000), lambda: 4, "how many tasks may run at once"),
    Setting("grace_seconds", _seconds(0, 600), lambda: 10.0, "time between interrupting a task and killing it"),
    Setting("drain_seconds", _seconds(0, 86_400), lambda: 60.0, "time a stopping agent waits for its tasks"),
    Setting(
        "log_line_bytes", _whole(256, LARGEST_LINE), lambda: LARGEST_LINE, "a longer line of a task's log is split"
    ),
    Setting("log_attempt_bytes", _whole(1024, 1 << 30), lambda: 10 << 20, "so much log is kept of one attempt"),
    Setting("result_bytes", _whole(1024, 64 << 20), lambda: 4 << 20, "the largest result document that is read"),
    Setting("log_level", _level, lambda: "INFO", "how much the agent itself logs: DEBUG, INFO, WARNING or ERROR"),
)
