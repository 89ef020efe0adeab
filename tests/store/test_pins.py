"""Which PINs are let through, and that there are enough of them."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.store.pins import (
    CODES_PER_USER,
    STRONG_CODES,
    PinRefusedError,
    _longest_run,
    fault,
    issue,
    refuse,
    shortest_for,
)

digits = st.text("0123456789", min_size=6, max_size=8)


@pytest.mark.parametrize(
    ("pin", "why"),
    [
        ("12345", "6 to 8 digits"),
        ("123456789", "6 to 8 digits"),
        ("", "6 to 8 digits"),
        ("48a913", "6 to 8 digits"),
        ("٤٨٢٩١٣", "6 to 8 digits"),
        ("482 913", "6 to 8 digits"),
        ("111111", "different digits"),
        ("121212", "different digits"),
        ("112233", "different digits"),
        ("123456", "in sequence"),
        ("654321", "in sequence"),
        ("890123", "in sequence"),
        ("210987", "in sequence"),
        ("471234", "in sequence"),
        ("48765193", "in sequence"),
        ("15931593", "over and over"),
    ],
)
def test_weak_pins_are_named(pin: str, why: str) -> None:
    said = fault(pin)
    assert said is not None
    assert why in said


@pytest.mark.parametrize("pin", ["482913", "123987", "102030", "975310", "1234098"[3:] + "12", "159159" + "26"])
def test_ordinary_pins_pass(pin: str) -> None:
    assert fault(pin) is None


@given(digits)
def test_a_pin_that_passes_keeps_every_rule(pin: str) -> None:
    if fault(pin) is None:
        assert len(set(pin)) >= 4
        for run in ("01234567890123", "98765432109876"):
            assert not any(run[i : i + 4] in pin for i in range(10))
        assert not any(pin == pin[:n] * (len(pin) // n) for n in range(1, len(pin)))


@given(digits)
def test_a_pin_mirrored_is_as_good(pin: str) -> None:
    assert (fault(pin) is None) == (fault(pin[::-1]) is None)


@pytest.mark.parametrize("length", [6, 7, 8])
def test_the_number_of_codes_is_counted_not_guessed(length: int) -> None:
    """Counted a second way: strings grown digit by digit, with the state that the rules need."""
    states = Counter({(1 << d, d, 0, 1): 1 for d in range(10)})
    for _ in range(length - 1):
        grown: Counter[tuple[int, int, int, int]] = Counter()
        for (seen, last, way, run), count in states.items():
            for d in range(10):
                step = {1: 1, 9: -1}.get((d - last) % 10, 0)
                now = (run + 1 if step == way else 2) if step else 1
                if now < 4:
                    grown[seen | 1 << d, d, step, now] += count
        states = grown
    strong = sum(count for (seen, *_), count in states.items() if seen.bit_count() >= 4)
    if length == 8:
        halves = ("".join(half) for half in product("0123456789", repeat=4) if len(set(half)) == 4)
        strong -= sum(_longest_run(half * 2) <= 3 for half in halves)
    assert STRONG_CODES[length] == strong


@pytest.mark.parametrize("length", [6, 7, 8])
def test_issued_pins_are_strong_and_differ(length: int) -> None:
    pins = [issue(length) for _ in range(200)]
    assert all(fault(pin) is None and len(pin) == length for pin in pins)
    assert len(set(pins)) > 190
    assert {pin[0] for pin in pins} == set("0123456789"), "leading zeros are codes too"


def test_length_grows_with_the_number_of_people() -> None:
    assert shortest_for(1) == 6
    for length, codes in STRONG_CODES.items():
        most = codes // CODES_PER_USER
        assert shortest_for(most) == length
        if length < 8:
            assert shortest_for(most + 1) == length + 1
    with pytest.raises(PinRefusedError, match="too many for PINs of 8 digits"):
        shortest_for(STRONG_CODES[8] // CODES_PER_USER + 1)


def test_a_short_pin_is_refused_where_many_have_one() -> None:
    refuse("482913", 6, 10)
    with pytest.raises(PinRefusedError, match="too short: with 1000 people use at least 7 digits"):
        refuse("482913", 7, 1000)
    with pytest.raises(PinRefusedError, match=r"too easy to guess: .* or let the device issue one"):
        refuse("123456", 6, 1)
