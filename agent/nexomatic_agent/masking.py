"""Taking secret values out of logs, messages and results, in the shapes in which they usually leak."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 4
"""A shorter value is left alone: masking every `1` would make a log unreadable and tell the value besides."""
SHORTEST_LINE = 8
"""A line of a value of several lines (a key file) is masked by itself from this length on."""


class Masker:
    """Replaces the given values, also as base64, escaped for a URL, in JSON or as Python shows them, by three stars."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        shapes: set[bytes] = set()
        for value in values:
            shapes.update(_shapes(value))
        # The longest first: of two values that begin alike, the longer is taken out whole.
        self._shapes = sorted(shapes, key=lambda shape: (-len(shape), shape))
        self._pattern = re.compile(b"|".join(map(_pattern, self._shapes))) if shapes else None
        self._longest = len(self._shapes[0]) if shapes else 0

    def mask_bytes(self, data: bytes) -> bytes:
        """The data without the values."""
        return self._pattern.sub(MASK.encode(), data) if self._pattern is not None else data

    def mask_text(self, text: str) -> str:
        if self._pattern is None:
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
        """A JSON document with every string in it masked, names of members too."""
        if self._pattern is None:
            return document
        if isinstance(document, str):
            return self.mask_text(document)
        if isinstance(document, list):
            return [self.mask_document(item) for item in document]
        if isinstance(document, dict):
            return {self.mask_text(name): self.mask_document(item) for name, item in document.items()}
        return document

    def cut(self, data: bytes, limit: int) -> int:
        """Where to cut data that is too long for one line: at `limit`, or where the value or character begins that
        a cut there would go through.

        Data must go on for `overlap` bytes behind the limit, or be at its end.
        """
        if self._pattern is not None:
            for match in self._pattern.finditer(data):
                if match.start() >= limit:
                    break
                if match.end() > limit:
                    return match.start() or match.end()
        at = limit
        while at > max(0, limit - 3) and at < len(data) and data[at] & 0xC0 == 0x80:
            at -= 1  # UTF-8 goes on here
        return at or limit

    @property
    def overlap(self) -> int:
        """So many bytes past a cut must be known, or a value could begin before it and end behind it unseen."""
        return max(0, self._longest - 1)


def _begun(shape: bytes, data: bytes) -> int:
    """How many bytes of the shape the data ends with, if it ends with its beginning; else 0."""
    tail = data[-(len(shape) - 1) :]
    at = tail.find(shape[:SHORTEST])
    while at >= 0:
        if shape.startswith(tail[at:]):
            return len(tail) - at
        at = tail.find(shape[:SHORTEST], at + 1)
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
    yield base64.b64encode(raw)
    yield base64.urlsafe_b64encode(raw)


def _url_shapes(raw: bytes) -> Iterable[bytes]:
    for encode in (quote, quote_plus):
        for safe in ("", "/"):
            yield encode(raw, safe=safe).encode()


def _pattern(shape: bytes) -> bytes:
    """The shape as an expression; the digits of a URL's escapes in either case."""
    return re.sub(rb"%[0-9A-F]{2}", rb"(?i:\g<0>)", re.escape(shape))
