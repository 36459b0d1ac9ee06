"""What happened in a run, kept cheaply and written out only when somebody has to read it."""

from __future__ import annotations

import asyncio


class Trace:
    """Entries of (time, who, what, details). Details are formatted late: most runs are never read."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._entries: list[tuple[float, str, str, tuple[object, ...]]] = []

    def add(self, who: str, what: str, *details: object) -> None:
        self._entries.append((self._loop.time(), who, what, details))

    def lines(self, about: str | None = None) -> list[str]:
        """The entries as text; `about`: only those that name this (an event's id)."""
        lines = (_line(*entry) for entry in self._entries)
        return [line for line in lines if about is None or about in line]

    def __len__(self) -> int:
        return len(self._entries)


def _line(at: float, who: str, what: str, details: tuple[object, ...]) -> str:
    said = " ".join(str(detail)[:400] for detail in details if detail is not None)
    return f"{at:12.3f}  {who:<12} {what:<22} {said}".rstrip()
