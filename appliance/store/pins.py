"""Which PINs are good enough, and issuing one. Pure but for the dice."""

import secrets
from itertools import pairwise

from appliance.errors import LintelError

SHORTEST, LONGEST = 6, 8
LEAST_DISTINCT = 4
LONGEST_RUN = 3
"""1234 and 8765 are refused, 123 in a longer PIN is not."""
CODES_PER_USER = 1000
"""EN 60839-11-1: at least this many possible codes for each person who has one."""
STRONG_CODES = {6: 926_800, 7: 9_703_620, 8: 98_368_820}
"""PINs of each length that `fault` lets through (tests/store/test_pins.py counts them)."""


class PinRefusedError(LintelError, ValueError):
    """A chosen PIN is too weak or not available."""


def fault(digits: str) -> str | None:
    """Why a PIN is too weak, as an instruction; None if it is strong enough."""
    if not (digits.isascii() and digits.isdigit() and SHORTEST <= len(digits) <= LONGEST):
        return f"use {SHORTEST} to {LONGEST} digits"
    if len(set(digits)) < LEAST_DISTINCT:
        return f"use at least {LEAST_DISTINCT} different digits"
    if _longest_run(digits) > LONGEST_RUN:
        return f"do not use {LONGEST_RUN + 1} or more digits in sequence, such as 1234 or 8765"
    if digits in (digits + digits)[1:-1]:
        return "do not repeat the same digits over and over"
    return None


def refuse(digits: str, length: int, holders: int) -> None:
    """Raises PinRefusedError if a chosen PIN is weak, or shorter than `length`, as `holders` people need."""
    if why := fault(digits):
        raise PinRefusedError(f"this PIN is too easy to guess: {why}, or let the device issue one")
    if len(digits) < length:
        raise PinRefusedError(f"this PIN is too short: with {holders} people use at least {length} digits")


def shortest_for(holders: int) -> int:
    """Fewest digits that leave every one of `holders` people a thousand codes. Raises PinRefusedError: too many."""
    for length in range(SHORTEST, LONGEST + 1):
        if STRONG_CODES[length] >= CODES_PER_USER * holders:
            return length
    raise PinRefusedError(f"{holders} people are too many for PINs of {LONGEST} digits; remove PINs no longer used")


def issue(length: int) -> str:
    """A random strong PIN."""
    while True:
        digits = f"{secrets.randbelow(10**length):0{length}d}"
        if fault(digits) is None:
            return digits


def neighbours(digits: str) -> list[str]:
    """The PINs that differ in their last digit at most, itself among them."""
    return [f"{digits[:-1]}{last}" for last in range(10)]


def _longest_run(digits: str) -> int:
    """Most digits in a row that go up, or down, by one; 9 and 0 are neighbours."""
    steps = [(int(b) - int(a)) % 10 for a, b in pairwise(digits)]
    longest = run = 1
    for index, step in enumerate(steps):
        run = run + 1 if step in (1, 9) and index and step == steps[index - 1] else 2 if step in (1, 9) else 1
        longest = max(longest, run)
    return longest
