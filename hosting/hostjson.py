"""host.json: how the host treats the app. Every value may be overridden by a setting `AzureFunctionsJobHost__a__b`."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hosting.errors import BadSettings
from hosting.settings import read_object

OVERRIDE_PREFIX = "AzureFunctionsJobHost__"
DEFAULT_TIMEOUT_SECONDS = 30 * 60.0  # Flex Consumption and Premium; the old Consumption plan has 5 minutes
MAX_BATCH_SIZE = 32  # of one Get Messages call
_NONE = logging.CRITICAL + 10
# `Trace` is DEBUG too: Python has nothing below it.
LOG_LEVELS = MappingProxyType(
    {
        "trace": logging.DEBUG,
        "debug": logging.DEBUG,
        "information": logging.INFO,
        "warning": logging.WARNING,
        "error": logging.ERROR,
        "critical": logging.CRITICAL,
        "none": _NONE,
    }
)
_TIMESPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """`extensions.queues`: how queue triggers poll and retry. Times are seconds."""

    batch_size: int = 16
    new_batch_threshold: int | None = None  # None: half a batch per processor
    max_dequeue_count: int = 5
    visibility_timeout: float = 0.0
    max_polling_interval: float | None = None  # None: a minute, 2 s in development
    base64: bool = True


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """`extensions.http`. A limit of -1 is none."""

    route_prefix: str = "api"
    max_outstanding_requests: int = -1
    max_concurrent_requests: int = -1


@dataclass(frozen=True, slots=True)
class HostJson:
    """What host.json says, with the defaults of the Functions host for what it does not say."""

    function_timeout: float | None = DEFAULT_TIMEOUT_SECONDS  # seconds; None: no limit
    http: HttpOptions = field(default_factory=HttpOptions)
    queues: QueueOptions = field(default_factory=QueueOptions)
    log_levels: Mapping[str, int] = field(default_factory=lambda: {"default": logging.INFO})
    bundle: Mapping[str, str] | None = None


def read_host_json(app: Path, settings: Mapping[str, str]) -> HostJson:
    """Read host.json of an app folder; raises BadSettings, naming the key, if something in it is not valid."""
    document = read_object(app / "host.json")
    for name, value in settings.items():
        if name.startswith(OVERRIDE_PREFIX):
            _override(document, name.removeprefix(OVERRIDE_PREFIX).split("__"), value)
    if document.get("version") != "2.0":
        raise BadSettings('host.json: "version" must be "2.0"')
    return HostJson(
        function_timeout=_function_timeout(_get(document, "functionTimeout")),
        http=_http(document),
        queues=_queues(document),
        log_levels=_log_levels(_get(document, "logging", "logLevel") or {}),
        bundle=_get(document, "extensionBundle"),
    )


def parse_timespan(text: str, key: str) -> float:
    """Seconds of `[d.]hh:mm:ss`. `24:00:00` is refused as .NET does: a day is `1.00:00:00`."""
    match = _TIMESPAN.fullmatch(text) if isinstance(text, str) else None
    if match:
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        if hours < 24 and minutes < 60 and seconds < 60:
            return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
    raise BadSettings(f'host.json: "{key}" must be [d.]hh:mm:ss with hours below 24, not {text!r}')


def _function_timeout(text: str | None) -> float | None:
    if text is None:
        return DEFAULT_TIMEOUT_SECONDS
    return None if text == "-1" else parse_timespan(text, "functionTimeout")


def _http(document: Mapping[str, Any]) -> HttpOptions:
    prefix = _get(document, "extensions", "http", "routePrefix")
    return HttpOptions(
        route_prefix=HttpOptions().route_prefix if prefix is None else prefix.strip("/"),
        max_outstanding_requests=_integer(document, -1, "extensions", "http", "maxOutstandingRequests", least=-1),
        max_concurrent_requests=_integer(document, -1, "extensions", "http", "maxConcurrentRequests", least=-1),
    )


def _queues(document: Mapping[str, Any]) -> QueueOptions:
    at = ("extensions", "queues")
    options = QueueOptions()
    encoding = _get(document, *at, "messageEncoding") or "base64"
    if encoding.lower() not in ("base64", "none"):
        raise BadSettings('host.json: "extensions.queues.messageEncoding" must be base64 or none')
    hidden, polling = (_get(document, *at, name) for name in ("visibilityTimeout", "maxPollingInterval"))
    batch = _integer(document, options.batch_size, *at, "batchSize", most=MAX_BATCH_SIZE)
    threshold = _get(document, *at, "newBatchThreshold")
    return QueueOptions(
        batch_size=batch,
        new_batch_threshold=None if threshold is None else _integer(document, 0, *at, "newBatchThreshold", least=0),
        max_dequeue_count=_integer(document, options.max_dequeue_count, *at, "maxDequeueCount"),
        visibility_timeout=0.0 if hidden is None else parse_timespan(hidden, "extensions.queues.visibilityTimeout"),
        max_polling_interval=(
            None if polling is None else parse_timespan(polling, "extensions.queues.maxPollingInterval")
        ),
        base64=encoding.lower() == "base64",
    )


def _log_levels(document: Mapping[str, str]) -> Mapping[str, int]:
    levels = {"default": logging.INFO}
    for category, name in document.items():
        if str(name).lower() not in LOG_LEVELS:
            allowed = ", ".join(LOG_LEVELS)
            raise BadSettings(f'host.json: logging.logLevel "{category}" is "{name}"; allowed: {allowed}')
        levels["default" if category.lower() == "default" else category] = LOG_LEVELS[str(name).lower()]
    return MappingProxyType(levels)


def _get(document: Any, *path: str) -> Any:
    for name in path:
        if not isinstance(document, Mapping):
            return None
        document = next((value for key, value in document.items() if key.lower() == name.lower()), None)
    return document


def _integer(document: Mapping[str, Any], default: int, *path: str, least: int = 1, most: int = 1_000_000) -> int:
    value = _get(document, *path)
    if value is None:
        return default
    try:
        result = int(value)
    except (TypeError, ValueError):
        result = least - 1
    if isinstance(value, bool) or not least <= result <= most:
        raise BadSettings(f'host.json: "{".".join(path)}" must be a whole number from {least} to {most}, not {value!r}')
    return result


def _override(document: dict[str, Any], path: list[str], value: str) -> None:
    *parents, last = path
    for name in parents:
        key = _key(document, name)
        if not isinstance(document.get(key), dict):
            document[key] = {}
        document = document[key]
    document[_key(document, last)] = value


def _key(document: Mapping[str, Any], name: str) -> str:
    return next((key for key in document if key.lower() == name.lower()), name)


def category_level(levels: Mapping[str, int], category: str) -> int:
    """The level from which records of a category are shown: the longest configured prefix of its name wins."""
    return max(_matches(levels, category), default=(0, levels["default"]))[1]


def _matches(levels: Mapping[str, int], category: str) -> Iterator[tuple[int, int]]:
    for prefix, level in levels.items():
        if prefix != "default" and category.lower().startswith(prefix.lower()):
            yield len(prefix), level
