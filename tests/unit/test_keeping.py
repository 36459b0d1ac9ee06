"""How long events are kept, by state."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.model.event import State
from hub.rules.keeping import Keeping
from tests.unit.factories import NOW


@pytest.mark.parametrize(
    ("keeping", "days", "text"),
    [
        (Keeping(), (None, None, None), "keep/keep/keep"),
        (Keeping.all_for(30), (30, 30, 30), "30/30/30"),
        (Keeping(success=7, error=90), (7, None, 90), "7/keep/90"),
        (Keeping(warning=0.5), (None, 0.5, None), "keep/0.5/keep"),
    ],
)
def test_each_final_state_by_itself(keeping: Keeping, days: tuple[float | None, ...], text: str) -> None:
    for state, each in zip((State.SUCCESS, State.WARNING, State.ERROR), days, strict=True):
        assert keeping.until(state, NOW) == (None if each is None else NOW + timedelta(days=each))
    assert len(keeping.limited) == sum(each is not None for each in days)
    assert keeping.text == text


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
def test_what_has_not_ended_is_kept(state: State) -> None:
    assert Keeping.all_for(1).until(state, NOW) is None
