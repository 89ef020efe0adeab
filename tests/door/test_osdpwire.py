"""What a reader may put on the wire, and what the door makes of it.

The reader is independent of libosdp (`tests/beds/osdp_wire.py`), so two implementations meet here; and it
misbehaves. Whatever it does: an event or silence, never an unlock, and the next card is read.
"""

import contextlib
import hashlib
import os
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from appliance.access.roster import Roster, RosterPerson
from appliance.daemons.doorparts import keep
from appliance.door import osdp, osdpline
from appliance.door.inbox import ReaderState
from appliance.door.osdp import SETTLE_SECONDS, OsdpReader, Settling
from appliance.door.osdpout import packed
from appliance.door.wiegand import Card
from appliance.facts import CardEntry, PinEntry
from appliance.settings import OsdpConfig
from tests.beds import osdp_wire as wire
from tests.door.test_loop import Bench
from tests.fakes import RecordingPost, eventually

KEY, OTHER = bytes.fromhex("00112233445566778899aabbccddeeff"), b"o" * 16
CARD = Card(26, 120, 4711)


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


ROSTER = Roster({"p": RosterPerson("p")}, pins={digest("246813"): "p"}, cards={digest(CARD.text): "p"})


@dataclass
class Bed:
    """The door's panel in this process, a strange reader on the other end of a pty."""

    post: RecordingPost
    panel: OsdpReader
    link: Path
    undo: contextlib.ExitStack
    ends: list[int] = field(default_factory=list)

    def plug(self) -> int:
        """A line; the one before is pulled out."""
        for end in self.ends:
            os.close(end)
        far, near = os.openpty()
        tty.setraw(far)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(near))
        self.ends = [far, near]
        return far

    def reader(self, **kinds: object) -> wire.Peripheral:
        found = wire.Peripheral(self.plug(), **{"key": KEY, **kinds})
        self.undo.callback(found.close)
        found.start()
        return found

    @property
    def states(self) -> list[str]:
        return [item.state for item in self.post.of(ReaderState)]

    @property
    def entries(self) -> list[CardEntry | PinEntry]:
        return [*self.post.of(CardEntry), *self.post.of(PinEntry)]

    def stands(self, seconds: float = 12.0) -> bool:
        return bool(eventually(lambda: self.states[-1:] == ["ok"], seconds))

    def reads_a_card(self, reader: wire.Peripheral) -> bool:
        reader.card(*packed(CARD))
        good = digest(CARD.text)
        return bool(eventually(lambda: [e for e in self.post.of(CardEntry) if e.digest == good], 6))


@pytest.fixture
def lay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Bed]]:
    """Lays as many as asked: most of the time here is waiting, which many can do at once."""
    pytest.importorskip("osdp_sys", reason="libosdp, which speaks OSDP, is not installed")
    monkeypatch.setattr(osdpline, "PROOF_SECONDS", 1.5)
    monkeypatch.setattr(osdpline, "ANEW_SECONDS", 2.0)
    monkeypatch.setattr(osdp, "RETRY_SECONDS", 0.2)
    monkeypatch.setattr(osdp, "SETTLE_SECONDS", 0.4)
    file = tmp_path / "key"
    file.write_text(KEY.hex())
    file.chmod(0o600)
    with contextlib.ExitStack() as undo:

        def laying() -> Bed:
            post, link = RecordingPost(), tmp_path / f"line{next(numbers)}"
            panel = OsdpReader(OsdpConfig(device=str(link), key_file=str(file)), 10.0, digest, digest, post)
            laid = Bed(post, panel, link, undo)
            laid.plug()
            undo.callback(lambda: [os.close(end) for end in laid.ends])
            keep(panel).start()
            undo.callback(panel.join, 3)
            undo.callback(panel.close)
            return laid

        numbers = count()
        yield laying


@pytest.fixture
def bed(lay: Callable[[], Bed]) -> Bed:
    return lay()


def test_a_card_and_a_pin_are_taken_and_neither_played_again_nor_forged(lay: Callable[[], Bed], caplog) -> None:
    bed, other = lay(), lay()
    reader, attacked, seen = bed.reader(), other.reader(), []

    def remember(answer: bytes) -> bytes:
        seen.append(answer)
        return answer

    assert bed.stands(), bed.states
    assert other.stands(), other.states
    reader.tamper, attacked.tamper = remember, forged
    assert bed.reads_a_card(reader)
    reader.type(b"9\x7f246813\x0d")
    (pin,) = eventually(lambda: bed.post.of(PinEntry), 5)
    assert (pin.digest, pin.keypad) == (digest("246813"), "osdp")
    reader.card(25, bytes(4))
    reader.card(26, bytes(4))
    reader.card(38, bytes(5))
    reader.card(200, bytes(25))
    reader.waiting.append((wire.RAW, bytes([0, 1, 26, 0, 1])))  # says 26 bits and brings 8
    assert eventually(lambda: len([e for e in bed.post.of(CardEntry) if e.digest is None]) >= 4, 6)
    before = len(bed.entries)
    assert bed.reads_a_card(reader)
    assert eventually(lambda: len(bed.entries) == before + 1)
    sealed = [answer for answer in seen if answer[6] == 0x18]
    assert len(sealed) >= 3, "they were seen on the wire"
    reader.tamper = lambda _answer: sealed[0]
    assert eventually(lambda: bed.states[-1] != "ok", 10), bed.states
    assert len(bed.entries) == before + 1, "no second card, no second PIN"
    assert other.states[-1] != "ok"
    assert other.entries == [], "no card in plain text"
    assert "4711" not in caplog.text
    assert "246813" not in caplog.text


IMPOSTORS = {
    "wrong key": ({"key": OTHER}, "unproven"),
    "default key": ({"default": True}, "unproven"),
    "default key set": ({"key": wire.DEFAULT_KEY, "default": True}, "unproven"),
    "plain text": ({"secure": False}, "unproven"),
    "deaf": ({"deaf": True}, "lost"),
}


def test_who_does_not_prove_the_key_is_not_heard(lay: Callable[[], Bed]) -> None:
    beds = {name: lay() for name in IMPOSTORS}
    readers = {name: beds[name].reader(**kind) for name, (kind, _) in IMPOSTORS.items()}
    for reader in readers.values():
        for _ in range(5):
            reader.card(*packed(CARD))
        reader.type(b"246813#")
    for name, (_, state) in IMPOSTORS.items():
        assert eventually(lambda bed=beds[name], state=state: bed.states[-1:] == [state], 8), (name, beds[name].states)
    time.sleep(1.0)
    for name, (_, state) in IMPOSTORS.items():
        assert set(beds[name].states) <= {"lost", state}, name
        assert beds[name].entries == [], name
    assert wire.ID in readers["plain text"].heard
    assert len(readers["plain text"].waiting) == 6, "it is not even asked what it read"


def crc_fault(answer: bytes) -> bytes:
    return answer[:-1] + bytes([answer[-1] ^ 1])


def mac_fault(answer: bytes) -> bytes:
    """A bit of the MAC or the sealed data is turned, and the CRC made to fit."""
    body = answer[:-3] + bytes([answer[-3] ^ 1])
    return body + wire.crc(body)


def other_sequence(answer: bytes) -> bytes:
    body = answer[:4] + bytes([answer[4] & ~3 | (answer[4] + 1) & 3]) + answer[5:-2]
    return body + wire.crc(body)


def forged(answer: bytes) -> bytes:
    """Somebody on the line answers in the reader's place, in plain text: this card was read."""
    bits, data = packed(CARD)
    raw = wire.Packet(0, answer[4] & 3, wire.RAW, bytes([0, 1]) + bits.to_bytes(2, "little") + data)
    return wire.build(raw, reply=True)


def noise(answer: bytes) -> bytes:
    return os.urandom(200)


def cut_short(answer: bytes) -> bytes:
    return answer[: len(answer) // 2]


def endless(answer: bytes) -> bytes:
    return b"\x53\x80\xff\xff\x04" + bytes(900)


FAULTS = (forged, crc_fault, mac_fault, other_sequence, noise, endless, cut_short)


@pytest.mark.slow
def test_a_fault_on_the_line_opens_nothing_and_passes(lay: Callable[[], Bed]) -> None:
    beds = [(fault, lay()) for fault in FAULTS]
    readers = [bed.reader() for _, bed in beds]
    assert all(bed.stands() for _, bed in beds)
    for (fault, _), reader in zip(beds, readers, strict=True):
        reader.tamper = fault
        reader.card(*packed(CARD))
    for fault, bed in beds:
        assert eventually(lambda bed=bed: bed.states[-1] in ("lost", "unproven"), 10), (fault, bed.states)
        bad = [entry for entry in bed.entries if entry.digest == digest(CARD.text)]
        assert bad == [], f"nothing under the fault {fault}"
    for reader in readers:
        reader.tamper, reader.waiting = bytes, []
    for (fault, bed), reader in zip(beds, readers, strict=True):
        assert bed.stands(), (fault, bed.states)
        assert bed.panel.is_alive()
        assert bed.reads_a_card(reader), fault


def test_pulled_out_in_mid_read_the_half_pin_is_forgotten_and_the_old_card_is_stale(bed: Bed, monkeypatch) -> None:
    monkeypatch.setattr(osdp, "SETTLE_SECONDS", 1.0)
    reader = bed.reader()
    assert bed.stands(), bed.states
    reader.type(b"246")
    assert eventually(lambda: not reader.waiting, 3)
    reader.close()
    bed.plug()
    assert eventually(lambda: bed.states[-1] == "lost", 8), bed.states
    time.sleep(0.3)
    # The reader goes on reading while nobody asks; both come at the first polls.
    again = bed.reader(waiting=[(wire.KEYPAD, b"\x00\x04813#"), (wire.RAW, b"\x00\x01\x1a\x00" + packed(CARD)[1])])
    assert bed.stands(15), bed.states
    (entry,) = eventually(lambda: bed.post.of(CardEntry), 3)
    assert time.monotonic() - entry.read_at > 2.0
    assert bed.post.of(PinEntry) == []
    again.type(b"813#")
    (pin,) = eventually(lambda: bed.post.of(PinEntry), 3)
    assert pin.digest == digest("813"), "the first half is gone"
    bench = Bench(ROSTER)
    age = time.monotonic() - entry.read_at
    bench.turn(CardEntry(entry.digest, entry.reader, bench.now - age)).written()
    assert not bench.released
    assert bench.record.whys()[-1] == "stale"


def test_what_the_wire_brought_is_an_event_with_a_reason_and_no_unlock() -> None:
    bench = Bench(ROSTER)
    said = []
    for entry in (
        CardEntry(None, "osdp", bench.now),
        CardEntry(digest("26:1:1"), "osdp", bench.now),
        CardEntry(digest(CARD.text), "osdp", 0.0),
        PinEntry(digest("813"), "osdp", bench.now),
    ):
        bench.turn(entry).written()
        said.append(bench.record.whys()[-1])
        assert not bench.released
    assert said == ["malformed", "unknown_card", "stale", "unknown_pin"]
    bench.turn(CardEntry(digest(CARD.text), "osdp", bench.now)).written()
    assert bench.released


def test_a_reader_that_went_silent_settles_anew() -> None:
    settling = Settling()
    assert not settling.over(10.0, True)
    assert not settling.over(10.0 + SETTLE_SECONDS * 0.9, True)
    assert settling.over(10.0 + SETTLE_SECONDS, True)
    assert not settling.over(12.0, False)
    assert not settling.over(12.1, True)
    assert settling.over(12.1 + SETTLE_SECONDS, True)
