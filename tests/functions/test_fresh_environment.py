"""The app is found in an environment that holds what requirements.txt pins, and nothing else: what Azure installs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INDEX = """
import json
import function_app
print(json.dumps(sorted(each.get_function_name() for each in function_app.app.get_functions())))
import hub.api.app, hub.storage.azure, hub.storage.embedded
from azure.identity.aio import ManagedIdentityCredential
"""
FUNCTIONS = [
    "agent_credential",
    "agent_enroll",
    "agent_install_ps1",
    "agent_install_sh",
    "agent_logs",
    "agent_modules",
    "agent_package",
    "agent_poll",
    "agent_renew",
    "agent_result",
    "agent_secrets",
    "api",
    "eventgrid",
    "home",
    "tick",
    "webhook",
    "webhook_status",
]


def run(*command: str, cwd: Path = ROOT) -> str:
    # Without what this run put on the path: the new environment stands alone.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.processes
@pytest.mark.timeout(600)
def test_the_app_is_indexed_with_its_requirements_alone(tmp_path: Path) -> None:
    uv = [sys.executable, "-m", "uv"]
    environment = tmp_path / "environment"
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(*uv, "venv", "--quiet", "--python", sys.executable, str(environment))
    run(*uv, "pip", "install", "--quiet", "--python", str(python), "--require-hashes", "-r", "requirements.txt")
    assert json.loads(run(str(python), "-c", INDEX)) == FUNCTIONS
