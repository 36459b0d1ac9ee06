"""What the long run of sizes takes for a violation, and what for a figure."""

from __future__ import annotations

import pytest

from tests.soak.runs import Violation
from tests.soak.size import judge

RATE = "backlog: rate of the last tenth, ratio to the first"
FINE = {
    "months: list, 50 newest, ratio to a thousand": 1.1,
    "months: a page in search of a rare sink, ms a page": 900.0,
    "months: webhook during it, 99th of 100, ms": 20.0,
    "one hour: webhook during it, 99th of 100, ms": 20.0,
    "azurite: webhook during it, 99th of 100, ms": 80.0,
    "idle polls: receives a second": 1.1,
    "idle polls: storage operations a second": 35.0,
    RATE: 0.9,
}


def test_figures_that_do_not_grow_are_fine() -> None:
    judge(FINE)


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("months: list, 50 newest, ratio to a thousand", 3.1),
        ("months: a page in search of a rare sink, ms a page", 3001.0),
        ("one hour: webhook during it, 99th of 100, ms", 50.1),
        ("idle polls: receives a second", 1.6),
        (RATE, 0.3),
        (RATE, 3.1),
    ],
)
def test_what_grows_is_named(what: str, value: float) -> None:
    with pytest.raises(Violation, match=rf"^these grow with the size:\n  {what}: {value:.2f}$"):
        judge({**FINE, what: value})
