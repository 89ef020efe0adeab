"""gpiozero's real driver over a recording lgpio: what a board's lines are asked for, and in which order."""

import importlib
import sys
from types import ModuleType, SimpleNamespace

import pytest

from appliance.door import pins
from appliance.door.lock import Lock
from appliance.errors import LockError
from appliance.facts import DoorCommand
from appliance.settings import PinsConfig

OUT, UP = 2, 32


class RecordingLgpio(ModuleType):
    """Behaves as lgpio 0.2 on a chip where nothing is wired; every call that moves a line is kept."""

    SET_PULL_NONE, SET_PULL_UP, SET_PULL_DOWN = 128, UP, 64
    BOTH_EDGES, RISING_EDGE, FALLING_EDGE = 3, 1, 2

    class error(Exception):  # noqa: N801, N818 - its name there
        pass

    def __init__(self):
        super().__init__("lgpio")
        self.calls, self.mode, self.level, self.callbacks, self.busy = [], {}, {}, {}, set()

    def gpiochip_open(self, chip):
        return 7

    def gpiochip_close(self, handle):
        self.calls.append(("close_chip",))

    def gpio_claim_input(self, handle, line, flags=0):
        if line in self.busy:
            raise self.error("GPIO busy")
        self.calls.append(("input", line, flags))
        self.mode[line], self.level[line] = flags, int(flags == UP)

    def gpio_claim_output(self, handle, line, level=0, flags=0):
        self.calls.append(("output", line, level))
        self.mode[line], self.level[line] = OUT, level

    def gpio_claim_alert(self, handle, line, edges, flags=0, notify=None):
        self.calls.append(("alert", line, edges, flags))
        self.mode[line] = flags

    def gpio_free(self, handle, line):
        self.calls.append(("free", line))

    def gpio_write(self, handle, line, level):
        self.calls.append(("write", line, int(level)))
        self.level[line] = int(level)

    def gpio_read(self, handle, line):
        return self.level[line]

    def gpio_get_mode(self, handle, line):
        return self.mode[line]

    def gpio_set_debounce_micros(self, handle, line, micros):
        self.calls.append(("debounce", line, micros))

    def callback(self, handle, line, edges, call):
        self.callbacks[line] = call
        return SimpleNamespace(cancel=lambda: None)

    def of(self, line, *kinds):
        return [call for call in self.calls if call[1:2] == (line,) and call[0] in kinds]


@pytest.fixture
def lgpio(monkeypatch):
    stub = RecordingLgpio()
    monkeypatch.setitem(sys.modules, "lgpio", stub)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    driver = importlib.import_module("gpiozero.pins.lgpio")
    monkeypatch.setattr(driver.LGPIOFactory, "_get_revision", lambda self: 0xC03115)  # a Pi 4B
    monkeypatch.setattr(driver.LocalPiFactory, "pins", {})  # shared by all factories of a process
    yield stub
    sys.modules.pop("gpiozero.pins.lgpio", None)


@pytest.mark.parametrize("active_high", [True, False])
def test_the_relay_is_claimed_with_its_level_and_never_with_the_other(lgpio, active_high):
    lines = pins.open_lines(PinsConfig(relay_active_high=active_high))
    rest = int(not active_high)
    assert lgpio.of(17, "output", "write") == [("output", 17, rest)]
    lock = Lock(lines.relay, "fail_secure")
    lock.drive(DoorCommand.RELEASE)
    assert lines.relay.energised
    lock.close()
    assert lgpio.of(17, "output", "write") == [("output", 17, rest), ("write", 17, 1 - rest), ("write", 17, rest)]
    assert lines.bench is None


def test_switches_are_pulled_up_debounced_and_watched(lgpio):
    lines = pins.open_lines(PinsConfig(fire=6))
    told = []
    for switch in lines.switches.values():
        switch.watch(lambda name, active, at: told.append((name, active)))
    for line in (27, 22, 6):
        assert ("debounce", line, 5000) in lgpio.calls
        assert lgpio.of(line, "alert")[-1] == ("alert", line, lgpio.BOTH_EDGES, UP)
    lgpio.callbacks[27](0, 27, 0, 123)
    lgpio.callbacks[22](0, 22, 1, 124)
    lgpio.callbacks[6](0, 6, 1, 125)
    assert told == [("rex", True), ("contact", True), ("fire", True)]
    lgpio.level[27] = 0
    assert lines.switches["rex"].active


def test_the_relay_is_taken_before_anything_that_may_fail(lgpio):
    lgpio.busy.add(27)
    with pytest.raises(LockError, match=r"rex: GPIO busy; check pins\.rex"):
        pins.open_lines(PinsConfig())
    assert lgpio.of(17, "output") == [("output", 17, 0)]


def test_a_line_that_the_way_out_does_not_need_is_left_out(lgpio, caplog):
    lgpio.busy |= {22, 23}
    lines = pins.open_lines(PinsConfig(green=23, fire=6))
    assert set(lines.switches) == {"rex", "fire"}
    assert lines.lamps == {}
    assert "check pins.contact" in caplog.text
    assert "check pins.green" in caplog.text
