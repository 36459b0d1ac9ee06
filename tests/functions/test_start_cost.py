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
import asyncio, json, sys
from azure.functions.http import HttpRequest
import function_app
from functions.agents import agent_poll
from functions.api import api
from functions.webhook import webhook

async def ask(function, **route):
    return await function(
        HttpRequest("POST", "http://hub/", headers={}, params={}, route_params=route, body_type="bytes", body=b"{}")
    )

async def main():
    heavy = (
        "fastapi", "starlette", "azure.data.tables", "azure.identity", "azure.keyvault.secrets",
        "argon2", "aiohttp", "joserfc", "httpx", "authlib",
    )
    said = {"webhook": (await ask(webhook, key="none")).status_code, "poll": (await ask(agent_poll)).status_code}
    said["loaded before"] = [name for name in heavy if name in sys.modules]
    said["api"] = (await ask(api)).status_code
    said["loaded after"] = [name for name in heavy if name in sys.modules]
    print(json.dumps(said))

asyncio.run(main())
"""


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
    assert said["loaded after"] == ["fastapi", "starlette"]
