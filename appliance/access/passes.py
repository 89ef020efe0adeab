"""A visitor's pass: what it says, its bytes, its text for a QR code, and what makes one worthless. Pure.

Bytes: version, uses, pass id, person id, begin, end, site, doors, then an Ed25519 signature
(RFC 8032) over all before it. All numbers are big-endian. The text is base 32 after a prefix, so
that a QR code holds it in its alphanumeric mode and no reader has to guess a character set.
"""

import struct
from base64 import b32decode, b32encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from appliance.errors import PassError
from appliance.facts import ClockQuality, Moment, Reason

VERSION = 1
LONGEST_BYTES = 256
SIGNATURE_BYTES = 64
PREFIX = "LP1:"
LONGEST_TEXT = len(PREFIX) + -(-LONGEST_BYTES // 5) * 8
MOST_USES = 1000
LONGEST_SECONDS = 366 * 86_400
REST_SECONDS = 10.0
"""Shown again within this after it opened, a pass has not been used again."""

_HEAD = struct.Struct(">BH16s16sII")

Verify = Callable[[bytes, bytes], bool]
"""(signature, signed bytes): whether this site's key made it."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass allows. Raises PassError if it cannot be meant so."""

    id: str
    """UUID."""
    person: str
    """The visitor's pid, a UUID."""
    site: str
    doors: tuple[str, ...]
    """Empty: every door of the site."""
    begin: int
    """UTC epoch seconds from which it opens."""
    end: int
    """UTC epoch seconds from which it no longer opens."""
    uses: int = 1
    """How often it opens; 0: as often as asked."""

    def __post_init__(self) -> None:
        if not 0 <= self.begin < self.end < 1 << 32:
            raise PassError("the pass ends before it begins; exchange its times")
        if self.end - self.begin > LONGEST_SECONDS:
            raise PassError("the pass is for more than a year; add a person with a validity instead")
        if not 0 <= self.uses <= MOST_USES:
            raise PassError(f"a pass with {self.uses} uses: must be 1 to {MOST_USES}, or 0 for no limit")
        if self.uses and len(self.doors) != 1:
            # Each door counts for itself: at two doors a single use would be two.
            raise PassError("a pass with counted uses is for exactly one door; name one, or set uses to 0")


@dataclass(frozen=True, slots=True)
class Standing:
    """What the door's own record says of a pass."""

    used: int
    revoked: bool


@dataclass(frozen=True, slots=True)
class PassEntry:
    """A pass shown to the camera, read and verified."""

    taken_at: float
    """Monotonic seconds of the frame that showed it."""
    shown: Pass | None
    """None: it cannot be believed."""
    fault: Reason | None = None
    """Why it opens nothing, whatever the time; None: nothing found so far."""


def signed(pass_: Pass, sign: Callable[[bytes], bytes]) -> bytes:
    """The token, at most LONGEST_BYTES. Raises PassError: names too long."""
    words = [pass_.site, *pass_.doors]
    if any(not _plain(word) for word in words):
        raise PassError("site and doors of a pass must be letters, digits, - and _")
    head = _HEAD.pack(VERSION, pass_.uses, UUID(pass_.id).bytes, UUID(pass_.person).bytes, pass_.begin, pass_.end)
    body = head + b"".join(bytes([len(word)]) + word.encode() for word in words)
    if len(body) + SIGNATURE_BYTES > LONGEST_BYTES:
        raise PassError("the pass is too long to show; name fewer doors, or none for all")
    return body + sign(body)


def read(token: bytes, site: str, door: str, verify: Verify) -> Pass | Reason:
    """The pass, or why it is none for this door. A reason says nothing about who made it up to FORGED."""
    body, signature = token[:-SIGNATURE_BYTES], token[-SIGNATURE_BYTES:]
    pass_ = _parse(body) if len(token) <= LONGEST_BYTES else None
    if pass_ is None:
        return Reason.MALFORMED
    if pass_.site != site:
        return Reason.OTHER_SITE  # its key is another's: nothing here could verify it
    if not verify(signature, body):
        return Reason.FORGED
    return Reason.OTHER_DOOR if pass_.doors and door not in pass_.doors else pass_


def refused(pass_: Pass, standing: Standing | None) -> Reason | None:
    """Why a good pass opens nothing any more. One that the record does not know was erased with its owner."""
    if standing is None:
        return Reason.NOT_ENROLLED
    if standing.revoked:
        return Reason.REVOKED
    return Reason.USED_UP if pass_.uses and not standing.used < pass_.uses else None


def untimely(pass_: Pass, now: Moment) -> Reason | None:
    """Refuse before and after its time, and while nobody can tell the time."""
    if now.quality is ClockQuality.UNKNOWN:
        return Reason.CLOCK_UNKNOWN
    if not now.utc >= pass_.begin:
        return Reason.NOT_YET_VALID
    return None if now.utc < pass_.end else Reason.EXPIRED


def to_text(token: bytes) -> str:
    """What the QR code says: capitals, digits and a colon."""
    return PREFIX + b32encode(token).decode().rstrip("=")


def from_text(text: str) -> bytes | None:
    """The token, or None: this QR code is no pass of any site."""
    if not text.startswith(PREFIX) or len(text) > LONGEST_TEXT:
        return None
    bare = text[len(PREFIX) :]
    try:
        token = b32decode(bare + "=" * (-len(bare) % 8))
    except ValueError:
        return None
    # Base 32 leaves bits over; only the one spelling counts.
    return token if to_text(token) == text and 0 < len(token) <= LONGEST_BYTES else None


def _parse(body: bytes) -> Pass | None:
    try:
        version, uses, number, person, begin, end = _HEAD.unpack_from(body)
        words = _words(body[_HEAD.size :])
        if version != VERSION or not words:
            return None
        return Pass(str(UUID(bytes=number)), str(UUID(bytes=person)), words[0], tuple(words[1:]), begin, end, uses)
    except (struct.error, ValueError):
        return None


def _words(data: bytes) -> Sequence[str]:
    words: list[str] = []
    while data:
        word = data[1 : 1 + data[0]].decode("ascii")
        if len(word) != data[0] or not _plain(word):
            raise PassError("a word of the pass is cut off or not plain")
        words.append(word)
        data = data[1 + data[0] :]
    return words


def _plain(word: str) -> bool:
    return word.isascii() and word.replace("-", "").replace("_", "").isalnum() and len(word) <= 48
