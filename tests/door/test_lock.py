"""The lock at rest and in motion, for both kinds of lock, on recording pins."""

import time

import pytest

from appliance.door.lock import Lock, coil
from appliance.door.pins import open_lines
from appliance.errors import LockError
from appliance.facts import DoorCommand
from appliance.settings import PinsConfig
from tests.fakes import RecordingRelay

RELEASE, SECURE = DoorCommand.RELEASE, DoorCommand.SECURE
MOCK = {"driver": "mock"}


@pytest.mark.parametrize(
    ("command", "lock", "current"),
    [
        (RELEASE, "fail_secure", True),
        (SECURE, "fail_secure", False),
        (RELEASE, "fail_safe", False),
        (SECURE, "fail_safe", True),
    ],
)
def test_coil(command, lock, current):
    assert coil(command, lock) is current


@pytest.mark.parametrize("kind", ["fail_secure", "fail_safe"])
def test_close_is_rest_whatever_the_lock_and_happens_once(kind):
    relay = RecordingRelay()
    lock = Lock(relay, kind)
    assert relay.told == []
    lock.drive(RELEASE)
    lock.close()
    lock.close()
    lock.drive(RELEASE)
    lock.drive(SECURE)
    assert relay.told == [kind == "fail_secure", False]


@pytest.mark.parametrize("active_high", [True, False])
def test_taken_at_rest_without_a_pulse(active_high):
    lines = open_lines(PinsConfig(**MOCK, relay_active_high=active_high))
    assert not lines.relay.energised
    assert [on for _, on in lines.bench.relay_edges()] == [False]
    pin = lines.relay._pin
    assert pin.function == "output"
    assert pin.state is not active_high
    Lock(lines.relay, "fail_secure").drive(SECURE)
    assert [on for _, on in lines.bench.relay_edges()] == [False]


def test_the_chart_shows_what_and_when():
    lines = open_lines(PinsConfig(**MOCK))
    lock = Lock(lines.relay, "fail_secure")
    time.sleep(0.1)
    lock.drive(RELEASE)
    released = time.monotonic()
    lock.drive(RELEASE)  # again changes nothing
    time.sleep(0.2)
    lock.drive(SECURE)
    lines.relay._pin.assert_states_and_times([(0.0, False), (0.1, True), (0.2, False)])
    (_, first), (at, second), (then, third) = lines.bench.relay_edges()
    assert (first, second, third) == (False, True, False)
    assert at == pytest.approx(released, abs=0.02)
    assert then - at == pytest.approx(0.2, abs=0.05)


def test_the_chart_is_bounded():
    lines = open_lines(PinsConfig(**MOCK))
    for n in range(3000):
        lines.relay.energise(n % 2 == 0)
    lines.bench.relay_edges()
    lines.relay.energise(True)
    assert len(lines.bench.relay_edges()) == 2


def test_switches_read_as_wired():
    lines = open_lines(PinsConfig(**MOCK, rex=27, contact=22, tamper=5, fire=6))
    levels = {name: switch.active for name, switch in lines.switches.items()}
    assert levels == {"rex": False, "contact": False, "tamper": False, "fire": False}
    for name in levels:
        # To ground is `pressed` for the button, and `closed` for all others.
        lines.bench.set(name, open_=name != "rex")
        assert lines.switches[name].active, name


def test_edges_are_told_with_their_time():
    lines = open_lines(PinsConfig(**MOCK))
    told = []
    for switch in lines.switches.values():
        switch.watch(lambda *args: told.append(args))
    before = time.monotonic()
    lines.bench.set("rex", open_=False)
    lines.bench.set("rex", open_=True)
    lines.bench.set("contact", open_=True)
    assert [(name, active) for name, active, _ in told] == [("rex", True), ("rex", False), ("contact", True)]
    assert all(before <= at <= time.monotonic() for _, _, at in told)


def test_what_is_not_wired_is_not_there():
    lines = open_lines(PinsConfig(**MOCK, rex=-1, contact=-1))
    assert lines.switches == {}
    lines.bench.set("contact", open_=True)


def test_a_line_that_does_not_exist():
    with pytest.raises(LockError, match=r"relay: .*pins\.relay"):
        open_lines(PinsConfig(**MOCK, relay=53))


def test_real_pins_on_a_machine_without_any():
    with pytest.raises(LockError):
        open_lines(PinsConfig())
