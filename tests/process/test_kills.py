"""SIGKILL of vision or net at any moment: the door keeps serving PIN and request-to-exit."""

import os
import random
import signal
import time
from dataclasses import replace

import pytest

from appliance import config as settings
from appliance.commands.session import Session
from appliance.commands.simulation import enrol_resident

KILLS = 50


@pytest.fixture
def session(tmp_path):
    base = settings.embedded()
    config = replace(
        base,
        paths=replace(base.paths, state=str(tmp_path / "state"), run=str(tmp_path / "run")),
        web=replace(base.web, port=0),
    )
    (tmp_path / "run").mkdir()
    pin = enrol_resident(config)
    file = tmp_path / "run.toml"
    file.write_text(settings.dump(config))
    made = Session(config, file, pin, echo_log=False)
    made._typist = None  # this test types by itself
    made.start()
    yield made
    made.stop()


def until(session, condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: nothing within {seconds} s; log: {session.log.latest(20)}"
        session.tick(time.monotonic())
        time.sleep(0.02)


def count(session, **wanted):
    return sum(all(event[key] == value for key, value in wanted.items()) for event in session.events())


def serve(session, turn):
    """The door must answer: a PIN each turn, the way-out button too on every third (the door must be shut first)."""
    before = count(session, type="access", why="granted", by="pin")
    session.supervisor.type_keys(f"{session.pin}#")
    until(session, lambda: count(session, type="access", why="granted", by="pin") > before, 5, "PIN")
    if turn % 3 == 2:
        until(session, lambda: session.statuses["door"]["state"] == "LOCKED", 20, "relock")
        before = count(session, type="door", why="unlocked", by="rex")
        session.supervisor.type_keys("r")
        until(session, lambda: count(session, type="door", why="unlocked", by="rex") > before, 5, "REX")


@pytest.mark.timeout(600)
def test_the_door_outlives_fifty_kills_of_each_neighbour(session):
    until(session, session.up, 60, "start")
    children = session.supervisor.children
    door = children["door"].pid
    victims = [children["vision"], children["net"]]
    chance = random.Random(50)
    for turn in range(KILLS):
        chance.shuffle(victims)
        for child in victims:
            until(session, lambda child=child: child.pid is not None, 30, "restart")
            # Anywhere from the first instruction to well under way.
            end = time.monotonic() + chance.uniform(0.0, 2.0 if turn % 5 == 0 else 0.4)
            until(session, lambda end=end: time.monotonic() >= end, 10, "pause")
            if child.pid is not None:
                os.kill(child.pid, signal.SIGKILL)
                child.process.wait()
        serve(session, turn)
        for child in victims:
            child.restart_at = 0.0
    assert children["door"].pid == door
    assert children["door"].restarts == 0
    assert min(child.restarts for child in victims) >= KILLS - 1
    until(session, session.up, 60, "recovery")
    assert session._record.verify_chain().holds
