"""What runs in these tests: leaves a mark for each run, works, writes, answers."""

import os
import time
from pathlib import Path


def run(payload, params, context):  # type: ignore[no-untyped-def]
    """`seconds` of work, then `lines` of log, each of some `width`; a result of so many `bytes`."""
    folder = Path(payload["folder"])
    name = f"{context.event_id}.{context.attempt}"
    mark(folder, f"{name}.started")
    time.sleep(payload.get("seconds", 0))
    for number in range(payload.get("lines", 0)):
        print(f"line {number} of {name} {'x' * payload.get('width', 0)}")
    mark(folder, f"{name}.done")
    return {"attempt": context.attempt, "filling": "y" * payload.get("bytes", 0)}


def mark(folder: Path, name: str) -> None:
    """One line a run: two lines in a file are two runs of one attempt."""
    with (folder / name).open("a") as file:
        file.write(f"{os.getpid()}\n")
