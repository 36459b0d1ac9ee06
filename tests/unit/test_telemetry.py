"""A record of the log is one line, and says nothing that somebody else said."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import telemetry
from hub.errors import Unavailable

CANARY = "canary-4f1d"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the library's own formatter writes of records: it is not asked to be careful."""
    before = logging.getLogRecordFactory()
    telemetry.install()
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(level)
    root.removeHandler(handler)
    logging.setLogRecordFactory(before)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("a\r\nERROR hub forged", "a\\r\\nERROR hub forged"),
        ("\x1b[2J\x00\x7f", "\\x1b[2J\\x00\\x7f"),
        ("\u2028\u2029\x85", "\\u2028\\u2029\\x85"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
        ("tab\there", "tab\\there"),
        ("Zürich 日本 ✓", "Zürich 日本 ✓"),
    ],
)
def test_a_value_cannot_leave_its_line(written: io.StringIO, value: str, shown: str) -> None:
    logging.getLogger("hub.life").warning("it is %s.", value)
    assert written.getvalue() == f"WARNING hub.life it is {shown}.\n"


@given(st.text(max_size=300))
def test_whatever_it_is(text: str) -> None:
    shown = telemetry.escaped(text)
    assert len(shown.splitlines()) <= 1
    assert shown.encode().decode() == shown
    assert not any(ord(each) < 32 for each in shown)


def test_what_is_long_is_cut_and_says_so(written: io.StringIO) -> None:
    logging.getLogger("hub").warning("%s", "x" * 100_000)
    (line,) = written.getvalue().splitlines()
    assert len(line) < 4100
    assert line.endswith("(100000 characters)")


def test_of_an_error_that_is_not_ours_only_its_class_is_said(written: io.StringIO) -> None:
    def inner() -> None:
        raise KeyError(CANARY)

    try:
        try:
            inner()
        except KeyError as error:
            raise RuntimeError(CANARY) from error
    except RuntimeError as error:
        logging.getLogger("hub.life").exception("it failed", stack_info=True)
        logging.getLogger("hub.life").warning("because of %s", error)
    first, second = written.getvalue().splitlines()
    assert first.startswith("ERROR hub.life it failed | RuntimeError (at unit/test_telemetry.py:")
    assert "| caused by KeyError (at unit/test_telemetry.py:" in first
    assert " inner < " in first
    assert second == "WARNING hub.life because of RuntimeError"
    assert CANARY not in written.getvalue()


def test_of_one_of_ours_its_words_too(written: io.StringIO) -> None:
    try:
        raise Unavailable("storage\nis away") from ValueError(CANARY)
    except Unavailable as error:
        logging.getLogger("hub.life").warning("kept: %s", error)
        logging.getLogger("hub.life").exception("it failed")
    first, second = written.getvalue().splitlines()
    assert first == "WARNING hub.life kept: storage\\nis away"
    assert "Unavailable: storage\\nis away (at " in second
    assert second.endswith("| caused by ValueError")


def test_of_a_library_the_first_line_alone(written: io.StringIO) -> None:
    """asyncio goes on with the representation of the task, the error's words in it."""
    logging.getLogger("asyncio").error(f"Task exception was never retrieved\nfuture: <Task exception={CANARY}>")
    assert written.getvalue() == "ERROR asyncio Task exception was never retrieved\n"


def test_libraries_that_say_a_line_for_each_call_are_quiet(written: io.StringIO) -> None:
    for name in ("azure.core.pipeline.policies.http_logging_policy", "httpx", "httpcore.connection"):
        logging.getLogger(name).info("Request URL: https://vault/secrets/%s?sig=%s", CANARY, CANARY)
    assert written.getvalue() == ""


def test_the_hosts_own_records_are_left_alone(written: io.StringIO) -> None:
    try:
        raise RuntimeError("the host's own")
    except RuntimeError:
        record = logging.getLogger("Host.Web").makeRecord(
            "Host.Web", logging.ERROR, __file__, 1, "the host failed", (), sys.exc_info()
        )
    assert record.exc_info is not None
    assert "the host's own" in logging.Formatter().format(record)


def test_a_deep_or_circular_error_is_described() -> None:
    def down(depth: int) -> None:
        if depth == 0:
            raise RecursionError(CANARY)
        down(depth - 1)

    try:
        down(40)
    except RecursionError as error:
        error.__cause__ = error
        said = telemetry.described(error)
    assert "... 30 more" in said
    assert CANARY not in said
