"""Anti-passback: one person's means of entry must not let a second one in behind him.

Timed: nobody enters twice within some seconds. By zone: nobody enters where he already is, nor
through a door that leads from where he is not. Someone who was never seen, or not for so long
that he must have left unseen, may be anywhere. Hard refuses; soft lets in and tells.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from appliance.errors import ScheduleError


class Kind(StrEnum):
    """What is counted as passing back."""

    OFF = "off"
    TIMED = "timed"
    ZONE = "zone"


@dataclass(frozen=True, slots=True)
class Passage:
    """From where to where a reader leads."""

    origin: str
    target: str

    def __post_init__(self) -> None:
        if self.origin == self.target:
            raise ScheduleError(f"a reader from {self.origin!r} to itself: name the zone on its other side")


OUTSIDE, INSIDE = "outside", "inside"
ENTRY, EXIT = "entry", "exit"


@dataclass(frozen=True, slots=True)
class Passback:
    """What one door refuses."""

    kind: Kind = Kind.OFF
    hard: bool = True
    seconds: float = 60.0
    """Timed: so long after entering nobody enters again by the same reader."""
    forget_seconds: float = 43_200.0
    """By zone: so long after he was last seen nobody knows where a person is (half a day)."""
    passages: Mapping[str, Passage] = field(
        default_factory=lambda: MappingProxyType({ENTRY: Passage(OUTSIDE, INSIDE), EXIT: Passage(INSIDE, OUTSIDE)})
    )
    """By reader."""

    def __post_init__(self) -> None:
        for name in ("seconds", "forget_seconds"):
            if not 0 < getattr(self, name) <= 7 * 86_400:
                raise ScheduleError(f"anti-passback, {name} = {getattr(self, name)}: must be above 0, 7 days at most")
        object.__setattr__(self, "passages", MappingProxyType(dict(self.passages)))


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where and when a person last went through a door."""

    zone: str
    reader: str
    at: float
    """Monotonic seconds; one of an earlier boot is counted back from this one's start."""


Sightings = MappingProxyType[str, Sighting]
"""By pid. A proxy, since its `|` copies ten thousand people in microseconds, as Mapping's copy does not."""


def passes_back(rule: Passback, seen: Sighting | None, reader: str, now: float) -> bool:
    """Whether entering at `now` (monotonic seconds) would be passing back."""
    if rule.kind is Kind.OFF or seen is None:
        return False
    if rule.kind is Kind.TIMED:
        # Negated, so that a nan counts as just now.
        return seen.reader == reader and not now - seen.at >= rule.seconds
    passage = rule.passages.get(reader)
    if now - seen.at >= rule.forget_seconds:
        return False
    return passage is None or seen.zone != passage.origin


def passed(rule: Passback, sightings: Sightings, person: str, reader: str, now: float) -> Sightings:
    """The sightings once the person has gone through."""
    passage = rule.passages.get(reader)
    sighting = Sighting(passage.target if passage else reader, reader, now)
    return MappingProxyType(sightings | {person: sighting})


def forgiven(sightings: Sightings, person: str | None = None) -> Sightings:
    """Without that person's, or without any: an administrator's reset, or after an evacuation."""
    if person is None:
        return MappingProxyType({})
    return MappingProxyType({pid: seen for pid, seen in sightings.items() if pid != person})
