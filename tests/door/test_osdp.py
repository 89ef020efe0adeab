"""A reader by OSDP: its key, its bits, and the real wire protocol over a pty with a reader in another process.

Both ends are libosdp, in two processes: what is proven here is that this end takes nothing from a
reader without the key, not that two makers' stacks agree.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config import from_mapping
from appliance.door import osdp, osdpline
from appliance.door.inbox import PinUnusable, ReaderState
from appliance.door.osdp import OsdpReader, bits_of
from appliance.door.osdpline import DEFAULT_KEY, SerialLine, read_key
from appliance.door.wiegand import Card, decode, encode
from appliance.errors import ConfigError, KeyFileError, ReaderError
from appliance.facts import CardEntry, PinEntry
from appliance.settings import OsdpConfig
from tests.door.test_loop import Bench
from tests.fakes import RecordingPost, eventually

READER = Path(__file__).parents[1] / "beds" / "osdp_reader.py"
KEY, OTHER = "00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"


def packed(card: Card) -> str:
    """The bits from the first one on, as hex."""
    wire = encode(card)
    text = "".join(map(str, wire)).ljust(-(-len(wire) // 8) * 8, "0")
    return f"{int(text, 2):0{len(text) // 4}x}"


@pytest.mark.parametrize("card", [Card(26, 120, 4711), Card(34, 40000, 9), Card(37, 7, 500_000)])
def test_a_cards_bits_are_taken_from_the_first_on(card: Card) -> None:
    assert bits_of(bytes.fromhex(packed(card)), card.bits) == encode(card)


@given(st.binary(max_size=40), st.integers(-5, 400))
def test_any_length_is_bits_or_nothing(data: bytes, length: int) -> None:
    found = bits_of(data, length)
    assert found is None or len(found) == length
    if found:
        decode(found)


@pytest.mark.parametrize("text", ["", "00", KEY + "00", "zz" * 16, DEFAULT_KEY.hex()])
def test_a_key_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(KeyFileError):
        read_key(file)


def test_a_key_is_read_and_one_open_to_others_is_not(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    file.chmod(0o600)
    assert read_key(file) == bytes.fromhex(KEY)
    file.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 0600"):
        read_key(file)
    with pytest.raises(KeyFileError, match="cannot be read"):
        read_key(tmp_path / "none")


@pytest.mark.parametrize("section", [{"device": "/dev/ttyUSB0"}, {"baud": 12345}, {"address": 127}])
def test_settings_that_cannot_be_are_refused(section: dict) -> None:
    with pytest.raises(ConfigError, match="osdp"):
        from_mapping({"site": {"site": "s", "door": "d"}, "osdp": section})


def test_a_line_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match=r"osdp\.device"):
        SerialLine(str(tmp_path / "tty"), 9600)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ReaderError, match=r"osdp\.device"):
        SerialLine(str(file), 9600)


def test_a_line_that_goes_away_breaks_without_a_word() -> None:
    far, near = os.openpty()
    line = SerialLine(os.ttyname(near), 9600)
    os.write(far, b"\xff" * 10)
    assert line.read(4) == b"\xff" * 4
    assert line.received == 4
    line.flush()
    assert line.read(9) == b""
    assert line.broken is None
    os.close(near)
    os.close(far)
    assert line.read(9) == b""
    assert line.write(b"x") == 0
    assert line.broken is not None
    line.close()


def test_without_the_package_nothing_opens_and_nothing_breaks(tmp_path: Path, monkeypatch, caplog) -> None:
    monkeypatch.setitem(sys.modules, "osdp", None)
    post = RecordingPost()
    reader = OsdpReader(OsdpConfig(device="/dev/none", key_file="k"), 10, str.encode, str.encode, post)
    reader.start()
    assert eventually(lambda: post.items) == [ReaderState("lost")]
    reader.close()
    reader.join(3)
    assert "pip install libosdp" in caplog.text


def test_a_reader_lost_unproven_and_back_is_recorded_once_each() -> None:
    bench = Bench()
    for state in ("ok", "lost", "lost", "unproven", "ok", "ok"):
        bench.turn(ReaderState(state))
    assert [why for why in bench.record.whys() if "reader" in why] == ["reader_lost", "reader_unproven", "reader_back"]


# --- the real protocol


@dataclass
class Bed:
    """The panel in this process, a reader in another, a pty between them."""

    post: RecordingPost
    panel: OsdpReader
    reader: "subprocess.Popen[str]"
    again: "Callable[[], subprocess.Popen[str]]"

    def say(self, line: str) -> None:
        assert self.reader.stdin
        self.reader.stdin.write(line + "\n")
        self.reader.stdin.flush()

    @property
    def states(self) -> list[str]:
        return [item.state for item in self.post.of(ReaderState)]


@pytest.fixture
def bed(tmp_path: Path):
    pytest.importorskip("osdp_sys", reason="libosdp, which speaks OSDP, is not installed")
    file = tmp_path / "key"
    file.write_text(KEY)
    file.chmod(0o600)
    stack = contextlib.ExitStack()

    def lay(key: str, digest=lambda text: text.encode()) -> Bed:
        far, near = os.openpty()
        stack.callback(os.close, far)
        stack.callback(os.close, near)
        post = RecordingPost()
        config = OsdpConfig(device=os.ttyname(near), key_file=str(file))
        panel = OsdpReader(config, 10.0, digest, digest, post)

        def reader() -> "subprocess.Popen[str]":
            words = [sys.executable, str(READER), str(far), key]
            child = subprocess.Popen(words, pass_fds=[far], stdin=subprocess.PIPE, text=True)
            stack.callback(child.wait, 5)
            stack.callback(child.kill)
            return child

        panel.start()
        stack.callback(panel.join, 3)
        stack.callback(panel.close)
        return Bed(post, panel, reader(), reader)

    yield lay
    stack.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(osdpline, "PROOF_SECONDS", 2.0)
    monkeypatch.setattr(osdpline, "ANEW_SECONDS", 3.0)
    monkeypatch.setattr(osdp, "RETRY_SECONDS", 0.2)


@pytest.mark.slow
def test_a_card_and_a_pin_come_through_the_secure_channel(bed, quick) -> None:
    known = [True]
    laid = bed(KEY, lambda text: text.encode() if known[0] else None)
    assert eventually(lambda: laid.states == ["ok"], 10), laid.states
    card = Card(26, 120, 4711)
    laid.say(f"card 26 {packed(card)}")
    (entry,) = eventually(lambda: laid.post.of(CardEntry), 5)
    assert (entry.digest, entry.reader) == (card.text.encode(), "osdp")
    laid.say("keys 246813#")
    (pin,) = eventually(lambda: laid.post.of(PinEntry), 5)
    assert (pin.digest, pin.keypad) == (b"246813", "osdp")
    laid.say("card 26 00000000")
    assert eventually(lambda: [e for e in laid.post.of(CardEntry) if e.digest is None], 5)
    known[0] = False  # as without a device key
    laid.say(f"card 26 {packed(card)}")
    assert eventually(lambda: laid.post.of(PinUnusable), 5) == [PinUnusable("osdp")]


@pytest.mark.slow
def test_a_reader_whose_power_fails_is_lost_and_comes_back(bed, quick) -> None:
    laid = bed(KEY)
    assert eventually(lambda: laid.states == ["ok"], 10), laid.states
    laid.reader.kill()
    assert eventually(lambda: laid.states == ["ok", "lost"], 20), laid.states
    laid.again()
    assert eventually(lambda: laid.states == ["ok", "lost", "ok"], 20), laid.states


@pytest.mark.slow
def test_a_reader_without_the_key_is_told_of_and_opens_nothing(bed, quick) -> None:
    """Of libosdp's own; `test_osdpwire.py` tries others in every run."""
    several = [bed(key) for key in (OTHER, DEFAULT_KEY.hex(), "-")]
    for laid in several:
        laid.say(f"card 26 {packed(Card(26, 120, 4711))}")
        laid.say("keys 246813#")
    for laid in several:
        assert eventually(lambda laid=laid: "unproven" in laid.states, 10), laid.states
    time.sleep(2.5)
    for laid in several:
        assert set(laid.states) == {"unproven"}
        assert laid.post.of(CardEntry) + laid.post.of(PinEntry) == []
