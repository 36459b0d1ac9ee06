"""host.json, and every function's bindings: what the Functions host is told of the hub."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from hosting.hostjson import HostJson, category_level, read_host_json
from hub.settings_table import SETTINGS
from tests.functions import bindings
from tests.functions.shell import indexed

ROOT = Path(__file__).resolve().parents[2]
FRONT_END_SECONDS = 230
"""Azure's load balancer cuts a request there."""
OFTEN = ("agent_poll", "agent_renew", "agent_logs")
"""Called all the time by every sink."""


@pytest.fixture
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "host.json").read_text())
    return found


@pytest.fixture
def read() -> HostJson:
    return read_host_json(ROOT, {})


def test_every_function_has_the_bindings_of_the_file() -> None:
    """Renewed by `python -m tests.functions.bindings`."""
    assert bindings.text().splitlines() == bindings.GOLDEN.read_text().splitlines()
    assert bindings.bindings() == json.loads(bindings.GOLDEN.read_text())


def test_no_function_that_waits_as_long_as_it_may_is_timed_out(read: HostJson) -> None:
    """A function that is, takes the worker with it, and with that everybody else's requests."""
    held = next(each for each in SETTINGS if each.name == "NEXOMATIC_POLL_SECONDS")
    with pytest.raises(ValueError, match="200"):
        held.read(str(FRONT_END_SECONDS))
    assert read.function_timeout is not None
    assert read.function_timeout > FRONT_END_SECONDS


def test_routes_are_as_they_are_written_and_requests_are_turned_away_by_the_hub_alone(read: HostJson) -> None:
    assert read.http.route_prefix == ""
    # The host would let webhooks wait behind polls; the hub knows one from the other.
    assert (read.http.max_outstanding_requests, read.http.max_concurrent_requests) == (-1, -1)


def test_the_bundle_has_event_grid_and_no_other_major_version(read: HostJson) -> None:
    assert read.bundle == {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)"}


def test_polls_are_silent_and_what_else_happens_is_not(read: HostJson) -> None:
    for function in indexed():
        wanted = logging.WARNING if function.name in OFTEN else logging.INFO
        for category in (f"Function.{function.name}", f"Function.{function.name}.User"):
            assert category_level(read.log_levels, category) == wanted, category
    # A line of request telemetry for each call that went well: more than everything else together.
    assert category_level(read.log_levels, "Host.Results") == logging.WARNING
    assert category_level(read.log_levels, "Host.Startup") == logging.INFO


def test_no_address_of_a_request_is_in_the_telemetry(document: dict[str, Any], read: HostJson) -> None:
    """The address of a webhook is as good as a key.

    With the extended information, request telemetry has the path, of requests without a function too; without it, the
    function's name alone. The middleware says the path of each request. In the mode of OpenTelemetry the host makes
    spans with addresses, which nothing in host.json takes out.
    """
    insights = document["logging"]["applicationInsights"]
    assert insights["httpAutoCollectionOptions"]["enableHttpTriggerExtendedInfoCollection"] is False
    assert "enableQueryStringTracing" not in insights
    tracer = "Microsoft.Azure.WebJobs.Script.WebHost.Middleware.SystemTraceMiddleware"
    assert category_level(read.log_levels, tracer) >= logging.WARNING
    assert "telemetryMode" not in document


def test_exceptions_are_never_sampled_away(document: dict[str, Any]) -> None:
    sampling = document["logging"]["applicationInsights"]["samplingSettings"]
    assert sampling["isEnabled"] is True
    assert "Exception" in sampling["excludedTypes"].split(";")
