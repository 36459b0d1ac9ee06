"""What a process has loaded for good is left out of the garbage collector's rounds.

A full round looks at every object there is, and nobody is answered meanwhile: with the hub's own hundred thousand, most
of which are classes, that is 60 ms, several times in a step of upkeep.
"""

from __future__ import annotations

import gc

_left_out: set[str] = set()


def leave_out(part: str) -> None:
    """All that is there now, when this part of the process has been loaded; once for each part."""
    if part not in _left_out:
        _left_out.add(part)
        gc.freeze()  # without a round before: imports leave nothing behind that only a round would find
