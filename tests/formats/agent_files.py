"""What a release's agent keeps on disk: made through the agent's own functions, and what a later agent reads of it.

`python -m tests.formats.agent_files FOLDER` records it, once for each release.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from nexomatic_agent import unsealing
from nexomatic_agent.commands import Commands
from nexomatic_agent.exchange import Exchange
from nexomatic_agent.identity import Identity, Instances, load_identity
from nexomatic_agent.intents import TaskResult
from nexomatic_agent.journal import Claim, Journal
from nexomatic_agent.spool import Spool, Spooled

RECORDING: Final = "agent.json.gz"
IDENTITY: Final = Identity("https://hub.example.com", "box", "PYTHON:BASE", "no credential", 1_772_000_000.0, 86_400.0)
CLAIM: Final = Claim("01KJMMA2G02DS0VX479HYMB4A0", 2, "no lease", 30.0, "mark", started=True)
PROCESS: Final = {"pid": 4711, "started": 12.5}
RESULT: Final = TaskResult("SUCCESS", None, "it is done", {"n": 1})
SPOOLED: Final = Spooled(CLAIM.event_id, CLAIM.attempt, CLAIM.token, CLAIM.lease_seconds, RESULT)
CHUNK: Final = {
    "first": 1,
    "lines": [{"time": "2026-03-01T12:00:00Z", "stream": "stdout", "level": "INFO", "text": "line 1"}],
}


def write(folder: Path) -> None:
    """All of it."""
    IDENTITY.save(folder)
    instances = Instances(folder)
    instances.answered(instances.start())
    Exchange(folder / "rotation.json", ["no credential"])
    unsealing.public_key(folder)
    Commands(folder, lambda _: None, ["drain"]).take("drain", "c1")
    journal = Journal(folder / "journal")
    journal.write(CLAIM)
    journal.note_process(CLAIM.key, PROCESS)
    spool = Spool(folder / "spool", folder / "lost")
    spool.write(CLAIM.key, SPOOLED, [CHUNK])
    spool.keep_aside(CLAIM.key, "superseded", RESULT)


def check(folder: Path) -> None:
    """That this release's agent finds all of it, and goes on with it."""
    assert load_identity(folder) == IDENTITY
    known = json.loads((folder / "instance.json").read_text())["id"]
    assert Instances(folder).start().replaces == known
    nonce = json.loads((folder / "rotation.json").read_text())["nonce"]
    assert Exchange(folder / "rotation.json", ["no credential"]).nonce == nonce
    kept = (folder / unsealing._FILE).read_bytes()
    assert unsealing.public_key(folder) is not None
    assert (folder / unsealing._FILE).read_bytes() == kept
    commands = Commands(folder, lambda _: None, ["drain"])
    assert commands.drained
    assert not commands.take("drain", "c1"), "it was heard before"
    journal = Journal(folder / "journal")
    assert journal.keys() == [CLAIM.key]
    assert journal.read(CLAIM.key) == CLAIM
    assert (journal.process(CLAIM.key) or {}).items() >= PROCESS.items()
    spool = Spool(folder / "spool", folder / "lost")
    assert spool.read(CLAIM.key) == SPOOLED
    assert list(spool.logs(CLAIM.key)) == [CHUNK]


def files(folder: Path) -> dict[str, str]:
    """By name, what is in each."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*.*"))}


def put_back(recorded: dict[str, str], folder: Path) -> None:
    for name, text in recorded.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def shape(recorded: dict[str, str]) -> dict[str, list[set[str]]]:
    """Of each file, the fields of each of its lines."""
    return {name: [_fields("", json.loads(line)) for line in text.splitlines()] for name, text in recorded.items()}


def _fields(prefix: str, value: Any) -> set[str]:
    if isinstance(value, dict):
        return {each for name, inner in value.items() for each in _fields(f"{prefix}.{name}", inner)}
    return {f"{prefix}: {type(value).__name__}"}


def read(folder: Path) -> dict[str, str]:
    """What was recorded there."""
    document: dict[str, str] = json.loads(gzip.decompress((folder / RECORDING).read_bytes()))
    return document


def main(folder: Path) -> None:
    if (folder / RECORDING).exists():
        raise SystemExit(f"{folder} holds a recording; it is kept as it is")
    with tempfile.TemporaryDirectory() as made:
        write(Path(made))
        (folder / RECORDING).write_bytes(gzip.compress(json.dumps(files(Path(made))).encode(), mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
