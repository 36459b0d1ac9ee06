"""Runs `nexo` in this process, as its console script does, and beside it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from nexo_cli.__main__ import main
from nexo_cli.state import run

from tests.e2e.local_platform import ROOT

NO_KEYRING = "keyring.backends.fail.Keyring"


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """Of a table that went to a pipe."""
        return [line.split("\t") for line in self.out.splitlines()]


@dataclass
class Nexo:
    """`nexo` of one user, who has a folder of their own for what it keeps."""

    home: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, stdin: str = "", code: int = 0) -> Said:
        """One command in this process: its start, measured elsewhere, is most of what it takes."""
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
        text_in = io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
        before = signal.getsignal(signal.SIGTERM)
        run.json, run.hub = False, None
        try:
            with (
                patch.object(sys, "argv", ["nexo", *arguments]),
                patch.object(sys, "stdin", text_in),
                patch.object(sys, "stdout", out),
                patch.object(sys, "stderr", err),
                patch.dict(os.environ, self.env()),
            ):
                ended = main()
        finally:
            signal.signal(signal.SIGTERM, before)
        said = Said(ended, _text(out), _text(err))
        assert said.code == code, f"nexo {' '.join(arguments)} ended with {said.code}:\n{said.out}\n{said.err}"
        return said

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """One command in a process of its own."""
        environ = {**os.environ, **self.env(), "PYTHONPATH": str(ROOT / "cli")}
        return subprocess.Popen([sys.executable, "-m", "nexo_cli", *arguments], env=environ, **options)

    def env(self) -> dict[str, str]:
        return {"NEXO_HOME": str(self.home), "PYTHON_KEYRING_BACKEND": NO_KEYRING, **self.environ}


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return cast(io.BytesIO, stream.buffer).getvalue().decode()
