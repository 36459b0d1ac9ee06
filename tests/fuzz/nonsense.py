"""Text, numbers, JSON and bytes that programs stumble over, drawn by a seeded generator."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

TEXTS: Final[Sequence[str]] = (
    "",
    " ",
    "0",
    "-1",
    "null",
    "true",
    "NaN",
    "1e309",
    "9" * 400,
    "\x00",
    "a\x00b",
    "\r\nX-Injected: 1",
    "\t",
    "\x7f",
    "\u2028",
    "\ufeff",
    "\ufffe",
    "é",
    "ß",
    "İ",
    "日本",
    "🔑",
    "👩‍👩‍👧",
    "\u202e",
    "a" * 300,
    "a" * 9000,
    "../../etc/passwd",
    "..",
    "%00",
    "%",
    "%zz",
    "%2f",
    "%25%32%66",
    "'; DROP TABLE events; --",
    '"',
    "\\",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "$(id)",
    "http://169.254.169.254/latest",
    "file:///etc/passwd",
    "https://hub.example.com@evil.example",
    "//evil.example",
    "<script>",
    "Bearer ",
    "bearer",
    "Basic",
    "Basic =",
    "=",
    ",",
    ";",
    ":",
    "v1,",
    "t=1",
    "sha256=",
    "Infinity",
    "2026-02-30T25:61:61Z",
    "0000-00-00T00:00:00Z",
    "9999-12-31T23:59:59.999999+14:00",
    "١٢٣",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
    "nxt_",
    "nxs_",
    "nxe_",
    "nxt_" + "A" * 43,
    "1_000",
    "0x10",
    "+1",
    "1.",
    "__proto__",
)  # fmt: skip
NUMBERS: Final[Sequence[Any]] = (
    0,
    -0.0,
    -1,
    1,
    2,
    0.1,
    1e308,
    5e-324,
    2**31,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    2**64,
    10**400,
    True,
    False,
    None,
)
METHODS: Final[Sequence[str]] = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "get")
_DEEPEST: Final = 90


class Draw(random.Random):
    """Draws nonsense. The same seed draws the same."""

    def often(self, probability: float) -> bool:
        return self.random() < probability

    def text(self) -> str:
        """Some text: one that is known to hurt, or characters from anywhere, now and then half a surrogate pair."""
        if self.often(0.7):
            return self.choice(TEXTS)
        highest = self.choice((0x7F, 0xFF, 0xFFFF, 0x10FFFF))
        return "".join(chr(self.randint(1, highest)) for _ in range(self.choice((1, 3, 10, 60))))

    def value(self, depth: int = 0) -> Any:
        """Something that JSON can say, or nearly."""
        kind = self.randrange(8 if depth < 4 else 5)
        if kind < 3:
            return self.text()
        if kind < 5:
            return self.choice(NUMBERS)
        if kind < 6:
            return [self.value(depth + 1) for _ in range(self.randrange(4))]
        return {self.text(): self.value(depth + 1) for _ in range(self.randrange(4))}

    def json(self, value: Any) -> bytes:
        """A value as a body: mostly right, sometimes as no reader should take it."""
        text = json.dumps(value, ensure_ascii=self.often(0.5))
        whole = text.encode(errors="surrogatepass")
        if self.often(0.75):
            return whole
        return self.choice(_SPOILED)(self, whole)

    def body(self) -> bytes:
        """Anything at all."""
        kind = self.randrange(5)
        if kind == 0:
            return self.randbytes(self.choice((0, 1, 7, 100, 5000)))
        if kind == 1:
            return self.text().encode(errors="surrogatepass")
        return self.json(self.value())

    def mutated(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """A document that would do, with a field or two left out, added, or turned into something else."""
        changed = dict(document)
        if self.often(0.5):
            return changed
        for _ in range(self.randint(1, 2)):
            name = self.choice([*changed, "unknown"]) if changed else "unknown"
            match self.randrange(4):
                case 0:
                    changed.pop(name, None)
                case 1:
                    changed[self.text()] = self.value()
                case _:
                    changed[name] = self.value()
        return changed

    def spoiled(self, text: str) -> str:
        """A text that would do, changed a little: a credential, a signature, an id, a number."""
        match self.randrange(6):
            case 0:
                return text[: self.randrange(len(text) + 1)]
            case 1:
                return text + self.text()
            case 2:
                at = self.randrange(len(text)) if text else 0
                return text[:at] + chr(self.randint(33, 0x2FF)) + text[at + 1 :]
            case 3:
                return text.swapcase()
            case 4:
                return self.text()
            case _:
                return text


_NUMBERS: Final = (b"NaN,", b"-Infinity", b"1e999", b"01", b"1" * 5000)
_SPOILED: Final[Sequence[Callable[[Draw, bytes], bytes]]] = (
    lambda draw, whole: whole[: draw.randrange(len(whole) + 1)],
    lambda draw, whole: whole + draw.text().encode(errors="surrogatepass"),
    lambda _, whole: b"\xef\xbb\xbf" + whole,
    lambda _, whole: whole.decode(errors="replace").encode("utf-16"),
    lambda draw, whole: whole.replace(b'"', draw.choice((b"'", b"\xff", b"\\ud800", b""))),
    lambda draw, whole: b"[" * draw.choice((63, 64, 65, _DEEPEST, 3000)) + whole,
    lambda _, whole: b'{"a":' * _DEEPEST + whole + b"}" * _DEEPEST,
    lambda _, whole: b'{"a":1,"a":' + whole + b"}",
    lambda draw, whole: whole.replace(
        b":", b":" + draw.choice((b"NaN,", b"-Infinity", b"1e999", b"01", b"1" * 5000)), 1
    ),
    lambda draw, _: draw.randbytes(draw.choice((1, 50, 300_000))),
    lambda _, whole: b'{"x":"' + b"y" * 300_000 + b'","z":' + whole + b"}",
)
