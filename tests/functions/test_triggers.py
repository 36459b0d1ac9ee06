"""What runs without a caller: the host writes down what it raises, and tells Event Grid its words."""

from __future__ import annotations

import logging
import traceback

import pytest

from functions.endpoint import trigger
from hub.errors import NexomaticError, Paused

CANARY = "canary-0c2e"


@pytest.mark.parametrize(
    ("raised", "said"),
    [(RuntimeError(CANARY), "a bug: the hub's log says more"), (Paused("it is paused"), "it is paused")],
)
async def test_only_words_of_ours_leave_it(raised: Exception, said: str, caplog: pytest.LogCaptureFixture) -> None:
    async def event(event: str) -> None:
        try:
            raise ValueError(CANARY)
        except ValueError as cause:
            raise raised from cause

    with caplog.at_level(logging.INFO), pytest.raises(NexomaticError) as caught:
        await trigger(event)(event="{}")
    assert str(caught.value) == said
    # As a host writes it, with all that caused it.
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    logged = [record.getMessage() for record in caplog.records]
    assert len(logged) == isinstance(raised, RuntimeError)
    assert CANARY not in "".join(logged)
