"""Modules whose result is none, or worse. What each must end with is in agent_testing/nasty.py."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from nexomatic import Context, Warn


class Mute:
    """An object that cannot say what it is."""

    def __str__(self) -> str:
        raise ZeroDivisionError

    __repr__ = __str__


class Unspeakable(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise ZeroDivisionError


class Escaping(BaseException):
    """An error that means to get past everybody."""


class Moody(dict):  # type: ignore[type-arg]
    """A dictionary that fails when it is looked into."""

    def items(self) -> Any:
        raise KeyError("not today")


def _cycle() -> Any:
    loop: list[Any] = []
    loop.append(loop)
    return loop


def _deep(levels: int) -> Any:
    nest: list[Any] = []
    for _ in range(levels):
        nest = [nest]
    return nest


async def _later() -> None:
    """Never awaited."""


THINGS: dict[str, Any] = {
    "a set": lambda: {1, 2},
    "bytes": lambda: b"raw",
    "NaN": lambda: [float("nan")],
    "infinity": lambda: {"x": float("-inf")},
    "a cycle": _cycle,
    "half a pair": lambda: "\ud800",
    "half a pair as a name": lambda: {"\udfff": 1},
    "70 bits": lambda: 2**70,
    "5000 digits": lambda: 10**5000,
    "70 levels": lambda: _deep(70),
    "100000 levels": lambda: _deep(100_000),
    "a mute object": Mute,
    "a moody dictionary": lambda: Moody(a=1),
    "a name twice": lambda: {1: "a", "1": "b"},
    "an odd name": lambda: {(1, 2): 3},
    "too much": lambda: "x" * (5 << 20),
    "what is to come": _later,
    "itself": lambda: sys,
    "a long way to a name twice": lambda: dict([*((str(n), n) for n in range(20_000)), (19_999, 0)]),
}


def thing(payload: Any, params: Any, context: Context) -> Any:
    """Return what JSON cannot hold."""
    return THINGS[payload["thing"]]()


def thing_in_a_warning(payload: Any, params: Any, context: Context) -> None:
    """The same beside a warning."""
    raise Warn("look", data=THINGS[payload["thing"]]())


def _bad_words() -> None:
    raise ValueError("half \udc80 a pair, \x00 and \x1b[31m")


def _long_words() -> None:
    raise ValueError("word " * 100_000)


def _long_name() -> None:
    raise type("X" * 5000, (Exception,), {})("an error with a long name")


def _mute() -> None:
    raise Unspeakable


def _mute_warning() -> None:
    raise Warn(Mute(), code=Mute())  # type: ignore[arg-type]


def _escaping() -> None:
    raise Escaping("got away")


def _interrupt() -> None:
    raise KeyboardInterrupt


def _group() -> None:
    try:
        raise ValueError("first")
    except ValueError as error:
        raise RuntimeError("second") from error


def _recursion() -> None:
    _recursion()


def _crash_by_recursion() -> None:
    nest: tuple[Any, ...] = ()
    for _ in range(300_000):
        nest = (nest,)
    print(hash(nest))


def _memory() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))
    hog = [bytearray(16 << 20) for _ in range(100)]
    print(len(hog))


ERRORS = {
    "bad words": _bad_words,
    "long words": _long_words,
    "long name": _long_name,
    "mute": _mute,
    "mute warning": _mute_warning,
    "escaping": _escaping,
    "interrupt": _interrupt,
    "chain": _group,
    "recursion": _recursion,
    "crash by recursion": _crash_by_recursion,
    "memory": _memory,
}


def error(payload: Any, params: Any, context: Context) -> None:
    """Fail in an odd way."""
    print("before")
    ERRORS[payload["error"]]()


def leave(payload: Any, params: Any, context: Context) -> None:
    """End by `sys.exit`, with whatever is given."""
    code: Any = Mute() if payload["with"] == "mute" else payload["with"]
    sys.exit(code)


def _own_result() -> Path:
    return Path(os.environ["NEXOMATIC_RESULT"])


def in_its_place(payload: Any, params: Any, context: Context) -> str:
    """Put something where the result belongs, then return one."""
    place, elsewhere = _own_result(), Path(context.work_folder) / "elsewhere"
    ways: dict[str, Any] = {
        "folder": place.mkdir,
        "link": lambda: place.symlink_to(elsewhere),
        "link to nowhere": lambda: place.symlink_to("/nowhere/at/all"),
        "pipe": lambda: os.mkfifo(place),
        "rubbish": lambda: place.write_bytes(b"{rub\xffbish"),
        "full folder": lambda: (place / "with" / "something").mkdir(parents=True),
    }
    ways[payload["put"]]()
    return "returned"


def written_and_gone(payload: Any, params: Any, context: Context) -> None:
    """Write a result by hand, and end without a word."""
    _own_result().write_text('{"state": "WARNING", "code": "BY_HAND", "message": "m", "data": [1]}')
    os._exit(9)


def written_after_the_end(payload: Any, params: Any, context: Context) -> str:
    """A child spoils the result for as long as it lives."""
    if os.fork() == 0:
        while True:
            with open(_own_result(), "w", encoding="ascii") as file:  # noqa: PTH123
                file.write('{"state": "ERROR", "code": "SPOILT"')
    return "returned"


def returned_twice(payload: Any, params: Any, context: Context) -> str:
    """A fork comes back from the function too, while the task's own process has returned and still runs."""
    import threading

    result, child = _own_result(), os.fork()
    if child == 0:
        while not result.exists():
            pass
        return "the fork"
    threading.Thread(target=os.waitpid, args=(child, 0)).start()
    return "the task"


def cannot_write(payload: Any, params: Any, context: Context) -> str:
    """Make it impossible to write the result, then return one."""
    import resource

    if payload["how"] == "size":
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    elif payload["how"] == "files":
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    else:
        shutil.rmtree(context.work_folder)
    return "returned"
