"""Parts of a real platform are killed under load, and a full account is drawn up after: a short run of each soak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kills import restoring
from tests.kills.forgetting import measure
from tests.kills.plan import Pace
from tests.kills.run import Run, carry_out

pytestmark = [pytest.mark.processes, pytest.mark.timeout(400)]


FEW: dict[str, Any] = {"callers": 2, "burst": (1, 5), "between_bursts": (0.3, 1.0)}
"""What two cores carry beside other tests: the blows matter, not how many they hit."""


def test_every_promise_is_kept_when_hub_and_sink_are_killed_again_and_again(tmp_path: Path) -> None:
    pace = Pace(targets={"sink": 4, "hub": 4, "hub and sink": 3}, between_blows=(0.3, 2.5), **FEW)
    figures = carry_out(Run(3, 8, "embedded", pace, false_starts=1), tmp_path / "home")
    assert sum(times for name, times in figures.items() if name.startswith("blows")) >= 2
    assert figures["events acknowledged"] >= 10


@pytest.mark.azurite
def test_every_promise_is_kept_when_azurite_is_stopped_and_started_meanwhile(tmp_path: Path) -> None:
    pace = Pace(targets={"storage, stopped": 5, "hub": 2, "sink": 2}, between_blows=(0.5, 2.5), **FEW)
    figures = carry_out(Run(1, 8, "azurite", pace), tmp_path / "home")
    assert figures["blows: storage, stopped"] >= 1
    assert figures["events acknowledged"] >= 10


@pytest.mark.azurite
def test_what_is_acknowledged_after_azurite_was_killed_is_kept(tmp_path: Path) -> None:
    assert measure(1, tmp_path / "home")["acknowledged before the kill"] >= 10


def test_a_backup_under_load_is_restored_where_nothing_was_and_the_sink_goes_on(tmp_path: Path) -> None:
    pace = Pace(targets={}, between_blows=(1.0, 1.0), **FEW)
    figures = restoring.carry_out(restoring.Run(5, 2, pace), tmp_path / "home")
    assert figures["of those, before the backup began"] >= 3
