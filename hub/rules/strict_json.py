"""JSON as the hub reads and writes it, from callers and agents alike: one strict function each way.

Refused, each with its place: anything RFC 8259 does not allow, NaN and Infinity, nesting deeper than 64, an integer
outside -2⁶³ … 2⁶⁴-1 (what either kind of 64-bit integer holds; a longer one belongs in a string), a number too large
for a double, half a surrogate pair, the same key twice in one object. Text is UTF-8; one byte order mark before it is
skipped, because Windows tools put it there and it changes nothing. A fraction is read as the nearest double.

Reading stays with Python's C parser. What that lets through is found by hooks, set only when a cheap look at the
bytes says that they could be needed, and a place is sought only once there is an error.
"""

from __future__ import annotations

import json
import math
import re

from pydantic import JsonValue

from hub.errors import TooLarge
from hub.rules import json_places as places
from hub.rules import json_values as values

_DIGITS_AND_EXPONENTS = bytes.maketrans(b"123456789E", b"000000000e")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


def read(data: bytes | str, *, max_bytes: int | None = None) -> JsonValue:
    """The value that this JSON text stands for. Raises `Invalid` with the place, `TooLarge` over `max_bytes`."""
    raw = _as_bytes(data)
    if max_bytes is not None and len(raw) > max_bytes:
        raise TooLarge(f"This JSON is {len(raw)} bytes long; at most {max_bytes} are allowed.")
    text = _as_text(raw)
    value = _parse(text, check_numbers=_has_long_numbers(raw))
    # Each check is left out where the bytes alone show that it would find nothing.
    if raw.count(b"[") + raw.count(b"{") > values.MAX_DEPTH and _is_too_deep(value):
        raise places.refusal(places.of_depth(text, values.MAX_DEPTH + 1), values.TOO_DEEP)
    if _SURROGATE_ESCAPE.search(raw):
        values.check(value)
    return value


def write(value: JsonValue) -> bytes:
    """Compact UTF-8. Raises `Invalid` with the pointer for what JSON cannot say: NaN, Infinity, half a surrogate pair.

    Depth and the size of integers are not looked at: a value from elsewhere goes through `json_values.check` first.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        values.check(value)
        raise


def encode_bounded(value: JsonValue, max_bytes: int) -> bytes:
    """`write` with all checks; raises `TooLarge` as soon as it is clear that more than `max_bytes` would come out.

    Never more than six times `max_bytes` is held: a character is counted as one byte, and `\\u0000` takes six.
    """
    left = max_bytes

    def charge(size: int) -> None:
        nonlocal left
        left -= size
        if left < 0:
            raise TooLarge(f"As JSON this is more than {max_bytes} bytes, which is the most that is allowed.")

    values.check(value, charge)
    encoded = write(value)
    left = max_bytes
    charge(len(encoded))
    return encoded


def _as_bytes(data: bytes | str) -> bytes:
    if isinstance(data, bytes):
        return data
    try:
        return data.encode()
    except UnicodeEncodeError as error:
        raise places.refusal(places.line_and_column(data, error.start), values.WHOLE_PAIRS) from None


def _as_text(raw: bytes) -> str:
    try:
        text = raw.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode()
        what = f"byte 0x{raw[error.start]:02x} is not UTF-8, which is the one encoding of JSON"
        raise places.refusal(places.line_and_column(before, len(before)), what) from None
    if not text.strip(" \t\r\n"):
        raise places.refusal("line 1, column 1", "the content is empty; a JSON value is expected")
    return text


def _parse(text: str, *, check_numbers: bool) -> JsonValue:
    hooks = _Hooks()
    try:
        value: JsonValue = hooks.decoder(check_numbers=check_numbers).decode(text)
    except json.JSONDecodeError as error:
        raise places.refusal(places.line_and_column(text, error.pos), places.syntax(error)) from None
    except RecursionError:
        raise places.refusal(places.of_depth(text, values.MAX_DEPTH + 1), values.TOO_DEEP) from None
    if hooks.refused:
        values.check(value)
    return value


def _has_long_numbers(raw: bytes) -> bool:
    """Only 19 digits in a row can leave 64 bits; only those or an exponent can leave a double."""
    shapes = raw.translate(_DIGITS_AND_EXPONENTS)
    return b"0" * 19 in shapes or b"0e" in shapes


def _is_too_deep(value: object) -> bool:
    """Level by level, because a list comprehension is many times quicker than a walk."""
    level: list[object] = [value]
    for _ in range(values.MAX_DEPTH):
        containers = [node for node in level if type(node) is dict or type(node) is list]
        if not containers:
            return False
        level = [child for node in containers for child in (node.values() if type(node) is dict else node)]
    return any(type(node) is dict or type(node) is list for node in level)


class _Hooks:
    """What the parser calls for objects and numbers: it puts a `Refused` where something must not be."""

    def __init__(self) -> None:
        self.refused = False

    def decoder(self, *, check_numbers: bool) -> json.JSONDecoder:
        """A number hook costs a call for every number, hence the choice."""
        return json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_constant=self._constant,
            parse_int=self._integer if check_numbers else None,
            parse_float=self._fraction if check_numbers else None,
        )

    def _object(self, pairs: list[tuple[str, object]]) -> object:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        twice = _first_repeated([key for key, _ in pairs])
        return self._refuse("this key appears twice; a key appears once in an object", twice)

    def _integer(self, digits: str) -> object:
        # The length goes first: Python refuses to convert very long numbers, with an error of its own.
        if len(digits) <= len(str(values.MIN_INTEGER)) and values.MIN_INTEGER <= int(digits) <= values.MAX_INTEGER:
            return int(digits)
        return self._refuse(values.INTEGER_RANGE)

    def _fraction(self, digits: str) -> object:
        number = float(digits)
        return number if math.isfinite(number) else self._refuse(values.FINITE)

    def _constant(self, _name: str) -> object:
        return self._refuse(values.FINITE)

    def _refuse(self, why: str, key: str | None = None) -> values.Refused:
        self.refused = True
        return values.Refused(why, key)


def _first_repeated(keys: list[str]) -> str:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    raise ValueError("no key is repeated")
