"""A process that must be on time asks the kernel to run it before all others."""

import logging
import os

log = logging.getLogger(__name__)

REALTIME = 10
"""Of SCHED_RR's 1 to 99: above every ordinary program, below the kernel's own threads (50)."""


def run_first() -> bool:
    """Have this thread, and those it starts from now on, run before every ordinary program; False: refused.

    Refused without the right to (LimitRTPRIO= of the unit), and by kernels that keep real time out of
    control groups (RT_GROUP_SCHED). The process goes on at the priority it has: it must start in any case.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(REALTIME))
    except OSError as error:
        log.info("not run in real time: %s; under full load the lock may move some 10 ms late", error.strerror)
        return False
    return True
