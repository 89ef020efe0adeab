"""Visitors' passes at the real door process: good ones open once, bad ones never, and a kill gives nothing back."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import cv2
import pytest

from appliance.access.passes import Pass, signed, to_text
from appliance.facts import PassShown
from appliance.settings import CameraConfig, PassesConfig
from appliance.store.database import FILE, connect
from appliance.store.passes import Passbook
from appliance.system.clock import now
from appliance.system.keys import DeviceKey
from appliance.system.passkey import PassKey
from tests.beds.door import DoorChild, eventually
from tests.vision.test_passes import scene


@pytest.fixture
def child(tmp_path):
    child = DoorChild(tmp_path / "d")
    child.config = replace(child.config, passes=PassesConfig(camera=True))
    yield child
    child.close()


CLOCK = "import appliance.system.clock\nappliance.system.clock.was_set = lambda: True\n"
"""Read before the door starts: a machine that tests run on may have a clock that nobody vouches for."""


def start(child: DoorChild) -> None:
    (child.folder / "sitecustomize.py").write_text(CLOCK)
    child.start(PYTHONPATH=f"{child.folder}:{Path(__file__).parents[2]}")


@pytest.fixture
def issued(child) -> Pass:
    pid, _ = child.enrol()
    at = int(time.time())
    given = Pass(str(uuid4()), pid, "site", ("door",), at - 60, at + 3600, 1)
    db = connect(child.state / FILE)
    Passbook(db, now=now).issue(given, "test")
    db.close()
    return given


def token(child, given: Pass, key: PassKey | None = None) -> bytes:
    return signed(given, (key or PassKey(DeviceKey.load(child.state))).sign)


def show(child, data: bytes) -> None:
    assert child.sender.send(PassShown(data, time.monotonic()))


def decided(child, count: int) -> list[str]:
    def told() -> list[str]:
        return [event.why for event in child.events() if event.type == "access"]

    eventually(lambda: len(told()) >= count, what=f"{count} decisions, not {told()}")
    return told()


def test_a_single_use_opens_once_and_a_kill_does_not_give_it_back(child, issued):
    start(child)
    show(child, token(child, issued))
    child.await_release()
    assert decided(child, 1) == ["granted"]
    child.process.send_signal(signal.SIGKILL)
    child.process.wait()
    start(child)
    show(child, token(child, issued))
    assert decided(child, 2) == ["granted", "used_up"]
    assert not child.released


def test_what_is_not_a_good_pass_is_recorded_and_opens_nothing(child, issued):
    start(child)
    good = token(child, issued)
    other = PassKey(DeviceKey(b"o" * 32))
    bad = {
        "malformed": good[:50],
        "forged": token(child, issued, other),
        "other_site": token(child, replace(issued, site="branch"), other),
        "other_door": token(child, replace(issued, doors=("yard",))),
        "expired": token(child, replace(issued, begin=1000, end=2000)),
        "not_enrolled": token(child, replace(issued, id=str(uuid4()))),
    }
    for number, data in enumerate(bad.values(), 1):
        show(child, data)
        decided(child, number)
        time.sleep(0.5)  # two a second are listened to
    assert decided(child, 6) == list(bad)
    assert all(event.by == "pass" for event in child.events() if event.type == "access")
    assert not child.released
    show(child, good)
    child.await_release()


def test_shown_again_at_once_it_is_a_replay_and_used_once(child, issued):
    twice = replace(issued, id=str(uuid4()), uses=2)
    db = connect(child.state / FILE)
    book = Passbook(db, now=now)
    book.issue(twice, "test")
    start(child)
    show(child, token(child, twice))
    decided(child, 1)
    show(child, token(child, twice))
    assert decided(child, 2) == ["granted", "replayed"]
    assert book.standing(twice.id).used == 1
    db.close()


def test_a_door_that_reads_no_passes_throws_them_away(child, issued):
    child.config = replace(child.config, passes=PassesConfig(camera=False))
    start(child)
    show(child, token(child, issued))
    time.sleep(0.5)
    assert not child.released
    assert [event.type for event in child.events() if event.type == "access"] == []


def test_from_the_lens_to_the_relay(child, issued, tmp_path):
    """The real vision process looks at pictures of an empty room, then of a room with a pass held up."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    held_up = scene(to_text(token(child, issued)), 300)
    for number in range(60):
        cv2.imwrite(str(pictures / f"{number:03}.png"), scene() if number < 15 else held_up)
    camera = CameraConfig(source="replay", path=str(pictures), rate=15)
    child.config = replace(child.config, camera=camera, passes=PassesConfig(camera=True, stride=5))
    start(child)
    words = [sys.executable, "-m", "appliance", "--config", str(child.file), "vision"]
    vision = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=child.log_file)
    try:
        child.await_release(20)
    finally:
        vision.kill()
        vision.wait()
    assert decided(child, 1) == ["granted"]
    unlocked = next(event for event in child.events() if event.why == "unlocked")
    assert (unlocked.by, unlocked.person) == ("pass", issued.person)
    assert unlocked.detail["latency_ms"] < 1000
