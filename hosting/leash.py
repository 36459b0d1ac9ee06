"""Runs a program that may not outlive its parent: `leash(argv)` is the command line that does it.

When a process is killed with -9 it cannot end its children. On Linux the kernel does it instead: a process may ask for
a signal on the death of its parent (PR_SET_PDEATHSIG). The request is made by the child itself, between fork and exec;
doing that in Popen's `preexec_fn` may deadlock in a program with threads, so this file is a program of its own: it
asks, and then becomes the wanted program, under the same process id. A pipe that the child watches would need every
child to co-operate; a watching process would be one more that can be killed.

Two things to know. The kernel means the *thread* that started the child: start it from one that lives as long as the
child shall. And other systems than Linux have no such request: there a killed supervisor leaves its children behind.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
CANNOT_EXECUTE = 127  # what a shell answers for a program it cannot start


def leash(argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` until it ends or the calling process dies, whichever is first."""
    if sys.platform != "linux":
        return list(argv)
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *argv]


def die_with_parent(parent: int) -> None:
    """Ask for SIGKILL when the parent dies; SIGKILL, because a child may ignore everything else."""
    import ctypes  # only here: half of this program's start-up time

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the request was made
        sys.exit(1)


def become(argv: list[str]) -> None:
    """Replace this program with `argv`; ends with status 127 and a line on stderr if that cannot be done."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and an ignored signal is inherited
    try:
        os.execvpe(argv[0], argv, given_environment())  # noqa: S606 - this is the point of the program
    except OSError as error:
        print(f"cannot start {argv[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(CANNOT_EXECUTE)


def given_environment() -> dict[bytes, bytes]:
    """The environment as it was given to this process: Python itself adds LC_CTYPE to it in a plain C locale."""
    entries = Path("/proc/self/environ").read_bytes().split(b"\0")
    return dict(entry.split(b"=", 1) for entry in entries if b"=" in entry)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    become(sys.argv[2:])
