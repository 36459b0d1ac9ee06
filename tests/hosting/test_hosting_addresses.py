"""Paths and queries: read, and written again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosting.addresses import BadAddress, decode_path, escape_path, parse_query
from hosting.requests import BadRequest, split_target


@pytest.mark.parametrize(
    ("raw", "decoded", "escaped"),
    [
        ("/items/7", "/items/7", "/items/7"),
        ("/a%20b", "/a b", "/a%20b"),
        ("/a+b", "/a+b", "/a+b"),
        ("/%C3%BCber", "/über", "/%C3%BCber"),
        ("/a%2Fb", "/a%2Fb", "/a%2Fb"),
        ("/a%2fb%20c", "/a%2fb c", "/a%2fb%20c"),
        ("/%20%2F%20", "/ %2F ", "/%20%2F%20"),
        ("/%ff", "/%FF", "/%FF"),
        ("/%zz%4", "/%zz%4", "/%25zz%254"),
        ("/a/./b/../c", "/a/c", "/a/c"),
        ("/a/b/..", "/a/", "/a/"),
        ("/..", "/", "/"),
        ("/%2e%2e/x", "/x", "/x"),
        ("/.hidden", "/.hidden", "/.hidden"),
        ('/"<{|}>"', '/"<{|}>"', "/%22%3C%7B%7C%7D%3E%22"),
    ],
)
def test_a_path_is_decoded_for_routes_and_escaped_again_for_the_url(raw: str, decoded: str, escaped: str) -> None:
    assert decode_path(raw) == decoded
    assert escape_path(decoded) == escaped


@pytest.mark.parametrize("raw", ["/%00", "/\x00", "/ü"])
def test_a_path_that_the_web_server_refuses(raw: str) -> None:
    with pytest.raises(BadAddress):
        decode_path(raw)


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_any_text_survives_as_a_path_segment(text: str) -> None:
    path = "/x/" + text.replace("/", "").replace("%", "").replace(".", "")
    escaped = escape_path(path)
    assert escaped.isascii()
    assert decode_path(escaped) == path


@pytest.mark.parametrize(
    ("query", "params"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=1&a=2", {"a": "1,2"}),
        ("a=1&A=2", {"a": "1,2"}),
        ("a=&b&=", {}),
        ("a=&a=1", {"a": "1"}),
        ("a=b=c", {"a": "b=c"}),
        ("a+b=c+d", {"a b": "c d"}),
        ("a%3D=%26", {"a=": "&"}),
        ("a=%2F", {"a": "/"}),
        ("a=%ff", {"a": "%FF"}),
        ("&&a=1&", {"a": "1"}),
        ("=1", {"": "1"}),
        ("a=1;b=2", {"a": "1;b=2"}),
    ],
)
def test_a_query(query: str, params: dict[str, str]) -> None:
    assert parse_query(query) == params


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("/a?b=c?d", ("/a", "b=c?d")),
        ("/a", ("/a", "")),
        ("http://plant:80/a/b?c", ("/a/b", "c")),
        ("HTTPS://plant", ("/", "")),
    ],
)
def test_the_target_of_a_request_line(target: str, parts: tuple[str, str]) -> None:
    assert split_target(target) == parts


@pytest.mark.parametrize("target", ["*", "plant:443", "ftp://plant/a"])
def test_a_target_that_is_no_path_is_refused(target: str) -> None:
    with pytest.raises(BadRequest):
        split_target(target)
