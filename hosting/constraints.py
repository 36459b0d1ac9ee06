"""The inline constraints of ASP.NET route templates: `{id:int}`, `{name:length(1,64)}`, stackable as `{id:int:min(1)}`.

A value that fails one is no match for the route, so in the end a 404, never a 400.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Constraint = Callable[[str], bool]
Maker = Callable[[str], Constraint]

_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*")
_REAL = re.compile(r"\s*[+-]?(?:[0-9]+(?:,[0-9]+)*\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*")
_DECIMAL = re.compile(r"\s*[+-]?(?:[0-9]+(?:,[0-9]+)*\.?[0-9]*|\.[0-9]+)\s*")
_HEX = "[0-9a-fA-F]"
_GROUPS = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
_GUID = re.compile(rf"\s*(?:{_HEX}{{32}}|{_GROUPS}|\{{{_GROUPS}\}}|\({_GROUPS}\))\s*")
_ALPHA = re.compile(r"[a-zA-Z]*")
_CALL = re.compile(r"([a-zA-Z]+)(?:\((.*)\))?", re.DOTALL)


def parse_constraint(text: str) -> Constraint:
    """The check that `int`, `min(1)` or `regex(^a+$)` stands for; raises ValueError if there is none such."""
    match = _CALL.fullmatch(text)
    name, arguments = (match[1].lower(), match[2]) if match else (text, None)
    table: dict[str, Constraint] | dict[str, Maker] = _PLAIN if arguments is None else _WITH_ARGUMENTS
    if name not in table:
        raise ValueError(f"there is no route constraint `{text}` (known: {_known()})")
    return _PLAIN[name] if arguments is None else _WITH_ARGUMENTS[name](arguments)


def _known() -> str:
    return ", ".join([*sorted(_PLAIN), *(f"{name}(...)" for name in sorted(_WITH_ARGUMENTS))])


def _is_integer(bits: int) -> Constraint:
    lowest, highest = -(1 << bits - 1), (1 << bits - 1) - 1
    return lambda value: _INTEGER.fullmatch(value) is not None and lowest <= int(value) <= highest


_is_long = _is_integer(64)


def _number(text: str) -> int:
    if not _is_long(text):
        raise ValueError(f"`{text}` is not a whole number")
    return int(text)


def _numbers(text: str, constraint: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2:
        raise ValueError(f"{constraint} takes two numbers, not `{text}`")
    return _number(parts[0]), _number(parts[1])


def _least(text: str) -> Constraint:
    least = _number(text)
    return lambda value: _is_long(value) and int(value) >= least


def _most(text: str) -> Constraint:
    most = _number(text)
    return lambda value: _is_long(value) and int(value) <= most


def _range(text: str) -> Constraint:
    least, most = _numbers(text, "range")
    return lambda value: _is_long(value) and least <= int(value) <= most


def _length(text: str) -> Constraint:
    least, most = _numbers(text, "length") if "," in text else (_number(text), _number(text))
    return lambda value: least <= len(value) <= most


def _regex(text: str) -> Constraint:
    try:
        pattern = re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"`{text}` is not a regular expression: {error}") from error
    return lambda value: pattern.search(value) is not None


_PLAIN: dict[str, Constraint] = {
    "int": _is_integer(32),
    "long": _is_long,
    "bool": lambda value: value.strip().lower() in ("true", "false"),
    "decimal": lambda value: _DECIMAL.fullmatch(value) is not None,
    "double": lambda value: _REAL.fullmatch(value) is not None,
    "float": lambda value: _REAL.fullmatch(value) is not None,
    "guid": lambda value: _GUID.fullmatch(value) is not None,
    "alpha": lambda value: _ALPHA.fullmatch(value) is not None,
    "required": lambda value: value != "",
    "file": lambda value: _is_file(value),
    "nonfile": lambda value: not _is_file(value),
}
_WITH_ARGUMENTS: dict[str, Maker] = {
    "min": _least,
    "max": _most,
    "range": _range,
    "length": _length,
    "minlength": lambda text: _at_least_long(_number(text)),
    "maxlength": lambda text: _at_most_long(_number(text)),
    "regex": _regex,
}


def _at_least_long(least: int) -> Constraint:
    return lambda value: len(value) >= least


def _at_most_long(most: int) -> Constraint:
    return lambda value: len(value) <= most


def _is_file(value: str) -> bool:
    name, dot, extension = value.rpartition("/")[2].rpartition(".")
    return bool(dot and extension) and len(name) >= 0
