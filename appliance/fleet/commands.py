"""Signed commands: whether one is proved, meant for this door, new and in time. Knows no socket, clock or store.

The envelope is `{"b": base64, "k": key id, "sig": base64}`; `sig` is Ed25519 over the bytes behind `b`. Whoever holds
the private key orders; the door vouches for nothing else. docs/mqtt/README.md is the contract.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.facts import ClockQuality, Moment
from appliance.fleet.inbound import BadMessage, read_object

VERSION = 1
CHALLENGE_SECONDS = 30.0
"""How long a nonce of the door's is good for, on its monotonic clock: a replay fails without a trusted wall clock."""
CHALLENGES_KEPT = 64
IDS_KEPT = 1024
LONGEST_SECONDS = 300.0
"""The farthest that `exp` may lie behind `iat`."""
SKEW_SECONDS = 60.0
"""How far a host's clock may be ahead of the door's."""
LARGEST_SEQ = 2**53

Outcome = Literal["accepted", "done", "rejected", "expired", "duplicate", "failed"]
_COMMAND = frozenset({"v", "id", "op", "arg", "aud", "iat", "exp", "ch", "by", "by2"})
_MODE = frozenset({"v", "mode", "seq", "aud", "iat", "by", "by2", "why"})
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
_WHO = re.compile(r"[A-Za-z0-9._-]{1,48}", re.ASCII)
_LONGEST_WHY = 200
OPS = frozenset({"unlock", "lockdown", "release"})


@dataclass(frozen=True, slots=True)
class Order:
    """A command that is to be carried out."""

    id: str
    op: str
    by: str
    by2: str | None
    why: str
    """The reason given; empty if none was."""


@dataclass(frozen=True, slots=True)
class SiteMode:
    """What all doors of the site shall be."""

    seq: int
    lockdown: bool
    by: str
    by2: str | None
    why: str
    iat: int
    """When it was signed, UTC epoch seconds of the host's clock."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing is done, and why."""

    outcome: Outcome
    why: str
    id: str | None = None
    """Known only once the signature held: what a stranger wrote is not repeated to him."""


class Verifier:
    """The one key that may command."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        self.kid = hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]

    def open(self, payload: bytes) -> dict[str, Any] | Refusal:
        """The signed body of an envelope. Raises BadMessage: no JSON object, or too large."""
        envelope = read_object(payload)
        if not all(isinstance(envelope.get(key), str) for key in ("b", "k", "sig")):
            return Refusal("rejected", "unsigned")
        if envelope.keys() != {"b", "k", "sig"}:
            return Refusal("rejected", "fields")
        if envelope["k"] != self.kid:
            return Refusal("rejected", "unknown_key")
        try:
            body, signature = (base64.b64decode(envelope[key], validate=True) for key in ("b", "sig"))
            self._key.verify(signature, body)
        except (binascii.Error, ValueError, InvalidSignature):
            return Refusal("rejected", "bad_signature")
        try:
            return _once(body)
        except BadMessage:
            return Refusal("rejected", "fields")


class Challenges:
    """Nonces that this door issued, each good for one command."""

    def __init__(self, token: Callable[[], str]) -> None:
        """`token()`: fresh, unguessable text."""
        self._token = token
        self._issued: dict[str, float] = {}

    def issue(self, mono: float) -> str:
        """A new one. The oldest goes when there are too many."""
        self._issued = {nonce: at for nonce, at in self._issued.items() if mono - at <= CHALLENGE_SECONDS}
        while len(self._issued) >= CHALLENGES_KEPT:
            del self._issued[next(iter(self._issued))]
        nonce = self._token()
        self._issued[nonce] = mono
        return nonce

    def spend(self, nonce: object, mono: float) -> bool:
        """True once, within its time."""
        at = self._issued.pop(nonce, None) if isinstance(nonce, str) else None
        return at is not None and 0 <= mono - at <= CHALLENGE_SECONDS


class Judge:
    """Whether a signed command counts. It remembers the ids that it let through."""

    def __init__(self, verifier: Verifier, site: str, door: str, challenges: Challenges) -> None:
        self._verifier, self._site, self._door = verifier, site, door
        self._challenges = challenges
        self._ids: dict[str, None] = {}

    def command(self, payload: bytes, now: Moment) -> Order | Refusal:
        """What to do, or why nothing is done. Raises BadMessage."""
        body = self._verifier.open(payload)
        if isinstance(body, Refusal):
            return body
        order = _order(body)
        if order is None:
            return Refusal("rejected", "fields")
        refusal = self._refusal(order, body, now)
        if refusal is None:
            self._remember(order.id)
        return refusal or order

    def _refusal(self, order: Order, body: Mapping[str, Any], now: Moment) -> Refusal | None:
        if body["aud"] != f"{self._site}/{self._door}":
            return Refusal("rejected", "audience", order.id)
        if order.id in self._ids:
            return Refusal("duplicate", "id", order.id)
        # The nonce is spent by whatever comes with it: nobody may try twice.
        fresh = self._challenges.spend(body["ch"], now.mono)
        late = _late(body, now)
        if late or not fresh:
            return Refusal("expired", late or "challenge", order.id)
        fault = "op" if order.op not in OPS else "two_persons" if order.op == "release" and not _two(order) else None
        return Refusal("rejected", fault, order.id) if fault else None

    def mode(self, payload: bytes, last: int) -> SiteMode | Refusal | None:
        """The site's mode if it is newer than number `last`; None: it is known already. Raises BadMessage."""
        body = self._verifier.open(payload)
        if isinstance(body, Refusal):
            return body
        mode = _mode(body)
        if mode is None:
            return Refusal("rejected", "fields")
        if body["aud"] != self._site:
            return Refusal("rejected", "audience")
        if mode.seq <= last:
            return None
        if not mode.lockdown and not _two(mode):
            return Refusal("rejected", "two_persons", f"mode-{mode.seq}")
        return mode

    def _remember(self, name: str) -> None:
        self._ids[name] = None
        while len(self._ids) > IDS_KEPT:
            del self._ids[next(iter(self._ids))]


def _once(body: bytes) -> dict[str, Any]:
    """A JSON object in which no key stands twice."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(found)) != len(found):
            raise BadMessage("fields")
        return dict(found)

    read_object(body)
    twice: dict[str, Any] = json.loads(body, object_pairs_hook=pairs)
    return twice


def _order(body: Mapping[str, Any]) -> Order | None:
    arg = body.get("arg")
    if body.keys() != _COMMAND or body["v"] != VERSION or not isinstance(arg, dict) or not arg.keys() <= {"why"}:
        return None
    why, op = _text(arg.get("why", "")), body["op"]
    times = all(type(body[key]) is int and 0 < body[key] < LARGEST_SEQ for key in ("iat", "exp"))
    named = isinstance(body["id"], str) and _ID.fullmatch(body["id"])
    if not named or not isinstance(op, str) or why is None or not times or not _people(body):
        return None
    return Order(body["id"], op, body["by"], body["by2"], why)


def _mode(body: Mapping[str, Any]) -> SiteMode | None:
    if body.keys() != _MODE or body["v"] != VERSION or body["mode"] not in ("normal", "lockdown"):
        return None
    why, seq, iat = _text(body["why"]), body["seq"], body["iat"]
    numbers = all(type(number) is int and 0 < number < LARGEST_SEQ for number in (seq, iat))
    if not numbers or why is None or not _people(body):
        return None
    return SiteMode(seq, body["mode"] == "lockdown", body["by"], body["by2"], why, iat)


def _people(body: Mapping[str, Any]) -> bool:
    by, by2 = body["by"], body["by2"]
    return _who(by) and (by2 is None or _who(by2))


def _who(value: object) -> bool:
    return isinstance(value, str) and _WHO.fullmatch(value) is not None


def _two(order: Order | SiteMode) -> bool:
    return order.by2 is not None and order.by.casefold() != order.by2.casefold()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= _LONGEST_WHY and (value.isprintable()) else None


def _late(body: Mapping[str, Any], now: Moment) -> str | None:
    """Why the wall clock speaks against it. A door that does not know the time goes by its nonce alone."""
    if not 0 < body["exp"] - body["iat"] <= LONGEST_SECONDS:
        return "lifetime"
    if now.quality is ClockQuality.UNKNOWN:
        return None
    return "exp" if now.utc > body["exp"] else "iat" if body["iat"] > now.utc + SKEW_SECONDS else None
