"""Long work in turns: all of it, in order, and others are not kept waiting."""

from __future__ import annotations

import pytest

from hub.turns import A_TURN, in_turns
from tests.unit.ticking import ticking


@pytest.mark.parametrize("count", [0, 1, A_TURN, A_TURN + 1, 3 * A_TURN])
async def test_everything_comes_once_in_its_order(count: int) -> None:
    pieces = [piece async for piece in in_turns(range(count))]
    assert [each for piece in pieces for each in piece] == list(range(count))
    assert all(0 < len(piece) <= A_TURN for piece in pieces)


async def test_others_have_their_turn_in_between() -> None:
    async with ticking() as ticker:
        seen = [ticker.turns async for _ in in_turns(range(4 * A_TURN))]
    assert len(set(seen)) == 4
