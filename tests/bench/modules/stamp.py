"""Says when its first line ran."""

import time

STARTED = time.time()


def run(payload, params, context):  # type: ignore[no-untyped-def]
    return {"started": STARTED}


def weigh(payload, params, context):  # type: ignore[no-untyped-def]
    """The most memory this process ever had, in KiB, and the processor time it has used, in seconds."""
    with open("/proc/self/status") as status:  # noqa: PTH123 - a child that imports pathlib weighs more
        peak = next(line for line in status if line.startswith("VmHWM:"))
    return {"kib": int(peak.split()[1]), "seconds": time.process_time()}
