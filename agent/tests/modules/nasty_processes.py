"""Modules that leave processes and threads behind, or their own process early. What each must end with is in
agent_testing/nasty.py."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from typing import Any

from nexomatic import Context

LONG_SECONDS = 1000


def _fork(then: Any) -> int:
    """A child that does this and nothing else. Its number."""
    pid = os.fork()
    if pid == 0:
        try:
            then()
        finally:
            os._exit(0)
    return pid


def _stubborn() -> None:
    """Live long, whatever is asked."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(LONG_SECONDS)


def _ready(count: int, prepare: Any) -> None:
    """Have `prepare` start processes that each write a byte when they live; return once all do."""
    reading, writing = os.pipe()
    prepare(lambda: os.write(writing, b"."))
    for _ in range(count):
        os.read(reading, 1)
    os.close(reading)
    os.close(writing)


def family(payload: Any, params: Any, context: Context) -> str:
    """Children and grandchildren that will not be asked to go."""

    def grandchild(alive: Any) -> None:
        alive()
        _stubborn()

    def child(alive: Any) -> None:
        _fork(lambda: grandchild(alive))
        grandchild(alive)

    _ready(6, lambda alive: [_fork(lambda: child(alive)) for _ in range(3)])
    return "returned"


def _daemonise(then: Any) -> None:
    """As the book says: fork, a session of its own, fork again."""

    def middle() -> None:
        os.setsid()
        _fork(then)

    os.waitpid(_fork(middle), 0)


def daemon(payload: Any, params: Any, context: Context) -> str:
    """A daemon of the old school. It keeps its output, or gives up all that could give it away."""

    def life(alive: Any) -> None:
        os.chdir("/")
        alive()
        if payload["hides"]:
            os.closerange(0, 4096)
            os.execve("/bin/sleep", ["sleep", str(LONG_SECONDS)], {})  # noqa: S606
        _stubborn()

    _ready(1, lambda alive: _daemonise(lambda: life(alive)))
    return "returned"


def many_daemons(payload: Any, params: Any, context: Context) -> str:
    """Enough of them to be a crowd."""

    def life(alive: Any) -> None:
        alive()
        _stubborn()

    def start(alive: Any) -> None:
        for _ in range(30):
            _daemonise(lambda: life(alive))

    _ready(30, start)
    return "returned"


def orphan(payload: Any, params: Any, context: Context) -> str:
    """A child keeps the output open and says nothing; its environment is gone, its session too."""

    def life(alive: Any) -> None:
        os.setsid()
        alive()
        os.execve("/bin/sleep", ["sleep", str(LONG_SECONDS)], {})  # noqa: S606

    _ready(1, lambda alive: _fork(lambda: life(alive)))
    return "returned"


def headless(payload: Any, params: Any, context: Context) -> str:
    """A daemon whose first thread has ended looks dead; another one lives on."""

    def life(alive: Any) -> None:
        import ctypes

        os.setsid()
        threading.Thread(target=time.sleep, args=(LONG_SECONDS,)).start()
        alive()
        ctypes.CDLL(None).pthread_exit(None)

    _ready(1, lambda alive: _fork(lambda: life(alive)))
    return "returned"


def zombies(payload: Any, params: Any, context: Context) -> str:
    """Dead children nobody waits for, some with dead children of their own."""
    for _ in range(20):
        _fork(lambda: [_fork(lambda: None) for _ in range(3)])
    return "returned"


def relay(payload: Any, params: Any, context: Context) -> str:
    """Each process starts the next, in a session of its own, and ends: never the same twice."""

    def run(left: int) -> None:
        os.setsid()
        if left:
            _fork(lambda: run(left - 1))

    _fork(lambda: run(200))
    return "returned"


def ignores_being_asked(payload: Any, params: Any, context: Context) -> None:
    print("ready")
    _stubborn()


def stops_itself(payload: Any, params: Any, context: Context) -> None:
    """Stop, as with Ctrl-Z; when it is woken to be ended, it ends in order."""
    print("ready")
    try:
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(LONG_SECONDS)
    finally:
        print("cleaned up")


def stops_its_child(payload: Any, params: Any, context: Context) -> str:
    """A stopped child cannot be asked to go either."""

    def life() -> None:
        os.kill(os.getpid(), signal.SIGSTOP)
        _stubborn()

    os.waitpid(_fork(life), os.WUNTRACED)
    return "returned"


def dies(payload: Any, params: Any, context: Context) -> None:
    """By its own hand."""
    print("before")
    how = payload["how"]
    if how == "abort":
        os.abort()
    if how == "fault":
        import ctypes

        ctypes.string_at(0)
    if how == "group":
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), getattr(signal, how))
    time.sleep(LONG_SECONDS)


def threads(payload: Any, params: Any, context: Context) -> str:
    """Threads that never end; Python waits for those that are no daemons."""
    for number in range(int(payload["count"])):
        name = f"endless-{number}"
        threading.Thread(target=time.sleep, args=(LONG_SECONDS,), name=name, daemon=payload["daemon"]).start()
    return "returned"


def hangs_at_the_end(payload: Any, params: Any, context: Context) -> str:
    """The function returns, but its process has something left to do."""
    import atexit

    atexit.register(time.sleep, LONG_SECONDS)
    return "returned"


def imports_for_ever(payload: Any, params: Any, context: Context) -> None:
    """Never comes back from an import."""
    finder: Any = type("Finder", (), {"find_spec": staticmethod(lambda *_: time.sleep(LONG_SECONDS))})
    sys.meta_path.insert(0, finder)
    import there_is_no_such_module_either  # type: ignore[import-not-found]  # noqa: F401


def swallows_the_end(payload: Any, params: Any, context: Context) -> str:
    """Catch everything, the interruption too, and go on until killed."""
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(LONG_SECONDS)
