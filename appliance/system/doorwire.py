"""The doorline's words: facts as JSON datagrams, read strictly. No socket and no clock in it."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from appliance.errors import DoorlineError
from appliance.facts import (
    AdminUnlock,
    Alive,
    Challenge,
    Evidence,
    LivenessVerdict,
    Match,
    Passing,
    PassShown,
    Surround,
)

VERSION = 1
LARGEST = 4096
"""Bytes of a datagram."""


@dataclass(frozen=True, slots=True)
class PinDigits:
    """A PIN typed on the door's screen, on its way to the slow hash."""

    digits: str = field(repr=False)
    keypad: str
    """Always `screen`: net may not speak for the keypad on the wall."""
    entered_at: float


LARGEST_PASS = 256

Fact = Match | Alive | AdminUnlock | PinDigits | PassShown | Passing


def stamp(fact: Fact) -> float:
    """When it was true, monotonic seconds. Age counts from here."""
    match fact:
        case Match() | PassShown():
            return fact.taken_at
        case PinDigits():
            return fact.entered_at
        case _:
            return fact.at


def encode(fact: Fact) -> bytes:
    """JSON of at most LARGEST bytes, `{"v":1,"kind":…, fields}`. Raises DoorlineError."""
    message = {"v": VERSION, "kind": _KINDS[type(fact)], **asdict(fact)}
    try:
        data = json.dumps(message, allow_nan=False, separators=(",", ":"), default=bytes.hex).encode()
    except (ValueError, TypeError) as error:
        raise DoorlineError(f"{type(fact).__name__} cannot be sent: {error}; the sender computed it wrong") from None
    if len(data) > LARGEST:
        raise DoorlineError(f"{type(fact).__name__} of {len(data)} bytes cannot be sent: {LARGEST} at most")
    return data


def decode(data: bytes) -> Fact:
    """Read a datagram: every field, no other, each of its type and within its bounds. Raises DoorlineError."""
    try:
        message = json.loads(data.decode("utf-8"), object_pairs_hook=_no_twins, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise DoorlineError("datagram is not one plain JSON object in UTF-8") from None
    if not isinstance(message, dict) or message.pop("v", None) != VERSION:
        raise DoorlineError(f"datagram is not of doorline version {VERSION}; start all processes from one release")
    kind = message.pop("kind", None)
    if not isinstance(kind, str) or kind not in _MAKERS:
        raise DoorlineError("datagram is of no known kind; start all processes from one release")
    return _MAKERS[kind](message)


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key stands twice")
    return fields


def _no_constant(word: str) -> None:
    raise ValueError(word)


Check = Callable[[Any], Any]


def _take(fields: object, checks: Mapping[str, Check]) -> dict[str, Any]:
    """The fields, checked: exactly those named in `checks`."""
    if not isinstance(fields, dict) or fields.keys() != checks.keys():
        raise DoorlineError(f"fields must be exactly {', '.join(checks)}")
    with suppress(ValueError):
        return {name: check(fields[name]) for name, check in checks.items()}
    raise DoorlineError(f"one of {', '.join(checks)} is of the wrong type or out of bounds")


def _number(low: float, high: float) -> Check:
    def check(value: Any) -> float:
        # Huge whole numbers do not fit a float; nan compares false with every bound.
        if type(value) not in (int, float) or not low <= value <= high:
            raise ValueError
        return float(value)

    return check


def _count(low: int, high: int) -> Check:
    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError
        return value

    return check


def _text(longest: int) -> Check:
    def check(value: Any) -> str:
        if (
            not isinstance(value, str)
            or not 1 <= len(value) <= longest
            or not value.isascii()
            or not value.isprintable()
        ):
            raise ValueError
        return value

    return check


def _word(*words: str) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError
        return value

    return check


def _digits(value: Any) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isdecimal() or len(value) > 16:
        raise ValueError
    return value


def _token(value: Any) -> bytes:
    if not isinstance(value, str) or not 2 <= len(value) <= 2 * LARGEST_PASS:
        raise ValueError
    token = bytes.fromhex(value)
    if token.hex() != value:  # fromhex skips spaces and takes capitals
        raise ValueError
    return token


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError
    return value


def _maybe(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


_TIME = _number(0, 1e10)
_COSINE = _number(-1.01, 1.01)  # rounding may leave a unit vector's product just above 1
_LIVENESS: dict[str, Check] = {
    "live": _flag,
    "passive": _number(0, 1),
    "frames": _count(0, 10_000),
    "surround": lambda value: Surround(_word(*Surround)(value)),
    "surround_share": _maybe(_number(-10, 10)),
    "challenge": lambda value: Challenge(_word(*Challenge)(value)),
    "turns": _count(0, 100),
    "size": lambda value: Evidence(_word(*Evidence)(value)),
    "width_cm": _maybe(_number(0, 1e6)),
    "light": lambda value: Evidence(_word(*Evidence)(value)),
    "lit_gain": _maybe(_number(-1e6, 1e6)),
    "level": _word("standard", "high", "strict"),
    "objection": _maybe(_word("passive", "surround", "size", "light", "challenge")),
}
_MATCH: dict[str, Check] = {
    "person": _maybe(_text(64)),
    "score": _COSINE,
    "threshold": _COSINE,
    "margin": _number(-2.02, 2.02),
    "liveness": lambda value: LivenessVerdict(**_take(value, _LIVENESS)),
    "votes": _count(0, 10_000),
    "since": _TIME,
    "taken_at": _TIME,
    "model": _text(80),
    "compute_ms": _number(0, 1e7),
}
_ALIVE: dict[str, Check] = {"sender": _word("vision"), "at": _TIME, "detail": _word("ok", "face_off", "blind")}
_ADMIN: dict[str, Check] = {"by": _text(64), "id": _text(64), "at": _TIME}
_PIN: dict[str, Check] = {"digits": _digits, "keypad": _word("screen"), "entered_at": _TIME}
_PASS: dict[str, Check] = {"token": _token, "taken_at": _TIME}
_PASSING: dict[str, Check] = {"at": _TIME, "faces": _count(1, 100)}

_KINDS: dict[type, str] = {
    Match: "match",
    Alive: "alive",
    AdminUnlock: "admin_unlock",
    PinDigits: "pin",
    PassShown: "pass",
    Passing: "passing",
}
_MAKERS: dict[str, Callable[[object], Fact]] = {
    "match": lambda fields: Match(**_take(fields, _MATCH)),
    "alive": lambda fields: Alive(**_take(fields, _ALIVE)),
    "admin_unlock": lambda fields: AdminUnlock(**_take(fields, _ADMIN)),
    "pin": lambda fields: PinDigits(**_take(fields, _PIN)),
    "pass": lambda fields: PassShown(**_take(fields, _PASS)),
    "passing": lambda fields: Passing(**_take(fields, _PASSING)),
}
