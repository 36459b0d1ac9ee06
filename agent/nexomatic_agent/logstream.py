"""From the bytes a task writes to lines: split, capped, masked and decoded, with their level."""

from __future__ import annotations

from typing import Optional

from nexomatic_agent.masking import Masker

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
CONTINUES = " [the line goes on]"
CONTINUED = "[the line goes on] "
MARK_START, MARK_END = "\x1e", "\x1f"
"""Between them the child writes, before a line, its stream, its level or both. No terminal shows these characters."""
STREAMS = {"stdout": "INFO", "stderr": "ERROR"}
"""And the level of a line without a mark."""


class LineSplitter:
    """Cuts one stream of bytes into lines of at most `limit` bytes. Not for several threads.

    A longer line is split, with a visible mark at the end of a piece and at the beginning of the next.
    """

    def __init__(self, limit: int, masker: Masker) -> None:
        self._piece = limit - len(CONTINUES) - len(CONTINUED)
        self._limit = limit
        self._masker = masker
        self._rest = b""
        self._continued = False

    def feed(self, data: bytes) -> list[str]:
        """The lines that these bytes complete."""
        *complete, self._rest = (self._rest + data).split(b"\n")
        lines: list[str] = []
        for line in complete:
            self._whole(line, lines)
        self._rest = self._long(self._rest, self._masker.overlap, lines)
        return lines

    def finish(self) -> list[str]:
        """The stream has ended: what is left is a line, even without its end."""
        rest, self._rest = self._rest, b""
        lines: list[str] = []
        if rest:
            self._whole(rest, lines)
        return lines

    def _whole(self, line: bytes, lines: list[str]) -> None:
        if len(line) > self._piece:
            line = self._long(line, 0, lines)
        lines.append(self._text(line[:-1] if line.endswith(b"\r") else line, ends=True))

    def _long(self, line: bytes, overlap: int, lines: list[str]) -> bytes:
        """Cut pieces off while the line is too long even with the bytes the masker must see; what is left."""
        start = 0
        while len(line) - start > self._limit + overlap:
            window = line[start : start + self._piece + self._masker.overlap + 4]
            at = self._masker.cut(window, self._piece)
            lines.append(self._text(window[:at], ends=False))
            start += at
        return line[start:]

    def _text(self, piece: bytes, ends: bool) -> str:
        text = self._masker.mask_bytes(piece).decode("utf-8", "replace")
        before, self._continued = CONTINUED if self._continued else "", not ends
        return f"{before}{text}{'' if ends else CONTINUES}"


def marked_parts(line: str, stream: str) -> list[tuple[str, str, str]]:
    """The line as (stream, level, text); as several where a mark stands in the middle of what had no end of line."""
    if MARK_START not in line:
        return [(stream, STREAMS[stream], line)]
    parts: list[tuple[str, str, str]] = []
    plain, *rest = line.split(MARK_START)
    if plain:
        parts.append((stream, STREAMS[stream], plain))
    for part in rest:
        mark, end, text = part.partition(MARK_END)
        marked = _read_mark(mark, stream) if end else None
        if marked is not None:
            parts.append((*marked, text))
        elif parts:
            before = parts.pop()
            parts.append((*before[:2], before[2] + MARK_START + part))
        else:
            parts.append((stream, STREAMS[stream], MARK_START + part))
    return parts


def _read_mark(mark: str, stream: str) -> Optional[tuple[str, str]]:
    """Stream and level; None if a task merely wrote the same characters."""
    words = mark.split(" ")
    said = next((word for word in words if word in STREAMS), stream)
    level = next((word for word in words if word in LEVELS), STREAMS[said])
    return (said, level) if all(word in STREAMS or word in LEVELS for word in words) else None
