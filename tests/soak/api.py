"""The admin API against its own document: schemathesis asks a running hub everything, with all its checks.

Nothing may be answered that the OpenAPI document does not say: no status, no body, no header; and never a server error.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.network.rig import ADMIN, HubProcess
from tests.soak.runs import Figures, Violation

CONFIGURATION: Final = Path(__file__).with_name("schemathesis.toml")
PHASES: Final = "examples,coverage,fuzzing,stateful"
_TESTED: Final = re.compile(r"(\d+) generated, (\d+) passed")
_OPERATIONS: Final = re.compile(r"Tested: (\d+)")
MOST_SHOWN: Final = 8000
_PROGRAM: Final = (
    "import schemathesis; from schemathesis.cli import schemathesis as run; "
    "schemathesis.serializer.alias('application/zip', 'application/octet-stream'); run()"
)
"""A bundle is sent as the bytes that are drawn: nothing of its own writes zips."""


def run(seed: int, seconds: float) -> Figures:
    """All phases, for so long. Raises `Violation`."""
    with tempfile.TemporaryDirectory(prefix="nexomatic-api-") as name:
        return against_a_hub(Path(name), seed, PHASES, ("--max-time", str(max(1, round(seconds)))))


def against_a_hub(folder: Path, seed: int, phases: str, more: Sequence[str]) -> Figures:
    """Some phases against a hub of its own in this folder."""
    hub = HubProcess(folder / "home")
    hub.start()
    try:
        return _asked(hub, folder, seed, phases, more)
    finally:
        hub.stop()


def _asked(hub: HubProcess, folder: Path, seed: int, phases: str, more: Sequence[str]) -> Figures:
    command = [
        *(sys.executable, "-c", _PROGRAM),
        *("--config-file", str(CONFIGURATION), "run", f"http://127.0.0.1:{hub.port}/api/openapi.json"),
        *("--header", f"Authorization: Bearer {ADMIN}", "--seed", str(seed), "--phases", phases),
        *("--suppress-health-check", "all", "--warnings", "off", *more),
    ]
    asked = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        raise Violation(f"seed {seed}, {phases}\n{asked.stdout[-MOST_SHOWN:]}{asked.stderr[-MOST_SHOWN:]}")
    cases, operations = _TESTED.search(asked.stdout), _OPERATIONS.search(asked.stdout)
    if cases is None or operations is None or "Traceback" in hub.log():
        raise Violation(f"nothing is known of how it went\n{asked.stdout[-MOST_SHOWN:]}{hub.log()[-MOST_SHOWN:]}")
    return {"operations asked": int(operations[1]), "answers that were as the document says": int(cases[2])}
