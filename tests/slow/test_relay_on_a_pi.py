"""The relay's line on an emulated Raspberry Pi 3B: real kernel, real pin driver, unmodified gpiozero and lgpio.

What a board would still have to show: the boot firmware's part (`gpio=`, `strict_gpiod`), and time.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.beds import pi3

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(pi3.missing()), reason=pi3.missing()),
]

SCRIPT = '''
import json, os, signal, subprocess, time
from appliance.commands import gpiolines
from appliance.settings import PinsConfig
from appliance.door.pins import open_lines

def register(offset):
    return int(subprocess.check_output(["devmem", hex(0x3F200000 + offset)]), 16)

def relay():
    """From the SoC: is line 17 an output, and at which level."""
    return [(register(0x04) >> 21) & 7 == 1, register(0x34) >> 17 & 1]

def looked():
    line = gpiolines.line(gpiolines.header_chip(), 17)
    return {"used": line.used, "output": line.output, "register": relay()}

def child(work):
    """Another process does it, ends as it says, and the line is looked at while and after."""
    out, into = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            work()
            os.write(into, json.dumps(looked()).encode())
            signal.pause()
        finally:
            os._exit(1)
    os.close(into)
    told = json.loads(os.read(out, 4096) or "null")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    time.sleep(0.5)
    return {"while": told, "after": looked()}

pins = PinsConfig()
kept = []
def take():
    kept.append(open_lines(pins))
def unlock():
    take()
    kept[0].relay.energise(True)
facts = {"chip": str(gpiolines.header_chip()), "boot": looked(), "taken": child(take), "killed": child(unlock)}
facts["rest"] = child(take)
try:
    gpiolines.line(gpiolines.header_chip(), 99)
except OSError as error:
    facts["no such line"] = error.strerror
print(json.dumps(facts))
'''


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    said = pi3.run(SCRIPT, ROOT, tmp_path_factory.mktemp("pi3") / "root")
    lines = [line for line in said.splitlines() if line.startswith("{")]
    assert lines, said
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def test_looking_at_a_line_takes_nothing(facts: dict[str, Any]) -> None:
    assert facts["boot"] == {"used": False, "output": False, "register": [False, 0]}
    assert facts["no such line"] == "Invalid argument"


def test_taking_the_line_leaves_the_lock_at_rest(facts: dict[str, Any]) -> None:
    assert facts["taken"]["while"] == {"used": True, "output": True, "register": [True, 0]}


def test_a_process_killed_in_mid_unlock_lets_go_of_the_relay(facts: dict[str, Any]) -> None:
    """Debian's kernel makes a released line an input, as Raspberry Pi's does with strict_gpiod."""
    assert facts["killed"]["while"]["register"] == [True, 1]
    assert facts["killed"]["after"]["register"][0] is False
    assert facts["killed"]["after"]["used"] is False


def test_what_stands_in_for_it_takes_the_line_at_rest_again(facts: dict[str, Any]) -> None:
    assert facts["rest"]["while"]["register"] == [True, 0]
