"""A daemon started from a terminal ends with it. Under systemd this does nothing."""

import ctypes
import os
import signal

SUPERVISOR = "LINTEL_SUPERVISOR"
"""Environment: process id of the `lintel run` that started this daemon."""
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_with_supervisor() -> None:
    """Ask the kernel for SIGTERM when the supervisor's thread dies; raise SystemExit if it is gone already."""
    supervisor = os.environ.get(SUPERVISOR, "")
    if not supervisor.isdecimal():
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(supervisor):  # it died before the request reached the kernel
        raise SystemExit(1)
