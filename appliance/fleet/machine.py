"""Figures of the machine for up/health. What this machine does not tell is left out."""

import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_MEMORY = Path("/proc/meminfo")
_TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")


def figures(disk: Path) -> dict[str, float]:
    """load_1m, mem_free_mb, disk_free_mb (of the file system that holds `disk`), temp_c."""
    sources: dict[str, Callable[[], float]] = {
        "load_1m": lambda: os.getloadavg()[0],
        "mem_free_mb": lambda: int(re.findall(r"MemAvailable:\s+(\d+)", _MEMORY.read_text())[0]) / 1024,
        "disk_free_mb": lambda: shutil.disk_usage(disk).free / 2**20,
        "temp_c": lambda: int(_TEMPERATURE.read_text()) / 1000,
    }
    found: dict[str, float] = {}
    for name, read in sources.items():
        with suppress(OSError, ValueError, IndexError):
            found[name] = read()
    return found
