"""The log of one attempt: what waits to be sent, numbered and in chunks, and its last lines."""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Callable, NamedTuple, Optional, Union

from nexomatic_agent.logstream import LineSplitter, Part
from nexomatic_agent.masking import Masker

CHUNK_BYTES = 64 * 1024
CHUNK_LINES = 10_000
LINE_BYTES = 48
"""What a line costs beside its text: its time, stream and level. An endless run of empty lines is not free."""
TAIL_LINES = 10
TAIL_BYTES = 2_000
END_BYTES = 4 * TAIL_BYTES
"""Of what is written to a log that is cut already, so much is looked at for the last lines."""

Line = dict[str, str]
Chunk = dict[str, Any]


@dataclass(frozen=True)
class LogLimits:
    """Bytes of one line, and bytes kept of one attempt."""

    line_bytes: int = 64 * 1024
    attempt_bytes: int = 10 << 20


class _Sealed(NamedTuple):
    """A chunk whose lines are fixed: the hub tells repeats by their first number."""

    cost: int
    first: int
    lines: Union[list[Line], bytes]
    """Packed as long as nobody asks for them: as objects, a log would take several times its size in memory."""

    def chunk(self) -> Chunk:
        lines = self.lines if isinstance(self.lines, list) else json.loads(zlib.decompress(self.lines))
        return {"first": self.first, "lines": lines}

    def packed(self) -> _Sealed:
        return self if isinstance(self.lines, bytes) else self._replace(lines=_pack(self.lines))


class AttemptLog:
    """Lines in, chunks out. Any thread may call it; each stream is fed by one."""

    def __init__(
        self, limits: LogLimits, masker: Optional[Masker] = None, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._limits = limits
        self._clock = wall_clock
        self._lock = threading.Lock()
        self._splitters = _splitters(limits, masker or Masker())
        self._open: list[Line] = []
        """The newest lines, of no chunk yet."""
        self._open_cost = 0
        self._sealed: deque[_Sealed] = deque()
        """The chunk in flight first."""
        self._pending = 0
        self._next = 1
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._kept_bytes = 0
        self._cut = False
        self._written_lines = 0
        self._written_bytes = 0

    def mask(self, masker: Masker) -> None:
        """From now on take these values out of what the task writes. Before its first line only."""
        with self._lock:
            self._splitters = _splitters(self._limits, masker)

    def feed(self, stream: str, data: bytes) -> None:
        """The task wrote these bytes to `stdout` or `stderr`."""
        with self._lock:
            self._written_lines += data.count(b"\n")
            self._written_bytes += len(data)
            if self._cut:
                ending = self._splitters[stream].feed_end(data, TAIL_LINES, END_BYTES)
                self._tail.extend(text for _, _, text in ending[-TAIL_LINES:])
            else:
                self._take(self._splitters[stream].feed(data))

    def note(self, text: str, level: str = "WARNING") -> None:
        """Add a line of the agent's own. It is kept whatever the log's size."""
        with self._lock:
            self._note(text, level)

    def finish(self) -> None:
        """Both streams have ended."""
        with self._lock:
            for splitter in self._splitters.values():
                left = splitter.finish()
                self._written_lines += bool(left)
                self._take(left)
            if self._cut:
                text = f"[log cut: the task wrote {self._written_lines} lines, {self._written_bytes} bytes in all]"
                self._note(text)

    @property
    def pending_bytes(self) -> int:
        """What waits to be sent, the chunk in flight included."""
        with self._lock:
            return self._pending

    def last_lines(self) -> str:
        """The end of what the task wrote, for the message of its error."""
        with self._lock:
            return "\n".join(self._tail)[-TAIL_BYTES:]

    # --- towards the hub

    def chunk(self) -> Optional[Chunk]:
        """The oldest lines as a chunk; the same chunk again until it is `stored` or `refused`. None: no lines."""
        with self._lock:
            if not self._sealed:
                self._seal()
            return self._sealed[0].chunk() if self._sealed else None

    def stored(self) -> None:
        """The hub has the chunk."""
        with self._lock:
            self._pending -= self._sealed.popleft().cost

    def refused(self, why: str) -> None:
        """The hub will not take the chunk: a line that says so takes its place, unless it was such a line itself."""
        with self._lock:
            sealed = self._sealed.popleft()
            self._pending -= sealed.cost
            refused = sealed.chunk()["lines"]
            if refused[0]["stream"] != "agent":
                text = f"[{len(refused)} lines were refused by the hub: {why[:500]}]"
                line = _line("agent", "ERROR", text, self._now())
                self._sealed.appendleft(_Sealed(_cost(text), sealed.first, [line]))
                self._pending += _cost(text)

    def rest(self) -> Iterator[Chunk]:
        """All that waits, cut into the chunks in which it will be sent: for the spool and the report."""
        with self._lock:
            self._seal()
            waiting = list(self._sealed)
        # One after the other: all of them unpacked at a time are what packing is to avoid.
        return (sealed.chunk() for sealed in waiting)

    def restore(self, chunks: Iterable[Chunk]) -> None:
        """Take up what a spool kept. The chunks stay as they are: the hub may have the first of them already."""
        for chunk in chunks:
            cost = sum(_cost(line["text"]) for line in chunk["lines"])
            sealed = _Sealed(cost, chunk["first"], chunk["lines"]).packed()
            with self._lock:
                self._sealed.append(sealed)
                self._pending += cost

    # --- inside the lock

    def _take(self, parts: Iterable[Part]) -> None:
        now = self._now()
        for stream, level, text in parts:
            self._tail.append(text)
            cost = _cost(text)
            if not self._cut and self._kept_bytes + cost > self._limits.attempt_bytes:
                self._cut = True
                self._note(f"[log cut: {self._limits.attempt_bytes} bytes are kept; what follows is only counted]")
            if not self._cut:
                self._keep(_line(stream, level, text, now), cost)

    def _note(self, text: str, level: str = "WARNING") -> None:
        self._keep(_line("agent", level, text, self._now()), _cost(text))

    def _keep(self, line: Line, cost: int) -> None:
        if self._open and (self._open_cost + cost > CHUNK_BYTES or len(self._open) == CHUNK_LINES):
            self._seal(pack=True)
        self._open.append(line)
        self._open_cost += cost
        self._pending += cost
        self._kept_bytes += cost
        self._next += 1

    def _seal(self, pack: bool = False) -> None:
        """Make a chunk of the newest lines, if there are any."""
        if self._open:
            sealed = _Sealed(self._open_cost, self._next - len(self._open), self._open)
            self._sealed.append(sealed.packed() if pack else sealed)
            self._open, self._open_cost = [], 0

    def _now(self) -> str:
        seconds, fraction = divmod(self._clock(), 1)
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(fraction * 1e6):06d}Z"


def _splitters(limits: LogLimits, masker: Masker) -> dict[str, LineSplitter]:
    return {name: LineSplitter(name, limits.line_bytes, masker) for name in ("stdout", "stderr")}


def _line(stream: str, level: str, text: str, now: str) -> Line:
    return {"time": now, "stream": stream, "level": level, "text": text}


def _cost(text: str) -> int:
    return LINE_BYTES + (len(text) if text.isascii() else len(text.encode("utf-8", "replace")))


def _pack(lines: list[Line]) -> bytes:
    return zlib.compress(json.dumps(lines, separators=(",", ":")).encode("ascii"), 1)
