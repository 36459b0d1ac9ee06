"""What is loaded for good is left out of the garbage collector's rounds once: never what a request has left."""

from __future__ import annotations

import gc

import pytest

from hub import lasting


def test_each_part_is_left_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen: list[str] = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append("now"))
    monkeypatch.setattr(lasting, "_left_out", set())
    for _ in range(2):
        lasting.leave_out("one")
        lasting.leave_out("another")
    assert frozen == ["now", "now"]
