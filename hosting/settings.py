"""App settings: the environment, completed from local.settings.json as `func start` does it.

What is already set to something non-empty wins over the file, so one setting can be overridden for one run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hosting.errors import BadSettings

_REFERENCE = re.compile(r"%([^%]+)%")
_TRUE = ("1", "true")


@dataclass(frozen=True, slots=True)
class Cors:
    """Which origins a browser may call from; `*` is all. Empty: no CORS at all, as on Azure until it is switched on."""

    origins: tuple[str, ...] = ()
    credentials: bool = False


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """What local.settings.json says: app settings, and how the local host itself behaves."""

    values: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    cors: Cors = field(default_factory=Cors)


def read_local_settings(path: Path) -> LocalSettings:
    """Read the file; one that is not there says nothing. Raises BadSettings if it is not what it should be."""
    if not path.exists():
        return LocalSettings()
    document = read_object(path)
    values = _object(document, "Values", path)
    for name, value in values.items():
        if value is not None and not isinstance(value, str):
            raise BadSettings(f'{path.name}: the value of "{name}" must be a string or null')
    host = _object(document, "Host", path)
    port = host.get("LocalHttpPort")
    if port is not None and (not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535):
        raise BadSettings(f'{path.name}: "LocalHttpPort" must be a number from 0 to 65535')
    return LocalSettings(
        values={name: value for name, value in values.items() if value is not None},
        port=port,
        cors=_cors(host, path),
    )


def _cors(host: Mapping[str, Any], path: Path) -> Cors:
    listed = host.get("CORS") or ""
    if not isinstance(listed, str):
        raise BadSettings(f'{path.name}: "CORS" must be a string: origins with commas between, or *')
    origins = tuple(each.strip().rstrip("/") for each in listed.split(",") if each.strip())
    return Cors(origins, bool(host.get("CORSCredentials", False)))


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; raises BadSettings, naming the file, if there is none."""
    try:
        document = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise BadSettings(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadSettings(f"{path} must hold a JSON object")
    return document


def _object(document: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    part = document.get(name) or {}
    if not isinstance(part, dict):
        raise BadSettings(f'{path.name}: "{name}" must be an object')
    return part


def merge(environment: Mapping[str, str], local: LocalSettings) -> dict[str, str]:
    """The app settings: the environment, and from the file what is not set there or set to nothing.

    Raises BadSettings if the app is not a Python one.
    """
    merged = {**local.values, **{name: value for name, value in environment.items() if value}}
    worker = merged.setdefault("FUNCTIONS_WORKER_RUNTIME", "python")
    if worker.lower() != "python":
        raise BadSettings(f'FUNCTIONS_WORKER_RUNTIME is "{worker}": this host runs "python" only')
    return merged


def resolve(text: str, settings: Mapping[str, str], where: str) -> str:
    """Replace each `%NAME%` by the setting of that name; raises BadSettings, saying where, if there is none."""

    def value(match: re.Match[str]) -> str:
        if not settings.get(match[1]):
            raise BadSettings(f"{where}: the setting {match[1]} is not set, but %{match[1]}% refers to it")
        return settings[match[1]]

    return _REFERENCE.sub(value, text)


def is_disabled(function: str, settings: Mapping[str, str]) -> bool:
    """Whether a function is switched off: `AzureWebJobs.NAME.Disabled`, or with `_` where a dot is not allowed."""
    names = (f"AzureWebJobs.{function}.Disabled", f"AzureWebJobs_{function}_Disabled")
    return any(settings.get(name, "").strip().lower() in _TRUE for name in names)


def flag(name: str, settings: Mapping[str, str]) -> bool:
    """Whether a setting says yes: `1` or `true`."""
    return settings.get(name, "").strip().lower() in _TRUE


def number(name: str, settings: Mapping[str, str], default: int) -> int:
    """A setting that is a positive whole number; raises BadSettings if it is something else."""
    text = settings.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise BadSettings(f'{name} must be a whole number above 0, not "{text}"')
    return int(text)
