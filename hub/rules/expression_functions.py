"""The functions of JMESPath, each paid for before it works, and without the surprises of the library's own.

There, `contains` and `merge` break with Python's errors on mixed types and `min_by` on mixed keys, `to_number` takes
`nan`, ` 5 ` and `1_000`, `ceil` makes whole numbers of 300 digits, and an error quotes the value it met, which may be
secret.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from jmespath.exceptions import JMESPathTypeError
from jmespath.functions import TYPES_MAP, Functions, signature

from hub.errors import Invalid
from hub.rules import strict_json
from hub.rules.expression_budget import Budget

_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORDS = {
    "number": "a number",
    "string": "a string",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
    "array-number": "an array of numbers",
    "array-string": "an array of strings",
}

KeyOf: TypeAlias = Any
"""What `&name` becomes: the library's pair of an expression and the interpreter that visits it."""


class BoundedFunctions(Functions):
    """One for each evaluation, because it spends that evaluation's budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> Any:
        arguments = list(resolved_args)
        self._budget.charge(sum(map(_width, arguments)))
        try:
            return super().call_function(function_name, arguments)
        except JMESPathTypeError as error:
            raise Invalid(_in_words(error)) from None

    @signature({"types": ["array", "string"]}, {"types": []})
    def _func_contains(self, subject: list[Any] | str, search: Any) -> bool:
        if isinstance(subject, str):
            return isinstance(search, str) and search in subject
        return any(same(each, search, self._budget) for each in subject)

    @signature({"types": ["object"], "variadic": True})
    def _func_merge(self, *objects: Any) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for each in objects:
            if not isinstance(each, dict):
                raise Invalid(f"merge() takes objects, not {_type_in_words(each)}")
            merged.update(each)
        return merged

    @signature({"types": []})
    def _func_to_number(self, value: Any) -> Any:
        if isinstance(value, str):
            return _number(value)
        return value if is_number(value) else None

    @signature({"types": []})
    def _func_to_string(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        self._budget.charge_value(value)
        return strict_json.write(value).decode()

    @signature({"types": ["number"]})
    def _func_ceil(self, number: float) -> float:
        return math.ceil(number) if abs(number) < 2**53 else number

    @signature({"types": ["number"]})
    def _func_floor(self, number: float) -> float:
        return math.floor(number) if abs(number) < 2**53 else number

    @signature({"types": ["array-number"]})
    def _func_sum(self, numbers: list[float]) -> float:
        return _finite(sum(numbers), "sum")

    @signature({"types": ["array-number"]})
    def _func_avg(self, numbers: list[float]) -> float | None:
        return _finite(sum(numbers), "avg") / len(numbers) if numbers else None

    @signature({"types": ["string"]}, {"types": ["array-string"]})
    def _func_join(self, separator: str, texts: list[str]) -> str:
        self._budget.charge_text(sum(map(len, texts)) + len(separator) * len(texts))
        return separator.join(texts)

    @signature({"types": ["array-string", "array-number"]})
    def _func_sort(self, values: list[Any]) -> list[Any]:
        self._budget.charge_sorting(values)
        return sorted(values)

    @signature({"types": ["array-number", "array-string"]})
    def _func_max(self, values: list[Any]) -> Any:
        self._budget.charge_sorting(values)
        return max(values, default=None)

    @signature({"types": ["array-number", "array-string"]})
    def _func_min(self, values: list[Any]) -> Any:
        self._budget.charge_sorting(values)
        return min(values, default=None)

    @signature({"types": ["array"]}, {"types": ["expref"]})
    def _func_sort_by(self, values: list[Any], key_of: KeyOf) -> list[Any]:
        keys = self._keys("sort_by", values, key_of)
        return [values[at] for at in sorted(range(len(values)), key=keys.__getitem__)]

    @signature({"types": ["array"]}, {"types": ["expref"]})
    def _func_max_by(self, values: list[Any], key_of: KeyOf) -> Any:
        return self._pick("max_by", max, values, key_of)

    @signature({"types": ["array"]}, {"types": ["expref"]})
    def _func_min_by(self, values: list[Any], key_of: KeyOf) -> Any:
        return self._pick("min_by", min, values, key_of)

    def _pick(self, function: str, choose: Callable[..., int], values: list[Any], key_of: KeyOf) -> Any:
        keys = self._keys(function, values, key_of)
        return values[choose(range(len(values)), key=keys.__getitem__)] if values else None

    def _keys(self, function: str, values: list[Any], key_of: KeyOf) -> list[Any]:
        """The key of each value, all of one kind, paid for as far as comparing them goes."""
        keys = [key_of.visit(key_of.expression, each) for each in values]
        if not (all(map(is_number, keys)) or all(isinstance(key, str) for key in keys)):
            kinds = sorted({_type_in_words(key) for key in keys})
            raise Invalid(f"the keys of {function}() are all numbers or all strings, not {' and '.join(kinds)}")
        self._budget.charge_sorting(keys)
        return keys


def same(one: Any, other: Any, budget: Budget) -> bool:
    """Whether two JSON values are equal: 1 is 1.0, but true is not 1, at any depth."""
    budget.charge()
    if isinstance(one, str) and isinstance(other, str):
        budget.charge_comparison(min(len(one), len(other)))
        return one == other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and _all_same(zip(one, other, strict=True), budget)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and _all_same(((one[key], other[key]) for key in one), budget)
    if is_number(one) and is_number(other):
        return bool(one == other)
    return one is other  # true, false and null are one of a kind; all else differs in type


def _all_same(pairs: Iterable[tuple[Any, Any]], budget: Budget) -> bool:
    for one, other in pairs:  # noqa: SIM110 - a generator would double the frames on Python's stack
        if not same(one, other, budget):
            return False
    return True


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(text: str) -> Any:
    """The number that a text is by the grammar of JSON, or None. Raises `Invalid` for one that is out of range."""
    try:
        return strict_json.read(text) if _JSON_NUMBER.fullmatch(text) else None
    except Invalid as error:
        raise Invalid(f"to_number() was given a number that is too large: {error.fields[0].message}") from None


def _finite(number: float, function: str) -> float:
    if not math.isfinite(number):
        raise Invalid(f"{function}() comes to more than the largest number, 1.8e308")
    return number


def _width(value: Any) -> int:
    """What it costs to go over a value once, not into what it holds."""
    if isinstance(value, str):
        return len(value) // 16
    return len(value) if isinstance(value, list | dict) else 0


def _type_in_words(value: Any) -> str:
    return _WORDS[TYPES_MAP[type(value).__name__]]


def _in_words(error: JMESPathTypeError) -> str:
    expected = " or ".join(_WORDS[each] for each in error.expected_types)
    # Of an element the library names the Python type, of an argument the JSON type.
    element = TYPES_MAP.get(error.actual_type)
    actual = f"an array with {_WORDS[element]} in it" if element else _WORDS[error.actual_type]
    return f"{error.function_name}() takes {expected}, not {actual}"
