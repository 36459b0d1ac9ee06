from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from hub.errors import Invalid, TooLarge
from hub.rules import strict_json
from hub.rules.json_values import MAX_DEPTH, MAX_INTEGER, MIN_INTEGER

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(0, 9)
    | st.integers(MIN_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)
FRAGMENTS = st.sampled_from(
    ["{", "}", "[", "]", ",", ":", '"a"', '"b"', "1", "-0", "1e999", "NaN", "null", "true", " ", "\n", '"\\ud800"', '"']
)


def nested(depth: int, inside: str = "") -> str:
    return "[" * depth + inside + "]" * depth


def refused(data: bytes | str) -> Invalid:
    with pytest.raises(Invalid) as caught:
        strict_json.read(data)
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        (" \t\r\n true \n", True),
        ("-0", 0),
        ("0.1", 0.1),
        ("1e2", 100.0),
        ("1e-999", 0.0),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        (str(MAX_INTEGER), 2**64 - 1),
        (str(MIN_INTEGER), -(2**63)),
        ("0.12345678901234567890123", 0.12345678901234568),
        ("1" + "0" * 30 + ".0", 1e30),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\\\\ud800"', "\\ud800"),
        ('"\\u0000"', "\0"),
        ('{"a": 1, "A": 2, "": {"a": 3}}', {"a": 1, "A": 2, "": {"a": 3}}),
        ('["NaN", "1e999", "99999999999999999999"]', ["NaN", "1e999", "99999999999999999999"]),
        ("\ufeff[1]", [1]),
    ],
)
def test_what_is_read(text: str, value: JsonValue) -> None:
    assert strict_json.read(text) == value
    assert strict_json.read(text.encode()) == value
    assert type(strict_json.read(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "line 1, column 1", "empty"),
        (" \n ", "line 1, column 1", "empty"),
        ("\ufeff", "line 1, column 1", "empty"),
        ("\ufeff\ufeff1", "line 1, column 1", "a value is missing"),
        ("nul", "line 1, column 1", "a value is missing"),
        ('{"a": 1,\n "b": 2,\n "c": tru}', "line 3, column 7", "a value is missing"),
        ("[1,]", "line 1, column 4", "a value is missing"),
        ('{"a":1,}', "line 1, column 8", "a key in double quotes"),
        ("{a: 1}", "line 1, column 2", "a key in double quotes"),
        ('{"a" 1}', "line 1, column 6", "a colon"),
        ("[1 2]", "line 1, column 4", "a comma"),
        ("[1", "line 1, column 3", "a comma"),
        ("{} {}", "line 1, column 4", "nothing may follow"),
        ('["äöü", "abc]', "line 1, column 9", "does not end"),
        ('"a\nb"', "line 1, column 3", "control character"),
        ('"\\x"', "line 1, column 2", "after \\ comes one of"),
        ('"\\u12G4"', "line 1, column 3", "four hexadecimal digits"),
        ("01", "line 1, column 2", "nothing may follow"),
        ("١", "line 1, column 1", "a value is missing"),
        ("'a'", "line 1, column 1", "a value is missing"),
        ("NaN", "", "finite"),
        ('{"a": [1, -Infinity]}', "/a/1", "finite"),
        ("[0, [1e999]]", "/1/0", "finite"),
        ("1" + "0" * 400 + ".5", "", "finite"),
        ('{"n": 18446744073709551616}', "/n", "as a string"),
        ("[-9223372036854775809]", "/0", "as a string"),
        ("9" * 5000, "", "as a string"),
        ('{"a": 1, "b": {"x": 1, "y": 2, "x": 3}}', "/b/x", "twice"),
        ('[{"a": 1, "\\u0061": 2}]', "/0/a", "twice"),
        ('{"a/b~c": {"": 1, "": 2}}', "/a~1b~0c/", "twice"),
        ('{"items": ["\\ud800"]}', "/items/0", "surrogate"),
        ('["\\udc00\\ud800"]', "/0", "surrogate"),
        ('["\\\\ud83d\\ude00"]', "/0", "surrogate"),
        ('{"\\ud800": 1}', "/\\ud800", "surrogate"),
        ("[\n[" + nested(63, '"]["') + "]]", "line 2, column 64", "at most 64"),
        (nested(100_000), "line 1, column 65", "at most 64"),
        ("[" + nested(30) + "," + nested(64) + "]", "line 1, column 126", "at most 64"),
        ('{"a":' * 70 + "1" + "}" * 70, "line 1, column 321", "at most 64"),
    ],
)
def test_what_is_refused_and_where(text: str, place: str, words: str) -> None:
    for form in (text, text.encode()):
        error = refused(form)
        assert [field.field for field in error.fields] == [place]
        assert words in error.fields[0].message
        assert (place or "the top") in str(error)


@pytest.mark.parametrize("text", [nested(64), nested(64, '"[[["'), "[" + nested(63) + "," + nested(63) + "]"])
def test_depth_64_is_allowed(text: str) -> None:
    assert strict_json.read(text) == json.loads(text)


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (b'{"a":\n "\xff"}', "line 2, column 3"),
        ("{}".encode("utf-16"), "line 1, column 1"),
        ("ää".encode()[:-1], "line 1, column 2"),
        (b'"\xed\xa0\x80"', "line 1, column 2"),
    ],
)
def test_other_encodings_are_refused_with_the_byte(raw: bytes, place: str) -> None:
    error = refused(raw)
    assert error.fields[0].field == place
    assert "UTF-8" in error.fields[0].message


def test_a_text_that_is_no_text_is_refused() -> None:
    assert refused('"\ud800"').fields[0].field == "line 1, column 2"


def test_the_size_is_limited_in_bytes() -> None:
    assert strict_json.read('"äö"', max_bytes=6) == "äö"
    with pytest.raises(TooLarge, match="6 bytes long; at most 5"):
        strict_json.read('"äö"', max_bytes=5)


def test_a_long_pointer_is_cut() -> None:
    error = refused(json.dumps({"k" * 1000: 1}).replace("1", "NaN"))
    assert len(error.fields[0].field) < 400


def test_the_error_does_not_quote_values() -> None:
    assert "hunter2" not in str(refused('{"password": "hunter2", "password": "hunter2"}'))


@given(VALUES)
def test_what_is_written_is_read_again(value: JsonValue) -> None:
    encoded = strict_json.write(value)
    assert strict_json.read(encoded) == value
    assert strict_json.read(json.dumps(value)) == value
    assert strict_json.read(json.dumps(value, indent=1, ensure_ascii=False)) == value


@given(st.lists(FRAGMENTS, max_size=12).map("".join) | st.text())
def test_a_text_is_refused_or_read_as_everybody_reads_it(text: str) -> None:
    try:
        value = strict_json.read(text)
    except Invalid as error:
        assert error.fields  # noqa: PT017 - either end is right, and this is what one of them promises
    else:
        assert value == json.loads(text.removeprefix("\ufeff"))


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        strict_json.read(data)
    except Invalid as error:
        assert error.fields[0].message  # noqa: PT017 - as above


@given(VALUES)
def test_the_same_key_twice_is_found_wherever_it_is(value: JsonValue) -> None:
    text = json.dumps([value, {"outer": [{"k": value}]}]).removesuffix("}]}]") + ', "k": 0}]}]'
    assert refused(text).fields[0].field == "/1/outer/0/k"


@pytest.mark.parametrize("value", [math.nan, [math.inf], {"a": "\ud800"}, {"\udfff": 1}])
def test_what_no_text_can_say_is_not_written(value: JsonValue) -> None:
    with pytest.raises(Invalid):
        strict_json.write(value)


def test_writing_is_compact_utf_8() -> None:
    assert strict_json.write({"a": [1, "ä", None], "b": 1.0}) == '{"a":[1,"ä",null],"b":1.0}'.encode()


def test_writing_what_is_no_value_is_a_bug() -> None:
    with pytest.raises(TypeError):
        strict_json.write(object())  # type: ignore[arg-type]


@given(VALUES, st.integers(0, 200))
def test_a_bounded_encoding_is_whole_or_refused(value: JsonValue, limit: int) -> None:
    whole = strict_json.write(value)
    if len(whole) <= limit:
        assert strict_json.encode_bounded(value, limit) == whole
    else:
        with pytest.raises(TooLarge, match=str(limit)):
            strict_json.encode_bounded(value, limit)


def test_a_value_that_is_enormous_only_when_written_is_refused_in_time() -> None:
    value: JsonValue = "x"
    for _ in range(MAX_DEPTH - 1):
        value = [value, value]  # 2⁶³ of them, written out
    with pytest.raises(TooLarge):
        strict_json.encode_bounded(value, 1_000_000)


def test_a_circle_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(Invalid, match="at most 64"):
        strict_json.encode_bounded(circle, 1000)
    with pytest.raises(Invalid, match="at most 64"):
        strict_json.write(circle)
