"""Taking secret values out of logs, messages and results, in the shapes in which they usually leak."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 4
"""A shorter value is left alone: masking every `1` would make a log unreadable and tell the value besides."""
SHORTEST_LINE = 8
"""A line of a value of several lines (a key file) is masked by itself from this length on."""
WRAPPED = (64, 76)
"""Where `openssl base64`, and `base64` and mail, break their lines."""
FEW = 200
"""Up to so many beginnings of shapes (a dozen values) it is quicker to look for each of them first."""
_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{1,2}")


class Masker:
    """Replaces the given values, also as base64, escaped for a URL, in JSON or as Python shows them, by three stars.

    Not one regular expression: an alternative for each shape takes seconds to compile for a value of 25 KB, and
    milliseconds a line for a key file.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        shapes = {_folded(shape) for value in values for shape in _shapes(value)}
        # The longest first: of two values that begin alike, the longer is taken out whole.
        self._shapes = sorted(shapes, key=lambda shape: (-len(shape), shape))
        self._by_start: dict[bytes, list[bytes]] = {}
        for shape in self._shapes:
            self._by_start.setdefault(_start(shape), []).append(shape)
        self._longest = len(self._shapes[0]) if shapes else 0

    def mask_bytes(self, data: bytes) -> bytes:
        """The data without the values."""
        parts: list[bytes] = []
        at = 0
        for start, end in self._found(data):
            parts += (data[at:start], MASK.encode())
            at = end
        return b"".join((*parts, data[at:])) if parts else data

    def mask_text(self, text: str) -> str:
        if not self._shapes:
            return text
        return self.mask_bytes(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def mask_cut(self, text: str) -> str:
        """The text without the values, where it may have been cut off: a value that only begins at its end goes too."""
        masked = self.mask_bytes(text.encode("utf-8", "surrogatepass"))
        begun = max((_begun(shape, masked) for shape in self._shapes), default=0)
        if begun:
            masked = masked[:-begun] + MASK.encode()
        return masked.decode("utf-8", "surrogatepass")

    def mask_document(self, document: Any) -> Any:
        """A JSON document with every string in it masked, names of members too; and numbers, which a PIN may be."""
        if not self._shapes:
            return document
        if isinstance(document, str):
            return self.mask_text(document)
        if isinstance(document, list):
            return [self.mask_document(item) for item in document]
        if isinstance(document, dict):
            return {self.mask_text(name): self.mask_document(item) for name, item in document.items()}
        if isinstance(document, (int, float)) and not isinstance(document, bool):
            masked = self.mask_text(json.dumps(document))
            return masked if MASK in masked else document
        return document

    def cut(self, data: bytes, limit: int) -> int:
        """Where to cut data that is too long for one line: at `limit`, or where the value or character begins that
        a cut there would go through.

        Data must go on for `overlap` bytes behind the limit, or be at its end.
        """
        for start, end in self._found(data):
            if start >= limit:
                break
            if end > limit:
                return start or end
        at = limit
        while at > max(0, limit - 3) and at < len(data) and data[at] & 0xC0 == 0x80:
            at -= 1  # UTF-8 goes on here
        return at or limit

    @property
    def overlap(self) -> int:
        """So many bytes past a cut must be known, or a value could begin before it and end behind it unseen."""
        return max(0, self._longest - 1)

    def _found(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Where the values are, from the left: at each place the longest, and none inside another."""
        lower, starts = data.lower(), self._by_start
        if len(starts) <= FEW and not any(start in lower for start in starts):
            return
        at, last = 0, len(data) - SHORTEST
        while at <= last:
            length = 0
            if lower[at : at + SHORTEST] in starts:
                shapes = starts[lower[at : at + SHORTEST]]
                length = next((len(shape) for shape in shapes if _folded(data[at : at + len(shape)]) == shape), 0)
            if length:
                yield at, at + length
            at += length or 1


def _start(shape: bytes) -> bytes:
    """What a place is first looked at for, in small letters."""
    return shape[:SHORTEST].lower()


def _folded(piece: bytes) -> bytes:
    """With the digits of a URL's escapes in capitals: either case is the same. As long as it was.

    Of a piece that may be a whole shape, never of more: a value may end with % and its neighbour begin with a digit.
    """
    return _ESCAPE.sub(lambda escape: escape[0].upper(), piece) if b"%" in piece else piece


def _begun(shape: bytes, data: bytes) -> int:
    """How many bytes of the shape the data ends with, if it ends with its beginning; else 0."""
    tail = data[-(len(shape) - 1) :]
    lower, start = tail.lower(), _start(shape)
    at = lower.find(start)
    while at >= 0:
        if shape.startswith(_folded(tail[at:])):
            return len(tail) - at
        at = lower.find(start, at + 1)
    return 0


def _shapes(value: str) -> set[bytes]:
    parts = {value, *(line.strip() for line in value.splitlines() if len(line.strip()) >= SHORTEST_LINE)}
    shapes: set[bytes] = set()
    for part in parts:
        if len(part) >= SHORTEST:
            raw = part.encode("utf-8", "surrogatepass")
            shapes |= {raw, *_base64_shapes(raw), *_url_shapes(raw)}
            escaped = (json.dumps(part), json.dumps(part, ensure_ascii=False), repr(part), ascii(part))
            shapes |= {each[1:-1].encode("utf-8", "replace") for each in escaped}
    return shapes


def _base64_shapes(raw: bytes) -> Iterable[bytes]:
    """As it looks inside base64, wherever in the encoded data it begins (`user:value` in a header, say).

    Three bytes become four characters, so there are three alignments; the characters at the ends that also depend on
    the neighbours are left out.
    """
    for before in range(3):
        padded = bytes(before) + raw
        first = (0, 2, 3)[before]
        last = (None, -3, -2)[len(padded) % 3]
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            core = encode(padded)[first:last]
            if len(core) >= SHORTEST:
                yield core
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(raw)
        yield encoded
        for width in WRAPPED:
            lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
            yield from (line for line in lines if len(line) >= SHORTEST_LINE)


def _url_shapes(raw: bytes) -> Iterable[bytes]:
    for encode in (quote, quote_plus):
        for safe in ("", "/"):
            yield encode(raw, safe=safe).encode()
