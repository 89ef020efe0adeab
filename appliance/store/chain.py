"""The chain of the record: what of an event is hashed, how rows hold together, and where they do not.

`prev` of an event is the SHA-256 of the event before it: its MQTT form without `dev`, as
canonical JSON (sorted keys, no spaces, UTF-8). So a host can check the chain from what it
received. Without a key this shows accidents and careless edits; someone who may write the
whole file could compute every hash anew, and is caught only by a head that was published
before (each event on the broker is one).
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from appliance.facts import ClockQuality, EventType, Moment
from appliance.settings import SiteConfig

VERSION = 1
GENESIS = bytes(32)
"""`prev` of the first event of a database."""
DETAIL_BYTES = 2048
"""Longest `detail`, as JSON: an event must fit a broker's smallest packet limit with room."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its place in the record. See `facts.Event` for what its fields mean."""

    seq: int
    """Counts up from 1 without holes."""
    id: str
    """UUID version 7 (RFC 9562), of the time of writing."""
    boot: str
    """The kernel's id of this boot: `mono_ms` of two events compare only within one."""
    t_ms: int
    """Milliseconds since the Unix epoch, UTC."""
    quality: ClockQuality
    mono_ms: int
    type: EventType
    why: str
    person: str | None
    by: str | None
    score: float | None
    threshold: float | None
    live: bool | None
    detail: dict[str, Any] = field(hash=False)
    config: str | None
    """Digest of the settings in force."""
    roster: int
    """Version of the people in force."""
    model: str | None
    """Embedder's id."""
    prev: bytes = field(repr=False)
    hash: bytes = field(repr=False)
    settled: bool = False
    """True: the host has it."""

    @property
    def at(self) -> Moment:
        """When it happened."""
        return Moment(mono=self.mono_ms / 1000, utc=self.t_ms / 1000, quality=self.quality)

    @property
    def time(self) -> str:
        """When it happened: RFC 3339, UTC, milliseconds."""
        return datetime.fromtimestamp(self.t_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def wire(self, site: SiteConfig) -> dict[str, Any]:
        """The MQTT form (docs/mqtt). JSON values only; `detail` is there only when it says something."""
        return {"dev": site.door} | self.chained()

    def chained(self) -> dict[str, Any]:
        """What the hash covers: the MQTT form without `dev`, which may be renamed."""
        fields: dict[str, Any] = {
            "v": VERSION,
            "id": self.id,
            "boot": self.boot,
            "seq": self.seq,
            "t": self.time,
            "tq": self.quality.value,
            "mono_ms": self.mono_ms,
            "type": self.type.value,
            "why": self.why,
            "pid": self.person,
            "by": self.by,
            "score": self.score,
            "thr": self.threshold,
            "live": self.live,
            "cfg": self.config,
            "roster": self.roster,
            "mdl": self.model,
            "prev": self.prev.hex(),
        }
        return fields | ({"detail": self.detail} if self.detail else {})

    def digest(self) -> bytes:
        """SHA-256 of `chained`, 32 bytes."""
        return sha256(canonical(self.chained())).digest()


class Gap(NamedTuple):
    """A run of events that was taken out on purpose."""

    first: int
    last: int
    prev: bytes
    """`prev` of the first one."""
    hash: bytes
    """Hash of the last one."""
    why: str
    """`retention` or `thinned`."""


class Unreadable(NamedTuple):
    """A row that is no event any more."""

    seq: int
    what: str


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What a walk along the chain found."""

    events: int
    gaps: int
    head: int
    """Number of the last event."""
    broken_at: int | None = None
    """Number of the first event that does not fit; None: the chain holds."""
    what: str = ""

    @property
    def holds(self) -> bool:
        """True: no event was altered, cut out or put in."""
        return self.broken_at is None


def verify(links: Iterable[StoredEvent | Gap | Unreadable], head: int) -> ChainReport:
    """Walk events and gaps in order of number. `head` is the number the counter stands at."""
    prev, expected, events, gaps = GENESIS, 1, 0, 0
    for link in links:
        if isinstance(link, Unreadable):
            return ChainReport(events, gaps, head, min(link.seq, expected), link.what)
        first, last = (link.first, link.last) if isinstance(link, Gap) else (link.seq, link.seq)
        what = _fault(link, first, expected, prev)
        if what:
            return ChainReport(events, gaps, head, min(first, expected), what)
        events, gaps = events + (not isinstance(link, Gap)), gaps + isinstance(link, Gap)
        prev, expected = link.hash, last + 1
    if expected != head + 1:
        return ChainReport(events, gaps, head, expected, f"events {expected} to {head} are missing")
    return ChainReport(events, gaps, head)


def _fault(link: StoredEvent | Gap, first: int, expected: int, prev: bytes) -> str:
    if first != expected:
        return f"expected event {expected}, found {first}"
    if link.prev != prev:
        return f"event {first} does not follow the one before it"
    if isinstance(link, StoredEvent) and not _intact(link):
        return f"event {first} was altered"
    return ""


def _intact(event: StoredEvent) -> bool:
    try:
        return event.digest() == event.hash
    except (ValueError, TypeError, AttributeError):  # what it holds now could never have been written
        return False


def canonical(value: Mapping[str, Any]) -> bytes:
    """One spelling of a JSON object. Raises ValueError or TypeError: not JSON (nan, bytes, objects)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def uuid7(utc: float) -> str:
    """UUID version 7 (RFC 9562): milliseconds of `utc` (seconds), then 74 random bits."""
    number = (max(0, int(utc * 1000)) & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10))
    number = number & ~(0xF << 76) | 7 << 76
    number = number & ~(0x3 << 62) | 2 << 62
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
