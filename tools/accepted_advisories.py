"""`tools/accepted-advisories.toml`: what is known against a dependency and was looked at, each until a day.

[[advisory]]
id = "GHSA-…"               # the advisory's id, or another name of it
package = "…"               # as it is called in the lock file
reason = "…"                # why it does no harm here, or what stands in its place
until = 2027-01-31          # the day on which somebody looks again
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

FIELDS: Final = {"id": str, "package": str, "reason": str, "until": date}


@dataclass(frozen=True, slots=True)
class Advisory:
    """What is known against one package."""

    package: str
    names: Sequence[str]
    """Its id first, then what others call it."""
    text: str
    """The whole of it, for a person."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """That one advisory is known, and does no harm until then."""

    id: str
    package: str
    reason: str
    until: date

    def covers(self, advisory: Advisory) -> bool:
        return self.package == advisory.package and self.id in advisory.names


def read(file: Path) -> list[Acceptance]:
    """What the file says. Raises `ValueError` with what is wrong in it."""
    document = tomllib.loads(file.read_text())
    if unknown := sorted(set(document) - {"advisory"}):
        raise ValueError(f"{file.name}: {', '.join(unknown)}: only [[advisory]] stands there")
    entries = document.get("advisory", [])
    if not isinstance(entries, list):
        raise ValueError(f"{file.name}: advisory: it is a list, [[advisory]]")
    return [_read(file, each) for each in entries]


def _read(file: Path, entry: dict[str, Any]) -> Acceptance:
    wrong = [name for name, kind in FIELDS.items() if type(entry.get(name)) is not kind or entry[name] == ""]
    wrong += sorted(set(entry) - set(FIELDS))
    if wrong:
        raise ValueError(
            f"{file.name}: {entry.get('id', 'an entry')}: {', '.join(wrong)}: see tools/{Path(__file__).name}"
        )
    return Acceptance(**entry)


def judged(
    found: Iterable[Advisory], accepted: Sequence[Acceptance], today: date, *, everything_asked: bool
) -> tuple[list[str], list[str]]:
    """What fails, and what is accepted, each a line.

    An acceptance that has expired covers nothing. One that nothing was found for fails too, once all were asked: it
    would hide what comes later.
    """
    fails, known, used = [], [], set()
    for advisory in found:
        mine = [each for each in accepted if each.covers(advisory)]
        used.update(mine)
        if valid := [each for each in mine if today <= each.until]:
            known.append(f"{advisory.text}: accepted until {valid[0].until}: {valid[0].reason}")
        else:
            expired = "".join(f"; its acceptance expired on {each.until}" for each in mine)
            fails.append(advisory.text + expired)
    for each in accepted:
        if everything_asked and each not in used:
            fails.append(f"{each.package}: {each.id} is accepted, but not found any more: take it off the list")
        elif each not in used and today > each.until:
            fails.append(f"{each.package}: {each.id}: its acceptance expired on {each.until}")
    return fails, known
