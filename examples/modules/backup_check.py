"""Checks that a backup is fresh; and the failure handler that writes down what is wrong."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from nexomatic import Context


class BackupTooOld(Exception):
    """The newest file is older than it may be."""


class NoBackup(Exception):
    """There is no backup at all."""


def run(payload: Any, params: dict[str, Any], context: Context) -> dict[str, Any]:
    """The newest file in `folder` is at most `max_age_hours` old, or this fails."""
    folder = Path(params["folder"]).expanduser()
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    if not files:
        raise NoBackup(f"{folder} holds no file")
    newest = max(files, key=lambda path: path.stat().st_mtime)
    hours = (time.time() - newest.stat().st_mtime) / 3600
    print(f"the newest of {len(files)} files is {newest.name}, {hours:.1f} h old")
    if hours > float(params["max_age_hours"]):
        raise BackupTooOld(f"{newest} is {hours:.1f} h old; {params['max_age_hours']} h are allowed")
    return {"newest": str(newest), "age_hours": round(hours, 2), "files": len(files)}


def note_incident(payload: Any, params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Appends what failed, when and why, to `file`: one JSON document a line."""
    failed = payload["parent"]
    incident = {
        "at": datetime.now(timezone.utc).isoformat(),
        "event": failed["id"],
        "event_type": failed["event_type"],
        "code": failed["result_code"],
        "message": failed["result_message"],
    }
    file = Path(params["file"]).expanduser()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as incidents:
        incidents.write(json.dumps(incident, ensure_ascii=False) + "\n")
    print(f"noted in {file}: {incident['code']}: {incident['message']}")
    return incident
