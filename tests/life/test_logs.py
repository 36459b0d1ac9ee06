"""Reading a long log: page by page, each line once, and complete only at its end."""

from __future__ import annotations

import pytest

from hub.life.logs import CHUNKS_A_READ, LINES_A_READ
from hub.wire import Logs, ResultState
from tests.life.rig import SINK, LifeRig


async def written(rig: LifeRig, chunk_sizes: list[int]) -> tuple[str, list[str]]:
    """An event that has ended with a log of such chunks, the last of them with its report; its id and lines."""
    await rig.event_type("A")
    event = await rig.fire("A")
    task = await rig.one()
    lines = [f"line {number}" for number in range(sum(chunk_sizes))]
    first = 0
    for place, size in enumerate(chunk_sizes):
        chunk = rig.chunk(*lines[first : first + size], first=first + 1)
        if place < len(chunk_sizes) - 1:
            await rig.hub.agents.logs(SINK, event.id, Logs(token=task.token, chunk=chunk))
        else:
            await rig.report(task, ResultState.SUCCESS, logs=(chunk,))
        first += size
    return event.id, lines


@pytest.mark.parametrize(
    "chunk_sizes",
    [
        [2000] * 7,
        [LINES_A_READ, 1],
        [LINES_A_READ, LINES_A_READ],
        [10_000, 10_000, 3],
        [1] * (CHUNKS_A_READ + 1),
        [1] * (CHUNKS_A_READ + 2),
        [1] * (2 * CHUNKS_A_READ + 5),
        [LINES_A_READ // CHUNKS_A_READ + 1] * (CHUNKS_A_READ + 1),
    ],
    ids=str,
)
async def test_a_long_log_is_read_page_by_page(rig: LifeRig, chunk_sizes: list[int]) -> None:
    event_id, lines = await written(rig, chunk_sizes)
    read: list[str] = []
    after, complete = 0, False
    while not complete:
        page = await rig.hub.logs.read(event_id, after=after)
        assert page.lines, "an empty page that is not complete"
        assert len(page.lines) < LINES_A_READ + max(chunk_sizes) + chunk_sizes[-1]
        read += [line.text for line in page.lines]
        after, complete = page.lines[-1].seq, page.complete
    assert read == lines
    assert (await rig.hub.logs.read(event_id, after=after)).lines == []


async def test_a_chunk_that_comes_again_and_one_that_was_cut_otherwise_give_each_line_once(rig: LifeRig) -> None:
    """An answer was lost; and an agent that restarted makes other chunks of what it still has."""
    await rig.event_type("A")
    event = await rig.fire("A")
    task = await rig.one()
    for first, texts in ((1, "ab"), (1, "ab"), (2, "bcd"), (5, "e")):
        await rig.hub.agents.logs(SINK, event.id, Logs(token=task.token, chunk=rig.chunk(*texts, first=first)))

    read = (await rig.hub.logs.read(event.id, after=0)).lines
    assert [line.text for line in read] == list("abcde")
    behind = await rig.hub.logs.read(event.id, after=read[2].seq)
    assert [line.text for line in behind.lines] == ["d", "e"], "read on from the middle of a chunk"
