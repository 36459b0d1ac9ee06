"""A change to the configuration, as the audit shows it: what each row says before and after.

The models hold nothing that is secret. Of what lies beside them (hashes, keys of webhooks) only that it has changed is
said.
"""

from __future__ import annotations

from typing import Any

from hub.audit import attempt
from hub.model.audit import Change
from hub.rules.audit_changes import change
from hub.storage.configuration import Configuration, Edit, Entry


async def intend_edit(seen: Configuration, edit: Edit) -> None:
    """Write down what is about to be written, for who is behind it. Raises `Unavailable`."""
    changes = changes_of(seen, edit)
    if (here := attempt.current.get()) is not None and "/" not in here.entry.resource and len(changes) == 1:
        here.concerns(changes[0].resource)  # what is made has a name only now
    await attempt.intend(changes)


def changes_of(seen: Configuration, edit: Edit) -> list[Change]:
    """What this edit makes of what is there."""
    put = [_change(seen.entries.get(each.row_key), each) for each in edit.put]
    removed = [_change(each, None) for each in edit.remove]
    if edit.level is None:
        return put + removed
    return [*put, *removed, change("formats", {"level": seen.at.level.number}, {"level": edit.level.number})]


def _change(before: Entry | None, after: Entry | None) -> Change:
    entry = after or before
    assert entry is not None
    shown = change(f"{entry.kind}/{getattr(entry.model, 'name', entry.name)}", _document(before), _document(after))
    if before is None or after is None:
        return shown
    beside = {
        name: "changed"
        for name, field in (("url", "key"), ("old_url", "old_key"), ("credential", "sha256"), ("password", "password"))
        if getattr(before, field) != getattr(after, field)
    }
    said = shown.after if isinstance(shown.after, dict) else {}
    return shown.model_copy(update={"after": {**said, **beside}})


def _document(entry: Entry | None) -> dict[str, Any] | None:
    return None if entry is None else entry.model.model_dump(mode="json")
