"""All commands: what they have in common, and that each is tested end to end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from nexo_cli.app import app

END_TO_END = Path(__file__).resolve().parents[2] / "tests/e2e/test_nexo.py"


def _leaves(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
    for name, each in (inner or {}).items():
        yield from _leaves((*words, name), each)


COMMANDS = dict(_leaves((), typer.main.get_command(app)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_says_what_it_does_and_speaks_json(words: tuple[str, ...]) -> None:
    command = COMMANDS[words]
    options = {each for parameter in command.params for each in parameter.opts}
    assert {"--json", "--hub"} <= options
    assert command.help
    assert all(each.help for each in command.params)
    assert not {"--password", "--value", "--secret-value"} & options, "what is secret is no argument"
    assert ", ".join(f'"{each}"' for each in words) in END_TO_END.read_text("utf-8"), "it has no test end to end"


def test_help_imports_nothing_that_takes_long() -> None:
    code = "import sys, nexo_cli.app; print(*{name.partition('.')[0] for name in sys.modules})"
    environ = {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert not {"requests", "rich", "yaml", "keyring", "urllib3", "importlib.resources"} & set(done.stdout.split())
