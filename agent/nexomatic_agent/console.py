"""The agent's own log: one line a record on standard error, whatever the record holds."""

from __future__ import annotations

import logging
import sys
import time
from typing import TextIO

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class OneLine(logging.Formatter):
    """`2026-11-23T22:59:00.123Z INFO polling: message`, control characters escaped, an exception as one sentence."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        name = record.name.rpartition(".")[2]
        text = f"{moment}.{int(record.msecs):03d}Z {record.levelname} {name}: {record.getMessage()}"
        if record.exc_info and record.exc_info[1] is not None:
            text += f" ({_in_one_sentence(record.exc_info[1])})"
        return escaped(text)


def escaped(text: str) -> str:
    """The text on one line: what would end the line or move the cursor is written as an escape."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def _in_one_sentence(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    return f"{type(error).__name__}: {error}{place}"


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send the log to the stream, standard error unless given. Call once, at the start of the process."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(OneLine())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # urllib3 reports each retried or dropped connection; the agent says the first error and the recovery itself.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
