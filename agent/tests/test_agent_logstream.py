"""Bytes to lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nexomatic_agent.logstream import CONTINUED, CONTINUES, LineSplitter, marked_parts
from nexomatic_agent.masking import Masker


def split(*pieces: bytes, limit: int = 65_536) -> list[str]:
    splitter = LineSplitter("stdout", limit, Masker())
    parts = [part for piece in pieces for part in splitter.feed(piece)] + splitter.finish()
    return [text for _, _, text in parts]


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ((b"",), []),
        ((b"a\nb\n",), ["a", "b"]),
        ((b"a\r\nb",), ["a", "b"]),
        ((b"a", b"b", b"\n", b"\n"), ["ab", ""]),
        ((b"caf\xc3", b"\xa9\n"), ["café"]),
        ((b"\xff\xfe!\n",), ["\ufffd\ufffd!"]),
        ((b"a\rb\n",), ["a\rb"]),
    ],
)
def test_lines_come_whole_whatever_the_pieces(pieces: tuple[bytes, ...], lines: list[str]) -> None:
    assert split(*pieces) == lines


def test_a_long_line_is_split_with_visible_marks() -> None:
    lines = split(b"x" * 1000 + b"\nshort\n", limit=300)
    assert lines[-1] == "short"
    assert all(len(line) <= 300 for line in lines)
    assert all(line.endswith(CONTINUES) for line in lines[:-2])
    assert all(line.startswith(CONTINUED) for line in lines[1:-1])
    assert "".join(lines[:-1]).replace(CONTINUES, "").replace(CONTINUED, "") == "x" * 1000


@pytest.mark.parametrize("masker", [Masker(), Masker(["a secret of some length"])], ids=["no secrets", "a secret"])
def test_of_a_line_that_does_not_end_no_more_is_kept_than_a_piece(masker: Masker) -> None:
    """Else it would all be in memory until its end, looked at anew with each read, and nobody would see any of it."""
    splitter, seen = LineSplitter("stdout", 300, masker), 0
    for fed in range(200, 20_001, 200):
        seen += sum(len(text.replace(CONTINUES, "").replace(CONTINUED, "")) for _, _, text in splitter.feed(b"x" * 200))
        assert fed - seen == len(splitter._rest) <= 300 + masker.overlap


def test_a_split_does_not_go_through_a_character() -> None:
    text = "ä" * 1000
    assert "\ufffd" not in "".join(split(text.encode(), limit=301))


@given(
    text=st.text(st.characters(blacklist_characters="\r\n\x1e", blacklist_categories=["Cs"]), max_size=2000),
    size=st.integers(1, 700),
)
def test_nothing_is_lost_or_made_up(text: str, size: int) -> None:
    raw = text.encode()
    lines = split(*(raw[at : at + size] for at in range(0, len(raw), size)), limit=256)
    assert "".join(lines).replace(CONTINUES, "").replace(CONTINUED, "") == text


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("plain", [("stdout", "INFO", "plain")]),
        ("\x1eWARNING\x1fcareful", [("stdout", "WARNING", "careful")]),
        ("\x1estderr\x1foops", [("stderr", "ERROR", "oops")]),
        ("\x1estderr DEBUG\x1fdetail", [("stderr", "DEBUG", "detail")]),
        ("half\x1estderr\x1foops", [("stdout", "INFO", "half"), ("stderr", "ERROR", "oops")]),
        ("\x1enot a mark\x1fx", [("stdout", "INFO", "\x1enot a mark\x1fx")]),
        ("\x1eWARNING without end", [("stdout", "INFO", "\x1eWARNING without end")]),
        ("\x1eINFO\x1fa\x1eb", [("stdout", "INFO", "a\x1eb")]),
        ("\x1eINFO\x1f", [("stdout", "INFO", "")]),
        ("", [("stdout", "INFO", "")]),
        ("\x1estderr\x1fa\x1eDEBUG\x1fb", [("stderr", "ERROR", "a"), ("stdout", "DEBUG", "b")]),
    ],
)  # fmt: skip
def test_marks_tell_stream_and_level(line: str, parts: list[tuple[str, str, str]]) -> None:
    assert marked_parts(line, "stdout") == parts


def test_a_line_full_of_half_marks_takes_no_longer_than_another() -> None:
    """Were it put together one by one, this would take hours."""
    line = "\x1e" * 5_000_000
    assert marked_parts(line, "stdout") == [("stdout", "INFO", line)]


def test_what_goes_on_is_of_the_same_stream_and_level() -> None:
    splitter = LineSplitter("stdout", 300, Masker())
    parts = splitter.feed(b"\x1estderr WARNING\x1f" + b"x" * 1000 + b"\nplain\n")
    assert {part[:2] for part in parts[:-1]} == {("stderr", "WARNING")}
    assert len(parts) > 3
    assert parts[-1] == ("stdout", "INFO", "plain")


def test_a_plain_line_of_standard_error_is_an_error() -> None:
    assert marked_parts("x", "stderr") == [("stderr", "ERROR", "x")]
