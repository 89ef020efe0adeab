"""The appliance as another panel's OSDP reader: over a pty, against a panel independent of libosdp."""

import contextlib
import os
import subprocess
import sys
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given

from appliance.daemons.doorparts import keep
from appliance.door import osdpline, osdpout
from appliance.door.feedback import Cue, Feedback
from appliance.door.inbox import PanelMissed, PanelState
from appliance.door.osdp import bits_of
from appliance.door.osdpline import Proof
from appliance.door.osdpout import OsdpOut, packed
from appliance.door.wiegand import Card, decode
from appliance.errors import LockError
from appliance.settings import OsdpOutConfig
from tests.beds import osdp_wire as wire
from tests.door.test_loop import Bench
from tests.door.test_wiegand import cards
from tests.fakes import RecordingPost, eventually

KEY, OTHER = bytes.fromhex("00112233445566778899aabbccddeeff"), b"o" * 16
CARD = Card(26, 120, 4711)
BEDS = Path(__file__).parents[1] / "beds"


@given(cards())
def test_a_card_is_packed_as_a_panel_unpacks_it(card: Card) -> None:
    size, data = packed(card)
    assert size == card.bits
    assert decode(bits_of(data, size) or ()) == card


def test_silence_and_chatter_are_told_apart_and_neither_too_soon() -> None:
    proof = Proof(100.0)
    assert proof.judge(100.0, False, 50) is None
    assert proof.judge(104.9, False, 50) is None
    assert proof.judge(105.1, False, 50) == "unproven"
    assert proof.judge(106.0, True, 60) == "ok"
    assert proof.judge(110.0, False, 60) is None
    assert proof.judge(111.1, False, 60) == "lost"
    assert proof.judge(112.0, False, 61) is None, "back after a silence, it has its time"
    assert proof.judge(117.1, False, 61) == "unproven"
    assert not proof.over(120.9)
    assert proof.over(121.1)


@dataclass
class Bed:
    """The appliance on one end of a pty; the test holds the other."""

    post: RecordingPost
    out: OsdpOut
    far: int
    key_file: Path
    shown: list[bool]
    case: list[bool]

    def panel(self, key: bytes = KEY) -> wire.Panel:
        return wire.Panel(self.far, key)

    def begun(self, panel: wire.Panel) -> bool:
        """The first words of a line are often lost: panels try again."""
        begun = bool(eventually(panel.begin, 8))
        return begun and bool(eventually(lambda: self.states[-1:] == ["ok"]))

    @property
    def states(self) -> list[str]:
        return [item.state for item in self.post.of(PanelState)]

    @property
    def missed(self) -> list[str]:
        return [item.cause for item in self.post.of(PanelMissed)]


@pytest.fixture
def lay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Bed]]:
    pytest.importorskip("osdp_sys", reason="libosdp, which speaks OSDP, is not installed")
    monkeypatch.setattr(osdpline, "PROOF_SECONDS", 1.5)
    monkeypatch.setattr(osdpline, "ANEW_SECONDS", 3.0)
    monkeypatch.setattr(osdpout, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(osdpout, "SILENT_SECONDS", 1.0)
    monkeypatch.setattr(osdpout, "LATEST_SECONDS", 1.0)
    stack = contextlib.ExitStack()

    def lay() -> Bed:
        file = tmp_path / "key"
        file.write_text(KEY.hex())
        file.chmod(0o600)
        far, near = os.openpty()
        tty.setraw(far)
        link = tmp_path / "line"
        link.symlink_to(os.ttyname(near))
        stack.callback(os.close, far)
        stack.callback(os.close, near)
        post, shown, case = RecordingPost(), [], [False]
        out = OsdpOut(OsdpOutConfig(device=str(link), key_file=str(file)), post, lambda: case[0], shown.append)
        keep(out).start()
        stack.callback(out.join, 3)
        stack.callback(out.close)
        return Bed(post, out, far, file, shown, case)

    yield lay
    stack.close()


def test_who_was_let_in_is_told_over_the_secure_channel_and_no_order_but_lamps_is_obeyed(lay, caplog) -> None:
    bed = lay()
    panel = bed.panel()
    assert bed.begun(panel)
    bed.out.card(CARD, time.monotonic())
    (event,) = panel.events(0.6)
    assert event.code == wire.RAW
    assert event.block == b"\x18", "sealed"
    assert event.data[:4] == bytes([0, 1, 26, 0])
    assert decode(bits_of(event.data[4:], 26) or ()) == CARD
    assert panel.events(0.4) == [], "once"
    assert bed.missed == []
    assert "4711" not in caplog.text

    def lamp(colour: int, control: int = 2) -> int:
        return panel.ask(wire.LED, bytes([0, 0, control, 2, 1, colour, 0, 30, 0, 0, 0, 0, 0, 0])).code

    assert [lamp(2), lamp(1), lamp(2, control=1), lamp(4)] == [wire.ACK] * 4
    assert bed.shown == [True, False]
    assert panel.ask(wire.BUZ, bytes([0, 2, 1, 1, 1])).code == wire.ACK
    for order, data in (
        (wire.KEYSET, bytes([1, 16]) + OTHER),
        (wire.COMSET, bytes([5]) + (115200).to_bytes(4, "little")),
        (wire.OUT, bytes([0, 2, 0, 0])),
    ):
        assert panel.ask(order, data).code == wire.NAK
    bed.case[0] = True
    (told,) = panel.events(0.5)
    assert (told.code, told.data) == (wire.LSTATR, b"\x01\x00")
    bed.case[0] = False
    (told,) = panel.events(0.5)
    assert told.data == b"\x00\x00"
    assert eventually(panel.begin, 5), "the key is the old one"


@pytest.mark.parametrize(
    "kind", ["no key", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("wrong key", "default key"))]
)
def test_a_panel_without_the_key_is_told_of_nobody(lay, kind: str, caplog) -> None:
    bed = lay()
    panel = bed.panel(OTHER if kind == "wrong key" else KEY)
    heard: list[wire.Packet] = []
    end = time.monotonic() + 2.2
    bed.out.card(CARD, time.monotonic())
    while time.monotonic() < end:
        if kind != "no key":
            assert not panel.begin(default=kind == "default key")
        panel.keys = None
        bed.out.card(CARD, time.monotonic()) if not bed.out._cards.queue else None
        if (answer := panel.ask(wire.POLL, seconds=0.2)) is not None:
            heard.append(answer)
        time.sleep(0.05)
    assert heard
    if kind == "no key":
        assert panel.ask(wire.LED, bytes([0, 0, 2, 2, 1, 2, 0, 30, 0, 0, 0, 0, 0, 0])).code == wire.NAK
        assert bed.shown == []
    assert {answer.code for answer in heard} <= {wire.NAK, wire.ACK}
    assert eventually(lambda: bed.states == ["unproven"], 3), bed.states
    assert "line" in bed.missed
    assert "told of nobody" in caplog.text
    assert bed.begun(bed.panel()), "the right panel needs no restart"
    assert eventually(lambda: bed.states[-1] == "ok")


@pytest.mark.slow
def test_a_card_that_was_not_fetched_is_never_sent_later(lay) -> None:
    bed = lay()
    panel = bed.panel()
    assert bed.begun(panel)
    bed.out.card(CARD, time.monotonic())  # and the panel asks no more
    assert eventually(lambda: bed.missed == ["line"], 4), bed.missed
    assert eventually(lambda: bed.states == ["ok", "lost"], 6), bed.states
    assert bed.begun(panel)
    assert panel.events(0.6) == []
    bed.out.card(CARD, time.monotonic() - 2)
    assert panel.events(0.4) == []
    assert bed.missed == ["line", "line"] or bed.missed == ["line", "late"]
    bed.out.card(CARD, time.monotonic())
    assert [event.code for event in panel.events(0.5)] == [wire.RAW]


@pytest.mark.slow
def test_a_line_pulled_out_and_put_back_and_a_key_put_right_need_no_restart(lay, tmp_path: Path) -> None:
    bed = lay()
    assert bed.begun(bed.panel())
    far, near = os.openpty()
    tty.setraw(far)
    bed.key_file.write_text("rubbish")
    (tmp_path / "line").unlink()
    (tmp_path / "line").symlink_to(os.ttyname(near))
    assert eventually(lambda: bed.states == ["ok", "lost"], 8), bed.states
    bed.key_file.write_text(KEY.hex())
    assert eventually(wire.Panel(far, KEY).begin, 8)
    assert eventually(lambda: bed.states == ["ok", "lost", "ok"])
    os.close(far)
    os.close(near)


@pytest.mark.slow
def test_noise_on_the_line_ends_nothing(lay) -> None:
    bed = lay()
    panel = bed.panel()
    assert bed.begun(panel)
    for noise in (
        b"\x53" * 40,
        os.urandom(500),
        b"\x53\x00\xff\xff\x04" + bytes(300),
        b"\x53\x00\x08\x00\x04\x60\x00\x00",
    ):
        os.write(bed.far, noise)
        time.sleep(0.05)
    assert bed.out.is_alive()
    with contextlib.suppress(ValueError):
        panel.events(0.3)
    os.set_blocking(bed.far, False)
    with contextlib.suppress(BlockingIOError):
        os.read(bed.far, 65536)
    again = bed.panel()
    assert bed.begun(again)
    bed.out.card(CARD, time.monotonic())
    assert [event.code for event in again.events(0.6)] == [wire.RAW]


def test_what_cannot_be_read_counts_as_an_open_case_and_a_full_queue_is_said() -> None:
    def cut() -> bool:
        raise LockError("tamper: the line is cut; look at it")

    post = RecordingPost()
    out = OsdpOut(OsdpOutConfig(device="/dev/none", key_file="k"), post, cut, lambda lets_in: None)
    assert out._case()
    for _ in range(10):
        out.card(CARD, time.monotonic())
    assert post.of(PanelMissed) == [PanelMissed("full")] * 2


def test_the_panels_word_is_recorded_once_each() -> None:
    bench = Bench()
    for state in ("ok", "lost", "lost", "unproven", "ok"):
        bench.turn(PanelState(state))
    bench.turn(PanelMissed("line"))
    found = [why for why in bench.record.whys() if "panel" in why]
    assert found == ["panel_lost", "panel_unproven", "panel_back", "panel_missed"]
    assert not bench.released


def test_the_panels_refusal_is_shown_and_its_consent_not_twice() -> None:
    lamps = Feedback({})
    lamps.told({"state": "UNLOCKED", "answer": {"n": 1, "why": "granted"}})
    begun = lamps._cues
    lamps.panel_said(True)
    assert (lamps._cue, lamps._cues) == (Cue.GRANTED, begun)
    lamps.panel_said(False)
    assert lamps._cue is Cue.DENIED
    lamps.told({"state": "FORCED", "answer": {"n": 1, "why": "granted"}})
    lamps.panel_said(True)
    assert lamps._cue is Cue.FORCED, "an alarm is not interrupted"


@pytest.mark.slow
def test_another_makers_panel_hears_the_card(lay, tmp_path: Path) -> None:
    """python-osdp, installed apart: it and libosdp both call themselves `osdp`."""
    packages = tmp_path / "packages"
    words = ["install", "--quiet", "--target", str(packages), "--require-hashes", "-r", str(BEDS / "osdp_panel.txt")]
    if subprocess.run([sys.executable, "-m", "pip", *words], check=False, capture_output=True).returncode:
        pytest.skip("the package osdp, another maker's panel, cannot be installed here")
    master, bed = b"m" * 16, lay()
    probe = bed.panel()
    assert bed.begun(probe)
    # That panel derives each reader's key from its own and the reader's name.
    bed.key_file.write_text(wire.ecb(master, probe.cuid + wire.inverse(probe.cuid)).hex())
    ends = [tmp_path / "a", tmp_path / "b"]
    pipe = subprocess.Popen(["socat", *(f"pty,raw,echo=0,link={end}" for end in ends)])
    assert eventually(lambda: all(end.exists() for end in ends))
    (tmp_path / "line").unlink()
    (tmp_path / "line").symlink_to(ends[0])
    assert eventually(lambda: bed.states[-1] == "lost", 8)
    said = tmp_path / "said"
    with said.open("wb") as file:
        child = subprocess.Popen(
            [sys.executable, str(BEDS / "osdp_panel.py"), str(ends[1]), master.hex(), "12"],
            env={**os.environ, "PYTHONPATH": str(packages)},
            stdout=file,
        )
    try:
        assert eventually(lambda: "lamp True" in said.read_text(), 10), said.read_text()
        assert eventually(lambda: bed.states[-1] == "ok")
        bed.out.card(CARD, time.monotonic())
        assert eventually(lambda: f"card 26 {packed(CARD)[1].hex()}" in said.read_text(), 5), said.read_text()
        bed.case[0] = True
        assert eventually(lambda: "tamper 1" in said.read_text(), 5), said.read_text()
        assert bed.shown == [True]
    finally:
        child.kill()
        child.wait()
        pipe.kill()
        pipe.wait()
