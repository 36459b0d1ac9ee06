"""Leaves a process in a session of its own whose first thread has ended, and whose second lives on.

Named "quiet", it holds no output of the task's: only its environment says whose it is.
"""

import ctypes
import os
import sys
import threading
import time
from pathlib import Path

READY = Path(os.environ["NEXOMATIC_PARAM_FOLDER"], "daemon")


def live() -> None:
    while Path("/proc/self/stat").read_text().split()[2] != "Z":
        time.sleep(0.001)
    draft = READY.with_suffix(".new")
    draft.write_text(f"{os.getpid()}\n")
    draft.rename(READY)
    time.sleep(1000)


if os.fork() == 0:
    os.setsid()
    if sys.argv[1:] == ["quiet"]:
        for descriptor in range(3):
            os.close(descriptor)
    threading.Thread(target=live).start()
    ctypes.CDLL(None).pthread_exit(None)

while not READY.exists():
    time.sleep(0.001)
