"""The keypad's thread: terminal keys through a real pipe, an unplugged device, and where digits may not go."""

import os
import sys
import threading
import time
from types import SimpleNamespace
from typing import ClassVar

import pytest

from appliance.daemons import doorparts
from appliance.door import keypad as keypads
from appliance.door.inbox import KeypadState, PinUnusable
from appliance.door.keypad import EvdevKeys, Keypad, TerminalKeys, opener
from appliance.errors import KeypadError
from appliance.facts import PinEntry
from appliance.settings import KeypadConfig
from tests.fakes import RecordingPost, eventually


def digest(digits: str) -> bytes:
    return digits.encode().ljust(32, b".")


@pytest.fixture
def terminal():
    """A keypad whose other end is a pipe: (write, post, others)."""
    read, write = os.pipe()
    post, others = RecordingPost(), []
    pad = Keypad(lambda: TerminalKeys(read), 10.0, digest, post, others.append)
    pad.start()
    yield write, post, others
    pad.close()
    os.close(read)


def test_a_pin_typed_is_hashed_here_and_posted(terminal):
    write, post, _ = terminal
    os.write(write, b"12345")
    before = time.monotonic()
    os.write(write, b"6#")
    entry = eventually(lambda: post.of(PinEntry))[0]
    assert entry.digest == digest("123456")
    assert entry.keypad == "keypad"
    assert before <= entry.entered_at <= time.monotonic()
    assert "123456" not in repr(post.items)


def test_a_line_end_enters(terminal):
    write, post, _ = terminal
    os.write(write, b"123456\n\n654321#\n")
    assert [e.digest for e in eventually(lambda: len(post.of(PinEntry)) == 2 and post.of(PinEntry))] == [
        digest("123456"),
        digest("654321"),
    ]


def test_other_keys_go_to_whoever_wants_them(terminal):
    write, post, others = terminal
    os.write(write, b"1r2o3456#")
    assert eventually(lambda: post.of(PinEntry))[0].digest == digest("123456")
    assert others == ["r", "o"]


def test_the_terminals_end_is_no_fault(terminal):
    write, post, _ = terminal
    os.write(write, b"123456#")
    os.close(write)
    eventually(lambda: KeypadState("none") in post.items)
    assert [item.state for item in post.of(KeypadState)] == ["ok", "none"]
    assert len(post.of(PinEntry)) == 1


def test_without_a_key_the_pin_is_unusable_and_says_so():
    read, write = os.pipe()
    post = RecordingPost()
    pad = Keypad(lambda: TerminalKeys(read), 10.0, lambda digits: None, post)
    pad.start()
    os.write(write, b"123456#")
    assert eventually(lambda: post.of(PinUnusable)) == [PinUnusable("keypad")]
    pad.close()
    os.close(write)
    os.close(read)


class Plug:
    """A device that is pulled out after some keys, and put in again."""

    def __init__(self, script):
        self.script = list(script)
        self.closed = 0

    def open(self):
        if not self.script:
            raise KeypadError("keypad is not there; plug it in")
        self.keys = self.script.pop(0)
        return self

    def read(self, timeout):
        if self.keys is None:
            return None
        if not self.keys:
            raise KeypadError("keypad is gone; plug it in again")
        keys, self.keys = self.keys[0], self.keys[1:]
        if isinstance(keys, Exception):
            raise keys
        return keys

    def close(self):
        self.closed += 1


def test_unplugged_is_told_once_retried_and_the_digits_forgotten(monkeypatch, caplog):
    monkeypatch.setattr(keypads, "RETRY_SECONDS", 0.01)
    post, plug = RecordingPost(), Plug([["123"], ["456#", "", "123456#"], []])
    pad = Keypad(plug.open, 10.0, digest, post)
    pad.start()
    eventually(lambda: len(post.of(PinEntry)) == 2)
    time.sleep(0.1)
    pad.close()
    pad.join(2)
    assert [entry.digest for entry in post.of(PinEntry)] == [digest("456"), digest("123456")]
    assert [item.state for item in post.of(KeypadState)] == ["ok", "lost", "ok", "lost", "ok", "lost"]
    assert plug.closed == 3
    assert not any("123456" in record.getMessage() for record in caplog.records)


def test_half_a_pin_from_before_a_breakdown_is_forgotten(monkeypatch, caplog):
    """Not unplugged but broken, in a way nobody foresaw: `keep` starts the thread's work anew."""
    monkeypatch.setattr(keypads, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(doorparts, "AGAIN_SECONDS", 0.01)
    post, plug = RecordingPost(), Plug([["123", RuntimeError("no driver foresaw this")], ["456#", ""], []])
    pad = doorparts.keep(Keypad(plug.open, 10.0, digest, post))
    pad.start()
    (entry,) = eventually(lambda: post.of(PinEntry))
    pad.close()
    pad.join(2)
    assert entry.digest == digest("456")
    assert "keypad broke" in caplog.text


def test_a_source_for_each_setting():
    assert opener(KeypadConfig(source="none")) is None
    assert opener(KeypadConfig(source="terminal")) is TerminalKeys
    with pytest.raises(KeypadError):
        opener(KeypadConfig(source="evdev", device="/dev/input/none"))()


KEY_1, KEY_2, KEY_KPENTER, KEY_A = 2, 3, 96, 30
CODES = {f"KEY_{n}": (n + 1 if n else 11) for n in range(10)} | {"KEY_KPENTER": KEY_KPENTER, "KEY_KPASTERISK": 55}
CODES |= {f"KEY_KP{n}": 200 + n for n in range(10)}


class StubDevice:
    """Behaves as evdev.InputDevice: a handle to wait on, and events to read."""

    opened: ClassVar[list["StubDevice"]] = []

    def __init__(self, path):
        if path == "/dev/input/none":
            raise FileNotFoundError(2, "No such file or directory")
        self.path, self.grabbed, self.closed = path, False, False
        self.fd, self.far = os.pipe()
        self.waiting = []
        self.opened.append(self)

    def capabilities(self):
        return {1: list(range(2, 12)) if self.path.endswith("1") else [KEY_A]}

    def grab(self):
        self.grabbed = True

    def type(self, *events):
        self.waiting += [SimpleNamespace(type=t, code=c, value=v) for t, c, v in events]
        os.write(self.far, b".")

    def unplug(self):
        self.waiting = None
        os.write(self.far, b".")

    def read(self):
        os.read(self.fd, 1)
        if self.waiting is None:
            raise OSError(19, "No such device")
        events, self.waiting = self.waiting, []
        return iter(events)

    def close(self):
        self.closed = True


@pytest.fixture
def evdev(monkeypatch):
    StubDevice.opened.clear()
    stub = SimpleNamespace(
        ecodes=SimpleNamespace(ecodes=CODES),
        InputDevice=StubDevice,
        list_devices=lambda: ["/dev/input/event0", "/dev/input/event1"],
    )
    monkeypatch.setitem(sys.modules, "evdev", stub)
    return stub


def test_a_usb_keypad_is_found_taken_alone_and_read(evdev):
    keys = EvdevKeys("")
    device = StubDevice.opened[-1]
    assert (device.path, device.grabbed) == ("/dev/input/event1", True)
    assert all(other.closed for other in StubDevice.opened[:-1])
    device.type((4, 4, 1), (1, KEY_1, 1), (0, 0, 0), (1, KEY_1, 2), (1, KEY_1, 0), (1, KEY_2, 1), (1, KEY_A, 1))
    assert keys.read(1) == "12"
    device.type((1, KEY_KPENTER, 1))
    assert keys.read(1) == "#"
    assert keys.read(0.01) == ""
    device.unplug()
    with pytest.raises(KeypadError, match="plug it in"):
        keys.read(1)
    keys.close()
    assert device.closed


def test_a_usb_keypad_that_is_not_there(evdev):
    with pytest.raises(KeypadError, match=r"keypad\.device"):
        EvdevKeys("/dev/input/none")
    evdev.list_devices = list
    with pytest.raises(KeypadError, match="of any kind"):
        EvdevKeys("")


def test_a_standard_input_that_is_shut_ends_it():
    read, write = os.pipe()
    keys = TerminalKeys(read)
    os.close(read)
    assert keys.read(0.01) is None
    keys.close()
    os.close(write)


def test_close_ends_the_thread_soon(terminal):
    thread = next(t for t in threading.enumerate() if t.name == "keypad")
    thread.close()
    thread.join(2)
    assert not thread.is_alive()


def test_what_was_typed_while_the_hash_was_slow_is_forgotten(monkeypatch, caplog):
    monkeypatch.setattr("appliance.door.keypad.SLOW_SECONDS", 0.2)
    batches, read = ["471100#", "471100#", ""], []

    class Buffered:
        def read(self, timeout):
            read.append(timeout)
            time.sleep(0.01)
            return batches.pop(0) if batches else None

        def close(self):
            pass

    def slow(digits):
        time.sleep(0.3)
        return digest(digits)

    post = RecordingPost()
    pad = Keypad(Buffered, 10, slow, post)
    pad.start()
    pad.join(5)
    assert len(post.of(PinEntry)) == 1
    assert 0 in read
    assert "forgotten" in caplog.text
