"""Both clocks, and how far the wall clock can be believed."""

import ctypes
import time
from pathlib import Path

from appliance.facts import ClockQuality, Moment

STA_UNSYNC = 0x0040
"""Kernel's clock discipline flag: nobody has set this clock lately (<linux/timex.h>)."""

TIMESYNC_FLAG = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd touches it at the first answer of a time server since boot."""

RTC_FLAG = Path("/sys/class/rtc/rtc0/hctosys")
"""`1` if the kernel took the time at boot from a battery-backed clock."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# A clock before this build's year was never set.
EARLIEST_UTC = 1_735_689_600.0  # 2025-01-01


class _Timeval(ctypes.Structure):
    _fields_ = [("tv_sec", ctypes.c_long), ("tv_usec", ctypes.c_long)]


class _Timex(ctypes.Structure):
    # struct timex of <sys/timex.h>; the tail is room for what this reads nothing of.
    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", _Timeval),
        ("tail", ctypes.c_byte * 256),
    ]


_libc = ctypes.CDLL(None, use_errno=True)


def now() -> Moment:
    """This instant."""
    utc = time.time()
    return Moment(time.monotonic(), utc, judge(utc, kernel_synced(), was_set()))


def judge(utc: float, synced: bool | None, was_set: bool) -> ClockQuality:
    """How far `utc` can be believed. `synced` is the kernel's word, None if it may not be asked."""
    if utc < EARLIEST_UTC:
        return ClockQuality.UNKNOWN
    if synced:
        return ClockQuality.SYNCED
    return ClockQuality.HOLDOVER if was_set else ClockQuality.UNKNOWN


def kernel_synced() -> bool | None:
    """Whether a time service disciplines the clock now; None where a sandbox forbids the question (ProtectClock=)."""
    state = _Timex()  # modes = 0: read only
    if _libc.adjtimex(ctypes.byref(state)) < 0:
        return None
    return not state.status & STA_UNSYNC


def was_set() -> bool:
    """Whether a time server or a battery-backed clock has set the clock since boot."""
    if TIMESYNC_FLAG.exists():
        return True
    try:
        return RTC_FLAG.read_text().strip() == "1"
    except OSError:
        return False


def boot_id() -> str:
    """This boot's random id: monotonic times of different boots do not compare. Empty if the kernel tells none."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""
