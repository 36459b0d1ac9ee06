"""How much work one evaluation of an expression may do, counted in steps.

A step is about as much work as visiting one node of the expression: a third of a microsecond. Work that Python does
in one go on a whole value is paid for before it begins, by the size of what it will touch or make.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from hub.errors import Invalid
from hub.rules import json_values

MAX_STEPS: Final = 500_000
"""About 200 ms on a slow machine, and never more than some 100 MB."""

_LOOK_EVERY: Final = 1000
_BYTES_LOOKED_AT: Final = 8
_CHARACTERS_MADE: Final = 16
_CHARACTERS_COMPARED: Final = 256
_ELEMENTS_SORTED: Final = 8
"""So many for one step."""


class ExpressionTooSlow(Invalid):
    """The expression does more work than it may."""


class Budget:
    """Counts down, and raises `ExpressionTooSlow` when there are no steps left or time is up.

    `out_of_time` is asked every thousand steps. Without it the same evaluation always ends the same way.
    """

    __slots__ = ("_allowed", "_look_below", "_out_of_time", "left")

    def __init__(self, steps: int = MAX_STEPS, out_of_time: Callable[[], bool] | None = None) -> None:
        self.left = steps
        self._allowed = steps
        self._out_of_time = out_of_time
        self._look_below = steps

    def charge(self, steps: int = 1) -> None:
        """Pay for work to come."""
        self.left -= steps
        if self.left < self._look_below:
            self._look()

    def charge_value(self, value: object) -> None:
        """Pay for all that is in a value, as often as it is in there. Raises `Invalid` if it is not JSON."""
        json_values.check(value, self._charge_bytes)

    def charge_text(self, characters: int) -> None:
        """Pay for a text that is going to be made or copied."""
        self.charge(characters // _CHARACTERS_MADE)

    def charge_comparison(self, characters: int) -> None:
        """Pay for texts that are going to be compared."""
        self.charge(characters // _CHARACTERS_COMPARED)

    def charge_sorting(self, keys: Sequence[Any]) -> None:
        """Pay for putting keys (all numbers, or all texts) in order."""
        rounds = len(keys).bit_length()
        characters = sum(map(len, keys)) if keys and isinstance(keys[0], str) else 0
        self.charge(rounds * (len(keys) // _ELEMENTS_SORTED + characters // _CHARACTERS_COMPARED))

    def _charge_bytes(self, size: int) -> None:
        self.charge(1 + size // _BYTES_LOOKED_AT)

    def _look(self) -> None:
        if self.left < 0:
            raise ExpressionTooSlow(f"it takes more than the {self._allowed} steps that an evaluation may take")
        if self._out_of_time and self._out_of_time():
            raise ExpressionTooSlow("it took longer than an evaluation may take")
        self._look_below = max(0, self.left - _LOOK_EVERY)
