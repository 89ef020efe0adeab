"""What a door asks for, by the hour, and the factors somebody has shown so far."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum
from math import inf
from types import MappingProxyType

from appliance.access.schedule import Schedule
from appliance.access.walltime import first_change
from appliance.errors import ScheduleError

FACTOR_SECONDS = 12.0
"""Within this the second factor must follow the first: time for a PIN of 8 digits, or to look up."""
FACTOR_BOUNDS = (10.0, 15.0)


class Factor(StrEnum):
    """One means of asking. A pass is something held, as a card is."""

    FACE = "face"
    PIN = "pin"
    CARD = "card"
    PASS = "pass"  # noqa: S105 - a visitor's pass


class Mode(StrEnum):
    """What opens a door for somebody who may enter."""

    ANY = "any"
    """Any one factor."""
    FACE = "face"
    PIN = "pin"
    FACE_AND_PIN = "face_and_pin"
    CARD_AND_FACE = "card_and_face"
    """The card names the person, the face confirms (1:1)."""
    FREE = "free"
    """The first person to enter unlocks the door for everybody, until the mode ends."""
    LOCKED = "locked"
    """Nobody."""


@dataclass(frozen=True, slots=True)
class Need:
    """Which factors suffice."""

    together: frozenset[Factor] = frozenset()
    """Every one of these."""
    any_of: frozenset[Factor] = frozenset(Factor)
    """And nothing but these."""
    count: int = 1
    """And so many different ones."""

    def met(self, shown: Iterable[Factor]) -> bool:
        """Whether these factors, all of one person, suffice."""
        usable = frozenset(shown) & self.any_of
        return self.together <= usable and len(usable) >= self.count

    def takes(self, factor: Factor) -> bool:
        """Whether showing this one helps at all."""
        return factor in self.any_of

    def two(self) -> "Need":
        """The same and a second factor, whichever, where one alone would do."""
        if self.count > 1:
            return self
        return Need(self.any_of if len(self.any_of) == 1 else self.together, frozenset(Factor), 2)


_BOTH = {
    Mode.FACE_AND_PIN: frozenset({Factor.FACE, Factor.PIN}),
    Mode.CARD_AND_FACE: frozenset({Factor.CARD, Factor.FACE}),
}
NEEDS = MappingProxyType(
    {
        Mode.ANY: Need(),
        Mode.FREE: Need(),
        Mode.FACE: Need(any_of=frozenset({Factor.FACE})),
        Mode.PIN: Need(any_of=frozenset({Factor.PIN})),
        **{mode: Need(both, both, 2) for mode, both in _BOTH.items()},
    }
)
"""By mode; LOCKED is missing, as nothing meets it."""


@dataclass(frozen=True, slots=True)
class ModePlan:
    """Which mode holds when. Where several schedules are on, the first of them in the plan decides."""

    default: Mode = Mode.ANY
    turns: tuple[tuple[Schedule, Mode], ...] = ()

    def __post_init__(self) -> None:
        for number, (schedule, mode) in enumerate(self.turns, 1):
            if schedule.always and number < len(self.turns):
                raise ScheduleError(
                    f"mode {mode} on {schedule.name!r}: is always on, so what follows it never is; put it last"
                )

    def at(self, utc: float, zone: tzinfo) -> Mode:
        """The mode at `utc` (epoch seconds)."""
        return next((mode for schedule, mode in self.turns if schedule.allows(utc, zone)), self.default)

    def unclocked(self) -> Mode:
        """The mode while nobody knows the time: the one that asks for most.

        A door that is locked or free by the hour is neither then: people with 24/7 rights must
        come in, and nobody else.
        """
        modes = [mode for _, mode in self.turns] + [self.default]
        asking = [Mode.ANY if mode is Mode.FREE else mode for mode in modes if mode is not Mode.LOCKED]
        return max(asking, key=lambda mode: NEEDS[mode].count, default=Mode.LOCKED)

    def edges(self, begin: float, end: float, zone: tzinfo) -> list[float]:
        """Every instant in [begin, end] at which the mode may turn, unsorted."""
        return [utc for schedule, _ in self.turns for utc in schedule.edges(begin, end, zone)]

    def next_change(self, utc: float, zone: tzinfo) -> float | None:
        """The first instant past `utc` with another mode; None: not within walltime.HORIZON_DAYS."""
        return first_change(lambda t: self.at(t, zone), lambda a, b: self.edges(a, b, zone), utc)


@dataclass(frozen=True, slots=True)
class Shown:
    """The factors one person has shown lately. Replaced, never edited."""

    person: str | None = None
    factors: tuple[tuple[Factor, float], ...] = ()
    """Each factor once, with the monotonic second it was shown."""

    def standing(self, person: str, now: float, window: float = FACTOR_SECONDS) -> frozenset[Factor]:
        """What still counts for that person at `now`."""
        if person != self.person:
            return frozenset()
        return frozenset(factor for factor, at in self.factors if _near(at, now, window))

    def add(self, person: str, factor: Factor, at: float, window: float = FACTOR_SECONDS) -> "Shown":
        """With one more. Another person starts anew: what somebody else has shown is nothing of his."""
        kept = self.factors if person == self.person else ()
        fresh = [(old, seen) for old, seen in kept if old is not factor and _near(seen, at, window)]
        return Shown(person, (*fresh, (factor, at)))

    def until(self, window: float = FACTOR_SECONDS) -> float:
        """When the last factor stops counting; -inf: none was shown."""
        return max((at + window for _, at in self.factors), default=-inf)


NOTHING_SHOWN = Shown()


def _near(at: float, now: float, window: float) -> bool:
    # Facts of two processes can arrive in another order than they happened. A nan is never near.
    return abs(now - at) <= window


def check_window(seconds: float) -> float:
    """The window for the second factor, within its bounds. Raises ScheduleError."""
    low, high = FACTOR_BOUNDS
    if not low <= seconds <= high:
        raise ScheduleError(f"a second factor within {seconds} s: must be {low:g} to {high:g}")
    return seconds
