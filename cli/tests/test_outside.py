"""What comes from outside cannot act on the terminal."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nexo_cli.outside import as_json, plain, safe

COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def _acts(text: str) -> bool:
    """Whether something in it is more than a character to be seen."""
    return any(
        unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(each) in BIDI
        for each in text
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Grüße 漢字 🎉", "Grüße 漢字 🎉"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m\x1b[0m"),
        ("\x1b[1;38;5;208mx", "\x1b[1;38;5;208mx\x1b[0m"),
        ("\x1b[48;2;1;2;3mx", "\x1b[48;2;1;2;3mx\x1b[0m"),
        ("\x1b[mx", "\x1b[mx\x1b[0m"),
        ("\x1b[8mhidden", "\\x1b[8mhidden"),
        ("\x1b[38;5mx", "\\x1b[38;5mx"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x1b]52;c;aGk=\x1b\\", "\\x1b]52;c;aGk=\\x1b\\"),
        ("\x1b]8;;http://e\x1b\\link", "\\x1b]8;;http://e\\x1b\\link"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb\nc\td\x08", "a\\rb\\nc\\td\\x08"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("a\u2066b\u200fc\u2028d\ufeff", "a\\u2066b\\u200fc\\u2028d\\ufeff"),
        ("\ud800", "\\ud800"),
        ("\x00\x7f", "\\x00\\x7f"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert safe(text) == shown


_NASTY = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\x1b[]m;\x07\x9b\x9d\u202e\u2066\u200f\t\r\n"),
        st.characters(categories=["Cs", "Cc", "Cf"]),
    )
) | st.lists(st.sampled_from(["\x1b[31m", "\x1b[8m", "\x1b[0;38;5;3m", "\x1b[", "m", "x", "\x1b]0;a\x07"])).map("".join)


@given(_NASTY)
def test_nothing_but_colours_acts(text: str) -> None:
    shown = safe(text)
    assert not _acts(COLOUR.sub("", shown))
    assert not _acts(plain(text))
    colours = COLOUR.findall(shown)
    assert not colours or colours[-1] == "\x1b[0m", "what a line begins does not go on in the next"
    assert not any(re.search(r"[\[;]0*8[;m]", each) and ";5;8" not in each for each in colours if "38" not in each)


@settings(max_examples=40)
@given(st.recursive(_NASTY | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(_NASTY, inner)))
def test_json_says_the_same_and_does_nothing(value: object) -> None:
    for indent in (2, None):
        text = as_json(value, indent)
        assert json.loads(text) == value
        assert not _acts(text.replace("\n", ""))
