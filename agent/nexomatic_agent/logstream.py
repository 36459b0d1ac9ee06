"""From the bytes a task writes to lines: split, capped, masked and decoded, with their level."""

from __future__ import annotations

import re
from typing import Optional

from nexomatic_agent.masking import Masker

CONTINUES = " [the line goes on]"
CONTINUED = "[the line goes on] "
STREAMS = {"stdout": "INFO", "stderr": "ERROR"}
"""And the level of a line without a mark."""
MARK_START = "\x1e"
_LEVEL = "DEBUG|INFO|WARNING|ERROR|CRITICAL"
_MARK = re.compile(f"{MARK_START}(?:(stdout|stderr)(?: ({_LEVEL}))?|({_LEVEL}))\x1f")
"""Before a line the child writes its stream, its level or both, between characters that no terminal shows."""

Part = tuple[str, str, str]
"""Stream, level and text of a line."""


class LineSplitter:
    """Cuts one stream of bytes into lines of at most `limit` bytes. Not for several threads.

    A longer line is split, with a visible mark at the end of a piece and at the beginning of the next.
    """

    def __init__(self, stream: str, limit: int, masker: Masker) -> None:
        self._stream = stream
        self._piece = limit - len(CONTINUES) - len(CONTINUED)
        self._limit = limit
        self._masker = masker
        self._rest = b""
        self._goes_on: Optional[tuple[str, str]] = None
        """Stream and level of the line whose next piece is awaited."""

    def feed(self, data: bytes) -> list[Part]:
        """The lines that these bytes complete."""
        *complete, self._rest = (self._rest + data).split(b"\n")
        parts: list[Part] = []
        for line in complete:
            self._whole(line, parts)
        self._rest = self._long(self._rest, self._masker.overlap, parts)
        return parts

    def feed_end(self, data: bytes, lines: int, most_bytes: int) -> list[Part]:
        """Of what these bytes complete only so many last lines, for a log that is cut: the others cost next to nothing.

        Of an endless line `most_bytes` are looked at, unless a secret value could begin before them.
        """
        start = len(data)
        while lines >= 0 and start >= 0:
            start, lines = data.rfind(b"\n", 0, start), lines - 1
        start += 1
        if not self._masker.overlap:
            start = max(start, len(data) - most_bytes)
        if start == 0:
            return self.feed(data)
        self._rest, self._goes_on = b"", None
        return self.feed(data[start:])

    def finish(self) -> list[Part]:
        """The stream has ended: what is left is a line, even without its end."""
        rest, self._rest = self._rest, b""
        parts: list[Part] = []
        if rest:
            self._whole(rest, parts)
        return parts

    def _whole(self, line: bytes, parts: list[Part]) -> None:
        if len(line) > self._piece:
            line = self._long(line, 0, parts)
        self._add(line[:-1] if line.endswith(b"\r") else line, parts, ends=True)

    def _long(self, line: bytes, overlap: int, parts: list[Part]) -> bytes:
        """Cut pieces off while the line is too long even with the bytes the masker must see; what is left."""
        start = 0
        while len(line) - start > self._limit + overlap:
            window = line[start : start + self._piece + self._masker.overlap + 4]
            at = self._masker.cut(window, self._piece)
            self._add(window[:at], parts, ends=False)
            start += at
        return line[start:]

    def _add(self, piece: bytes, parts: list[Part], ends: bool) -> None:
        text = self._masker.mask_bytes(piece).decode("utf-8", "replace")
        if self._goes_on is None and ends and MARK_START not in text:
            parts.append((self._stream, STREAMS[self._stream], text))  # as nearly all are
            return
        before = "" if self._goes_on is None else CONTINUED
        added = marked_parts(text, self._stream, self._goes_on)
        added[0] = (*added[0][:2], before + added[0][2])
        if not ends:
            added[-1] = (*added[-1][:2], added[-1][2] + CONTINUES)
        self._goes_on = None if ends else added[-1][:2]
        parts += added


def marked_parts(line: str, stream: str, before: Optional[tuple[str, str]] = None) -> list[Part]:
    """The line by its marks; as several where a mark stands in the middle of what had no end of line.

    `before` are stream and level of what it continues.
    """
    parts: list[Part] = []
    said, level = before or (stream, STREAMS[stream])
    start = 0
    for mark in _MARK.finditer(line):
        if mark.end() > len(mark[0]):  # else there is nothing before the first
            parts.append((said, level, line[start : mark.start()]))
        said = mark[1] or stream
        level = mark[2] or mark[3] or STREAMS[said]
        start = mark.end()
    parts.append((said, level, line[start:]))
    return parts
