"""Asked in a process of its own: the test's must not run before everybody else's."""

import os
import subprocess
import sys

import pytest

ASK = """
import os, sys, threading
from appliance.system.priority import run_first
if sys.argv[1] == "nobody":
    os.setresuid(65534, 65534, 65534)
taken, inherited = run_first(), []
thread = threading.Thread(target=lambda: inherited.append(os.sched_getscheduler(0)))
thread.start(); thread.join()
print(taken, os.sched_getscheduler(0) == os.SCHED_RR, inherited == [os.SCHED_RR])
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may, and can become somebody who may not")


def asked(who: str) -> str:
    done = subprocess.run([sys.executable, "-c", ASK, who], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_without_the_right_it_goes_on_as_it_is() -> None:
    assert asked("nobody") == "False False False"


def test_where_it_may_it_runs_first_and_its_threads_with_it() -> None:
    told = asked("root")
    if told == "False False False":
        pytest.skip("this kernel keeps real time out of this control group")
    assert told == "True True True"
