"""A task's process and everything it starts, on Windows: a job object, which nothing in it can leave.

Written against the documented Win32 interface. NOT RUN by the project's tests, which have no Windows machine.

The job is closed, and with it every process in it killed, when the agent's process ends in whatever way; so a restarted
agent finds nothing left to kill. The child is created suspended and started only inside the job: what it starts in
its first instant is in it too.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from ctypes import wintypes
from pathlib import Path
from typing import IO, Optional

assert sys.platform == "win32"

MARK_VARIABLE = "NEXOMATIC_TASK_MARK"
_CREATE_SUSPENDED = 0x4
_KILL_ON_JOB_CLOSE = 0x2000
_EXTENDED_LIMIT_INFORMATION = 9
_KILLED = 1


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("PerProcessUserTimeLimit", wintypes.LARGE_INTEGER),
        ("PerJobUserTimeLimit", wintypes.LARGE_INTEGER),
        ("LimitFlags", wintypes.DWORD),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", wintypes.DWORD),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", wintypes.DWORD),
        ("SchedulingClass", wintypes.DWORD),
    )


class _ExtendedLimits(ctypes.Structure):
    _fields_ = (
        ("BasicLimitInformation", _BasicLimits),
        ("IoInfo", ctypes.c_ulonglong * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel.CreateJobObjectW.argtypes = (wintypes.LPVOID, wintypes.LPCWSTR)
_kernel.CreateJobObjectW.restype = wintypes.HANDLE
_kernel.SetInformationJobObject.argtypes = (wintypes.HANDLE, ctypes.c_int, wintypes.LPVOID, wintypes.DWORD)
_kernel.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
_kernel.TerminateJobObject.argtypes = (wintypes.HANDLE, wintypes.UINT)
_kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
_native = ctypes.WinDLL("ntdll")
_native.NtResumeProcess.argtypes = (wintypes.HANDLE,)
_native.NtResumeProcess.restype = ctypes.c_long


class ProcessTree:
    """One task's process, with pipes to it. `wait` must be called, once; the other calls may come at any time."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str], mark: str) -> None:
        """Start it. Raises OSError."""
        self.killed = False
        """Whether it was killed on demand, before it had ended."""
        self._lock = threading.Lock()
        self._job: Optional[int] = _make_job()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - running what the action names is the purpose
                command,
                cwd=folder,
                env={**environment, MARK_VARIABLE: mark},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                creationflags=subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW | _CREATE_SUSPENDED,
            )
        except OSError:
            self._close_job()
            raise
        self._enter_job()

    @property
    def pipes(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        """Its standard input, output and error."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        return process.stdin, process.stdout, process.stderr

    def described(self) -> dict[str, object]:
        """For people: nothing of it outlives the agent."""
        return {"pid": self._process.pid}

    def interrupt(self) -> None:
        """Ask it to end, as Ctrl-Break does. A service without a console cannot; then the grace time passes."""
        with contextlib.suppress(OSError):
            os.kill(self._process.pid, signal.CTRL_BREAK_EVENT)

    def kill(self) -> None:
        """End it and all it started. Harmless when it has ended."""
        self.killed = self.killed or self._process.poll() is None
        with self._lock:
            if self._job is not None:
                _kernel.TerminateJobObject(self._job, _KILLED)

    def wait(self) -> int:
        """Until it has ended; then kill what it left behind. Its exit code."""
        code = self._process.wait()
        self.kill()
        self._close_job()
        return code

    def kill_pipe_holders(self) -> None:
        """Nothing to do: whoever could hold them was in the job."""

    def _enter_job(self) -> None:
        handle = int(self._process._handle)  # type: ignore[attr-defined]
        if not _kernel.AssignProcessToJobObject(self._job, handle):
            error = ctypes.WinError(ctypes.get_last_error())
            self._process.kill()
            self._process.wait()
            self._close_job()
            raise error
        _native.NtResumeProcess(handle)

    def _close_job(self) -> None:
        with self._lock:
            job, self._job = self._job, None
        if job is not None:
            _kernel.CloseHandle(job)


def _make_job() -> int:
    job = _kernel.CreateJobObjectW(None, None)
    if not job:
        raise ctypes.WinError(ctypes.get_last_error())
    limits = _ExtendedLimits()
    limits.BasicLimitInformation.LimitFlags = _KILL_ON_JOB_CLOSE
    size = ctypes.sizeof(limits)
    if not _kernel.SetInformationJobObject(job, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), size):
        error = ctypes.WinError(ctypes.get_last_error())
        _kernel.CloseHandle(job)
        raise error
    return int(job)


def adopt_orphans() -> bool:
    """The job holds them."""
    return True


def kill_remains(mark: str, described: Optional[Mapping[str, object]]) -> int:
    """The job was closed with the agent that made it, so nothing remains."""
    del mark, described
    return 0
