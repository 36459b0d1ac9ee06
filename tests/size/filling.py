"""Fills a storage with the history of a hub that was in use: a million events in a minute or two.

    python -m tests.size.filling FILE --events 1000000 --days 90 --queued 100000

Into a SQLite file the rows go by the engine's own statements, as many in a commit as it would group; into any other
engine by transactions of its port.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Final

from hub.clock import SystemClock
from hub.model.configuration import Action, EventType, SinkType, SourceKind, WebhookSource
from hub.rules import partitions
from hub.rules.partitions import partition_of
from hub.storage import codec
from hub.storage.configuration import ConfigurationRows, Edit, Entry, RowKind
from hub.storage.embedded import EmbeddedStorage, open_embedded, rows
from hub.storage.embedded.database import Versions
from hub.storage.keys import EVENTS
from hub.storage.limits import MAX_CHANGES
from hub.storage.log_rows import LogRows
from hub.storage.partition_index import PartitionIndex
from hub.storage.ports import Insert, Storage
from tests.size.copying import Template, Written, written
from tests.size.history import Teller, documents, type_name

STRETCH: Final = 10_000
"""So many events are copied from the same lives, then new ones are told."""
LIVES: Final = 100
AT_A_TIME: Final = 1000
SOURCE: Final = "hook-0"
WEBHOOK_KEY: Final = "a-key-of-the-tests-of-size-and-of-nothing-else"
_KINDS: Final = {SinkType: RowKind.SINK_TYPE, Action: RowKind.ACTION, EventType: RowKind.EVENT_TYPE}


@dataclass(frozen=True, slots=True)
class Story:
    """How many events there were, and when: evenly over `span`, up to `newest`. The oldest is the rare one."""

    events: int
    newest: datetime
    span: timedelta
    queued: int = 0
    """So many of the newest are QUEUED still."""
    shards: int = 1
    seed: int = 1

    @property
    def oldest(self) -> datetime:
        return self.newest - self.span

    def newest_of_it(self, events: int) -> Story:
        """The same with a shorter past: so many events, as far apart, and as many of a hundred waiting."""
        share = events / self.events
        return replace(self, events=events, span=self.span * share, queued=round(self.queued * share))


def one_hour(events: int, queued: int, seed: int) -> Story:
    """All of it in the last hour that is over: in one partition."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return Story(events, hour - timedelta(milliseconds=1), timedelta(minutes=59), queued, seed=seed)


def months(events: int, seed: int) -> Story:
    """Over three months, up to now."""
    return Story(events, datetime.now(UTC), timedelta(days=90), seed=seed)


def tell(story: Story) -> Iterator[Written]:
    """All events of the story, the oldest first; follow-ons count."""
    draw = Random(story.seed)
    teller = Teller(draw, story.shards)
    yield written(teller.rare(_moment(story, story.events)))
    left = told_until = story.events - 1
    lives: list[Template] = []
    waiting = False
    while left > 0:
        at = _moment(story, left)
        queued = left <= story.queued
        if not lives or left <= told_until - STRETCH or queued != waiting:
            told_until, waiting = left, queued
            lives = [
                Template([teller.waiting(at)] if queued else teller.through(at), at, draw, story.shards)
                for _ in range(LIVES)
            ]
        copies = draw.choice(lives).copy(at)[:left]
        left -= len(copies)
        yield from copies


def _moment(story: Story, left: int) -> datetime:
    at = story.newest - story.span * (left - 1) / story.events
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


async def configure(storage: Storage) -> None:
    """Write the configuration that the events were fired under, and one webhook with a key that is known."""
    rows = ConfigurationRows(storage.tables)
    entries = [Entry(_KINDS[type(each)], each.name, each) for each in documents()]
    source = WebhookSource(name=SOURCE, kind=SourceKind.WEBHOOK, event_types=(type_name(5),))
    entries.append(Entry(RowKind.SOURCE, SOURCE, source, key=WEBHOOK_KEY))
    await rows.write(await rows.load({}), Edit(put=entries), "1")


async def fill(storage: Storage, story: Story) -> int:
    """Write the story's rows, the index of its partitions, and a hint for each event that waits; how many events."""
    index, logs = PartitionIndex(storage.tables), LogRows(storage.tables)
    told, count = tell(story), 0
    while some := list(islice(told, AT_A_TIME)):
        for partition in {partition_of(each.id) for each in some}:
            await index.register(partition)
        await _write_rows(storage, some)
        await asyncio.gather(*(logs.add(each.id, chunk) for each in some for chunk in each.chunks))
        hints = [(each.waits_on, codec.encode_hint(codec.Hint(each.id))) for each in some if each.waits_on]
        await asyncio.gather(*(storage.queues.put(queue, body) for queue, body in hints))
        count += len(some)
    return count


async def _write_rows(storage: Storage, some: Sequence[Written]) -> None:
    if isinstance(storage, EmbeddedStorage):
        await storage._writes.run(partial(_insert_all, some=some, versions=storage._tables._versions))
        return
    inserts: dict[str, list[Insert]] = defaultdict(list)
    for each in some:
        inserts[partition_of(each.id).name].append(Insert(partitions.row_key_of(each.id), each.columns))
    calls = [
        storage.tables.transact(EVENTS, partition, theirs[start : start + MAX_CHANGES])
        for partition, theirs in inserts.items()
        for start in range(0, len(theirs), MAX_CHANGES)
    ]
    await asyncio.gather(*calls)


def _insert_all(connection: sqlite3.Connection, some: Sequence[Written], versions: Versions) -> None:
    for each in some:
        address = (EVENTS, partition_of(each.id).name, partitions.row_key_of(each.id))
        rows.insert(address, each.columns)(connection, versions.text())


async def fill_file(file: Path, story: Story) -> None:
    """The same into a new SQLite file, with a configuration to it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    storage = open_embedded(file, SystemClock())
    try:
        await configure(storage)
        await fill(storage, story)
    finally:
        await storage.close()


def main() -> None:
    """Fill a file."""
    parser = argparse.ArgumentParser(prog="python -m tests.size.filling", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=90)
    parser.add_argument("--newest", type=datetime.fromisoformat, default=datetime.now(UTC), help="default: now")
    parser.add_argument("--queued", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    story = Story(asked.events, asked.newest, timedelta(days=asked.days), asked.queued, seed=asked.seed)
    began = time.monotonic()
    asyncio.run(fill_file(asked.file, story))
    size = asked.file.stat().st_size
    print(f"{story.events} events in {time.monotonic() - began:.0f} s, {size / story.events:.0f} bytes each")


if __name__ == "__main__":
    main()
