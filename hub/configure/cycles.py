"""Chains of follow-ons that lead back to where they began. Pure: asked of what a change would lead to.

Such a chain goes on until it is as long as any may be, and nearly always by mistake. One that is meant, a check that
fires its own repair and is fired by it, says so: `allow_cycle` on an action of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from hub.configure.references import EDGES
from hub.errors import FieldError
from hub.model.configuration import Action, EventType
from hub.model.snapshot import Snapshot
from hub.rules.lifecycle import MAX_DEPTH

SHOWN: Final = 10
"""So many steps of a cycle are named; of a longer one the last is, and those before it are not."""


class Chains:
    """Which EventType leads to which, by what its action names. Names are in small letters."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._leads_to = {name: _targets(each, snapshot) for name, each in snapshot.event_types.items()}
        self._in_cycles: set[str] | None = None

    def closed_by(self, document: EventType | Action) -> Iterator[FieldError]:
        """The cycle that this document is part of and nobody allowed, if there is one."""
        for name in self._of(document):
            path = self._back_to(name)
            if path is not None:
                field = "action" if isinstance(document, EventType) else self._leads_to[path[0]][path[1]]
                yield FieldError(field, self._words(path))
                return

    def _of(self, document: EventType | Action) -> list[str]:
        """The EventTypes that a document decides on, if they can be in a cycle at all."""
        if self._in_cycles is None:
            self._in_cycles = _left_of(self._leads_to)
        if isinstance(document, EventType):
            own = {document.name.casefold()}
        else:
            types = self._snapshot.event_types.items()
            own = {name for name, each in types if each.action.casefold() == document.name.casefold()}
        return sorted(own & self._in_cycles)

    def _back_to(self, begin: str) -> Sequence[str] | None:
        """The shortest way from an EventType back to itself, both ends named."""
        before: dict[str, str] = {}
        ahead = deque([begin])
        while ahead:
            here = ahead.popleft()
            for target in self._leads_to.get(here, {}):
                if target == begin:
                    return [*_way(begin, here, before), begin]
                if target not in before:
                    before[target] = here
                    ahead.append(target)
        return None

    def _words(self, path: Sequence[str]) -> str:
        names = [self._snapshot.event_types[each].name for each in path]
        steps = [
            f"{name} -{self._leads_to[here][there]}->"
            for name, (here, there) in zip(names[:-1], pairwise(path), strict=True)
        ]
        if len(steps) > SHOWN:
            steps[SHOWN - 1 : -1] = ["…"]
        return (
            f"leads in a circle: {' '.join(steps)} {names[-1]}; such a chain goes on until it has led on {MAX_DEPTH}"
            " times. If that is meant, set allow_cycle on an action of it"
        )


def _targets(event_type: EventType, snapshot: Snapshot) -> dict[str, str]:
    """Where its action leads, each with the edge that does; nowhere if a cycle through it is meant."""
    action = snapshot.action(event_type.action)
    if action is None or action.allow_cycle:
        return {}
    named = {edge: getattr(action, edge) for edge in reversed(EDGES)}
    return {target.casefold(): edge for edge, target in named.items() if target is not None}


def _left_of(leads_to: dict[str, dict[str, str]]) -> set[str]:
    """What may be in a cycle: the rest when all is taken away, again and again, that leads to nothing that is left."""
    led_from: dict[str, list[str]] = {name: [] for name in leads_to}
    leads = {name: len(targets) for name, targets in leads_to.items()}
    for name, targets in leads_to.items():
        for target in targets:
            led_from.setdefault(target, []).append(name)
            leads.setdefault(target, 0)
    ends = [name for name, count in leads.items() if not count]
    while ends:
        for name in led_from[ends.pop()]:
            leads[name] -= 1
            if not leads[name]:
                ends.append(name)
    return {name for name, count in leads.items() if count}


def _way(begin: str, end: str, before: dict[str, str]) -> list[str]:
    way = [end]
    while way[0] != begin:
        way.insert(0, before[way[0]])
    return way
