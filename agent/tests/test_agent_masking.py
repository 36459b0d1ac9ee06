"""Secret values and the shapes in which they leak."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nexomatic_agent.logstream import LineSplitter, Part
from nexomatic_agent.masking import MASK, Masker, _shapes

SECRET = 's3cr3t/värde+& "x"'


@pytest.mark.parametrize(
    "leak",
    [
        SECRET,
        f"token={SECRET}!",
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET, safe="").replace("%C3%A4", "%c3%a4"),
        json.dumps({"token": SECRET}),
        json.dumps({"token": SECRET}, ensure_ascii=False),
        repr({"token": SECRET}),
        ascii(SECRET + "'"),
    ],
)
def test_a_value_is_masked_in_every_usual_shape(leak: str) -> None:
    masked = Masker([SECRET]).mask_text(leak)
    assert MASK in masked
    assert "s3cr3t" not in masked
    assert base64.b64encode(SECRET.encode()).decode()[4:-4] not in masked


@given(
    before=st.binary(max_size=9),
    secret=st.text("abcdefgh0123456789", min_size=12, max_size=40),
    after=st.binary(max_size=9),
)
def test_no_part_of_a_value_can_be_read_from_base64_around_it(before: bytes, secret: str, after: bytes) -> None:
    """The characters left at its ends hold at most a byte of it each."""
    encoded = base64.b64encode(before + secret.encode() + after).decode()
    masked = Masker([secret]).mask_text(encoded)
    assert MASK in masked
    assert len(masked.replace(MASK, "")) <= len(base64.b64encode(before + after)) + 8


@pytest.mark.parametrize("value", ["", "a", "abc"])
def test_a_value_too_short_to_be_secret_is_left_alone(value: str) -> None:
    assert Masker([value]).mask_text("abc abc") == "abc abc"


def test_the_longer_of_two_values_that_begin_alike_goes_whole() -> None:
    assert Masker(["pass", "password"]).mask_text("password pass") == "*** ***"


def test_each_line_of_a_key_file_is_masked() -> None:
    key = "-----BEGIN KEY-----\nMIIBVgIBADANBgkq\nAAAA\n-----END KEY-----\n"
    assert Masker([key]).mask_text("the key is MIIBVgIBADANBgkq, AAAA") == "the key is ***, AAAA"


def test_results_are_masked_names_and_all() -> None:
    document = {"a": ["x hunter22", 1, None, {"hunter22": True}]}
    assert Masker(["hunter22"]).mask_document(document) == {"a": ["x ***", 1, None, {"***": True}]}


def test_a_value_that_is_a_number_is_masked_as_one_too() -> None:
    document = [48151623, -48151623, 48151623.5, 1e300, 7, True]
    assert Masker(["48151623"]).mask_document(document) == ["***", "-***", "***.5", 1e300, 7, True]


@given(
    data=st.data(),
    secrets=st.lists(st.text("abc", min_size=4, max_size=30), min_size=1, max_size=3),
)
def test_no_cut_of_a_long_line_lets_a_value_through(data: st.DataObject, secrets: list[str]) -> None:
    filler = st.text("xyz", max_size=300)
    text = "".join(data.draw(st.lists(filler | st.sampled_from(secrets), max_size=12)))
    splitter = LineSplitter("stdout", 256, Masker(secrets))
    raw, sizes = text.encode(), data.draw(st.lists(st.integers(1, 200), min_size=1, max_size=5))
    parts: list[Part] = []
    while raw:
        for size in sizes:
            parts += splitter.feed(raw[:size])
            raw = raw[size:]
    parts += splitter.finish()
    whole = "".join(line.replace(" [the line goes on]", "").replace("[the line goes on] ", "") for _, _, line in parts)
    assert whole == Masker(secrets).mask_text(text)


@given(
    secrets=st.lists(st.text("ab%2fF", min_size=4, max_size=8), min_size=1, max_size=40),
    data=st.data(),
)
def test_it_finds_what_one_great_expression_would_find(secrets: list[str], data: st.DataObject) -> None:
    """From the left, at each place the longest; a dozen values or many, the digits of escapes in either case.

    Half an escape counts as one: a value may have been cut there.
    """
    text = "".join(data.draw(st.lists(st.text("ab%2fFx", max_size=8) | st.sampled_from(secrets), max_size=20)))
    masker = Masker(secrets)
    shapes = sorted({shape for secret in secrets for shape in _shapes(secret)}, key=len, reverse=True)
    expression = b"|".join(re.sub(rb"%[0-9A-Fa-f]{1,2}", rb"(?i:\g<0>)", re.escape(shape)) for shape in shapes)
    assert masker.mask_bytes(text.encode()) == re.sub(expression, MASK.encode(), text.encode())


@given(secret=st.text("abcdefgh", min_size=8, max_size=30), before=st.text("xyz", max_size=20), data=st.data())
def test_where_a_text_was_cut_no_beginning_of_a_value_is_left(secret: str, before: str, data: st.DataObject) -> None:
    whole = before + secret
    cut = whole[: data.draw(st.integers(len(before) + 4, len(whole)))]
    assert Masker([secret]).mask_cut(cut) == before + MASK


@pytest.mark.parametrize("width", [64, 76])
def test_base64_that_is_broken_into_lines_is_masked_line_by_line(width: int) -> None:
    secret = "".join(chr(33 + number * 7 % 90) for number in range(200))
    encoded = base64.b64encode(secret.encode()).decode()
    lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
    assert [Masker([secret]).mask_text(line) for line in lines] == [MASK] * len(lines)


def test_a_key_file_of_many_lines_goes_whole_and_line_by_line() -> None:
    lines = [base64.b64encode(bytes([number]) * 48).decode() for number in range(200)]
    key = "-----BEGIN KEY-----\n" + "\n".join(lines)
    masker = Masker([key])
    assert masker.mask_text(f"a {key} b") == "a *** b"
    assert [masker.mask_text(f"({line})") for line in lines] == ["(***)"] * 200
