"""What others publish to us. Judged before it means anything: size, UTF-8, JSON, shape."""

import json
from dataclasses import dataclass
from typing import Any, NoReturn

LARGEST_BYTES = 4096
"""Enough for a signed command; more is somebody's mistake or worse."""

LARGEST_SEQ = 2**63 - 1


class BadMessage(ValueError):  # noqa: N818 - not a failure of ours
    """Why a payload was dropped, in one stable word."""


@dataclass(frozen=True, slots=True)
class Ack:
    """The host committed every event up to and including `seq`."""

    seq: int


@dataclass(frozen=True, slots=True)
class Command:
    """A request, not yet proved."""

    id: str | None
    signed: bool
    asks_challenge: bool = False
    """It wants a nonce, which anybody may have: only a signature over it opens anything."""


def read_ack(payload: bytes) -> Ack:
    """`{"seq": n}`; unknown fields are ignored. Raises BadMessage."""
    seq = read_object(payload).get("seq")
    if type(seq) is not int or not 0 <= seq <= LARGEST_SEQ:
        raise BadMessage("seq")
    return Ack(seq)


def read_command(payload: bytes, retained: bool) -> Command:
    """Signed is the envelope `{"b", "k", "sig"}` of three strings; anything else in JSON is unsigned.

    Raises BadMessage, and for a retained command too: it would come again at every connection.
    """
    if retained:
        raise BadMessage("retained")
    body = read_object(payload)
    signed = all(isinstance(body.get(key), str) for key in ("b", "k", "sig"))
    given = body.get("id")
    asks = not signed and body.keys() <= {"v", "op", "id"} and body.get("op") == "challenge"
    return Command(given if isinstance(given, str) and 0 < len(given) <= 64 else None, signed, asks)


def read_object(payload: bytes) -> dict[str, Any]:
    """Strict JSON object. Raises BadMessage: oversized, not_utf8, not_json, not_an_object."""
    if len(payload) > LARGEST_BYTES:
        raise BadMessage("oversized")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        raise BadMessage("not_utf8") from None
    try:
        body = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):  # brackets nested too deep to parse
        raise BadMessage("not_json") from None
    if not isinstance(body, dict):
        raise BadMessage("not_an_object")
    return body


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


class Limiter:
    """Lets one pass in `seconds` and counts the rest."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = float("-inf")
        self._held = 0

    def passes(self, now: float) -> int:
        """How many this one stands for, itself included; 0 when it is held back."""
        self._held += 1
        if now < self._next:
            return 0
        count, self._held = self._held, 0
        self._next = now + self._seconds
        return count
