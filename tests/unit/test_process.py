"""A hub that cannot be opened: callers hear nothing of why, and the log hears it once in a while."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from hub import process
from hub.errors import Unavailable


async def test_why_it_cannot_start_is_logged_once_in_a_while_however_many_ask(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now, reasons = 1000.0, ["one"]

    async def cannot(environ: Mapping[str, str]) -> Any:
        raise ValueError(reasons[-1])

    monkeypatch.setattr(process, "open_hub", cannot)
    monkeypatch.setattr(process, "_said", {})
    monkeypatch.setattr("hub.process.time.monotonic", lambda: now)

    async def asked() -> list[str]:
        caplog.clear()
        for _ in range(5):
            with pytest.raises(Unavailable, match="its log says why"):
                await process.hub()
        return [each.getMessage() for each in caplog.records]

    with caplog.at_level(logging.ERROR):
        assert await asked() == ["the hub cannot start: one"]
        assert await asked() == []
        reasons.append("another")
        assert await asked() == ["the hub cannot start: another"]
        now += process.SAY_AGAIN_SECONDS
        assert await asked() == ["the hub cannot start: another"]
    process._hubs.forget()
