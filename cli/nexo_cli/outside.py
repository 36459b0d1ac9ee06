"""The one way to the terminal for text that came from elsewhere. Pure.

A log line, a payload or a name may hold anything: sequences that retitle the window, write to the clipboard, hide text
or turn its direction. Colours pass. Every other control character is shown as its escape, and does nothing.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

RESET: Final = "\x1b[0m"
_SGR: Final = re.compile(r"\x1b\[([0-9;:]{0,64})m")
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 and C1: cursor, bell, escape, and what begins CSI and OSC in one byte
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional marks and overrides
    "\u2028\u2029"  # separators that some terminals break lines at
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # invisible ones, tags among them
    "\ud800-\udfff]"  # halves of a character, which cannot be written
)
_PLAIN: Final = frozenset({0, 1, 2, 3, 4, 7, 9, *range(21, 28), 29, *range(30, 38), 39, *range(40, 48), 49})
_BRIGHT: Final = frozenset({*range(90, 98), *range(100, 108)})
_EXTENDED: Final = (38, 48)


def safe(text: str) -> str:
    """The text on one line: colours as they are, and put back at its end; every other control character escaped."""
    if not _UNSAFE.search(text):
        return text
    parts: list[str] = []
    coloured, begin = False, 0
    for found in _SGR.finditer(text):
        if _is_colour(found[1]):
            parts += [_escaped(text[begin : found.start()]), found[0]]
            coloured, begin = True, found.end()
    parts.append(_escaped(text[begin:]))
    return "".join(parts) + (RESET if coloured else "")


def plain(text: str) -> str:
    """The same without colours: for a terminal that has none, for a file, and for text that colours would disguise."""
    return _SGR.sub("", safe(text)) if "\x1b" in text else safe(text)


def as_json(value: Any, indent: int | None = 2) -> str:
    """JSON that says the same, in which nothing can act on a terminal."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    # What is escaped so can stand only inside of strings: between them there are only spaces and ends of lines.
    return "\n".join(_UNSAFE.sub(_json_escape, line) for line in text.split("\n"))


def _escaped(text: str) -> str:
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


def _json_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _is_colour(parameters: str) -> bool:
    """Whether a sequence only sets colours, weight and lines: not what hides text, or does what nobody knows."""
    try:
        codes = [int(code) if code else 0 for code in re.split("[;:]", parameters)]
    except ValueError:  # pragma: no cover - the pattern lets only digits through
        return False
    at = 0
    while at < len(codes):
        if codes[at] in _EXTENDED:
            length = {5: 3, 2: 5}.get(codes[at + 1] if at + 1 < len(codes) else -1)
            if length is None or at + length > len(codes):
                return False
            at += length
        elif codes[at] in _PLAIN or codes[at] in _BRIGHT:
            at += 1
        else:
            return False
    return True
