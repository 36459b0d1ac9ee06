"""local.settings.json, host.json, and what of them is refused."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from hosting.errors import BadSettings
from hosting.hostjson import category_level, parse_timespan, read_host_json
from hosting.settings import Cors, LocalSettings, merge, number, read_local_settings, resolve


def local(folder: Path, content: Any) -> LocalSettings:
    path = folder / "local.settings.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_local_settings(path)


def test_the_file_says_settings_port_and_cors(tmp_path: Path) -> None:
    read = local(
        tmp_path,
        {
            "IsEncrypted": False,
            "Values": {"A": "1", "B": None, "C": ""},
            "Host": {"LocalHttpPort": 7072, "CORS": "https://a.example/, http://b", "CORSCredentials": True},
        },
    )
    assert read == LocalSettings({"A": "1", "C": ""}, 7072, Cors(("https://a.example", "http://b"), True))
    assert read_local_settings(tmp_path / "nothing.json") == LocalSettings()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "must hold a JSON object"),
        ({"Values": {"A": {"nested": 1}}}, 'the value of "A" must be a string'),
        ({"Values": {"A": 1}}, 'the value of "A" must be a string'),
        ({"Values": ["A"]}, '"Values" must be an object'),
        ({"Host": "x"}, '"Host" must be an object'),
        ({"Host": {"LocalHttpPort": "7071"}}, "LocalHttpPort"),
        ({"Host": {"CORS": ["*"]}}, "CORS"),
    ],
)
def test_a_file_that_is_not_valid_says_what_is_wrong(tmp_path: Path, content: Any, reason: str) -> None:
    with pytest.raises(BadSettings, match=reason):
        local(tmp_path, content)


def test_what_is_set_in_the_environment_wins_unless_it_is_empty() -> None:
    merged = merge({"A": "env", "B": "", "C": "env"}, LocalSettings({"A": "file", "B": "file"}))
    assert merged == {"A": "env", "B": "file", "C": "env", "FUNCTIONS_WORKER_RUNTIME": "python"}


def test_an_app_in_another_language_is_refused() -> None:
    assert merge({"FUNCTIONS_WORKER_RUNTIME": "Python"}, LocalSettings())
    with pytest.raises(BadSettings, match='FUNCTIONS_WORKER_RUNTIME is "node"'):
        merge({}, LocalSettings({"FUNCTIONS_WORKER_RUNTIME": "node"}))


def test_settings_are_resolved_by_name() -> None:
    assert resolve("%A%-%B%", {"A": "1", "B": "2"}, "here") == "1-2"
    assert resolve("100%", {}, "here") == "100%"
    with pytest.raises(BadSettings, match="here: the setting A is not set"):
        resolve("%A%", {"A": ""}, "here")


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_a_number_is_above_zero(text: str) -> None:
    assert (number("N", {}, 3), number("N", {"N": "4"}, 3)) == (3, 4)
    with pytest.raises(BadSettings, match="N must be a whole number above 0"):
        number("N", {"N": text}, 3)


def host_json(folder: Path, content: dict[str, Any], **settings: str) -> Any:
    (folder / "host.json").write_text(json.dumps({"version": "2.0", **content}))
    return read_host_json(folder, settings)


def test_the_defaults_of_host_json(tmp_path: Path) -> None:
    read = host_json(tmp_path, {})
    assert (read.function_timeout, read.http.route_prefix, read.bundle) == (1800.0, "api", None)
    assert (read.queues.batch_size, read.queues.max_dequeue_count, read.queues.visibility_timeout) == (16, 5, 0)
    assert dict(read.log_levels) == {"default": logging.INFO}


def test_what_host_json_says(tmp_path: Path) -> None:
    read = host_json(
        tmp_path,
        {
            "functionTimeout": "00:05:00",
            "Extensions": {
                "HTTP": {"routePrefix": "/v1/", "maxOutstandingRequests": 5, "maxConcurrentRequests": 2},
                "queues": {
                    "batchSize": 8,
                    "newBatchThreshold": 0,
                    "maxDequeueCount": 3,
                    "visibilityTimeout": "00:00:30",
                    "maxPollingInterval": "00:00:02",
                    "messageEncoding": "None",
                },
            },
            "logging": {"logLevel": {"Default": "Warning", "Function.x": "None"}},
        },
    )
    assert read.function_timeout == 300
    assert (read.http.route_prefix, read.http.max_outstanding_requests, read.http.max_concurrent_requests) == (
        "v1",
        5,
        2,
    )
    assert (read.queues.batch_size, read.queues.new_batch_threshold, read.queues.max_dequeue_count) == (8, 0, 3)
    assert (read.queues.visibility_timeout, read.queues.max_polling_interval, read.queues.base64) == (30, 2, False)
    assert read.log_levels["default"] == logging.WARNING
    assert read.log_levels["Function.x"] > logging.CRITICAL


def test_a_setting_overrides_host_json(tmp_path: Path) -> None:
    read = host_json(
        tmp_path,
        {"extensions": {"http": {"routePrefix": "api"}}},
        AzureFunctionsJobHost__extensions__http__routePrefix="",
        AzureFunctionsJobHost__functionTimeout="-1",
        AzureFunctionsJobHost__Extensions__Queues__batchSize="4",
        AzureFunctionsJobHost__logging__logLevel__default="Debug",
    )
    assert (read.http.route_prefix, read.function_timeout, read.queues.batch_size) == ("", None, 4)
    assert read.log_levels["default"] == logging.DEBUG


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"version": "1.0"}, '"version" must be "2.0"'),
        ({"functionTimeout": "24:00:00"}, "functionTimeout.*hours below 24"),
        ({"functionTimeout": 300}, "functionTimeout"),
        ({"extensions": {"queues": {"batchSize": 33}}}, "batchSize.*from 1 to 32"),
        ({"extensions": {"queues": {"batchSize": "many"}}}, "batchSize"),
        ({"extensions": {"queues": {"batchSize": True}}}, "batchSize"),
        ({"extensions": {"queues": {"messageEncoding": "utf-8"}}}, "messageEncoding"),
        ({"extensions": {"queues": {"visibilityTimeout": "30s"}}}, "visibilityTimeout"),
        ({"logging": {"logLevel": {"default": "Loud"}}}, 'logLevel "default" is "Loud"'),
    ],
)
def test_a_value_that_is_not_valid_is_named(tmp_path: Path, content: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadSettings, match=reason):
        host_json(tmp_path, content)


def test_a_missing_host_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"host\.json cannot be read"):
        read_host_json(tmp_path, {})


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:05:00", 300), ("1.00:00:00", 86400), ("23:59:59", 86399), ("00:00:01.5", 1)]
)
def test_time_spans(text: str, seconds: float) -> None:
    assert parse_timespan(text, "key") == seconds


@pytest.mark.parametrize(
    ("category", "level"),
    [
        ("Function.a", logging.INFO),
        ("Function.agent_poll", logging.WARNING),
        ("function.AGENT_POLL.User", logging.WARNING),
        ("Host.Results", logging.ERROR),
        ("Host", logging.DEBUG),
        ("Other", logging.CRITICAL),
    ],
)
def test_the_longest_prefix_of_a_category_decides(category: str, level: int) -> None:
    levels = {
        "default": logging.CRITICAL,
        "Function": logging.INFO,
        "Function.agent_poll": logging.WARNING,
        "Host": logging.DEBUG,
        "Host.Results": logging.ERROR,
    }
    assert category_level(levels, category) == level
