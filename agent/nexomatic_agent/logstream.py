"""From the bytes a task writes to lines: split, capped, masked and decoded, with their level."""

from __future__ import annotations

from nexomatic_agent.masking import Masker

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
CONTINUES = " [the line goes on]"
CONTINUED = "[the line goes on] "
LEVEL_START, LEVEL_END = "\x1e", "\x1f"
"""What the child puts around the level of a line that went through `logging`; no terminal shows these characters."""


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


def level_of(line: str, usual: str) -> tuple[str, str]:
    """The line's level and its text without the mark; `usual` if it has none."""
    if line.startswith(LEVEL_START):
        level, end, text = line[1:].partition(LEVEL_END)
        if end and level in LEVELS:
            return level, text
    return usual, line
