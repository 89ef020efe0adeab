"""The doorline's thread: PINs are hashed in it, refusals counted in it, and a storm starves nobody."""

import os
import socket
import threading
import time

import pytest

from appliance.door import listener as listeners
from appliance.door.inbox import PinUnusable, Refusals
from appliance.door.listener import Listener
from appliance.errors import DoorlineError
from appliance.facts import Alive, PinEntry
from appliance.system.doorline import Doorline, DoorlineSender, PinDigits
from tests.fakes import RecordingPost, eventually

ME = os.getuid()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "d.sock"


@pytest.fixture
def listening(path):
    post = RecordingPost()
    listener = Listener(lambda: Doorline(path, ME, ME), lambda digits: digits.encode(), post)
    listener.start()
    eventually(path.exists)
    yield post
    listener.close()
    listener.join(2)


def test_facts_pass_and_pins_are_hashed(path, listening):
    sender = DoorlineSender(path)
    now = time.monotonic()  # no sooner: a machine that stands still for two seconds makes it stale
    sender.send(Alive("vision", now, "ok"))
    sender.send(PinDigits("123456", "screen", now))
    eventually(lambda: len(listening.items) == 2)
    assert listening.items == [Alive("vision", now, "ok"), PinEntry(b"123456", "screen", now)]


def test_without_a_key_a_screens_pin_is_unusable(path):
    post = RecordingPost()
    listener = Listener(lambda: Doorline(path, ME, ME), lambda digits: None, post)
    listener.start()
    eventually(path.exists)
    DoorlineSender(path).send(PinDigits("123456", "screen", time.monotonic()))
    assert eventually(lambda: post.items) == [PinUnusable("screen")]
    listener.close()


def test_refusals_are_counted_and_told_now_and_then(path, listening, monkeypatch, caplog):
    monkeypatch.setattr(listeners, "REPORT_SECONDS", 0.2)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        for _ in range(50):
            out.sendto(b"nonsense", str(path))
        time.sleep(0.3)
        out.sendto(b"nonsense", str(path))
        eventually(lambda: sum(r.counts["malformed"] for r in listening.of(Refusals)) == 51)
    assert 2 <= len(listening.of(Refusals)) <= 3
    assert len(caplog.records) == len(listening.of(Refusals))
    assert "nonsense" not in caplog.text


def test_a_storm_leaves_the_processor_to_others(path, listening):
    stop = threading.Event()

    def storm():
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            while not stop.is_set():
                out.sendto(b"{" * 4096, str(path))

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        time.sleep(0.6)  # past the first burst
        before = time.process_time()
        time.sleep(1.0)
        spent = time.process_time() - before
    finally:
        stop.set()
        thread.join()
    # Half of what the storm costs is the storm itself: the sender shares this process.
    assert spent < 0.8


def test_a_line_that_cannot_be_opened_is_tried_again(path, monkeypatch):
    monkeypatch.setattr(listeners, "RETRY_SECONDS", 0.02)
    tries = []

    def open_line():
        tries.append(1)
        if len(tries) < 3:
            raise DoorlineError("cannot be opened")
        return Doorline(path, ME, ME)

    post = RecordingPost()
    listener = Listener(open_line, lambda digits: None, post)
    listener.start()
    eventually(path.exists)
    DoorlineSender(path).send(Alive("vision", time.monotonic(), "ok"))
    assert eventually(lambda: post.items)
    listener.close()
    listener.join(2)
    assert not path.exists()
