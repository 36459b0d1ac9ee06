"""The log of an attempt: numbers, chunks, caps."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nexomatic_agent.attempt_log import CHUNK_BYTES, CHUNK_LINES, END_BYTES, LINE_BYTES, AttemptLog, LogLimits
from nexomatic_agent.intents import TaskResult
from nexomatic_agent.logstream import LineSplitter, Part
from nexomatic_agent.masking import Masker
from nexomatic_agent.spool import Spool, Spooled


def a_log(line_bytes: int = 65_536, attempt_bytes: int = 10 << 20) -> AttemptLog:
    return AttemptLog(LogLimits(line_bytes, attempt_bytes), wall_clock=lambda: 1_795_474_740.25)


def take_all(log: AttemptLog) -> list[dict[str, Any]]:
    """All chunks, each stored by the hub."""
    chunks = []
    while (chunk := log.chunk()) is not None:
        chunks.append(chunk)
        log.stored()
    return chunks


def texts(chunks: list[dict[str, Any]]) -> list[str]:
    return [line["text"] for chunk in chunks for line in chunk["lines"]]


def test_a_line_carries_time_stream_and_level() -> None:
    log = a_log()
    log.feed("stdout", b"hello\n")
    assert log.chunk() == {
        "first": 1,
        "lines": [{"time": "2026-11-23T22:59:00.250000Z", "stream": "stdout", "level": "INFO", "text": "hello"}],
    }


def test_a_chunk_stays_the_same_until_it_is_stored() -> None:
    log = a_log()
    log.feed("stdout", b"one\n")
    first = log.chunk()
    log.feed("stdout", b"two\n")
    assert log.chunk() == first
    log.stored()
    second = log.chunk()
    assert second is not None
    assert (second["first"], texts([second])) == (2, ["two"])


@given(lines=st.lists(st.text("ab\u00e4", max_size=200), max_size=100), restart=st.booleans())
def test_chunks_are_numbered_without_gap_and_repeat_alike_after_a_restart(lines: list[str], restart: bool) -> None:
    log = a_log()
    for line in lines:
        log.feed("stdout", line.encode() + b"\n")
    log.finish()
    log.chunk()
    kept = list(log.rest())
    if restart:
        log = a_log()
        log.restore(kept)
    chunks = take_all(log)
    assert chunks == kept
    assert texts(chunks) == lines
    assert [chunk["first"] for chunk in chunks] == [
        1 + sum(len(before["lines"]) for before in chunks[:place]) for place in range(len(chunks))
    ]
    assert log.pending_bytes == 0


def test_chunks_keep_within_bytes_and_lines() -> None:
    log = a_log(attempt_bytes=100 << 20)
    log.feed("stdout", b"\n" * 30_000 + (b"x" * 1000 + b"\n") * 300)
    chunks = take_all(log)
    assert len(texts(chunks)) == 30_300
    for chunk in chunks:
        assert 1 <= len(chunk["lines"]) <= CHUNK_LINES
        assert sum(len(line["text"]) + LINE_BYTES for line in chunk["lines"]) <= CHUNK_BYTES


def test_a_line_as_large_as_a_chunk_is_a_chunk() -> None:
    log = a_log()
    log.feed("stdout", b"x" * 65_500 + b"\n" + b"y\n")
    assert [len(chunk["lines"]) for chunk in take_all(log)] == [1, 1]


def test_a_log_above_its_cap_is_cut_with_a_mark_and_counted() -> None:
    log = a_log(attempt_bytes=10_000)
    log.feed("stdout", b"0123456789\n" * 1000)
    log.feed("stderr", b"the end")
    log.finish()
    lines = texts(take_all(log))
    kept = lines.index("[log cut: 10000 bytes are kept; what follows is only counted]")
    assert lines[:kept] == ["0123456789"] * kept
    assert lines[kept + 1 :] == ["[log cut: the task wrote 1001 lines, 11007 bytes in all]"]
    assert sum(len(line) + LINE_BYTES for line in lines[:kept]) <= 10_000
    assert log.last_lines().endswith("0123456789\nthe end")


def test_pending_bytes_count_what_is_in_flight_too() -> None:
    log = a_log()
    log.feed("stdout", b"12345\n")
    waiting = log.pending_bytes
    assert waiting == LINE_BYTES + 5
    log.chunk()
    assert log.pending_bytes == waiting
    log.stored()
    assert log.pending_bytes == 0


def test_refused_lines_leave_a_line_that_says_so_at_their_place() -> None:
    log = a_log()
    log.feed("stdout", b"bad\nbad\n")
    log.chunk()
    log.feed("stdout", b"good\n")
    log.refused("400 no")
    first = log.chunk()
    assert first is not None
    assert first["first"] == 1
    assert texts([first]) == ["[2 lines were refused by the hub: 400 no]"]
    log.refused("400 not even that")
    assert texts(take_all(log)) == ["good"]


def test_the_last_lines_are_a_short_text() -> None:
    log = a_log()
    log.feed("stdout", b"".join(b"line %d\n" % number for number in range(100)))
    assert log.last_lines() == "\n".join(f"line {number}" for number in range(90, 100))
    log.feed("stdout", b"x" * 60_000 + b"\n")
    assert len(log.last_lines()) == 2000


def test_of_a_cut_log_the_last_lines_are_still_the_last() -> None:
    log = a_log(attempt_bytes=1000)
    log.feed("stdout", b"x" * 50_000)
    log.feed("stdout", b"".join(b"line %d\n" % number for number in range(5000)) + b"and half a line")
    log.finish()
    assert log.last_lines().split("\n") == [f"line {number}" for number in range(4991, 5000)] + ["and half a line"]


@given(reads=st.lists(st.binary(max_size=300) | st.text("ab\n", max_size=300).map(str.encode), max_size=20))
def test_the_last_lines_are_the_same_whether_the_log_is_cut_or_not(reads: list[bytes]) -> None:
    whole, cut = a_log(), a_log(attempt_bytes=1)
    for log in (whole, cut):
        log.feed("stdout", b"the first line is cut already\n")
        for data in reads:
            log.feed("stdout", data)
        log.finish()
    assert cut.last_lines() == whole.last_lines()


def test_what_a_cut_log_no_longer_keeps_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that prints without end costs the agent next to nothing, so that others' leases are renewed in time."""
    looked_at: list[int] = []
    feed = LineSplitter.feed

    def watched(splitter: LineSplitter, data: bytes) -> list[Part]:
        looked_at.append(len(data))
        return feed(splitter, data)

    monkeypatch.setattr(LineSplitter, "feed", watched)
    log = a_log(attempt_bytes=1)
    for data in (b"a line\n" * 10_000, b"no line" * 10_000):
        log.feed("stdout", b"\n")
        looked_at.clear()
        log.feed("stdout", data)
        assert sum(looked_at) <= END_BYTES


def test_a_secret_is_masked_in_the_last_lines_of_a_cut_log_too() -> None:
    secret = "hunter22" * 1200
    log = AttemptLog(LogLimits(65_536, 1), Masker([secret]))
    log.feed("stdout", b"cut\n")
    log.feed("stdout", b"begin " + secret.encode() + b" end")
    log.finish()
    assert log.last_lines() == "cut\nbegin *** end"


def test_a_long_log_takes_little_memory_until_it_is_sent_spooled_and_taken_up_again(tmp_path: Path) -> None:
    """As objects, lines take ten times what they say: a few tasks that print much would take the machine's memory."""
    log, spool = a_log(attempt_bytes=512 << 10), Spool(tmp_path / "spool", tmp_path / "lost")
    tracemalloc.start()
    try:
        for _ in range(15):
            log.feed("stdout", b"\n" * 1000)
        log.finish()
        spool.write("E-1", Spooled("E", 1, "token", 30.0, TaskResult("SUCCESS")), log.rest())
        restored = a_log()
        restored.restore(spool.logs("E-1"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 << 20
    assert texts(take_all(restored)) == texts(take_all(log))
