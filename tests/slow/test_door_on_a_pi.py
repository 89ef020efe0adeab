"""The real door daemon on an emulated Raspberry Pi 3B, ended in every way while its lock is released.

The emulated lines read low where nothing is wired, so a request-to-exit button is held down for good:
that is what releases the lock. The relay is read from the SoC's register, behind Linux's back.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.beds import pi3

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(pi3.missing()), reason=pi3.missing()),
]

SCRIPT = '''
import json, os, signal, subprocess, sys, time
from pathlib import Path
from appliance.commands.supervisor import Supervisor
from appliance.config import Config, dump
from appliance.settings import KeypadConfig, PathsConfig, PinsConfig

def register(offset):
    return int(subprocess.check_output(["devmem", hex(0x3F200000 + offset)]), 16)

def relay():
    """From the SoC: what line 17 does."""
    if (register(0x04) >> 21) & 7 != 1:
        return "input"
    return "energised" if register(0x34) >> 17 & 1 else "rest"

def settings(name, rex):
    config = Config(
        paths=PathsConfig(state="/tmp/state", run="/tmp/run"),
        pins=PinsConfig(driver="gpiozero", rex=rex),
        keypad=KeypadConfig(source="none"),
    )
    Path(name).write_text(dump(config))
    return [sys.executable, "-B", "-m", "appliance", "--config", name, "door"]

os.makedirs("/tmp/state", exist_ok=True)
pressed, free = settings("/tmp/pressed.toml", 27), settings("/tmp/free.toml", -1)
LOG = open("/tmp/log", "ab")

def until(wanted, seconds=120):
    began = time.monotonic()
    while relay() != wanted:
        if time.monotonic() - began > seconds:
            print("LOG", open("/tmp/log").read()[-3000:])
            raise SystemExit(f"not {wanted} in {seconds} s but {relay()}")
        time.sleep(0.05)
    return time.monotonic() - began

def started(command, wanted):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=LOG, stderr=LOG)
    until(wanted)
    return process

def seen(seconds):
    """Every state within that time."""
    end, states = time.monotonic() + seconds, []
    while time.monotonic() < end:
        if (state := relay()) not in states[-1:]:
            states.append(state)
        time.sleep(0.02)
    return states

facts = {"power-on": relay()}
process = started(free, "rest")
facts["started"] = seen(2)
process.terminate()
process.wait()
facts["stopped"] = relay()
for name in ("SIGKILL", "SIGABRT", "SIGSEGV"):
    process = started(pressed, "energised")
    process.send_signal(getattr(signal, name))
    process.wait()
    facts[name] = [until("input"), relay()]
    again = started(free, "rest")
    facts[name] += [relay()]
    again.kill()
    again.wait()
process = started(pressed, "energised")
process.terminate()
facts["SIGTERM"] = [process.wait(), relay()]
facts["--rest"] = [subprocess.call([*free, "--rest"], stdout=LOG, stderr=LOG), relay()]

said = []
supervisor = Supervisor(Path("/tmp/pressed.toml"), lambda name, line: said.append(line), ["door"])
supervisor.start()
door = supervisor.children["door"]
while not door.ready or relay() != "energised":
    supervisor.tick(time.monotonic())
    time.sleep(0.05)
os.kill(door.pid, signal.SIGSTOP)
Path("/tmp/pressed.toml").write_text(Path("/tmp/free.toml").read_text())
began, facts["stopped process"] = time.monotonic(), relay()
while relay() == "energised" and time.monotonic() - began < 60:
    supervisor.tick(time.monotonic())
    time.sleep(0.05)
facts["hang"] = [time.monotonic() - began, relay()]
while relay() != "rest" and time.monotonic() - began < 200:
    supervisor.tick(time.monotonic())
    time.sleep(0.05)
facts["after the hang"] = [relay(), door.restarts]
supervisor.stop()
print(json.dumps(facts))
'''


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    said = pi3.run(SCRIPT, ROOT, tmp_path_factory.mktemp("pi3") / "root", 1500)
    lines = [line for line in said.splitlines() if line.startswith("{")]
    assert lines, said
    found: dict[str, Any] = json.loads(lines[-1])
    print(found)
    return found


def test_from_power_on_the_relay_has_no_current(facts: dict[str, Any]) -> None:
    assert facts["power-on"] == "input"
    assert facts["started"] == ["rest"]
    assert facts["stopped"] == "input"


@pytest.mark.parametrize("how", ["SIGKILL", "SIGABRT", "SIGSEGV"])
def test_a_door_that_crashes_while_released_lets_go_of_the_relay(facts: dict[str, Any], how: str) -> None:
    seconds, at_once, again = facts[how]
    assert at_once == "input"
    assert seconds < 5  # of the emulator's time, in which a look takes a while
    assert again == "rest"


def test_a_door_that_ends_on_purpose_does_too(facts: dict[str, Any]) -> None:
    assert facts["SIGTERM"] == [0, "input"]
    assert facts["--rest"] == [0, "input"]


def test_a_door_that_hangs_while_released_is_killed_and_comes_back_at_rest(facts: dict[str, Any]) -> None:
    """The worst case: the relay stays for as long as the watchdog waits, and no longer."""
    assert facts["stopped process"] == "energised"
    seconds, then = facts["hang"]
    assert then == "input"
    assert seconds < 15
    assert facts["after the hang"] == ["rest", 1]
