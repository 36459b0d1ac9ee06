"""How the C library keeps the memory of a process with many threads."""

from __future__ import annotations

import ctypes
import sys

_M_ARENA_MAX = -8
"""Of `malloc.h`, see mallopt(3)."""


def share_one_heap() -> bool:
    """Let all threads take their memory from one heap. Whether it is so: only the GNU C library can be told.

    Left alone it makes up to eight heaps for each core, and each keeps what the largest line of a log ever took: an
    agent on a large machine would hold hundreds of megabytes that nothing uses. Threads of Python wait for one another
    anyway, so that heaps of their own gain nothing. To be called before there is a second thread.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_M_ARENA_MAX, 1) == 1
