"""SIGKILL of vision or net at any moment: the door keeps serving PIN and request-to-exit."""

import os
import random
import signal

import pytest

from tests.process.appliance_rig import running


def outlives(folder, kills):
    with running(folder) as rig:
        rig.until(rig.session.up, 60, "start")
        door = rig.children["door"].pid
        victims = [rig.children["vision"], rig.children["net"]]
        chance = random.Random(50)
        for turn in range(kills):
            chance.shuffle(victims)
            for child in victims:
                rig.until(lambda child=child: child.pid is not None, 30, "restart")
                # Anywhere from the first instruction to well under way.
                rig.pause(chance.uniform(0.0, 2.0 if turn % 5 == 0 else 0.4))
                if child.pid is not None:
                    os.kill(child.pid, signal.SIGKILL)
                    child.process.wait()
            rig.type_pin()
            if turn % 3 == 2:  # the door must have fallen shut before, which takes seconds
                rig.press_rex()
            for child in victims:
                child.restart_at = 0.0
        assert rig.children["door"].pid == door
        assert rig.children["door"].restarts == 0
        assert min(child.restarts for child in victims) >= kills - 1
        rig.until(rig.session.up, 60, "recovery")
        assert rig.session._record.verify_chain().holds


def test_the_door_outlives_kills_of_each_neighbour(tmp_path):
    outlives(tmp_path, 6)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_door_outlives_fifty_kills_of_each_neighbour(tmp_path):
    outlives(tmp_path, 50)
