"""The doorline: who may say what, how old, how long, how often, and in which words."""

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import DoorlineError
from appliance.facts import AdminUnlock, Alive, LivenessVerdict, Match, Passing, PassShown, Surround
from appliance.system.doorline import Budget, Doorline, DoorlineSender, Fault, Judge, PinDigits, Refused
from appliance.system.doorwire import LARGEST, decode, encode

ME = os.getuid()
LIVE = LivenessVerdict(live=True, passive=0.97, frames=5, surround=Surround.STILL)


def a_match(at: float | None = None, **changes: object) -> Match:
    at = time.monotonic() if at is None else at
    match = Match("pid", 0.8, 0.5, 0.3, LIVE, 3, at - 0.4, at, "sha256:0123456789ab", 31.5)
    return dataclasses.replace(match, **changes)


def facts(at: float) -> list[object]:
    return [
        a_match(at),
        Alive("vision", at, "ok"),
        AdminUnlock("admin", "nonce", at),
        PinDigits("246813", "screen", at),
        PassShown(bytes(range(256)), at),
        Passing(at, 1),
    ]


@pytest.fixture
def line(tmp_path: Path):
    line = Doorline(tmp_path / "d.sock", ME, ME)
    yield line
    line.close()


@pytest.fixture
def sender(tmp_path: Path, line: Doorline):
    sender = DoorlineSender(tmp_path / "d.sock")
    yield sender
    sender.close()


def raw(path: Path, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(data, str(path))


def test_each_fact_arrives_as_it_was_sent(line, sender):
    for fact in facts(time.monotonic()):
        assert sender.send(fact)
        assert line.receive(1) == fact


def test_nothing_comes_within_the_timeout(line):
    assert line.receive(0.01) is None


@pytest.mark.parametrize("index", range(4))
def test_a_late_and_a_future_fact_are_stale(line, sender, index):
    for off in (-2.05, +0.2):
        assert sender.send(facts(time.monotonic() + off)[index])
        assert line.receive(1) == Refused(Fault.STALE, ME)


def test_a_fact_from_before_the_receiver_opened_is_stale(line, sender):
    # What it had remembered before a restart cannot be played to it again.
    sender.send(AdminUnlock("admin", "nonce", line.judge._opened_at - 0.001))
    assert line.receive(1) == Refused(Fault.STALE, ME)


def test_a_match_comes_once_and_only_in_order(line, sender):
    at = time.monotonic()
    sender.send(a_match(at))
    sender.send(a_match(at))
    sender.send(a_match(at - 0.0001, score=0.9))
    assert [line.receive(1) for _ in range(3)] == [a_match(at), *[Refused(Fault.REPLAYED, ME)] * 2]


def test_a_pin_from_the_screen_comes_once(line, sender):
    digits = PinDigits("471100", "screen", time.monotonic())
    assert sender.send(digits)
    assert sender.send(digits)
    assert line.receive(1) == digits
    assert line.receive(1).fault is Fault.REPLAYED


def test_an_unlock_id_opens_once(line, sender):
    for fact in (AdminUnlock("a", "one", time.monotonic()), AdminUnlock("b", "one", time.monotonic())):
        sender.send(fact)
    assert isinstance(line.receive(1), AdminUnlock)
    assert line.receive(1) == Refused(Fault.REPLAYED, ME)


def test_an_unlock_id_told_from_the_record_opens_nothing(line, sender):
    line.judge.remember("old")
    sender.send(AdminUnlock("a", "old", time.monotonic()))
    assert line.receive(1) == Refused(Fault.REPLAYED, ME)


def test_a_user_may_say_only_his_own_words(tmp_path):
    # This user is vision; net is somebody else. Then the other way round.
    for vision, net, allowed in (
        (ME, ME + 1, {"Match", "Alive", "PassShown", "Passing", *(["AdminUnlock"] if ME == 0 else [])}),
        (ME + 1, ME, {"AdminUnlock", "PinDigits"}),
    ):
        line, sender = Doorline(tmp_path / "d.sock", vision, net), DoorlineSender(tmp_path / "d.sock")
        taken = set()
        for fact in facts(time.monotonic()):
            sender.send(fact)
            got = line.receive(1)
            if isinstance(got, Refused):
                assert got == Refused(Fault.SENDER, ME)
            else:
                taken.add(type(got).__name__)
        assert taken == allowed
        line.close()


@pytest.mark.skipif(ME != 0, reason="only root can become another user")
@pytest.mark.parametrize("words", [b"{", None], ids=["noise", "an unlock"])
def test_a_stranger_is_named_by_the_kernel_and_not_even_read(tmp_path, words):
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.is_relative_to(tempfile.gettempdir()) and parent != Path(tempfile.gettempdir()):
            parent.chmod(0o755)
    path = tmp_path / "d.sock"
    line = Doorline(path, 0, 0)
    path.chmod(0o666)
    code = "import os,socket,sys;os.setresuid(65534,65534,65534);s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\n"
    code += "s.sendto(sys.argv[2].encode(),sys.argv[1])"
    words = (words or encode(AdminUnlock("a", "n", time.monotonic()))).decode()
    subprocess.run([sys.executable, "-c", code, str(path), words], check=True)
    assert line.receive(1) == Refused(Fault.SENDER, 65534)
    line.close()


def test_too_long_a_datagram(line, tmp_path):
    raw(tmp_path / "d.sock", encode(Alive("vision", time.monotonic(), "ok")) + b" " * LARGEST)
    assert line.receive(1) == Refused(Fault.SIZE, ME)


def test_a_flood_is_cut_and_ends(line, sender):
    taken = 0
    for _ in range(30):
        sender.send(Alive("vision", time.monotonic(), "ok"))
        taken += isinstance(line.receive(1), Alive)
    assert taken <= 10
    time.sleep(0.3)
    sender.send(a_match())  # one kind's flood does not use up another's budget
    assert isinstance(line.receive(1), Match)


def test_budget_refills_with_time():
    budget = Budget(rate=2, burst=4)
    assert [budget.take(100.0) for _ in range(5)] == [True] * 4 + [False]
    assert [budget.take(100.5) for _ in range(2)] == [True, False]
    assert [budget.take(200.0) for _ in range(5)] == [True] * 4 + [False]


def test_ids_remembered_are_bounded():
    judge = Judge(0.0)
    for n in range(10_000):
        judge.remember(str(n))
    assert len(judge._ids) == 4096


def test_a_socket_left_by_a_killed_door_is_replaced(tmp_path, line):
    again = Doorline(tmp_path / "d.sock", ME, ME)
    sender = DoorlineSender(tmp_path / "d.sock")
    assert sender.send(Alive("vision", time.monotonic(), "ok"))
    assert isinstance(again.receive(1), Alive)
    again.close()
    again.close()
    assert not sender.send(Alive("vision", time.monotonic(), "ok"))


def test_only_the_group_may_write(tmp_path, line):
    assert (tmp_path / "d.sock").stat().st_mode & 0o777 == 0o660


def test_a_path_too_long_says_what_to_do(tmp_path):
    with pytest.raises(DoorlineError, match="under 108 bytes"):
        Doorline(tmp_path / ("x" * 120), ME, ME)


def test_a_door_that_does_not_read_makes_the_sender_drop(tmp_path, line):
    sender = DoorlineSender(tmp_path / "d.sock")
    began = time.monotonic()
    assert not all(sender.send(Alive("vision", began, "ok")) for _ in range(5000))
    assert time.monotonic() - began < 5


def test_a_pin_is_not_in_the_text_of_its_fact():
    assert "246813" not in repr(PinDigits("246813", "screen", 1.0))


def good() -> list[dict[str, object]]:
    return [json.loads(encode(fact)) for fact in facts(50.0)]


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2}, {"v": None}, {"kind": "unlock"}, {"kind": ["match"]}, {"score": None}, {"score": True},
        {"score": "0.9"},
        {"score": 2}, {"votes": 3.0}, {"votes": -1}, {"person": ""}, {"person": "x" * 65}, {"person": 3}, {"extra": 1},
        {"taken_at": -1}, {"taken_at": 10**400}, {"model": "a\nb"}, {"model": "é"}, {"liveness": None},
        {"liveness": {}},
        {"liveness": {"live": 1, "passive": 0.9, "frames": 5, "surround": "still"}},
        {"liveness": {"live": True, "passive": 1.1, "frames": 5, "surround": "still"}},
        {"liveness": {"live": True, "passive": 0.9, "frames": 5, "surround": "sideways"}},
    ],
)  # fmt: skip
def test_a_match_with_one_wrong_field_is_malformed(change):
    with pytest.raises(DoorlineError):
        decode(json.dumps(good()[0] | change).encode())


@pytest.mark.parametrize("index", range(4))
def test_each_field_is_needed(index):
    for name in good()[index]:
        short = {key: value for key, value in good()[index].items() if key != name}
        with pytest.raises(DoorlineError):
            decode(json.dumps(short).encode())


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "3", '"x"', "{", "{}", '{"v":1}', "\x00", "[" * 4000,
        '{"v":1,"v":1,"kind":"alive","sender":"vision","at":1,"detail":"ok"}',
        '{"v":1,"kind":"alive","sender":"vision","at":NaN,"detail":"ok"}',
        '{"v":1,"kind":"alive","sender":"vision","at":1e999,"detail":"ok"}',
        '{"v":1,"kind":"alive","sender":"net","at":1,"detail":"ok"}',
        '{"v":1,"kind":"alive","sender":"vision","at":1,"detail":"fine"}',
        '{"v":1,"kind":"pin","digits":"12a456","keypad":"screen","entered_at":1}',
        '{"v":1,"kind":"pin","digits":"123456","keypad":"keypad","entered_at":1}',
    ],
)  # fmt: skip
def test_malformed_text(text):
    with pytest.raises(DoorlineError):
        decode(text.encode())


@given(st.binary(max_size=300))
def test_any_bytes_are_a_fact_or_an_error(data):
    with contextlib.suppress(DoorlineError):
        decode(data)


@given(st.sampled_from(range(4)), st.data())
def test_any_one_byte_changed_is_a_fact_or_an_error(index, data):
    words = bytearray(encode(facts(50.0)[index]))
    words[data.draw(st.integers(0, len(words) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DoorlineError):
        decode(bytes(words))


def test_what_is_not_finite_cannot_be_sent(sender):
    with pytest.raises(DoorlineError, match="computed it wrong"):
        sender.send(a_match(score=float("nan")))
    with pytest.raises(DoorlineError, match="4096"):
        sender.send(a_match(person="x" * 5000))
