"""A process that is there and does nothing (SIGSTOP): `lintel run` notices it by its silence, as systemd does."""

import os
import signal

import pytest

from appliance.commands.supervisor import SILENCE_SECONDS
from tests.process.appliance_rig import running

NAMES = ("door", "vision", "net")


@pytest.mark.timeout(240)
def test_each_process_that_hangs_is_killed_told_and_replaced(tmp_path):
    with running(tmp_path) as rig:
        rig.until(rig.session.up, 60, "start")
        rig.until(lambda: all(child.ready for child in rig.children.values()), 60, "word from each")
        before = {name: rig.children[name].pid for name in NAMES}
        for pid in before.values():
            os.kill(pid, signal.SIGSTOP)
        rig.until(lambda: all(rig.children[name].restarts == 1 for name in NAMES), 60, "replacement of each")
        assert all(rig.children[name].pid != pid for name, pid in before.items())
        rig.until(rig.session.up, 60, "recovery")
        told = [line for line in rig.session.log.latest(200) if "hangs" in line]
        assert {line.split()[1] for line in told} == set(SILENCE_SECONDS)
        rig.until(rig.at_rest, 20, "rest")
        rig.type_pin()
