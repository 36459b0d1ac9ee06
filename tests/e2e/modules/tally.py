"""Leaves a mark for each run, so that a test can count them."""

import os
import time
from pathlib import Path


def mark(payload, params, context):  # type: ignore[no-untyped-def]
    """One file for each attempt; `seconds`: how long to work."""
    folder = Path(payload["folder"])
    name = f"{context.event_id}.{context.attempt}"
    (folder / f"{name}.started").write_text(str(os.getpid()))
    print("working", flush=True)
    time.sleep(payload.get("seconds", 0))
    (folder / f"{name}.done").touch()
    return {"attempt": context.attempt}
