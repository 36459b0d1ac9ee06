"""Reports disk and memory of the machine it runs on, and warns when a disk is nearly full."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import Any

from nexomatic import Context, Warn

GIB = 1024**3


def run(payload: Any, params: dict[str, Any], context: Context) -> dict[str, Any]:
    """`paths`: the disks to look at, by any path on them. `warn_percent`: how full is too full."""
    paths = params.get("paths") or ["/"]
    limit = float(params.get("warn_percent") or 90)
    disks = [disk(path) for path in paths]
    report = {"machine": platform.node(), "system": platform.platform(), "disks": disks, "memory": memory()}
    for each in disks:
        print(f"{each['path']}: {each['used_percent']} % of {each['total_gib']} GiB used, {each['free_gib']} GiB free")
    full = [each["path"] for each in disks if each["used_percent"] >= limit]
    if full:
        raise Warn(f"nearly full: {', '.join(full)}", code="DISK_NEARLY_FULL", data=report)
    return report


def disk(path: str) -> dict[str, Any]:
    """Size and use of the file system that holds a path."""
    usage = shutil.disk_usage(path)
    return {
        "path": path,
        "total_gib": round(usage.total / GIB, 1),
        "free_gib": round(usage.free / GIB, 1),
        "used_percent": round(100 * usage.used / usage.total, 1),
    }


def memory() -> dict[str, float] | None:
    """Total and available memory; None where the system does not tell."""
    table = Path("/proc/meminfo")
    if table.exists():
        lines = (line.split() for line in table.read_text().splitlines())
        kib = {words[0].rstrip(":"): int(words[1]) for words in lines}
        return {
            "total_gib": round(kib["MemTotal"] / 1024**2, 1),
            "available_gib": round(kib["MemAvailable"] / 1024**2, 1),
        }
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return {"total_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB, 1)}
    return None
