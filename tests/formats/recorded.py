"""What earlier releases recorded, put back into an engine; and the shape of what is stored, to compare releases by."""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hub.storage.embedded import values
from hub.storage.embedded.anchors import FILE as ANCHORS
from hub.storage.ports import Storage

FOLDER: Final = Path(__file__).parent / "recorded"
RELEASES: Final = sorted(path.name for path in FOLDER.iterdir())


def export_of(release: str) -> dict[str, Any]:
    """All that it stored, and what a reader needs to know."""
    document: dict[str, Any] = json.loads(gzip.decompress((FOLDER / release / "export.json.gz").read_bytes()))
    return document


def unpack(release: str, folder: Path) -> Path:
    """Its file of the embedded engine, with the anchors beside it."""
    for name in ("nexomatic.db", ANCHORS):
        (folder / name).write_bytes(gzip.decompress((FOLDER / release / f"{name}.gz").read_bytes()))
    return folder / "nexomatic.db"


async def put_back(export: Mapping[str, Any], storage: Storage) -> None:
    """Into an engine that is empty."""
    await storage.prepare()
    for table, partition, key, columns in export["rows"]:
        await storage.tables.insert(table, partition, key, values.decode(columns))
    for container, name, content in export["blobs"]:
        await storage.blobs.put(container, name, base64.b64decode(content))
    for queue, body in export["messages"]:
        await storage.queues.put(queue, body)


def shape(export: Mapping[str, Any]) -> dict[str, set[str]]:
    """By table and format: each column with its type, and the fields of those that hold a JSON object."""
    found: dict[str, set[str]] = defaultdict(set)
    for table, _, _, text in export["rows"]:
        columns = values.decode(text)
        found[f"{table}, format {columns.get('format')!r}"].update(_named("", columns))
    for _, body in export["messages"]:
        message = json.loads(body)
        found[f"a hint, format {message.get('format')}"].update(_named("", message))
    return dict(found)


def _named(prefix: str, columns: Mapping[str, Any]) -> set[str]:
    names: set[str] = set()
    for name, value in columns.items():
        names.add(f"{prefix}{name}: {type(value).__name__}")
        inner = _object(value)
        if inner is not None:
            names |= _named(f"{prefix}{name}.", inner)
    return names


def _object(value: Any) -> dict[str, Any] | None:
    """A JSON object, or the one that this text or these bytes hold; None: it is no such thing."""
    if isinstance(value, str | bytes) and value[:1] in ("{", b"{"):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None
