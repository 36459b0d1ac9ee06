"""Before → after, as an entry of the audit shows it: what differs, within bounds. Pure.

What is too big for an entry is not cut off silently: its place is taken by its digest and the names of the fields that
differ.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import JsonValue

from hub.model.audit import Change

MOST_BYTES_OF_ONE: Final = 8 * 1024
MOST_BYTES: Final = 32 * 1024
"""Of all changes of one entry, which is stored in a column of 64 KiB."""
MOST_FIELDS: Final = 50
MOST_NAME_CHARS: Final = 200
Document = Mapping[str, Any]


def change(resource: str, before: Document | None, after: Document | None) -> Change:
    """What became of one resource. Both given: only the fields that differ, in both."""
    if before is not None and after is not None:
        fields = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        before = {name: before[name] for name in fields if name in before}
        after = {name: after[name] for name in fields if name in after}
    return Change(resource=resource, before=_value(before), after=_value(after))


def bounded(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The same, with what is too big told by its digest; and when it is too much in all, by the resource's name."""
    found: list[Change] = []
    left = MOST_BYTES
    for each in changes:
        shown = each if _size(each) <= min(left, MOST_BYTES_OF_ONE) else _digested(each)
        if _size(shown) > left:
            shown = Change(resource=each.resource[:MOST_NAME_CHARS])
        found.append(shown)
        left = max(0, left - _size(shown))
    return tuple(found)


def _value(document: Document | None) -> JsonValue:
    return None if document is None else dict(document)


def _digested(each: Change) -> Change:
    names = sorted({name for side in (each.before, each.after) if isinstance(side, dict) for name in side})
    shown: JsonValue = [name[:MOST_NAME_CHARS] for name in names[:MOST_FIELDS]]
    return Change(
        resource=each.resource,
        before=_digest_of(each.before, shown),
        after=_digest_of(each.after, shown),
    )


def _digest_of(side: JsonValue, fields: JsonValue) -> JsonValue:
    if side is None:
        return None
    text = _json(side)
    return {"sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text), "fields": fields}


def _size(each: Change) -> int:
    return len(_json(each.model_dump(mode="json")))


def _json(value: JsonValue) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
