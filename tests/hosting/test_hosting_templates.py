"""Route templates: what matches, what is captured, what is refused."""

from __future__ import annotations

import pytest

from hosting.templates import compile_template

MATCHES: list[tuple[str, str, dict[str, str] | None]] = [
    ("items", "/items", {}),
    ("items", "/ITEMS", {}),
    ("items", "/items/", {}),
    ("items", "/items//", None),
    ("items", "/items/7", None),
    ("items", "/item", None),
    ("", "/", {}),
    ("", "/x", None),
    ("items/", "/items", {}),
    ("a.b", "/axb", None),
    ("items/{id}", "/items/7", {"id": "7"}),
    ("items/{id}", "/items/7/", {"id": "7"}),
    ("items/{id}", "/items/", None),
    ("items/{id}", "/items//7", None),
    ("items/{id}", "/items/Seven of Nine", {"id": "Seven of Nine"}),
    ("items/{id?}", "/items", {}),
    ("items/{id?}", "/items/", {}),
    ("items/{id?}", "/items/7", {"id": "7"}),
    ("{a?}/{b?}", "/", {}),
    ("{a?}/{b?}", "/x", {"a": "x"}),
    ("{a?}/{b?}", "/x/y", {"a": "x", "b": "y"}),
    ("{a?}/end", "/end", None),
    ("{a?}/end", "/x/end", {"a": "x"}),
    ("items/{id=5}", "/items", {"id": "5"}),
    ("items/{id=5}", "/items/7", {"id": "7"}),
    ("api/{*rest}", "/api", {}),
    ("api/{*rest}", "/api/", {}),
    ("api/{*rest}", "/api/a/b/", {"rest": "a/b/"}),
    ("api/{*rest}", "/api/a//b", {"rest": "a//b"}),
    ("api/{*rest}", "/api//a", None),
    ("api/{**rest}", "/api/a/b", {"rest": "a/b"}),
    ("api/{*rest}", "/apis", None),
    ("{*rest}", "/", {}),
    ("{*rest}", "/a/b", {"rest": "a/b"}),
    ("{*rest=home}", "/", {"rest": "home"}),
    ("a/{b?}/{*rest}", "/a", {}),
    ("a/{b?}/{*rest}", "/a/", {}),
    ("a/{b?}/{*rest}", "/a/x/", {"b": "x"}),
    ("a/{b?}/{*rest}", "/a/x/y/z", {"b": "x", "rest": "y/z"}),
    ("{a}.{b}", "/x.y.z", {"a": "x.y", "b": "z"}),
    ("{a}.{b}", "/x.", None),
    ("{a}.{b}", "/.y", None),
    ("{name}.{extension?}", "/page.html", {"name": "page", "extension": "html"}),
    ("{name}.{extension?}", "/page", {"name": "page"}),
    ("{name}.{extension?}", "/page.", None),
    ("v{version}/x", "/V12/x", {"version": "12"}),
    ("v{version}/x", "/v/x", None),
    ("{{a}}/{b}", "/{a}/1", {"b": "1"}),
    ("{id:int}", "/12", {"id": "12"}),
    ("{id:int}", "/-12", {"id": "-12"}),
    ("{id:int}", "/2147483648", None),
    ("{id:int}", "/x", None),
    ("{id:long}", "/2147483648", {"id": "2147483648"}),
    ("{id:long}", "/9223372036854775808", None),
    ("{id:int:min(1)}", "/1", {"id": "1"}),
    ("{id:int:min(1)}", "/0", None),
    ("{id:int?}", "/", {}),
    ("{id:int?}", "/x", None),
    ("{id:max(9)}", "/9", {"id": "9"}),
    ("{id:max(9)}", "/10", None),
    ("{id:range(3,5)}", "/4", {"id": "4"}),
    ("{id:range(3,5)}", "/6", None),
    ("{x:bool}", "/True", {"x": "True"}),
    ("{x:bool}", "/yes", None),
    ("{x:alpha}", "/abC", {"x": "abC"}),
    ("{x:alpha}", "/abc1", None),
    ("{x:length(2)}", "/ab", {"x": "ab"}),
    ("{x:length(2)}", "/abc", None),
    ("{x:length(1,2)}", "/abc", None),
    ("{x:minlength(2)}", "/a", None),
    ("{x:maxlength(2)}", "/abc", None),
    ("{x:guid}", "/6F9619FF-8B86-D011-B42D-00CF4FC964FF", {"x": "6F9619FF-8B86-D011-B42D-00CF4FC964FF"}),
    ("{x:guid}", "/6F9619FF8B86D011B42D00CF4FC964FF", {"x": "6F9619FF8B86D011B42D00CF4FC964FF"}),
    ("{x:guid}", "/6F9619FF", None),
    ("{x:decimal}", "/1.5", {"x": "1.5"}),
    ("{x:decimal}", "/1e5", None),
    ("{x:double}", "/1e5", {"x": "1e5"}),
    ("{x:float}", "/one", None),
    ("{x:required}", "/a", {"x": "a"}),
    ("{*x:file}", "/a/b.txt", {"x": "a/b.txt"}),
    ("{*x:file}", "/a/b", None),
    ("{*x:nonfile}", "/a/b", {"x": "a/b"}),
    (r"{x:regex(^\d{{3}}$)}", "/123", {"x": "123"}),
    (r"{x:regex(^\d{{3}}$)}", "/1234", None),
    ("{x:regex(^(a|b)$)}", "/B", {"x": "B"}),
    ("{x:regex(^a/b:c$)}", "/ab", None),
    ("{x:int=5}", "/", {"x": "5"}),
    ("{x:int=five}", "/", None),
]


@pytest.mark.parametrize(("template", "path", "values"), MATCHES)
def test_a_template_matches_as_in_asp_net(template: str, path: str, values: dict[str, str] | None) -> None:
    assert compile_template(template).match(path) == values


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("a//b", "two slashes"),
        ("{id", "not closed"),
        ("id}", "closing brace"),
        ("{}", "not the name"),
        ("{a?b}", "not the name"),
        ("{a}{b}", "need a literal"),
        ("{a}/{A}", "appears twice"),
        ("{*rest}/x", "must be the last"),
        ("x{*rest}", "must be the last"),
        ("{*rest?}", "cannot be optional"),
        ("{id=5?}", "cannot be optional and have a default"),
        ("{a?}.{b}", "must end its segment"),
        ("{a}-{b?}", "must end its segment"),
        ("what?", "question mark"),
        ("{id:integer}", "there is no route constraint `integer`"),
        ("{id:int()}", "there is no route constraint"),
        ("{id:datetime}", "there is no route constraint"),
        ("{id:min(x)}", "not a whole number"),
        ("{id:range(1)}", "two numbers"),
        ("{id:regex([)}", "not a regular expression"),
        ("{id:min(1}", "left over"),
    ],
)
def test_a_template_that_is_not_valid_says_why(template: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        compile_template(template)


def test_a_kelvin_sign_is_no_k() -> None:
    assert compile_template("kelvin").match("/\u212aelvin") is None
