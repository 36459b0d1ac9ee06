"""Moving bytes between the agent and a task: its input in, its output into the log."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import IO, Callable

READ_BYTES = 256 * 1024
AT_ONCE_BYTES = 32 * 1024
"""So much fits into any pipe, so writing it cannot wait for the task to read."""


class Reader:
    """Reads one pipe to its end on a thread of its own."""

    def __init__(self, pipe: IO[bytes], name: str, take: Callable[[bytes], None]) -> None:
        self._pipe = pipe
        self._take = take
        self._given_up = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the pipe, at most so long. Whether it was reached."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def give_up(self) -> None:
        """Take no more. The thread ends with the next bytes, and whoever wrote them meets a closed pipe."""
        self._given_up = True

    def _run(self) -> None:
        with self._pipe:
            descriptor = self._pipe.fileno()
            while (data := os.read(descriptor, READ_BYTES)) and not self._given_up:
                self._take(data)


def write_all(pipe: IO[bytes], content: bytes) -> None:
    """Write the task's input and close it; a large one on a thread of its own, for a task that never reads it."""
    if len(content) <= AT_ONCE_BYTES and os.name == "posix":
        _write(pipe, content)
    else:
        threading.Thread(target=_write, args=(pipe, content), name="input", daemon=True).start()


def _write(pipe: IO[bytes], content: bytes) -> None:
    # The task may end, or close its input, without having read it.
    with contextlib.suppress(BrokenPipeError), pipe:
        left = memoryview(content)
        while left:
            left = left[pipe.write(left) :]
