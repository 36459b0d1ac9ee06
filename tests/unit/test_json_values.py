from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import JsonValue

from hub.errors import Invalid
from hub.model.event import State
from hub.rules import strict_json
from hub.rules.json_values import check
from tests.unit.test_strict_json import VALUES


@given(VALUES)
@example([1])
def test_json_is_accepted_and_never_overcharged(value: JsonValue) -> None:
    charged: list[int] = []
    check(value, charged.append)
    assert sum(charged) <= len(strict_json.write(value))
    assert min(charged) >= 0


@pytest.mark.parametrize(
    ("value", "pointer", "words"),
    [
        (math.nan, "", "finite"),
        ({"a": [0, -math.inf]}, "/a/1", "finite"),
        ([2**64], "/0", "an integer"),
        ({"a": {"b": -(2**63) - 1}}, "/a/b", "an integer"),
        (["\ud800"], "/0", "surrogate"),
        ({"x": {"\udc00": 1}}, "/x/\\udc00", "surrogate"),
        ({"x": {1: 1}}, "/x/1", "strings"),
        ([(1, 2)], "/0", "Python tuple"),
        ([b""], "/0", "Python bytes"),
        ([{1}], "/0", "Python set"),
        ({"at": datetime.now(UTC)}, "/at", "Python datetime"),
        ([State.ERROR], "/0", "Python State"),
    ],
)
def test_what_is_not_json_is_refused_with_its_pointer(value: object, pointer: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        check(value)
    assert caught.value.fields[0].field == pointer
    assert words in caught.value.fields[0].message


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"k": inner}])
def test_depth(wrap: Any) -> None:
    value: Any = []
    for _ in range(63):
        value = wrap(value)
    check(value)
    with pytest.raises(Invalid, match="at most 64"):
        check(wrap(value))


@given(VALUES, VALUES, st.sampled_from([math.nan, 2**64, "\ud800", b""]))
def test_a_bad_part_is_found_wherever_it_is(before: JsonValue, after: JsonValue, bad: object) -> None:
    with pytest.raises(Invalid) as caught:
        check({"before": before, "x": [before, {"y": [bad, after]}], "after": after})
    assert caught.value.fields[0].field == "/x/1/y/0"


def test_the_walk_stops_when_told() -> None:
    value: Any = "x"
    for _ in range(60):
        value = [value] * 10
    left = 1000

    def charge(size: int) -> None:
        nonlocal left
        left -= size
        if left < 0:
            raise OverflowError

    with pytest.raises(OverflowError):
        check(value, charge)
