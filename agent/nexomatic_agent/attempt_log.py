"""The log of one attempt: what waits to be sent, numbered and in chunks, and its last lines."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Callable, Optional

from nexomatic_agent.logstream import LineSplitter, marked_parts
from nexomatic_agent.masking import Masker

CHUNK_BYTES = 64 * 1024
CHUNK_LINES = 10_000
LINE_BYTES = 48
"""What a line costs beside its text: its time, stream and level. An endless run of empty lines is not free."""
TAIL_LINES = 10
TAIL_BYTES = 2_000

Chunk = dict[str, Any]


@dataclass(frozen=True)
class LogLimits:
    """Bytes of one line, and bytes kept of one attempt."""

    line_bytes: int = 64 * 1024
    attempt_bytes: int = 10 << 20


class AttemptLog:
    """Lines in, chunks out. Any thread may call it; each stream is fed by one."""

    def __init__(
        self, limits: LogLimits, masker: Optional[Masker] = None, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._limits = limits
        self._clock = wall_clock
        self._lock = threading.Lock()
        self._splitters = _splitters(limits, masker or Masker())
        self._lines: deque[tuple[int, dict[str, str]]] = deque()
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._sealed: deque[tuple[int, Chunk]] = deque()
        """Chunks whose lines are fixed, the one in flight first: the hub tells repeats by their first number."""
        self._waiting_bytes = 0
        self._next = 1
        self._kept_bytes = 0
        self._written_lines = 0
        self._cut_lines = 0

    def mask(self, masker: Masker) -> None:
        """From now on take these values out of what the task writes. Before its first line only."""
        with self._lock:
            self._splitters = _splitters(self._limits, masker)

    def feed(self, stream: str, data: bytes) -> None:
        """The task wrote these bytes to `stdout` or `stderr`."""
        with self._lock:
            self._take(stream, self._splitters[stream].feed(data))

    def note(self, text: str, level: str = "WARNING") -> None:
        """Add a line of the agent's own. It is kept whatever the log's size."""
        with self._lock:
            self._keep("agent", level, text, self._now())

    def finish(self) -> None:
        """Both streams have ended."""
        with self._lock:
            for stream, splitter in self._splitters.items():
                self._take(stream, splitter.finish())
            if self._cut_lines:
                text = f"[log cut: {self._cut_lines} more lines were not kept; {self._written_lines} in all]"
                self._keep("agent", "WARNING", text, self._now())

    @property
    def pending_bytes(self) -> int:
        """What waits to be sent, the chunk in flight included."""
        with self._lock:
            return self._waiting_bytes + sum(size for size, _ in self._sealed)

    def last_lines(self) -> str:
        """The end of what the task wrote, for the message of its error."""
        with self._lock:
            return "\n".join(self._tail)[-TAIL_BYTES:]

    # --- towards the hub

    def chunk(self) -> Optional[Chunk]:
        """The oldest lines as a chunk; the same chunk again until it is `stored` or `refused`. None: no lines."""
        with self._lock:
            if not self._sealed and self._lines:
                self._seal()
            return self._sealed[0][1] if self._sealed else None

    def stored(self) -> None:
        """The hub has the chunk."""
        with self._lock:
            self._sealed.popleft()

    def refused(self, why: str) -> None:
        """The hub will not take the chunk: a line that says so takes its place, unless it was such a line itself."""
        with self._lock:
            _, chunk = self._sealed.popleft()
            if chunk["lines"][0]["stream"] != "agent":
                text = f"[{len(chunk['lines'])} lines were refused by the hub: {why[:500]}]"
                line = _line("agent", "ERROR", text, self._now())
                self._sealed.appendleft((_cost(line), {"first": chunk["first"], "lines": [line]}))

    def rest(self) -> list[Chunk]:
        """All that waits, cut into the chunks in which it will be sent: for the spool and the report."""
        with self._lock:
            while self._lines:
                self._seal()
            return [chunk for _, chunk in self._sealed]

    def restore(self, chunks: Sequence[Chunk]) -> None:
        """Take up what a spool kept. The chunks stay as they are: the hub may have the first of them already."""
        with self._lock:
            self._sealed.extend((sum(map(_cost, chunk["lines"])), chunk) for chunk in chunks)

    # --- inside the lock

    def _take(self, stream: str, lines: Iterable[str]) -> None:
        now = self._now()
        for line in lines:
            for part in marked_parts(line, stream):
                self._take_part(*part, now)

    def _take_part(self, stream: str, level: str, text: str, now: str) -> None:
        self._tail.append(text)
        self._written_lines += 1
        if self._cut_lines:
            self._cut_lines += 1
        elif self._kept_bytes + len(text) + LINE_BYTES > self._limits.attempt_bytes:
            self._cut_lines = 1
            mark = f"[log cut: {self._limits.attempt_bytes} bytes are kept; what follows is only counted]"
            self._keep("agent", "WARNING", mark, now)
        else:
            self._keep(stream, level, text, now)

    def _keep(self, stream: str, level: str, text: str, now: str) -> None:
        line = _line(stream, level, text, now)
        cost = _cost(line)
        self._lines.append((cost, line))
        self._waiting_bytes += cost
        self._kept_bytes += cost
        self._next += 1

    def _seal(self) -> None:
        """Cut the oldest lines off as a chunk."""
        first, size = self._next - len(self._lines), 0
        lines: list[dict[str, str]] = []
        while self._lines and len(lines) < CHUNK_LINES and (not lines or size + self._lines[0][0] <= CHUNK_BYTES):
            cost, line = self._lines.popleft()
            size += cost
            lines.append(line)
        self._waiting_bytes -= size
        self._sealed.append((size, {"first": first, "lines": lines}))

    def _now(self) -> str:
        seconds, fraction = divmod(self._clock(), 1)
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(fraction * 1e6):06d}Z"


def _splitters(limits: LogLimits, masker: Masker) -> dict[str, LineSplitter]:
    return {name: LineSplitter(limits.line_bytes, masker) for name in ("stdout", "stderr")}


def _line(stream: str, level: str, text: str, now: str) -> dict[str, str]:
    return {"time": now, "stream": stream, "level": level, "text": text}


def _cost(line: dict[str, str]) -> int:
    text = line["text"]
    return LINE_BYTES + (len(text) if text.isascii() else len(text.encode("utf-8", "replace")))
