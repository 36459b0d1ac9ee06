"""Two processes under one credential: a restart is taken at once, a copy is noticed, whichever hub process hears it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hub.dispatch.presence import PresenceBook
from hub.errors import Cloned, Unavailable
from hub.model.sink import Sink
from hub.wire import Capabilities, Poll
from tests.contract.rig import ManualClock
from tests.life.rig import SINK, SINK_TYPE, LifeRig

OFFLINE_AFTER = 60.0


def poll(instance: str, replaces: str | None = None, **fields: Any) -> Poll:
    said = {"slots": 1, "version": "1", "instance": f"instance-{instance}", **fields}
    return Poll(**said, replaces=None if replaces is None else f"instance-{replaces}")


@pytest.fixture
def book(rig: LifeRig) -> PresenceBook:
    return rig.hub.presence


def another(rig: LifeRig) -> PresenceBook:
    """Of another hub process over the same storage."""
    return PresenceBook(rig.hub.storage.tables, rig.clock)


async def test_a_restart_names_the_one_before_and_is_taken_at_once(book: PresenceBook) -> None:
    await book.note(SINK, poll("a"), OFFLINE_AFTER)
    await book.note(SINK, poll("b", replaces="a"), OFFLINE_AFTER)
    await book.note(SINK, poll("b", replaces="a"), OFFLINE_AFTER)
    seen = await book.get(SINK)
    assert seen is not None
    assert seen.instance == "instance-b"


async def test_who_names_another_than_the_one_that_is_there_is_a_copy(
    book: PresenceBook, caplog: pytest.LogCaptureFixture
) -> None:
    await book.note(SINK, poll("a"), OFFLINE_AFTER, "192.0.2.1")
    told = []
    for copy in (poll("b"), poll("b", replaces="z"), poll("c")):
        with caplog.at_level(logging.WARNING), pytest.raises(Cloned, match="in use by another process") as caught:
            await book.note(SINK, copy, OFFLINE_AFTER, "192.0.2.2")
        told.append(caught.value.who)
    assert "instance-a at 192.0.2.1, and instance instance-b at 192.0.2.2" in str(told[0])
    assert told[1] is None, "a copy asks again and again"
    assert "instance-c" in str(told[2])
    assert [record.getMessage() for record in caplog.records] == [told[0], told[2]]
    assert "192.0.2.1" not in str(caught.value), "it is no matter of the other's"
    seen = await book.get(SINK)
    assert seen is not None
    assert seen.instance == "instance-a"


async def test_the_one_that_was_copied_is_told_when_its_copy_took_its_place(
    book: PresenceBook, clock: ManualClock
) -> None:
    """The copy has the file that names the original: its start looks like a restart of that one.

    So nobody else is told for a while: the last poll of an agent that was restarted may come late, and is no copy's.
    """
    await book.note(SINK, poll("a"), OFFLINE_AFTER)
    await book.note(SINK, poll("b", replaces="a"), OFFLINE_AFTER)
    told = []
    for _ in range(4):
        with pytest.raises(Cloned) as caught:
            await book.note(SINK, poll("a"), OFFLINE_AFTER)
        told.append(caught.value.who is not None)
        clock.advance(45)
        await book.note(SINK, poll("b", replaces="a"), OFFLINE_AFTER)
    assert told == [False, False, False, True]


async def test_one_that_has_gone_may_be_replaced_by_any(book: PresenceBook, clock: ManualClock) -> None:
    """Its state folder was restored from a backup, or lost and enrolled anew."""
    await book.note(SINK, poll("a"), OFFLINE_AFTER)
    clock.advance(OFFLINE_AFTER)
    with pytest.raises(Cloned):
        await book.note(SINK, poll("b"), OFFLINE_AFTER)
    clock.advance(1)
    await book.note(SINK, poll("b"), OFFLINE_AFTER)


async def test_another_hub_process_notices_within_half_a_minute(
    rig: LifeRig, book: PresenceBook, clock: ManualClock
) -> None:
    other = another(rig)
    await book.note(SINK, poll("a"), OFFLINE_AFTER)
    await other.note(SINK, poll("b", replaces="a"), OFFLINE_AFTER)
    await book.note(SINK, poll("a"), OFFLINE_AFTER)  # it has just written, and reads nothing
    clock.advance(30)
    with pytest.raises(Cloned):
        await book.note(SINK, poll("a"), OFFLINE_AFTER)
    await other.note(SINK, poll("b", replaces="a"), OFFLINE_AFTER)


async def test_nobody_is_called_a_copy_because_a_process_missed_a_restart(rig: LifeRig, book: PresenceBook) -> None:
    other = another(rig)
    await book.note(SINK, poll("a"), OFFLINE_AFTER)
    await other.note(SINK, poll("b", replaces="a"), OFFLINE_AFTER)
    await other.note(SINK, poll("c", replaces="b"), OFFLINE_AFTER)
    await book.note(SINK, poll("c", replaces="b"), OFFLINE_AFTER)


async def test_a_start_that_could_not_be_written_is_not_answered(rig: LifeRig, clock: ManualClock) -> None:
    """The agent would name it in its next start, and no row would know it."""
    sink = Sink(name=SINK, sink_type=SINK_TYPE, enrolled_at=clock.now())
    book, polls = rig.hub.presence, rig.hub.polls
    await book.note(SINK, poll("a"), OFFLINE_AFTER)
    with storage_that_fails(book):
        with pytest.raises(Unavailable):
            await polls.poll(sink, poll("b", replaces="a", slots=0, draining=True))
        clock.advance(31)
        await polls.poll(sink, poll("a", capabilities=Capabilities(platform="linux")))  # a heartbeat may be missed


@contextmanager
def storage_that_fails(book: PresenceBook) -> Iterator[None]:
    async def refuse(*_: object) -> str:
        raise Unavailable

    kept = book._store
    book._store = refuse  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        book._store = kept  # type: ignore[method-assign]


async def test_processes_that_take_turns_keep_what_the_sink_said_of_itself(
    rig: LifeRig, book: PresenceBook, clock: ManualClock
) -> None:
    other = another(rig)
    capabilities = Capabilities(platform="linux", modules=("disk_cleanup",))
    await book.note(SINK, poll("a", capabilities=capabilities), OFFLINE_AFTER)
    for each in (other, book, other, book):
        clock.advance(31)
        await each.note(SINK, poll("a"), OFFLINE_AFTER)
        seen = await each.get(SINK)
        assert seen is not None
        assert (seen.modules, seen.seen_at) == (("disk_cleanup",), clock.now())


async def test_a_sink_that_was_removed_and_comes_again_is_noted_anew(book: PresenceBook, clock: ManualClock) -> None:
    await book.note(SINK, poll("a"), OFFLINE_AFTER)
    for instance in ("a", "b"):
        await book.forget(SINK)
        assert await book.get(SINK) is None
        await book.note(SINK, poll(instance), OFFLINE_AFTER)
        assert await book.get(SINK) is not None
    clock.advance(31)
    await book.note(SINK, poll("b"), OFFLINE_AFTER)


async def test_a_row_that_another_process_removed_is_written_anew(
    rig: LifeRig, book: PresenceBook, clock: ManualClock
) -> None:
    await book.note(SINK, poll("a"), OFFLINE_AFTER)
    await another(rig).forget(SINK)
    clock.advance(31)
    await book.note(SINK, poll("a"), OFFLINE_AFTER)
    assert await book.get(SINK) is not None
