"""The real door process: what opens it, what does not, and what it does when everything else has failed."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.config import digest
from appliance.facts import AdminUnlock, Alive, LivenessVerdict
from appliance.settings import DoorConfig, PinsConfig
from appliance.store.database import FILE, connect
from appliance.store.events import EventLog
from appliance.system.doorline import PinDigits
from appliance.system.doorwire import encode
from tests.beds.door import DoorChild, eventually

ROOT = os.getuid() == 0


@pytest.fixture
def child(tmp_path):
    child = DoorChild(tmp_path / "d")
    yield child
    child.close()


@pytest.fixture
def enrolled(child):
    return child.enrol()


def writes(path: Path, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(data, str(path))


def told(child: DoorChild, count: int) -> list[str]:
    eventually(lambda: len(child.events()) >= count, what=f"{count} events")
    return child.whys()


def test_a_pin_typed_opens_for_as_long_as_set(child, enrolled):
    child.config = replace(child.config, pins=PinsConfig(driver="mock", contact=-1))
    child.start()
    pid, digits = enrolled
    typed = time.monotonic()
    child.type(f"{digits}#")
    at = child.await_release()
    assert 0 < at - typed < 1
    child.await_rest()
    edges = child.edges
    assert [on for _, on in edges] == [False, True, False]
    assert edges[2][0] - edges[1][0] == pytest.approx(3.0, abs=0.15)
    assert told(child, 4) == ["started", "granted", "unlocked", "locked"]
    granted, unlocked = child.events()[1:3]
    assert (granted.type, granted.by, granted.person, granted.detail) == ("access", "pin", pid, {"keypad": "keypad"})
    assert (unlocked.type, unlocked.by, unlocked.person) == ("door", "pin", pid)
    assert 0 < unlocked.detail["latency_ms"] < 1000
    assert granted.config == digest(child.config)
    assert digits not in child.log


def test_a_face_an_unlock_and_a_screens_pin_open(child, enrolled):
    child.start()
    pid, digits = enrolled
    for fact in (
        lambda: child.match(pid),
        lambda: AdminUnlock("boss", "nonce", time.monotonic()),
        lambda: PinDigits(digits, "screen", time.monotonic()),
    ):
        assert child.sender.send(fact())
        child.await_release()
        child.pass_through()

    def by() -> list[str | None]:
        return [event.by for event in child.events() if event.why == "unlocked"]

    eventually(lambda: len(by()) >= 3, what="the record of three openings")
    assert by() == ["face", "admin", "pin"]


def test_a_visit_is_seen_from_release_to_relock(tmp_path):
    child = DoorChild(tmp_path / "d", pins=PinsConfig(driver="mock", fire=6))
    try:
        pid, _ = child.enrol()
        child.start()
        child.sender.send(child.match(pid))
        states = []

        def seen():
            state = child.status["state"]
            if not states or states[-1] != state:
                states.append(state)
            return states[-3:] == ["UNLOCKED", "OPEN", "LOCKED"]

        eventually(seen, 6)
        assert told(child, 6) == ["started", "granted", "unlocked", "opened", "locked", "closed"]
        child.type("f")
        child.await_release()
        assert child.status["state"] == "RELEASED"
        child.type("f")
        child.await_rest()
    finally:
        child.close()


def test_what_is_not_fresh_evidence_opens_nothing(child, enrolled):
    child.start()
    pid, _ = enrolled
    path, good = child.socket, encode(child.match(pid))
    nan = good.replace(b'"score":0.8', b'"score":NaN')
    for data in (b"", b"{", b"\xff" * 100, good[:-1], good + b" " * 5000, nan, good.replace(b'"v":1', b'"v":9')):
        writes(path, data)
    for changes in (
        {"taken_at": time.monotonic() - 2.5},
        {"taken_at": time.monotonic() + 5},
        {"person": None},
        {"person": "somebody else"},
        {"score": 0.1},
        {"model": "sha256:000000000000"},
        {"liveness": LivenessVerdict(False, 0.95, 5)},
        {"liveness": LivenessVerdict(True, 0.1, 5)},
    ):
        child.sender.send(child.match(pid, **changes))
        time.sleep(0.11)  # under the rate of matches
    child.sender.send(AdminUnlock("boss", "late", time.monotonic() - 3))
    time.sleep(0.5)
    assert [on for _, on in child.edges] == [False]
    assert "granted" not in child.whys()
    assert "doorline_refused" in child.whys()
    child.type("r")
    child.await_release()


def test_what_was_heard_before_opens_nothing(child, enrolled):
    child.start()
    pid, _ = enrolled
    match, unlock = encode(child.match(pid)), encode(AdminUnlock("boss", "nonce", time.monotonic()))
    for data in (match, match, unlock, unlock, match, unlock):
        writes(child.socket, data)
        time.sleep(0.05)
    eventually(lambda: child.whys().count("granted") == 2)
    child.pass_through()
    for data in (match, unlock):
        writes(child.socket, data)
    time.sleep(0.3)
    assert not child.released
    assert child.whys().count("granted") == 2


def test_an_unlock_kept_over_a_restart_opens_nothing(child, enrolled):
    child.start()
    kept = AdminUnlock("boss", "nonce", time.monotonic())
    child.sender.send(kept)
    child.await_release()
    child.stop()
    child.start()
    writes(child.socket, encode(kept))
    child.sender.send(replace(kept, at=time.monotonic()))  # the same id, freshly stamped
    eventually(lambda: "replayed" in child.whys())
    assert [on for _, on in child.edges] == [False]


@pytest.mark.skipif(not ROOT, reason="only root can become another user")
def test_another_users_word_opens_nothing(child, enrolled):
    child.start()
    pid, _ = enrolled
    for folder in (*reversed(child.socket.parents), child.socket):
        if folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
            folder.chmod(0o777)
    code = (
        "import os,socket,sys;os.setgroups([]);os.setresgid(65534,65534,65534);os.setresuid(65534,65534,65534)\n"
        "s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM);s.sendto(sys.argv[2].encode(),sys.argv[1])"
    )
    for fact in (child.match(pid), AdminUnlock("boss", "nonce", time.monotonic())):
        subprocess.run([sys.executable, "-c", code, str(child.socket), encode(fact).decode()], check=True)
    eventually(lambda: "doorline_refused" in child.whys())
    assert next(e.detail for e in child.events() if e.why == "doorline_refused").keys() == {"sender"}
    assert [on for _, on in child.edges] == [False]


def test_killed_in_mid_unlock_it_comes_back_at_rest_with_its_record(child, enrolled):
    child.start()
    pid, _ = enrolled
    child.sender.send(child.match(pid))
    child.await_release()
    eventually(lambda: child.status["last"] and child.status["last"]["why"] == "unlocked")
    acknowledged = child.status["last"]["seq"]
    child.stop(signal.SIGKILL)
    before = child.events()
    assert before[-1].seq >= acknowledged
    child.start()
    assert [on for _, on in child.edges] == [False]
    assert child.status["state"] == "LOCKED"
    after = child.events()
    assert after[: len(before)] == before
    db = connect(child.state / FILE)
    assert EventLog(db).verify_chain().holds
    db.close()
    child.sender.send(child.match(pid))
    child.await_release()


def test_a_lock_out_outlives_the_plug(child, enrolled):
    child.start()
    _, digits = enrolled
    wrong = f"{(int(digits) + 1) % 1_000_000:06d}"
    child.type(f"{wrong}#" * 5)
    eventually(lambda: child.status["keypad"] == "locked_out")
    child.stop(signal.SIGKILL)
    child.start()
    eventually(lambda: child.status["keypad"] == "locked_out")
    child.type(f"{digits}#")
    eventually(lambda: "locked_out" in child.whys())
    assert [on for _, on in child.edges] == [False]
    child.type("r")
    child.await_release()


def test_a_writer_that_hangs_delays_a_grant_by_100_ms_and_the_button_by_nothing(child, enrolled):
    child.start()
    pid, _ = enrolled
    code = (
        "import sqlite3,sys,time;db=sqlite3.connect(sys.argv[1],isolation_level=None);db.execute('BEGIN IMMEDIATE')\n"
        "print('held',flush=True);time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(child.state / FILE)], stdout=subprocess.PIPE) as hung:
        hung.stdout.readline()
        hung.send_signal(signal.SIGSTOP)
        sent = child.match(pid)
        child.sender.send(sent)
        assert 0.1 <= child.await_release() - sent.taken_at < 1.0
        child.pass_through()
        pressed = time.monotonic()
        child.type("r")
        assert child.await_release() - pressed < 1.0
        # An event that is being written can no longer be marked; past the busy time it is written anew.
        time.sleep(1.0)
        hung.kill()
    eventually(lambda: child.whys().count("unlocked") == 2, 8)
    granted, unlocked = (next(e for e in child.events() if e.why == why) for why in ("granted", "unlocked"))
    assert granted.detail["late"] is True
    assert unlocked.detail["late"] is True


def test_a_storm_of_nonsense_does_not_reach_the_button(child, enrolled):
    child.start()
    code = (
        "import socket,sys,time;s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM);print('on',flush=True)\n"
        "while True: s.sendto(b'{'*4000,sys.argv[1])"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(child.socket)], stdout=subprocess.PIPE) as storm:
        try:
            storm.stdout.readline()
            time.sleep(0.5)
            pressed = time.monotonic()
            child.type("r")
            assert child.await_release() - pressed < 1.0
        finally:
            storm.kill()
    unlocked = eventually(lambda: [e for e in child.events() if e.why == "unlocked"])[0]
    assert unlocked.detail["latency_ms"] < 100
    assert child.log.count("doorline") <= 3


def fill(folder: Path) -> None:
    """Leave not a block free."""
    with (folder / f"filler-{time.monotonic_ns()}").open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)


@pytest.mark.skipif(not ROOT, reason="needs the right to mount a tmpfs")
def test_with_a_full_disk_it_still_decides_and_writes_once_there_is_room(tmp_path):
    state = tmp_path / "small"
    state.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(state)], check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    full = DoorChild(tmp_path / "f", state=state, pins=PinsConfig(driver="mock"))
    try:
        pid, _ = full.enrol()
        full.start()

        def opens():
            sent = full.match(pid)
            full.sender.send(sent)
            assert full.await_release() - sent.taken_at < 1.0
            full.pass_through()

        fill(state)
        opens()  # and its event takes the ballast's place
        assert full.status["store"] == "ok"
        fill(state)
        full.type("oo" * 2500)  # the door opened and shut, until what is left of the log is full too
        eventually(lambda: full.status["store"] == "failed", 25)
        opens()
        full.type("r")
        full.await_release()
        for file in state.glob("filler-*"):
            file.unlink()
        eventually(lambda: full.whys().count("granted") == 2, 15)
        eventually(lambda: full.status["store"] == "ok")
        eventually(lambda: {"disk_full", "store_lost", "store_back"} <= set(full.whys()))
    finally:
        full.close()
        subprocess.run(["umount", "-l", str(state)], check=False)


def break_nothing_there(child):
    pass


def break_a_file_in_the_way(child):
    child.state.write_text("not a directory")


def break_a_garbled_database(child):
    child.enrol()
    (child.state / FILE).write_bytes(b"nonsense" * 4000)


def break_no_key(child):
    child.enrol()
    (child.state / "device.key").unlink()


def break_another_key(child):
    child.enrol()
    (child.state / "device.key").write_bytes(b"x" * 32)


def break_no_models(child):
    child.config = replace(child.config, paths=replace(child.config.paths, models="/nowhere"))


def break_users_unknown(child):
    child.config = replace(child.config, users=replace(child.config.users, vision="nobody-of-that-name"))


def break_a_doorline_that_cannot_be(child):
    path = child.socket
    path.mkdir(parents=True)


def break_a_keypad_that_is_not_there(child):
    child.config = replace(child.config, keypad=replace(child.config.keypad, source="evdev", device="/dev/none"))


@pytest.mark.parametrize("how", [f for name, f in sorted(globals().items()) if name.startswith("break_")])
def test_whatever_is_broken_the_way_out_works(child, how):
    how(child)
    pressed = child.config.keypad.source == "terminal"
    child.spawn()
    eventually(lambda: child.status, 10)
    if pressed:
        child.type("r")
        child.await_release()
    else:
        assert child.status["keypad"] == "lost"
    child.type("123456#")
    child.sender.send(AdminUnlock("boss", "late", time.monotonic() - 30))
    time.sleep(0.3)
    assert child.stop() == 0


def test_it_ends_at_rest_and_says_so(child, enrolled):
    child.start()
    pid, _ = enrolled
    child.sender.send(child.match(pid))
    child.await_release()
    assert child.stop() == 0
    assert child.whys()[-1] == "stopped"
    assert not child.socket.exists()


def test_systemd_is_told_ready_and_alive_by_the_loop(child, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        manager.settimeout(10)
        child.spawn(NOTIFY_SOCKET=str(tmp_path / "n"))
        assert manager.recv(100).startswith(b"READY=1")
        assert manager.recv(100) == b"WATCHDOG=1"
        began = time.monotonic()
        assert manager.recv(100) == b"WATCHDOG=1"
        assert 0.5 < time.monotonic() - began < 2
        child.stop()
        assert manager.recv(100) in (b"WATCHDOG=1", b"STOPPING=1")


def test_vision_is_missed_and_welcomed_back(child):
    child.state.mkdir()
    child.start()
    child.sender.send(Alive("vision", time.monotonic(), "ok"))
    eventually(lambda: child.status["vision"] == "ok")
    eventually(lambda: child.status["vision"] == "lost", 8)
    child.sender.send(Alive("vision", time.monotonic(), "face_off"))
    eventually(lambda: child.status["vision"] == "face_off")
    assert [why for why in told(child, 3) if why.startswith("vision")] == ["vision_lost", "vision_back"]


def test_a_fail_safe_lock_is_held_by_current_and_let_go_to_open(child, enrolled):
    child.config = replace(child.config, door=DoorConfig(lock="fail_safe", unlock_seconds=3.0))
    child.start()
    assert [on for _, on in child.edges] == [False, True]
    child.type("r")
    eventually(lambda: [on for _, on in child.edges] == [False, True, False])


def test_no_gpio_is_said_and_ends_it(child):
    child.state.mkdir()
    child.config = replace(child.config, pins=PinsConfig(driver="gpiozero"))
    child.spawn()
    assert child.process.wait(10) == 2
    assert "lgpio" in child.log


def test_rest_takes_the_relay_and_leaves_it(child):
    child.state.mkdir()
    child.spawn()
    child.stop()
    command = [sys.executable, "-m", "appliance", "--config", str(child.file), "door", "--rest"]
    assert subprocess.run(command, check=False, timeout=20).returncode == 0
