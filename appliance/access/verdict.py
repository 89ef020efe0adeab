"""What the rules of a door are told, remember and answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from appliance.access.blocklist import Ban
from appliance.access.modes import FACTOR_SECONDS, NOTHING_SHOWN, Factor, ModePlan, Shown
from appliance.access.modes import check_window as check_factor_window
from appliance.access.passback import ENTRY, Passback, Sightings
from appliance.access.schedule import Schedule
from appliance.access.visitors import Visit

Turns = Callable[[float], float | None]
"""As `ModePlan.next_change` in the site's zone, remembered from one question to the next: it takes milliseconds."""


class Rule(StrEnum):
    """Which rule spoke."""

    FRESH = "fresh"
    PERSON = "person"
    BLOCKLIST = "blocklist"
    CLOCK = "clock"
    VALIDITY = "validity"
    HOURS = "hours"
    VISIT = "visit"
    PASSBACK = "passback"
    MODE = "mode"
    LOOKALIKE = "lookalike"
    FACTORS = "factors"
    ESCORT = "escort"


class Outcome(StrEnum):
    """What it said."""

    ALLOW = "allow"
    NOTE = "note"
    """Nothing against it, but it is to be recorded."""
    MORE = "more"
    """Not yet: something is missing that can still come."""
    DENY = "deny"


class Why(StrEnum):
    """Stable words; where `facts.Reason` knows the same reason, the same word."""

    GRANTED = "granted"
    FRESH = "fresh"
    STALE = "stale"
    KNOWN = "known"
    NOT_ENROLLED = "not_enrolled"
    SUSPENDED = "suspended"
    NO_CONSENT = "no_consent"
    BLOCKED = "blocked"
    CLOCK_UNKNOWN = "clock_unknown"
    VALID = "valid"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    ALWAYS = "always"
    IN_HOURS = "in_hours"
    OUTSIDE_HOURS = "outside_hours"
    USED_UP = "used_up"
    PASSED_BACK = "passed_back"
    DOOR_MODE = "door_mode"
    DOOR_LOCKED = "door_locked"
    WRONG_FACTOR = "wrong_factor"
    LOOKALIKE = "lookalike"
    ENOUGH = "enough"
    SECOND_FACTOR = "second_factor"
    ESCORTED = "escorted"
    ESCORT_MISSING = "escort_missing"


class Alarm(StrEnum):
    """Told to security, never to the visitor."""

    DURESS = "duress"
    BLOCKED = "blocked"
    PASSBACK = "passback"


class ClockPolicy(StrEnum):
    """What people whose right depends on the time meet while nobody knows it. 24/7 people enter anyhow."""

    DENY = "deny"
    TWO_FACTOR = "two_factor"


@dataclass(frozen=True, slots=True)
class DoorRules:
    """What this door asks, and whom it knows something special about."""

    hours: Mapping[str, tuple[Schedule, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """By group. Somebody in a group named here enters while a schedule of his groups is on; others always."""
    plan: ModePlan = field(default_factory=ModePlan)
    visits: Mapping[str, Visit] = field(default_factory=lambda: MappingProxyType({}))
    """By pid."""
    bans: Mapping[str, Ban] = field(default_factory=lambda: MappingProxyType({}))
    """By pid."""
    alike: frozenset[str] = frozenset()
    """Pids whose templates come too near another person's: their face alone proves too little."""
    passback: Passback = field(default_factory=Passback)
    clock_unknown: ClockPolicy = ClockPolicy.DENY
    factor_seconds: float = FACTOR_SECONDS

    def __post_init__(self) -> None:
        check_factor_window(self.factor_seconds)


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody asks, by one factor that has been proven."""

    person: str
    factor: Factor
    at: float
    """Monotonic seconds."""
    duress: bool = False
    """The PIN was the one for being forced."""
    reader: str = ENTRY


@dataclass(frozen=True, slots=True)
class Stamp:
    """When and where somebody asked or was let in."""

    at: float
    """Monotonic seconds."""
    reader: str


@dataclass(frozen=True, slots=True)
class State:
    """What the rules remember. Replaced, never edited. Times are monotonic seconds."""

    shown: Shown = NOTHING_SHOWN
    used: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """By visitor: how often the door opened for that visit."""
    let_in: Mapping[str, Stamp] = field(default_factory=lambda: MappingProxyType({}))
    """By pid: who was let in lately."""
    waiting: Mapping[str, Stamp] = field(default_factory=lambda: MappingProxyType({}))
    """By pid: visitors who may enter as soon as a host does."""
    sightings: Sightings = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Spoke:
    """One rule's word."""

    rule: Rule
    outcome: Outcome
    why: Why
    what: str = ""
    """Which schedule, group, mode or factor. Never a person's name."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all rules together say."""

    granted: bool
    why: Why
    """GRANTED, or the first refusal, or what is missing."""
    person: str
    reasons: tuple[Spoke, ...]
    """Every rule that spoke, in the order of `Rule`."""
    after: State
    """What to remember from now on."""
    alarms: tuple[Alarm, ...] = ()
    companions: tuple[str, ...] = ()
    """Visitors who waited for this person, and enter along."""
    free_until: float | None = None
    """Monotonic seconds until which the door stays unlocked for everybody; inf: for good. None: it relocks."""

    needs: frozenset[Factor] = frozenset()
    """While a second factor is missing: those that would help."""

    @property
    def waits(self) -> bool:
        """Whether nothing was refused but something is missing: a second factor, a host."""
        return not self.granted and all(spoke.outcome is not Outcome.DENY for spoke in self.reasons)
