"""What Viewers do not see: every path against every shape it may meet."""

from __future__ import annotations

import copy
from typing import Any

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import Invalid
from hub.rules import redacting
from hub.rules.redacting import MARK, path, redacted

ORDER = {"id": 1, "card": {"number": "4111", "name": "Ada"}}


@pytest.mark.parametrize(
    ("text", "document", "wanted"),
    [
        ("card", ORDER, {"id": 1, "card": MARK}),
        ("card.number", ORDER, {"id": 1, "card": {"number": MARK, "name": "Ada"}}),
        ("card.cvc", ORDER, ORDER),
        ("Card", ORDER, ORDER),
        ("card.number.x", ORDER, ORDER),
        ('"x-token"', {"x-token": None}, {"x-token": MARK}),
        ("a.b.c.d", {"a": {"b": {"c": {"d": 1, "e": 2}}}}, {"a": {"b": {"c": {"d": MARK, "e": 2}}}}),
        ("*", ORDER, {"id": MARK, "card": MARK}),
        ("*.number", ORDER, {"id": 1, "card": {"number": MARK, "name": "Ada"}}),
        ("card.*", ORDER, {"id": 1, "card": {"number": MARK, "name": MARK}}),
        ("a[*].b", {"a": [{"b": 1}, {"c": 2}, 3]}, {"a": [{"b": MARK}, {"c": 2}, 3]}),
        ("a.b", {"a": [{"b": 1}, [{"b": 2}]]}, {"a": [{"b": MARK}, [{"b": MARK}]]}),
        ("a[*].b", {"a": {"b": 1}}, {"a": {"b": MARK}}),
        ("a[].b", {"a": [[{"b": 1}]]}, {"a": [[{"b": MARK}]]}),
        ("a[*]", {"a": [1, [2]]}, {"a": [MARK, MARK]}),
        ("a[*]", {"a": 1}, {"a": MARK}),
        ("a", [{"a": 1}, {"b": 2}], [{"a": MARK}, {"b": 2}]),
        ("[*].a", [{"a": 1}], [{"a": MARK}]),
        ("@", ORDER, MARK),
        ("a", "text", "text"),
        ("a", None, None),
    ],
)
def test_a_path(text: str, document: Any, wanted: Any) -> None:
    before = copy.deepcopy(document)
    assert redacted(document, [path(text)]) == wanted
    assert document == before


@pytest.mark.parametrize(
    "text",
    ["a[0]", "a[-1]", "a[0:2]", "a[?b]", "length(a)", "a | b", "a || b", "{x: a}", "[a, b]", "`1`", "'a'", "!a", ""],
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"a path is fields|is empty"):
        path(text)


_VALUES = st.recursive(
    st.just("secret"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
_PATHS = st.lists(st.sampled_from(["a", "b", "*", "c[*]"]), min_size=1, max_size=4).map(".".join)


@given(_VALUES, _PATHS)
def test_what_jmespath_finds_is_hidden(document: Any, text: str) -> None:
    """Nothing that the same path finds in the document is there afterwards."""
    hidden = redacted(document, [path(text)])
    assert "secret" not in str(jmespath.search(text, hidden))


def test_several_paths_are_all_applied() -> None:
    paths = [path("id"), path("card.number")]
    assert redacting.redacted(ORDER, paths) == {"id": MARK, "card": {"number": MARK, "name": "Ada"}}  # type: ignore[arg-type]
