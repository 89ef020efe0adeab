"""Wiegand: the formats bit by bit, frames out of pulses, and a card's way from two pins to the relay."""

import random
import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import pytest
from gpiozero.pins.mock import MockFactory, MockPin
from hypothesis import given
from hypothesis import strategies as st

from appliance.access.decide import decide
from appliance.access.lockout import Lockouts, Outcome
from appliance.access.proof import Known
from appliance.access.roster import Roster, RosterPerson
from appliance.config import from_mapping
from appliance.door.cards import WiegandReader, send
from appliance.door.inbox import PinUnusable
from appliance.door.pins import PulseIn, PulseOut, open_lines
from appliance.door.wiegand import BIT_SECONDS, GAP_SECONDS, MOST_BITS, Card, Fault, Frames, card_of, decode, encode
from appliance.errors import CardError, ConfigError
from appliance.facts import CardEntry, ClockQuality, Credential, Moment, Reason
from appliance.settings import PinsConfig, WiegandConfig
from tests.door.test_loop import Bench
from tests.fakes import RecordingPost, eventually

FORMATS = {26: (8, 16), 34: (16, 16), 37: (16, 19)}


def bits(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.replace(" ", "")))


@st.composite
def cards(draw) -> Card:
    size = draw(st.sampled_from(sorted(FORMATS)))
    facility, number = FORMATS[size]
    return Card(size, draw(st.integers(0, (1 << facility) - 1)), draw(st.integers(0, (1 << number) - 1)))


@pytest.mark.parametrize(
    ("card", "wire"),
    [
        # Reckoned by hand: even parity over the first half, odd over the second.
        (Card(26, 0, 0), "0 00000000 0000000000000000 1"),
        (Card(26, 1, 1), "1 00000001 0000000000000001 0"),
        (Card(26, 255, 65535), "0 11111111 1111111111111111 1"),
        (Card(26, 120, 4711), "1 01111000 0001001001100111 1"),
        (Card(34, 1, 3), "1 0000000000000001 0000000000000011 1"),
        # 35 bits between the parity bits: the 18th counts for both halves.
        (Card(37, 0, 1 << 17), "1 0000000000000000 0100000000000000000 0"),
        (Card(37, 1, 1), "1 0000000000000001 0000000000000000001 0"),
        (Card(37, 65535, 524287), "0 1111111111111111 1111111111111111111 1"),
    ],
)
def test_the_formats_are_exact(card: Card, wire: str) -> None:
    assert encode(card) == bits(wire)
    assert decode(bits(wire)) == card


@given(cards())
def test_every_card_comes_back(card: Card) -> None:
    assert len(encode(card)) == card.bits
    assert decode(encode(card)) == card
    assert card_of(card.text) == card


@given(cards(), st.data())
def test_one_wrong_bit_is_never_another_card(card: Card, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, card.bits - 1))
    wire = list(encode(card))
    wire[place] ^= 1
    assert decode(wire) in (Fault.EVEN_PARITY, Fault.ODD_PARITY)


@given(st.lists(st.integers(0, 1), max_size=140))
def test_any_bits_are_a_card_or_a_fault(frame: list[int]) -> None:
    found = decode(frame)
    assert isinstance(found, Card | Fault)
    assert isinstance(found, Card) <= (len(frame) in FORMATS)


@pytest.mark.parametrize(
    "text", ["", "1", "1:2:3:4", "256:1", "1:65536", "35:1:1", "a:b", "-1:2", "²:1", "1:" + "9" * 11]
)
def test_a_card_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(CardError):
        card_of(text)


def test_a_card_is_written_as_printed_and_never_shown() -> None:
    assert card_of(" 120:4711 ") == Card(26, 120, 4711) == card_of("26:120:4711")
    assert card_of("37:65535:524287").text == "37:65535:524287"
    assert "4711" not in repr(card_of("120:4711"))


def test_a_pause_ends_a_frame_and_nothing_else_does() -> None:
    frames, at = Frames(), 10.0
    for bit in (1, 0, 1):
        assert frames.pulse(bit, at) is None
        at += GAP_SECONDS * 0.9
    assert frames.ended(at) is None
    assert frames.pulse(0, at + GAP_SECONDS) == (1, 0, 1)
    assert frames.ended(at + 3 * GAP_SECONDS) == (0,)
    assert frames.ended(at + 9) is None
    assert not frames.busy


def test_a_fluttering_line_fills_no_memory() -> None:
    frames = Frames()
    for number in range(100_000):
        assert frames.pulse(1, number * 1e-3) is None
    done = frames.ended(1e3)
    assert done is not None
    assert len(done) == MOST_BITS + 1
    assert decode(done) is Fault.LENGTH


# --- pins


class Wire:
    """Two recording pins with a reader's hand on them."""

    def __init__(self, post: RecordingPost, digest=lambda text: text.encode().ljust(32, b".")) -> None:
        factory = MockFactory()
        self.pins: tuple[MockPin, MockPin] = (factory.pin(5), factory.pin(6))
        self.reader = WiegandReader(digest, post)
        self.lines = [PulseIn(f"d{bit}", pin) for bit, pin in enumerate(self.pins)]  # gpiozero keeps weak references
        for bit, line in enumerate(self.lines):
            line.watch(partial(self.reader.pulse, bit))
        self.reader.start()

    def give(self, wire: tuple[int, ...]) -> None:
        for bit in wire:
            self.pins[bit].drive_low()
            self.pins[bit].drive_high()
        time.sleep(2 * GAP_SECONDS)


@pytest.fixture
def post() -> RecordingPost:
    return RecordingPost()


@pytest.fixture
def wire(post: RecordingPost) -> Iterator[Wire]:
    wire = Wire(post)
    yield wire
    wire.reader.close()
    wire.reader.join(2)
    assert not wire.reader.is_alive()


@pytest.mark.parametrize("card", [Card(26, 120, 4711), Card(34, 40000, 9), Card(37, 7, 500_000)])
def test_pulses_on_two_pins_become_a_card(wire: Wire, post: RecordingPost, card: Card) -> None:
    wire.give(encode(card))
    (entry,) = eventually(lambda: post.of(CardEntry))
    assert (entry.digest, entry.reader) == (card.text.encode().ljust(32, b"."), "wiegand")
    assert time.monotonic() - entry.read_at < 1
    assert "4711" not in repr(entry)


def test_a_card_that_waited_bears_the_time_it_was_read(post: RecordingPost) -> None:
    reader = WiegandReader(lambda text: text.encode(), post)
    long_ago = time.monotonic() - 60
    for number, bit in enumerate(encode(Card(26, 120, 4711))):
        reader.pulse(bit, long_ago + number * 2e-3)
    reader.start()
    (entry,) = eventually(lambda: post.of(CardEntry))
    assert entry.read_at == pytest.approx(long_ago + 25 * 2e-3)
    reader.close()
    reader.join(2)


def test_a_line_that_flutters_is_told_a_few_times_and_counted(post: RecordingPost, caplog) -> None:
    reader = WiegandReader(lambda text: text.encode(), post)
    start = time.monotonic()
    for number in range(200):
        reader.pulse(1, start + number)
    for number, bit in enumerate(encode(Card(26, 120, 4711))):
        reader.pulse(bit, start + 300 + number * 2e-3)
    reader.pulse(0, start + 400)
    reader.start()
    eventually(lambda: [entry for entry in post.of(CardEntry) if entry.digest is not None])
    assert 1 <= len([entry for entry in post.of(CardEntry) if entry.digest is None]) <= 6
    assert "more frames were no card" in caplog.text
    reader.close()
    reader.join(2)


def test_two_cards_in_a_row_stay_two(wire: Wire, post: RecordingPost) -> None:
    for number in (1, 2):
        wire.give(encode(Card(26, 1, number)))
    assert [entry.digest[:6] for entry in eventually(lambda: len(post.items) == 2 and post.items)] == [
        b"26:1:1",
        b"26:1:2",
    ]


def test_garbage_on_the_wire_is_told_and_the_next_card_is_read(wire: Wire, post: RecordingPost, caplog) -> None:
    dice, wrong = random.Random(4), list(encode(Card(26, 120, 4711)))
    wrong[3] ^= 1
    garbage = [(0,), (1,) * 25, (1,) * 27, tuple(wrong), tuple(dice.choices((0, 1), k=300))]
    for frame in garbage:
        wire.give(frame)
    wire.give(encode(Card(26, 1, 2)))
    entries = eventually(lambda: len(post.items) == 6 and post.items)
    assert [entry.digest is None for entry in entries] == [True] * 5 + [False]
    assert {record.args[1] for record in caplog.records} == {Fault.LENGTH, Fault.EVEN_PARITY}
    assert "4711" not in caplog.text


def test_without_a_key_no_card_can_be_checked(post: RecordingPost) -> None:
    wire = Wire(post, digest=lambda text: None)
    wire.give(encode(Card(26, 1, 2)))
    assert eventually(lambda: post.items) == [PinUnusable("wiegand")]
    wire.reader.close()


class RecordingOut:
    """A line to a panel that remembers when it was pulled, by a clock that stands."""

    def __init__(self, bit: int, told: list[int]) -> None:
        self.bit, self.told = bit, told

    def pulse(self, seconds: float) -> None:
        assert seconds == pytest.approx(50e-6)
        self.told.append(self.bit)


def test_a_number_is_sent_as_a_reader_sends_it() -> None:
    told: list[int] = []
    slept: list[float] = []
    card = Card(37, 1234, 56789)
    send(card, RecordingOut(0, told), RecordingOut(1, told), slept.append)
    assert tuple(told) == encode(card)
    assert slept == [BIT_SECONDS] * 37 + [2 * GAP_SECONDS]


def test_what_is_sent_on_pins_is_read_on_pins(post: RecordingPost) -> None:
    """Out on two recording pins, and every fall of theirs into a reader."""
    factory = MockFactory()
    outs = [factory.pin(20), factory.pin(21)]
    lines = [PulseOut(f"out{bit}", pin) for bit, pin in enumerate(outs)]
    assert [pin.state for pin in outs] == [1, 1], "taken without a pulse"
    for pin in outs:
        pin.clear_states()
    frames, card = Frames(), Card(26, 120, 4711)
    began = time.monotonic()
    send(card, *lines)
    falls = []
    for bit, pin in enumerate(outs):
        at = 0.0
        for state in pin.states[1:]:
            at += state.timestamp
            if not state.state:
                falls.append((at, bit))
    falls.sort()
    for at, bit in falls:
        assert frames.pulse(bit, at) is None
    wire = frames.ended(falls[-1][0] + 1)
    assert decode(wire) == card
    assert min(later - sooner for (sooner, _), (later, _) in pairwise(falls)) >= BIT_SECONDS
    assert time.monotonic() - began < 1
    widths = [
        later.timestamp for pin in outs for sooner, later in pairwise(pin.states) if later.state and not sooner.state
    ]
    assert all(width >= 50e-6 for width in widths)


def test_the_lines_are_taken_with_the_others() -> None:
    config = PinsConfig(driver="mock")
    assert open_lines(config).reader is None
    assert open_lines(config, WiegandConfig()).reader is None
    assert [line.name for line in open_lines(config, WiegandConfig(5, 6)).reader] == ["wiegand.d0", "wiegand.d1"]


@pytest.mark.parametrize("lines", [{"d0": 5}, {"d1": 5}, {"d0": 5, "d1": 5}, {"d0": 17, "d1": 5}])
def test_lines_that_clash_are_refused(lines: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="wiegand"):
        from_mapping({"site": {"site": "s", "door": "d"}, "wiegand": lines})


# --- the decision

DIGEST = b"c" * 32
ROSTER = Roster({"p": RosterPerson("p")}, cards={DIGEST: "p"})
AWAY = Roster({"p": RosterPerson("p", active=False)}, cards={DIGEST: "p"})
NOW = Moment(100.0, 1_790_000_000.0, ClockQuality.SYNCED)


@pytest.mark.parametrize(
    ("entry", "roster", "reason"),
    [
        (CardEntry(DIGEST, "wiegand", 99.9), ROSTER, Reason.GRANTED),
        (CardEntry(b"x" * 32, "wiegand", 99.9), ROSTER, Reason.UNKNOWN_CARD),
        (CardEntry(None, "wiegand", 99.9), ROSTER, Reason.MALFORMED),
        (CardEntry(DIGEST, "wiegand", 97.0), ROSTER, Reason.STALE),
        (CardEntry(DIGEST, "wiegand", 99.9), Roster({}, cards={DIGEST: "p"}), Reason.UNKNOWN_CARD),
        (CardEntry(DIGEST, "wiegand", 99.9), AWAY, Reason.SUSPENDED),
    ],
)  # fmt: skip
def test_a_card_opens_for_whom_it_is(entry: CardEntry, roster: Roster, reason: Reason) -> None:
    decision = decide(entry, Known(roster), NOW).decision
    assert (decision.reason, decision.granted, decision.by) == (reason, reason is Reason.GRANTED, Credential.CARD)


def test_guessing_numbers_locks_the_reader_out() -> None:
    lockouts = Lockouts()
    for _ in range(5):
        lockouts = lockouts.after(Outcome(Reason.UNKNOWN_CARD, Credential.CARD, None, "wiegand"), 99.0)
    decision = decide(CardEntry(DIGEST, "wiegand", 99.9), Known(ROSTER, lockouts), NOW).decision
    assert (decision.reason, decision.person) == (Reason.LOCKED_OUT, None)
    assert decide(CardEntry(DIGEST, "osdp", 99.9), Known(ROSTER, lockouts), NOW).decision.granted


def test_a_card_at_the_loop_opens_and_garbage_is_recorded() -> None:
    bench = Bench(ROSTER)
    bench.turn(CardEntry(None, "wiegand", bench.now)).written()
    assert not bench.released
    event = bench.record.events[-1]
    assert (event.type, event.why, event.by, event.detail) == ("access", "malformed", "card", {"keypad": "wiegand"})
    bench.turn(CardEntry(DIGEST, "wiegand", bench.now)).written()
    assert bench.released


def flipped(place: int) -> tuple[int, ...]:
    wire = list(encode(Card(26, 120, 4711)))
    wire[place] ^= 1
    return tuple(wire)


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (encode(Card(26, 120, 4711))[:-1], Fault.LENGTH),
        ((0, *encode(Card(37, 7, 500_000))), Fault.LENGTH),
        (flipped(3), Fault.EVEN_PARITY),
        (flipped(20), Fault.ODD_PARITY),
    ],
    ids=["25 bits", "38 bits", "even parity", "odd parity"],
)
def test_a_bad_frame_on_the_pins_is_an_event_and_no_unlock(
    wire: Wire, post: RecordingPost, caplog, frame: tuple[int, ...], fault: Fault
) -> None:
    wire.give(frame)
    (entry,) = eventually(lambda: post.of(CardEntry))
    assert [record.args[1] for record in caplog.records] == [fault]
    assert refusals_at_the_loop([entry]) == ["malformed"]


def test_both_lines_low_for_good_is_one_event_and_the_next_card_is_read(wire: Wire, post: RecordingPost) -> None:
    """A cable pressed flat, or a reader without power: each line falls once and stays."""
    for pin in wire.pins:
        pin.drive_low()
    time.sleep(2 * GAP_SECONDS)
    (entry,) = eventually(lambda: post.of(CardEntry))
    time.sleep(4 * GAP_SECONDS)
    assert post.of(CardEntry) == [entry], "one, however long they stay"
    assert refusals_at_the_loop([entry]) == ["malformed"]
    for pin in wire.pins:
        pin.drive_high()
    wire.give(encode(Card(26, 1, 2)))
    assert eventually(lambda: post.of(CardEntry)[1:])[0].digest is not None


def test_a_line_that_flutters_on_the_pins_is_a_few_events_and_the_next_card_is_read(
    wire: Wire, post: RecordingPost
) -> None:
    for _ in range(12):
        wire.give((0, 1) * 30)
    wire.give(encode(Card(26, 1, 2)))
    entries = eventually(lambda: [e for e in post.of(CardEntry) if e.digest is not None] and post.of(CardEntry))
    faults = [entry for entry in entries if entry.digest is None]
    assert 1 <= len(faults) <= 6
    assert entries[-1].digest is not None
    assert set(refusals_at_the_loop(faults)) <= {"malformed", "locked_out"}


def refusals_at_the_loop(entries: list[CardEntry]) -> list[str]:
    """What became of them at the door. It stayed shut."""
    bench, said = Bench(ROSTER), []
    for entry in entries:
        bench.turn(CardEntry(entry.digest, entry.reader, bench.now)).written()
        said.append(bench.record.whys()[-1])
    assert not bench.released
    return said
