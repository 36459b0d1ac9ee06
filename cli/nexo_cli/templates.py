"""What `nexo new module` writes. NAME is the module's name, TYPE the event type's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_PYTHON: Final = '''"""Says hello to somebody, on the machine of a sink."""

from nexomatic import Context, Warn


def run(payload, params, context: Context):
    """What it returns is the event's result. An exception is an ERROR, `Warn` a WARNING."""
    who = params.get("who") or payload.get("who")
    if not who:
        raise Warn("nobody to greet", code="NOBODY")
    print(f"greeting {who}, attempt {context.attempt}")
    return {"greeting": f"Hello, {who}"}
'''
_PYTHON_TEST: Final = '''"""Run it where NAME.py lies: python -m unittest"""

import json
import os
import subprocess
import unittest


def run(payload):
    """The module's result, as a sink would run it."""
    command = [os.environ.get("NEXO", "nexo"), "dev", "NAME:run", "--payload", "-", "--json"]
    done = subprocess.run(command, input=json.dumps(payload), stdout=subprocess.PIPE, text=True, check=False)
    return json.loads(done.stdout)


class TestIt(unittest.TestCase):
    def test_somebody(self):
        result = run({"who": "Ada"})
        self.assertEqual((result["state"], result["data"]), ("SUCCESS", {"greeting": "Hello, Ada"}))

    def test_nobody(self):
        result = run({})
        self.assertEqual((result["state"], result["code"]), ("WARNING", "NOBODY"))


if __name__ == "__main__":
    unittest.main()
'''
_SHELL: Final = """#!/bin/sh
# Says hello to somebody, on the machine of a sink.
# Parameters are in NEXOMATIC_PARAM_…, the whole input in the file $NEXOMATIC_INPUT.
set -eu

if [ -z "${NEXOMATIC_PARAM_WHO:-}" ]; then
  echo '{"state": "WARNING", "code": "NOBODY", "message": "nobody to greet"}' > "$NEXOMATIC_RESULT"
  exit 0
fi
echo "greeting $NEXOMATIC_PARAM_WHO, attempt $NEXOMATIC_ATTEMPT"
echo '{"data": {"greeted": true}}' > "$NEXOMATIC_RESULT"
"""
_SHELL_TEST: Final = """#!/bin/sh
# Run it where NAME.sh lies: ./test_NAME.sh
set -eu
nexo="${NEXO:-nexo}"

"$nexo" dev NAME.sh --param who=Ada --json | grep -q '"state": "SUCCESS"' || { echo "Ada: not SUCCESS" >&2; exit 1; }
"$nexo" dev NAME.sh --json | grep -q '"code": "NOBODY"' || { echo "nobody: not NOBODY" >&2; exit 1; }
echo ok
"""
_POWERSHELL: Final = """# Says hello to somebody, on the machine of a sink.
# Parameters are in NEXOMATIC_PARAM_..., the whole input in the file NEXOMATIC_INPUT.
$ErrorActionPreference = 'Stop'

$who = $env:NEXOMATIC_PARAM_WHO
if (-not $who) {
    $result = @{ state = 'WARNING'; code = 'NOBODY'; message = 'nobody to greet' }
    $result | ConvertTo-Json | Set-Content $env:NEXOMATIC_RESULT
    exit 0
}
Write-Output "greeting $who, attempt $env:NEXOMATIC_ATTEMPT"
@{ data = @{ greeting = "Hello, $who" } } | ConvertTo-Json | Set-Content $env:NEXOMATIC_RESULT
"""
_POWERSHELL_TEST: Final = """# Run it where NAME.ps1 lies: pwsh test_NAME.ps1
$ErrorActionPreference = 'Stop'
$nexo = if ($env:NEXO) { $env:NEXO } else { 'nexo' }

$result = & $nexo dev NAME.ps1 --param who=Ada --json | ConvertFrom-Json
if ($result.state -ne 'SUCCESS') { throw 'somebody: not SUCCESS' }
$result = & $nexo dev NAME.ps1 --json | ConvertFrom-Json
if ($result.code -ne 'NOBODY') { throw 'nobody: not NOBODY' }
'ok'
"""


def _configuration(runtime: str, module: str, sink_type: str) -> str:
    return f"""# Tell the hub about it: nexo apply NAME.yaml
sink_types:
- name: "{sink_type}"

actions:
- name: NAME
  runtime: {runtime}
  module: {module}
  parameters:
  - {{name: who, type: DATA, value: who}}
  timeout_seconds: 60

event_types:
- name: TYPE
  sink_type: "{sink_type}"
  action: NAME
"""


TEMPLATES: Final[Mapping[str, Mapping[str, str]]] = {
    "python": {
        "NAME.py": _PYTHON,
        "test_NAME.py": _PYTHON_TEST,
        "NAME.yaml": _configuration("python", "NAME:run", "PYTHON:BASE"),
    },
    "shell": {
        "NAME.sh": _SHELL,
        "test_NAME.sh": _SHELL_TEST,
        "NAME.yaml": _configuration("shell", "NAME.sh", "PYTHON:BASE"),
    },
    "powershell": {
        "NAME.ps1": _POWERSHELL,
        "test_NAME.ps1": _POWERSHELL_TEST,
        "NAME.yaml": _configuration("powershell", "NAME.ps1", "PWSH:BASE"),
    },
}


def is_name(text: str) -> bool:
    """Whether it can be the name of a Python module and of a file everywhere."""
    return re.fullmatch(r"[a-z][a-z0-9_]{0,40}", text) is not None
