"""The log: one line per record, whatever it says."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator

import pytest

from hosting import logs
from hosting.logs import Running, describe, escape, running, thread_local


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """The root logger writes here, as the host sets it up; afterwards everything is as before."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    lines = io.StringIO()
    logs.install({"default": logging.INFO, "Function.quiet": logging.WARNING, "Azure": logging.ERROR}, False, lines)
    yield lines
    root.handlers[:], level = before
    root.setLevel(level)
    for name in ("Host", "Function"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_a_record_is_one_line_with_time_level_and_category(stream: io.StringIO) -> None:
    logging.getLogger("hub.life").warning("lost %s", "sink\n2026-01-01 ERROR forged \x1b[31m")
    line = stream.getvalue()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING hub\.life "
        r"lost sink\\n2026-01-01 ERROR forged \\x1b\[31m\n",
        line,
    )


def test_a_traceback_is_on_the_same_line_innermost_first(stream: io.StringIO) -> None:
    def inner() -> None:
        raise KeyError("a\nb")

    try:
        try:
            inner()
        except KeyError as error:
            raise RuntimeError("outer") from error
    except RuntimeError:
        logging.getLogger("x").exception("it failed")
    (line,) = stream.getvalue().splitlines()
    assert " ERROR   x it failed | RuntimeError: outer (at hosting/test_hosting_logs.py:" in line
    assert re.search(r"\| caused by KeyError: 'a\\nb' \(at hosting/test_hosting_logs\.py:\d+ inner < ", line)


def test_a_record_of_an_invocation_has_its_category_and_id(stream: io.StringIO) -> None:
    invocation = Running("tick")
    token = running.set(invocation)
    try:
        logging.getLogger("hub.upkeep").info("done")
        logging.getLogger("Host.Startup").info("the host speaks")
    finally:
        running.reset(token)
    first, second = stream.getvalue().splitlines()
    assert first.endswith(f" INFO    Function.tick.User#{invocation.id[:8]} done")
    assert second.endswith(" INFO    Host.Startup the host speaks")
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", invocation.id)


def test_a_thread_of_the_app_says_whose_it_is(stream: io.StringIO) -> None:
    thread_local.invocation_id = "0123456789abcdef"
    try:
        logging.getLogger("mine").info("from a thread")
    finally:
        thread_local.invocation_id = None
    assert "mine#01234567 from a thread" in stream.getvalue()


def test_levels_are_by_category_and_the_librarys_own_records_are_hidden(stream: io.StringIO) -> None:
    token = running.set(Running("quiet"))
    try:
        logging.getLogger("hub").info("no")
        logging.getLogger("hub").warning("one")
    finally:
        running.reset(token)
    logging.getLogger("azure.functions.decorators").error("no")
    logging.getLogger("azure_functions_worker").error("no")
    logging.getLogger("azure.core").warning("no")
    logging.getLogger("hub").debug("no")
    logging.getLogger("hub").info("two")
    assert [line.rsplit(" ", 1)[1] for line in stream.getvalue().splitlines()] == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("plain", "plain"), ("ümläut", "ümläut"), ("a\tb\r\n", "a\\tb\\r\\n"), ("\x85\u2028", "\\x85\\u2028")],
)
def test_what_would_break_a_line_is_escaped(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_an_exception_without_a_traceback_and_a_circle_of_causes_are_described() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert describe(one) == "ValueError: one | caused by ValueError: other"


def test_a_deep_traceback_is_cut() -> None:
    def dive(depth: int) -> None:
        if depth == 0:
            raise RecursionError("deep")
        dive(depth - 1)

    with pytest.raises(RecursionError) as caught:
        dive(50)
    assert describe(caught.value).count(" dive") == logs.MAX_FRAMES
    assert describe(caught.value).endswith("more)")
