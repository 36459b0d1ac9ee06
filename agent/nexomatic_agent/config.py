"""The agent's settings: read once from flags, environment and file, in this order, then never changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional
from urllib.parse import urlsplit

from nexomatic_agent.loopback import names_loopback
from nexomatic_agent.settings_table import SETTINGS

FILE_VARIABLE = "NEXOMATIC_AGENT_CONFIG"


class BadSettings(Exception):
    """The settings are not usable. `problems` has all of them, each naming where it was said."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Settings:
    """What the agent was told; see the table in settings_table.py for meanings and limits."""

    hub: Optional[str]
    ca_bundle: Optional[Path]
    trusted_keys: Optional[Path]
    bundle_cache_bytes: int
    state: Path
    name: str
    token: Optional[str] = field(repr=False)
    modules: tuple[Path, ...]
    python: Optional[Path]
    pass_environment: tuple[str, ...]
    seal_secrets: bool
    slots: int
    grace_seconds: float
    drain_seconds: float
    log_line_bytes: int
    log_attempt_bytes: int
    result_bytes: int
    log_level: str


def read_settings(flags: Mapping[str, str], environ: Mapping[str, str], file: Optional[Path] = None) -> Settings:
    """Settings from flags, then `NEXOMATIC_AGENT_*`, then the file, then defaults.

    Raises BadSettings with every problem at once.
    """
    problems: list[str] = []
    texts = dict(_from_file(file or _default_file(environ), problems))
    origins = {name: f"{name} in the file" for name in texts}
    for setting in SETTINGS:
        if setting.variable in environ:
            texts[setting.name], origins[setting.name] = environ[setting.variable], setting.variable
        if setting.name in flags:
            texts[setting.name], origins[setting.name] = flags[setting.name], setting.flag
    values = _values(texts, origins, problems)
    _check_together(values, origins, problems)
    if problems:
        raise BadSettings(problems)
    return Settings(**values)


def _values(texts: Mapping[str, str], origins: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        text = texts.get(setting.name, "").strip()
        try:
            values[setting.name] = setting.read(text) if text else setting.default()
        except ValueError as error:
            problems.append(f"{origins[setting.name]} {error}")
            values[setting.name] = setting.default()
    return values


def _check_together(values: dict[str, Any], origins: Mapping[str, str], problems: list[str]) -> None:
    token_file = values.pop("token_file")
    if token_file is not None and values["token"] is None:
        try:
            values["token"] = token_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{origins['token_file']} cannot be read: {error}")
    if values["hub"] is not None:
        values["hub"] = values["hub"].rstrip("/")
        problems += [f"{origins['hub']} {problem}" for problem in address_problems(values["hub"])]
    for name in ("ca_bundle", "trusted_keys", "python"):
        if values[name] is not None and not values[name].is_file():
            problems.append(f"{origins[name]} must name a file; there is none at {values[name]}")
    values["modules"] = values["modules"] or (values["state"] / "modules",)


def address_problems(address: str) -> list[str]:
    """What is wrong with an address of the hub; empty when nothing is."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return [f"must be an address such as https://hub.example.org ({error})"]
    if parts.scheme not in ("https", "http") or not host:
        return ["must be an address such as https://hub.example.org"]
    problems = []
    if parts.username or parts.password or parts.query or parts.fragment:
        problems.append("must not hold a user, password, query or fragment")
    if parts.scheme == "http" and not names_loopback(host):
        problems.append("must begin with https://: the credential would cross the network in clear")
    return problems


def _default_file(environ: Mapping[str, str]) -> Optional[Path]:
    if environ.get(FILE_VARIABLE):
        return Path(environ[FILE_VARIABLE])
    programs = environ.get("PROGRAMDATA", r"C:\ProgramData")
    usual = Path(programs, "Nexomatic", "agent.conf") if os.name == "nt" else Path("/etc/nexomatic/agent.conf")
    return usual if usual.is_file() else None


def _from_file(path: Optional[Path], problems: list[str]) -> Mapping[str, str]:
    """`name = value` lines; empty lines and those that begin with # say nothing."""
    if path is None:
        return {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"the file {path} cannot be read: {error}")
        return {}
    known = {setting.name for setting in SETTINGS}
    texts: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not equals or name not in known:
            problems.append(f"{path}:{number}: must be `setting = value`, with one of {', '.join(sorted(known))}")
        else:
            texts[name] = value
    return texts
