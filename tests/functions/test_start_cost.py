"""What a process pays for before it is of use: the admin API is loaded when it is first called, and not before."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "nxt_first"
SCRIPT = """
import asyncio, gc, json, os, sys
import pydantic
from azure.functions.http import HttpRequest
import function_app
from functions.agents import agent_poll
from functions.api import api
from functions.webhook import webhook

async def ask(function, **route):
    return await function(
        HttpRequest("POST", "http://hub/", headers={}, params={}, route_params=route, body_type="bytes", body=b"{}")
    )

def others():
    # What of the packages that are installed beside the hub is loaded, by its first name.
    here = os.path.dirname(os.path.dirname(pydantic.__file__))
    names = [name for name, module in sys.modules.items() if (module.__dict__.get("__file__") or "").startswith(here)]
    return {".".join(name.split(".")[: 2 if name.startswith("azure.") else 1]) for name in names}

async def main():
    heavy = (
        "fastapi", "starlette", "azure.data.tables", "azure.identity", "azure.keyvault.secrets",
        "argon2", "aiohttp", "joserfc", "httpx", "authlib", "opentelemetry.sdk", "azure.monitor",
    )
    said = {"webhook": (await ask(webhook, key="none")).status_code, "poll": (await ask(agent_poll)).status_code}
    said["loaded before"] = [name for name in heavy if name in sys.modules]
    said["frozen"] = gc.get_freeze_count()
    said["others"] = sorted(others())
    said["modules"] = len(sys.modules)
    said["api"] = (await ask(api)).status_code
    said["frozen with the API"] = gc.get_freeze_count()
    said["loaded after"] = [name for name in heavy if name in sys.modules]
    print(json.dumps(said))

asyncio.run(main())
"""

NEEDED = {"annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"} | {
    "_cffi_backend",
    "_distutils_hack",  # of the environment, not of the hub
    "azure.functions",
    "cryptography",
    "jmespath",
    "markupsafe",
    "standardwebhooks",
    "werkzeug",
}
"""All that answering a webhook and a poll takes beside the hub. What else is installed is loaded by who needs it."""
MOST_MODULES = 750
"""Then, Python's and the hub's own among them: 690 when this was written."""

LEAST_FROZEN = 50_000
"""Objects that the collector leaves out: 60,000 when this was written, and as many again with the API."""


@pytest.mark.processes
def test_webhooks_and_agents_never_pay_for_the_admin_api(tmp_path: Path) -> None:
    environ = {**os.environ, "NEXOMATIC_HOME": str(tmp_path), "NEXOMATIC_STORAGE": "embedded"}
    environ["NEXOMATIC_FIRST_ADMIN_TOKEN_SHA256"] = hashlib.sha256(TOKEN.encode()).hexdigest()
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["webhook"], said["poll"], said["api"]) == (404, 401, 404)
    assert said["loaded before"] == []
    assert set(said["others"]) <= NEEDED
    assert said["modules"] <= MOST_MODULES
    assert said["loaded after"] == ["fastapi", "starlette"]
    # A round of the garbage collector over all that keeps everybody waiting.
    assert said["frozen"] > LEAST_FROZEN
    assert said["frozen with the API"] > said["frozen"] * 1.3
