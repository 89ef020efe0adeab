"""Wiegand: a card's number as 26, 34 or 37 bits with two parity bits, and back. Pure.

A reader pulls one of two lines to ground for some 50 us a bit, about every 2 ms: D0 for a 0, D1
for a 1. Nothing else is sent, neither a start nor a checksum: a pause ends the frame, and each half
of it has one parity bit. Layouts after the card makers' public format sheets (H10301 with 26
bits, H10306 with 34, H10304 with 37).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from appliance.errors import CardError

PULSE_SECONDS = 50e-6
BIT_SECONDS = 2e-3
GAP_SECONDS = 25e-3
"""A pause this long ends a frame: readers leave up to 20 ms between bits."""
MOST_BITS = 128
"""Longer is no card: a line that flutters must not fill memory."""


class Fault(StrEnum):
    """Why a frame is no card's number."""

    LENGTH = "length"
    EVEN_PARITY = "even_parity"
    ODD_PARITY = "odd_parity"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the fields of one format stand. The first and the last bit are parity."""

    facility: int
    """Bits of the facility code, right after the first parity bit."""
    number: int
    """Bits of the card's number, after those."""

    @property
    def bits(self) -> int:
        """All of them."""
        return self.facility + self.number + 2

    @property
    def half(self) -> int:
        """Bits that each parity bit answers for; with an odd count the middle one belongs to both."""
        return -(-(self.facility + self.number) // 2)


LAYOUTS = {layout.bits: layout for layout in (Layout(8, 16), Layout(16, 16), Layout(16, 19))}


@dataclass(frozen=True, slots=True)
class Card:
    """What is printed on a card. Raises CardError if no card of that format can bear it."""

    bits: int
    """Its format: 26, 34 or 37."""
    facility: int
    number: int

    def __post_init__(self) -> None:
        layout = LAYOUTS.get(self.bits)
        if layout is None:
            raise CardError(f"cards of {self.bits} bits are not known; use 26, 34 or 37")
        if not (0 <= self.facility < 1 << layout.facility and 0 <= self.number < 1 << layout.number):
            raise CardError(
                f"a card of {self.bits} bits has a facility code up to {(1 << layout.facility) - 1} "
                f"and a number up to {(1 << layout.number) - 1}; check what is printed on it"
            )

    @property
    def text(self) -> str:
        """`26:120:4711`, the one spelling that is hashed."""
        return f"{self.bits}:{self.facility}:{self.number}"

    def __repr__(self) -> str:
        return f"Card({self.bits} bits)"  # its number opens doors: never in a log


def card_of(text: str) -> Card:
    """From `BITS:FACILITY:NUMBER`, or `FACILITY:NUMBER` for the common 26 bits. Raises CardError."""
    parts = text.strip().split(":")
    if len(parts) not in (2, 3) or not all(part.isascii() and part.isdigit() and len(part) <= 10 for part in parts):
        raise CardError("a card is written FACILITY:NUMBER, such as 120:4711, or BITS:FACILITY:NUMBER")
    bits, facility, number = [26, *map(int, parts)][-3:]
    return Card(bits, facility, number)


def decode(frame: Sequence[int]) -> Card | Fault:
    """Bits, 0 or 1, as they came over the wire."""
    layout = LAYOUTS.get(len(frame))
    if layout is None:
        return Fault.LENGTH
    data = frame[1:-1]
    if sum(frame[: 1 + layout.half]) % 2 != 0:
        return Fault.EVEN_PARITY
    if sum(frame[-1 - layout.half :]) % 2 != 1:
        return Fault.ODD_PARITY
    return Card(layout.bits, _value(data[: layout.facility]), _value(data[layout.facility :]))


def encode(card: Card) -> tuple[int, ...]:
    """The bits as they go over the wire."""
    layout = LAYOUTS[card.bits]
    value = card.facility << layout.number | card.number
    data = [value >> place & 1 for place in reversed(range(layout.facility + layout.number))]
    even, odd = sum(data[: layout.half]) % 2, 1 - sum(data[-layout.half :]) % 2
    return (even, *data, odd)


class Frames:
    """From pulses to frames: a pause ends one."""

    def __init__(self) -> None:
        self._bits: list[int] = []
        self._last = 0.0
        self.ended_at = 0.0
        """When the last bit came of the frame that was handed out last (monotonic seconds)."""

    def pulse(self, bit: int, at: float) -> tuple[int, ...] | None:
        """One more bit at `at` (monotonic seconds). The frame before it, if there was a pause in between."""
        done = self.ended(at)
        if len(self._bits) <= MOST_BITS:
            self._bits.append(bit)
        self._last = at
        return done

    def ended(self, now: float) -> tuple[int, ...] | None:
        """The frame, once no bit came for GAP_SECONDS."""
        if not self._bits or now - self._last < GAP_SECONDS:
            return None
        done, self._bits = tuple(self._bits), []
        self.ended_at = self._last
        return done

    @property
    def busy(self) -> bool:
        """Whether a frame is under way."""
        return bool(self._bits)


def _value(bits: Sequence[int]) -> int:
    return int("".join(map(str, bits)), 2)
