"""Whether a change to the configuration may be made: what it leads to must hold together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from hub.configure import references
from hub.configure.checks import check
from hub.configure.cycles import Chains
from hub.errors import FieldError, Invalid, Rejected
from hub.model.configuration import Action, EventType, Kind
from hub.rules import names
from hub.storage.configuration import Configuration, Edit, Entry, RowKind

_CONFIGURED = tuple(RowKind(kind) for kind in Kind)


class InUse(Rejected):
    """Others name it: change or delete those first."""

    def __init__(self, what: str, named_by: Iterable[str]) -> None:
        self.named_by = tuple(named_by)
        super().__init__(f"{what} is named by {', '.join(self.named_by)}: change or delete those first")


def consistent(seen: Configuration, edit: Edit, *, secrets_later: bool = False, front_end: bool = False) -> Edit:
    """The edit, if it may be made. Raises `Invalid` with the fields of what is written, `Rejected` for what is not.

    `secrets_later`: what is written may name secrets that are not there yet. `front_end`: a setting names who tells
    the hub its callers' addresses.
    """
    put = {entry.row_key for entry in edit.put}
    many = len(put) > 1
    problems = [
        _placed(entry, error, many) for entry in edit.put for error in check(_document(entry), front_end=front_end)
    ]
    if not secrets_later:
        problems += [_placed(entry, error, many) for entry in edit.put for error in _unknown_secrets(seen, entry)]
    others: list[str] = []
    after = seen.after(edit)
    for kind in _CONFIGURED:
        for entry in after.of(kind):
            for field, what in references.missing(_document(entry), after.snapshot):
                if entry.row_key in put:
                    problems.append(_placed(entry, FieldError(field, what), many))
                else:
                    others.append(f"{kind}/{entry.name} ({field}: {what})")
    chained = [entry for entry in edit.put if isinstance(entry.model, Action | EventType)]
    if chained and not problems and not others:
        chains = Chains(after.snapshot)
        problems = [_placed(entry, error, many) for entry in chained for error in chains.closed_by(_document(entry))]
    if problems:
        said = "; ".join(f"{each.field} {each.message}" for each in problems[:3])
        raise Invalid(f"the request was refused: {said}", problems)
    if others:
        raise Rejected(f"this would break {'; '.join(others[:20])}")
    return edit


def removal(seen: Configuration, entry: Entry) -> Edit:
    """The edit that removes it. Raises `InUse`."""
    named_by = references.who_names(entry.kind, entry.name, seen)
    if named_by:
        raise InUse(f"{entry.kind}/{entry.name}", named_by)
    return Edit(remove=[entry])


def _unknown_secrets(seen: Configuration, entry: Entry) -> Iterator[FieldError]:
    """Secrets that it begins to name and that are not there. Those it named before hinder no other change to it."""
    before = seen.entries.get(entry.row_key)
    known = {name.casefold() for _, name in references.named_secrets(before.model)} if before else set()
    for field, name in references.named_secrets(entry.model):
        if seen.snapshot.secret(name) is None and name.casefold() not in known and names.is_secret_name(name):
            yield FieldError(field, f"there is no secret {name}: put it first, with PUT /api/secrets/{name}")


def _document(entry: Entry) -> Any:
    return entry.model


def _placed(entry: Entry, error: FieldError, many: bool) -> FieldError:
    """Of many documents, the field's place begins with which one."""
    return FieldError(f"{entry.kind}/{entry.name}.{error.field}", error.message) if many else error
