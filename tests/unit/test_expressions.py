from __future__ import annotations

from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from hub.errors import Invalid
from hub.rules import expressions, strict_json
from hub.rules.expression_parsing import MAX_NESTING, MAX_NODES

DOCUMENT: JsonValue = {
    "host": {"name": "berlin-1", "cpus": 4, "ok": True},
    "disks": [
        {"path": "/", "free": 10, "tags": ["root"]},
        {"path": "/var", "free": 3.5, "tags": ["log", "spool"]},
        {"path": "/tmp", "free": 0, "tags": []},
    ],
    "numbers": [3, 1, 2],
    "words": ["b", "a"],
    "flags": [True, False, 1, 0],
    "größe": "groß",
    "text": "12.5",
    "nothing": None,
    "large": 1e308,
    "mixed": [1, "a", None],
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("host.name", "berlin-1"),
        ("host.missing.deeper", None),
        ('"größe"', "groß"),
        ("@.numbers[0]", 3),
        ("numbers[-1]", 2),
        ("numbers[::-1]", [2, 1, 3]),
        ("numbers[99999999999999999999]", None),
        ("disks[*].path", ["/", "/var", "/tmp"]),
        ("disks[?free > `3`].path", ["/", "/var"]),
        ("disks[?tags[?@ == 'log']].free | [0]", 3.5),
        ("disks[].tags[]", ["root", "log", "spool"]),
        ("{name: host.name, n: length(disks)}", {"name": "berlin-1", "n": 3}),
        ('[host.cpus, `{"a": [1]}`, \'it\\\'s\', `"b\\`t"`]', [4, {"a": [1]}, "it's", "b`t"]),
        ("host.ok && !nothing", True),
        ("nothing || 'default'", "default"),
        ("host.cpus == `4.0`", True),
        ("host.name != 'x'", True),
        ("host.cpus > 'a'", None),
        ("'a' < 'b'", True),
        ("disks == numbers", False),
        ('host == `{"ok": true, "cpus": 4, "name": "berlin-1"}`', True),
        # true is not 1, at any depth
        ("flags == `[1, 0, true, false]`", False),
        ("contains(flags, `1`)", True),
        ("contains(`[true]`, `1`)", False),
        ("contains(`[[1]]`, `[true]`)", False),
        ("contains('abc', `5`)", False),
        ("contains('abc', 'bc')", True),
        ("sort(words)", ["a", "b"]),
        ("sort(numbers)", [1, 2, 3]),
        ("sort_by(disks, &free)[*].path", ["/tmp", "/var", "/"]),
        ("max_by(disks, &free).path", "/"),
        ("min_by(disks, &path).path", "/"),
        ("max_by(`[]`, &free)", None),
        ("sort_by(`[]`, &free)", []),
        ("max(numbers)", 3),
        ("min(`[]`)", None),
        ("sum(numbers)", 6),
        ("avg(numbers)", 2.0),
        ("avg(`[]`)", None),
        ("ceil(`1.2`)", 2),
        ("floor(`-1.2`)", -2),
        ("ceil(large)", 1e308),
        ("floor(large)", 1e308),
        ("abs(`-3`)", 3),
        ("join('-', words)", "b-a"),
        ("keys(host)", ["name", "cpus", "ok"]),
        ("values(host)", ["berlin-1", 4, True]),
        ('merge(host, `{"cpus": 8}`).cpus', 8),
        ("map(&free, disks)", [10, 3.5, 0]),
        ("not_null(nothing, text)", "12.5"),
        ("reverse(words)", ["a", "b"]),
        ("reverse(text)", "5.21"),
        ("starts_with(host.name, 'ber')", True),
        ("ends_with(host.name, '-1')", True),
        ("to_array(text)", ["12.5"]),
        ("to_string(disks[1].tags)", '["log","spool"]'),
        ('to_string(`{"ö": null}`)', '{"ö":null}'),
        ("type(nothing)", "null"),
        ("to_number(text)", 12.5),
        ("to_number('1e3')", 1000.0),
        ("to_number('-0')", 0),
        ("to_number(host.cpus)", 4),
        ("to_number(host.ok)", None),
        # What Python, but not JSON, takes for a number:
        ("to_number('nan')", None),
        ("to_number('Infinity')", None),
        ("to_number(' 5')", None),
        ("to_number('1_000')", None),
        ("to_number('٣')", None),
        ("to_number('05')", None),
    ],
)
def test_what_expressions_say(expression: str, expected: JsonValue) -> None:
    expressions.check(expression)
    assert expressions.evaluate(expression, DOCUMENT) == expected


@pytest.mark.parametrize(
    ("expression", "column", "words"),
    [
        ("", 1, "empty"),
        ("  ", 1, "empty"),
        ("a.", 3, "after a dot, a field"),
        ("a.(b)", 3, "after a dot, a field"),
        ("a b", 3, "an operator"),
        ("a ==", 5, "not the end of the expression"),
        ("a*", 2, "an operator or the end"),
        ("a[", 3, "a number, a slice or *"),
        ("a[x]", 3, "a number, a slice or *"),
        ("a[1 2]", 5, "] is expected here, not '2'"),
        ("a[1:x]", 5, "here cannot stand 'x'"),
        ("a[1:2:3:4]", 8, "here cannot stand ':'"),
        ("a[::0]", 3, "never 0"),
        ("a.[b", 5, ", or ] is expected"),
        ("{a b}", 4, ": is expected here, not 'b'"),
        ("{`1`: b}", 2, "a field is expected here, not a literal"),
        ("a = b", 3, "'=' means nothing here"),
        ("a#b", 2, "'#' means nothing here"),
        ("-", 1, "'-' means nothing here"),
        ("größe", 3, "'ö' means nothing here"),
        ("a || 'b", 6, "the ' that opens here is not closed"),
        ('a || "b', 6, 'the " that opens here is not closed'),
        ("a || `b", 6, "the ` that opens here is not closed"),
        ("a == `b`", 6, "a text is written 'text'"),
        ("a == `NaN`", 6, "finite"),
        ("a == `18446744073709551616`", 6, "as a string"),
        ('a == `{"b": 1, "b": 2}`', 6, "twice"),
        ('a."\\ud800"', 3, "surrogate"),
        ('a."\n"', 3, "control character"),
        ("a\ud800", 2, "surrogate"),
        ("a || foo(b)", 6, "there is no function foo(); there are abs, avg, ceil"),
        ("a.length(b, c)", 3, "length() takes 1 argument, not 2"),
        ("contains(a)", 1, "contains() takes 2 arguments, not 1"),
        ("merge()", 1, "merge() takes at least 1 argument, not 0"),
        ('"length"(a)', 1, "without quotes"),
        ("[0](a)", 3, "only the name of a function"),
        ("sort_by(a, b)", 1, "argument 2 of sort_by() is an expression with &"),
        ("&a", 1, "& stands only"),
        ("[a, &b]", 5, "& stands only"),
        ("length(&a)", 8, "& stands only"),
        ("not_null(a, &b)", 13, "& stands only"),
        ("map(&a, &b)", 9, "& stands only"),
        ("map(&&a, b)", 5, "is expected here, not '&&'"),
        ("(" * (MAX_NESTING + 1), MAX_NESTING + 1, "within each other"),
        ("!" * 1000, MAX_NESTING + 1, "within each other"),
        ("a" + "[?" * 400, MAX_NESTING * 2 + 2, "within each other"),
    ],
)
def test_what_is_wrong_with_an_expression_and_where(expression: str, column: int, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        expressions.check(expression)
    assert [field.field for field in caught.value.fields] == [f"column {column}"]
    assert words in caught.value.fields[0].message
    with pytest.raises(Invalid, match="column"):
        expressions.evaluate(expression, DOCUMENT)


def test_an_expression_is_at_most_1_kib_of_utf_8() -> None:
    expressions.check("'" + "a" * 1022 + "'")
    expressions.check("'" + "ä" * 511 + "'")
    with pytest.raises(Invalid, match="at most 1024 bytes of UTF-8; this one has 1026"):
        expressions.check("'" + "ä" * 512 + "'")


def test_an_expression_has_at_most_100_parts() -> None:
    expressions.check("[" + ",".join(["a"] * (MAX_NODES - 1)) + "]")
    with pytest.raises(Invalid, match=r"at most 100 parts .*; this one has 101"):
        expressions.check("[" + ",".join(["a"] * MAX_NODES) + "]")


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("length(host.cpus)", "length() takes a string or an array or an object, not a number"),
        ("abs(text)", "abs() takes a number, not a string"),
        ("sum(words)", "sum() takes an array of numbers, not an array with a string in it"),
        ("sum(flags)", "not an array with true or false in it"),
        ("sort(mixed)", "not an array with a string in it"),
        ("max(disks)", "an array of numbers or an array of strings, not an array with an object in it"),
        ("join(',', numbers)", "not an array with a number in it"),
        ("merge(host, words)", "merge() takes objects, not an array"),
        ("sort_by(mixed, &@)", "all numbers or all strings, not a number and a string and null"),
        ("min_by(mixed, &@)", "all numbers or all strings"),
        ("max_by(disks, &tags)", "all numbers or all strings, not an array"),
        ("max_by(flags, &@)", "all numbers or all strings, not a number and true or false"),
        ("sum([large, large])", "more than the largest number"),
        ("avg([large, large])", "more than the largest number"),
        ("sum(`[18446744073709551615, 1]`)", "an integer is between"),
        ("to_number('18446744073709551616')", "an integer is between"),
        ("to_number('1e999')", "finite"),
        ("keys(nothing)", "keys() takes an object, not null"),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_words(expression: str, words: str) -> None:
    expressions.check(expression)
    with pytest.raises(Invalid) as caught:
        expressions.evaluate(expression, DOCUMENT)
    assert words in str(caught.value)
    assert expression in str(caught.value)


def test_an_error_names_types_and_never_a_value() -> None:
    with pytest.raises(Invalid) as caught:
        expressions.evaluate("sum(@)", ["hunter2"])
    assert "hunter2" not in str(caught.value)


def test_a_result_nested_too_deeply_is_refused() -> None:
    document: JsonValue = 1
    for _ in range(60):
        document = [document]
    assert expressions.evaluate("[[[@]]]", document) == [[[document]]]
    with pytest.raises(Invalid, match="at most 64"):
        expressions.evaluate("[[[[[@]]]]]", document)


def test_changing_a_result_does_not_change_the_expression() -> None:
    literal: Any = expressions.evaluate('`{"a": [{}]}`', None)
    literal["a"][0]["b"] = 1
    assert expressions.evaluate('`{"a": [{}]}`', None) == {"a": [{}]}


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 49 + "a" + ")" * 49,
        "!" * 49 + "a",
        " | ".join(["@"] * 50),
        ".".join(["*"] * 33),
        "map(&" * 24 + "@" + ", @)" * 24,
        "sort_by(" * 8 + "map(&" * 20 + "@" + ", @)" * 20 + ", &@)" * 8,
        "[" * 49 + "@" + "]" * 49,
        "to_array(" * 49 + "@" + ")" * 49,
        "@" + "[?@" * 24 + "]" * 24,
    ],
)
def test_the_deepest_expressions_leave_room_on_the_stack(expression: str) -> None:
    expressions.check(expression)
    document: JsonValue = "x"
    for _ in range(14):
        document = [document]
    try:
        expressions.evaluate(expression, document)
    except Invalid as error:
        assert "nests its values" not in str(error)  # noqa: PT017 - a wrong argument is fine, a full stack is not


PLAIN = st.recursive(
    st.none() | st.integers(2, 9) | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)
STEPS = st.sampled_from(
    """.a; .b;[0];[-1];[*];[];.*;[?a];[?a == b];[?@ != `3`];[1:];[::-1]; | a; || b; && c; == a; != `2`; | !@
    .[a, b];.{x: a, y: @}; | length(@); | keys(@); | not_null(@, c); | sort(@); | max(@); | sum(@); | to_string(@)
    ; | type(@); | reverse(@); | join('-', @); | map(&a, @); | sort_by(@, &a); | contains(@, 'a'); | to_array(@)
    """.replace("\n", ";").split(";")
)


@given(st.lists(STEPS, max_size=6).map(lambda steps: "@" + "".join(steps)), PLAIN)
def test_the_library_says_the_same_of_plain_documents(expression: str, document: JsonValue) -> None:
    try:
        expected = jmespath.search(expression, document)
    except ValueError:
        with pytest.raises(Invalid):
            expressions.evaluate(expression, document)
    else:
        assert expressions.evaluate(expression, document) == expected


PIECES = st.sampled_from("a.[]*@(){}:,&|!=<?01-`'\"\\ ö") | st.sampled_from(
    ["[?", "'t'", "`1`", "`NaN`", '"q"', "length(", "sort_by(", "map(&", "to_number(", "sum(", "==", "&&", "||"]
)


@given(st.lists(PIECES, max_size=15).map("".join) | st.text(max_size=20), PLAIN)
def test_anything_else_is_refused_in_words(expression: str, document: JsonValue) -> None:
    try:
        expressions.check(expression)
        result = expressions.evaluate(expression, document)
    except Invalid as error:
        assert str(error)  # noqa: PT017 - either end is right
    else:
        assert strict_json.read(strict_json.write(result)) == result
