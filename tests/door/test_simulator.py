"""The visitor's hand, on recording pins."""

import time

import pytest

from appliance.door import simulator
from appliance.door.pins import open_lines
from appliance.door.simulator import Hand
from appliance.facts import DoorCommand
from appliance.settings import PinsConfig
from tests.fakes import eventually


@pytest.fixture
def lines(monkeypatch):
    monkeypatch.setattr(simulator, "OPEN_AFTER_SECONDS", 0.1)
    monkeypatch.setattr(simulator, "CLOSE_AFTER_SECONDS", 0.2)
    monkeypatch.setattr(simulator, "PRESS_SECONDS", 0.1)
    return open_lines(PinsConfig(driver="mock", fire=6, tamper=5))


@pytest.fixture
def hand(lines):
    hand = Hand(lines.bench)
    yield hand
    hand.close()
    hand.close()


def test_opens_after_a_release_and_lets_it_fall_shut(lines, hand):
    pin = lines.switches["contact"]._pin
    pin.clear_states()
    hand.lock_moved(DoorCommand.RELEASE)
    eventually(lambda: len(pin.states) == 3)
    pin.assert_states_and_times([(0.0, False), (0.1, True), (0.2, False)])


def test_a_lock_that_fell_again_is_not_pulled(lines, hand):
    hand.lock_moved(DoorCommand.RELEASE)
    hand.lock_moved(DoorCommand.SECURE)
    time.sleep(0.2)
    assert not lines.switches["contact"].active


def test_keys(lines, hand):
    for key, name in {"o": "contact", "f": "fire", "t": "tamper"}.items():
        hand.key(key)
        assert lines.switches[name].active
        hand.key(key)
        assert not lines.switches[name].active
    hand.key("r")
    assert lines.switches["rex"].active
    assert eventually(lambda: not lines.switches["rex"].active)
    hand.key("x")


def test_a_door_held_open_by_hand_stays_open(lines, hand):
    hand.key("o")
    hand.lock_moved(DoorCommand.RELEASE)
    time.sleep(0.4)
    assert lines.switches["contact"].active
