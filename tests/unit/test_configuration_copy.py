"""The copy of the configuration: one read at most every 5 s, and never older than that."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from hub.configure.copy import FRESH_SECONDS, ConfigurationCopy
from hub.errors import Changed, Exists, LimitExceeded, Unavailable
from hub.model.configuration import Action, Runtime, SinkType, SourceKind, WebhookSource
from hub.model.sink import Sink
from hub.storage import configuration
from hub.storage.configuration import (
    MAX_DOCUMENT_BYTES,
    NO_VERSION,
    PARTITION,
    Configuration,
    ConfigurationRows,
    Edit,
    Entry,
    RowKind,
)
from hub.storage.counting import counting
from hub.storage.embedded import open_embedded
from hub.storage.keys import CONFIGURATION
from hub.storage.ports import Row, Storage

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class StepClock:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> StepClock:
    return StepClock()


@pytest.fixture
async def storage(clock: StepClock) -> AsyncIterator[Storage]:
    opened = open_embedded(None, clock)
    await opened.prepare()
    yield opened
    await opened.close()


@pytest.fixture
def copy(storage: Storage, clock: StepClock) -> ConfigurationCopy:
    return ConfigurationCopy(storage.tables, clock)


def pool(name: str, description: str = "") -> Entry:
    return Entry(RowKind.SINK_TYPE, name, SinkType(name=name, description=description))


async def write(storage: Storage, version: str, *entries: Entry) -> None:
    """Another process changes the configuration."""
    rows = ConfigurationRows(storage.tables)
    await rows.write(await rows.load({}), Edit(put=entries), version)


async def operations(copy: ConfigurationCopy) -> Counter[str]:
    with counting() as counts:
        await copy.current()
    return counts


async def test_nothing_configured_is_a_version_too(copy: ConfigurationCopy) -> None:
    found = await copy.current()
    assert found.version == NO_VERSION
    assert not found.sink_types


async def test_reads_the_version_row_alone_once_it_knows_the_rest(
    storage: Storage, clock: StepClock, copy: ConfigurationCopy
) -> None:
    await write(storage, "v1", pool("A"))
    assert (await copy.current()).version == "v1"
    assert await operations(copy) == Counter()
    clock.seconds += FRESH_SECONDS + 0.1
    assert await operations(copy) == Counter({"table.get": 1})
    assert await operations(copy) == Counter()


async def test_a_change_is_in_force_after_five_seconds(
    storage: Storage, clock: StepClock, copy: ConfigurationCopy
) -> None:
    await write(storage, "v1", pool("A", "old"))
    await copy.current()
    await write(storage, "v2", pool("A", "new"), pool("B"))
    clock.seconds += FRESH_SECONDS - 0.1
    assert (await copy.current()).version == "v1"
    clock.seconds += 0.2
    found = await copy.current()
    assert found.version == "v2"
    assert found.sink_type("a") == SinkType(name="A", description="new")
    assert found.sink_type("b") is not None


async def test_many_who_ask_at_once_share_one_read(storage: Storage, clock: StepClock, copy: ConfigurationCopy) -> None:
    await write(storage, "v1", pool("A"))
    with counting() as counts:
        found = await asyncio.gather(*(copy.current() for _ in range(50)))
    assert {each.version for each in found} == {"v1"}
    assert counts == Counter({"table.get": 1, "table.query": 1})


async def test_whoever_is_cancelled_while_reading_lets_the_next_one_read(
    storage: Storage, copy: ConfigurationCopy
) -> None:
    await write(storage, "v1", pool("A"))
    first = asyncio.create_task(copy.current())
    second = asyncio.create_task(copy.current())
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).version == "v1"


async def test_news_reads_even_when_the_copy_is_fresh(storage: Storage, copy: ConfigurationCopy) -> None:
    await copy.current()
    await write(storage, "v1", pool("A"))
    assert (await copy.news()).version == "v1"


async def test_invalidating_makes_the_next_reader_read(storage: Storage, copy: ConfigurationCopy) -> None:
    await copy.current()
    await write(storage, "v1", pool("A"))
    copy.invalidate()
    assert (await copy.current()).version == "v1"


async def test_a_copy_that_is_too_old_is_not_used_while_storage_is_away(
    storage: Storage, clock: StepClock, copy: ConfigurationCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    await copy.current()

    async def away(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(storage.tables, "get", away)
    await copy.current()
    clock.seconds += FRESH_SECONDS + 0.1
    with pytest.raises(Unavailable):
        await copy.current()


class TestManyRows:
    """A change among many rows is read by itself: the last sink of a fleet of thousands costs what the first did."""

    @pytest.fixture
    async def many(self, storage: Storage, copy: ConfigurationCopy) -> None:
        for start in range(0, 300, 60):
            await write(storage, f"v{start}", *(pool(f"T{number}") for number in range(start, start + 60)))
        await copy.current()

    @pytest.mark.usefixtures("many")
    async def test_a_few_changes_cost_a_read_each(self, storage: Storage, copy: ConfigurationCopy) -> None:
        await write(storage, "w1", pool("T7", "new"))
        await write(storage, "w2", pool("NEW"))
        seen = await ConfigurationRows(storage.tables).load({})
        removed = [entry for entry in seen.of(RowKind.SINK_TYPE) if entry.name in ("T8", "T9")]
        await ConfigurationRows(storage.tables).write(seen, Edit(remove=removed), "w3")
        copy.invalidate()
        assert await operations(copy) == Counter({"table.get": 1 + 4 + 1})
        found = await copy.newest()
        assert found.version == "w3"
        assert found.snapshot == (await ConfigurationRows(storage.tables).load({})).snapshot
        assert found.entries == (await ConfigurationRows(storage.tables).load({})).entries

    @pytest.mark.usefixtures("many")
    async def test_many_changes_are_read_as_a_whole(self, storage: Storage, copy: ConfigurationCopy) -> None:
        await write(storage, "w1", *(pool(f"T{number}", "new") for number in range(10)))
        copy.invalidate()
        assert await operations(copy) == Counter({"table.get": 1, "table.query": 1})

    @pytest.mark.usefixtures("many")
    @pytest.mark.parametrize("writes", [1, 10])
    async def test_a_copy_that_nobody_remembers_is_made_anew(
        self, storage: Storage, copy: ConfigurationCopy, monkeypatch: pytest.MonkeyPatch, writes: int
    ) -> None:
        """After more writes than the version row tells of, or one by a release that tells of none."""
        monkeypatch.setattr(configuration, "_REMEMBERED_CHARS", 100)
        for number in range(writes):
            await write(storage, f"w{number}", pool("T7", f"number {number}"))
        row = await storage.tables.get(CONFIGURATION, PARTITION, "~version")
        assert 20 < len(str(row.values["writes"])) <= 100
        if writes == 1:
            columns = {name: value for name, value in row.values.items() if name != "writes"}
            await storage.tables.put(CONFIGURATION, PARTITION, "~version", columns)
        copy.invalidate()
        assert (await operations(copy))["table.query"] == 1
        assert (await copy.newest()).entries == (await ConfigurationRows(storage.tables).load({})).entries

    @pytest.mark.usefixtures("many")
    async def test_a_write_while_the_rows_are_read_is_not_missed(
        self, storage: Storage, copy: ConfigurationCopy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await write(storage, "w1", pool("T7", "one"), pool("T8", "one"))
        get, later = storage.tables.get, iter(["w2", "w3"])

        async def and_write(table: str, partition: str, key: str) -> Row:
            row = await get(table, partition, key)
            if key == "sink-types:t8" and (version := next(later, None)):
                await write(storage, version, pool("T7", version), pool("T8", version))
            return row

        monkeypatch.setattr(storage.tables, "get", and_write)
        copy.invalidate()
        found = await copy.current()
        assert found.version == "w3"
        assert {found.sink_types[name].description for name in ("t7", "t8")} == {"w3"}


class TestRows:
    async def load(self, storage: Storage) -> Configuration:
        return await ConfigurationRows(storage.tables).load({})

    async def test_everything_comes_back_as_it_was_written(self, storage: Storage) -> None:
        hook = WebhookSource(name="hook", kind=SourceKind.WEBHOOK, event_types=("E",))
        entries = [
            Entry(RowKind.ACTION, "go", Action(name="go", runtime=Runtime.SHELL, module="x.sh", warning_codes=(3,))),
            Entry(RowKind.SOURCE, "hook", hook, key="k2", old_key="k1", old_key_until=NOW),
            Entry(RowKind.SINK, "Box", Sink(name="Box", sink_type="A", enrolled_at=NOW), sha256="ab"),
        ]
        await write(storage, "v1", *entries)
        found = await self.load(storage)
        assert [entry.model for entry in found.of(RowKind.ACTION)] == [entries[0].model]
        read = found.get(RowKind.SOURCE, "HOOK")
        assert read is not None
        assert (read.model, read.key, read.old_key, read.old_key_until) == (hook, "k2", "k1", NOW)
        assert read.revision == "v1"
        assert found.credentials.sinks["ab"].name == "Box"
        assert found.credentials.webhook_keys["k2"].until is None
        assert found.credentials.webhook_keys["k1"].until == NOW
        assert found.snapshot.sink("bOX") is not None

    async def test_more_rows_than_a_page_holds(self, storage: Storage) -> None:
        for start in range(0, 1200, 60):
            await write(storage, f"v{start}", *(pool(f"T{number}") for number in range(start, start + 60)))
        assert len((await self.load(storage)).snapshot.sink_types) == 1200

    async def test_a_write_that_did_not_see_the_newest_version_is_refused(self, storage: Storage) -> None:
        rows = ConfigurationRows(storage.tables)
        empty = await rows.load({})
        await rows.write(empty, Edit(put=[pool("A")]), "v1")
        with pytest.raises(Exists):
            await rows.write(empty, Edit(put=[pool("B")]), "v2")
        first = await rows.load({})
        await rows.write(first, Edit(put=[pool("B")]), "v2")
        with pytest.raises(Changed):
            await rows.write(first, Edit(remove=first.of(RowKind.SINK_TYPE)), "v3")
        assert set((await rows.load({})).snapshot.sink_types) == {"a", "b"}

    async def test_a_document_is_refused_when_it_does_not_fit_a_column(self, storage: Storage) -> None:
        value = "x" * MAX_DOCUMENT_BYTES
        action = Action.model_validate(
            {
                "name": "go",
                "runtime": "shell",
                "module": "m",
                "parameters": [{"name": "p", "type": "STATIC", "value": value}],
            }
        )
        with pytest.raises(LimitExceeded, match="at most 60000"):
            await write(storage, "v1", Entry(RowKind.ACTION, "go", action))

    async def test_secrets_are_not_shown(self) -> None:
        entry = Entry(RowKind.SOURCE, "hook", SinkType(name="x"), sha256="hash!", key="key!", old_key="old!")
        assert "!" not in repr(entry)
