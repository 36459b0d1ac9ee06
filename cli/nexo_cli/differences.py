"""What differs between two documents, field by field. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

MISSING: Final = object()


@dataclass(frozen=True)
class Difference:
    """One field that differs; `MISSING` where it is not there."""

    field: str
    before: Any
    after: Any


def differences(before: Any, after: Any, field: str = "") -> Iterator[Difference]:
    """Those fields alone that differ, as `retry.max_attempts` or `parameters[path].value`."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys([*before, *after]):
            place = f"{field}.{name}" if field else str(name)
            yield from differences(before.get(name, MISSING), after.get(name, MISSING), place)
        return
    old, new = _by_name(before), _by_name(after)
    if old is not None and new is not None:
        for name in dict.fromkeys([*old, *new]):
            yield from differences(old.get(name, MISSING), new.get(name, MISSING), f"{field}[{name}]")
        if [each for each in old if each in new] != [each for each in new if each in old]:
            yield Difference(field, list(old), list(new))
        return
    if before is MISSING or after is MISSING or before != after or isinstance(before, bool) != isinstance(after, bool):
        yield Difference(field, before, after)


def _by_name(value: Any) -> dict[str, Any] | None:
    """A list whose items have names, by these names: its order alone hardly ever matters."""
    if not isinstance(value, list) or not value:
        return None
    if not all(isinstance(each, Mapping) and isinstance(each.get("name"), str) for each in value):
        return None
    named = {each["name"]: each for each in value}
    return named if len(named) == len(value) else None
