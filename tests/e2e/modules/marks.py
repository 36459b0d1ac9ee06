"""Work that leaves a mark on the disk for each start and each end of user code, so that a test can hold the hub's
history against what really ran.

A mark's name is `EVENT.ATTEMPT.PID.WHAT`: two starts of one attempt are two files. WHAT is `started`, or how it ended.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from nexomatic import Context


def work(payload: Any, params: Any, context: Context) -> Any:
    """Take `seconds`, fail the first `fails` times, and answer what shows that this was this very call."""
    marks = _Marks(params["folder"], context)
    marks.leave("started", token=payload["token"])
    print(f"begin {context.attempt}", flush=True)
    time.sleep(payload["seconds"])
    failing = marks.failed_before() < payload["fails"]
    marks.leave("ERROR" if failing else "SUCCESS")  # first: who has lost its agent cannot print
    print(f"end {context.attempt}", flush=True)
    if failing:
        raise RuntimeError("it fails, as it was asked to")
    return {
        "token": payload["token"],
        "attempt": context.attempt,
        "digest": hashlib.sha256(payload["padding"].encode()).hexdigest(),
        "padding": payload["padding"],
    }


def follow(payload: Any, params: Any, context: Context) -> Any:
    """What follows `work`, whether that ended well or not."""
    marks = _Marks(params["folder"], context)
    marks.leave("started", parent=payload["parent"]["id"])
    print(f"begin {context.attempt}\nend {context.attempt}", flush=True)
    marks.leave("SUCCESS")
    return {"parent": payload["parent"]["id"], "attempt": context.attempt}


class _Marks:
    def __init__(self, folder: str, context: Context) -> None:
        self._folder = Path(folder)
        self._event = context.event_id
        self._name = f"{context.event_id}.{context.attempt}.{os.getpid()}"

    def leave(self, what: str, **said: Any) -> None:
        """Written aside first: a mark that is there is whole, however this process ends."""
        aside = self._folder / f".{self._name}.{what}"
        aside.write_text(json.dumps({"at": time.time(), **said}))
        aside.rename(self._folder / f"{self._name}.{what}")

    def failed_before(self) -> int:
        return len(list(self._folder.glob(f"{self._event}.*.ERROR")))
