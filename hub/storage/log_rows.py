"""Log chunks as rows: one partition an event, ordered by attempt and line.

A chunk's key is its last line: what comes after a line is then one range, and an agent that restarted and cut its log
into other chunks than before loses no line. Lines that two chunks share are read once.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from hub.errors import Changed, Exists, Missing
from hub.model.event import LogLine
from hub.storage import codec
from hub.storage.keys import LOGS
from hub.storage.ports import Row, Tables, Value

LINES_PER_ATTEMPT = 1_000_000_000
_COLUMN_BYTES = 60_000
_WIDTH = 19


def sequence(attempt: int, line: int) -> int:
    """A line's place along the whole life of its event."""
    return attempt * LINES_PER_ATTEMPT + line


def encode_chunk(lines: Sequence[LogLine]) -> bytes:
    """A chunk as it is stored: compressed, since logs repeat themselves and storage is paid by the byte."""
    compact = [[line.seq, codec.text_of_time(line.time), line.stream, line.level, line.text] for line in lines]
    return zlib.compress(json.dumps(compact, separators=(",", ":"), ensure_ascii=False).encode(), 1)


def decode_chunk(data: bytes) -> list[LogLine]:
    return [
        LogLine.model_construct(seq=seq, time=datetime.fromisoformat(time), stream=stream, level=level, text=text)
        for seq, time, stream, level, text in json.loads(zlib.decompress(data))
    ]


class LogRows:
    """Writes and reads chunks."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def add(self, event_id: str, lines: Sequence[LogLine]) -> None:
        """Store a chunk; one that is there already stays as it is. Raises `LimitExceeded`."""
        data = encode_chunk(lines)
        values: dict[str, Value] = {"format": codec.written()}
        for index, start in enumerate(range(0, len(data), _COLUMN_BYTES)):
            values[f"part_{index:02d}"] = data[start : start + _COLUMN_BYTES]
        with suppress(Exists):
            await self._tables.insert(LOGS, event_id, _key(lines[-1].seq), values)

    async def read(self, event_id: str, *, after: int, chunks: int, enough: int) -> tuple[list[LogLine], bool]:
        """Lines with a number above `after`, in order, each once; and whether there are more.

        From so many chunks at most, and from no further one once there are `enough` lines.
        """
        rows = await self._tables.query(LOGS, event_id, after=_key(after), limit=chunks)
        lines: list[LogLine] = []
        for place, row in enumerate(rows, 1):
            for line in decode_chunk(_data(row)):
                if line.seq > after:
                    lines.append(line)
                    after = line.seq
            if len(lines) >= enough:
                return lines, place < len(rows) or len(rows) == chunks
        return lines, len(rows) == chunks

    async def remove(self, event_id: str) -> None:
        """Remove all chunks of an event."""
        while rows := await self._tables.query(LOGS, event_id, limit=1000, select=["format"]):
            for row in rows:
                with suppress(Missing, Changed):
                    await self._tables.delete(LOGS, event_id, row.key, row.etag)


def _key(seq: int) -> str:
    return f"{seq:0{_WIDTH}d}"


def _data(row: Row) -> bytes:
    codec.check_format(LOGS, row.values["format"])
    parts = [value for name, value in sorted(row.values.items()) if name.startswith("part_")]
    return b"".join(part for part in parts if isinstance(part, bytes))
