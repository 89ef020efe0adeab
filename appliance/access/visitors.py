"""Visitors: a stretch of time, a number of uses, and perhaps a host who must be there too."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from appliance.access.schedule import Term
from appliance.errors import ScheduleError
from appliance.facts import ClockQuality, Moment

ESCORT_SECONDS = 30.0
"""So long before or after the visitor the host must be let in."""
LONGEST_ESCORT_SECONDS = 120.0
LONGEST_VISIT_SECONDS = 366 * 86_400.0
"""Who comes for longer is no visitor."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What a visitor was granted. Raises ScheduleError if it cannot be meant so."""

    term: Term
    """Both bounds."""
    uses: int | None = 1
    """How often the door opens for it; None: as often as asked within the term."""
    hosts: frozenset[str] = frozenset()
    """Pids, one of whom must come along; empty: nobody need."""
    escort_seconds: float = ESCORT_SECONDS

    def __post_init__(self) -> None:
        if self.term.begin is None or self.term.end is None:
            raise ScheduleError("a visit without an end or a beginning: give both")
        if self.term.end - self.term.begin > LONGEST_VISIT_SECONDS:
            raise ScheduleError("a visit of more than a year: add a person with a validity instead")
        if self.uses is not None and self.uses < 1:
            raise ScheduleError(f"a visit with {self.uses} uses: must be 1 or more, or none for no limit")
        if not 5 <= self.escort_seconds <= LONGEST_ESCORT_SECONDS:
            raise ScheduleError(f"an escort within {self.escort_seconds} s: must be 5 to 120")


class Refusal(StrEnum):
    """Why a visitor does not come in."""

    CLOCK_UNKNOWN = "clock_unknown"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    USED_UP = "used_up"


def refusal(visit: Visit, used: int, now: Moment) -> Refusal | None:
    """Why not, leaving the host aside. Without a clock no visitor comes in."""
    if now.quality is ClockQuality.UNKNOWN:
        return Refusal.CLOCK_UNKNOWN
    if now.utc not in visit.term:
        begun = visit.term.begin is not None and now.utc >= visit.term.begin
        return Refusal.EXPIRED if begun else Refusal.NOT_YET_VALID
    if visit.uses is not None and not used < visit.uses:
        return Refusal.USED_UP
    return None


def escorted(visit: Visit, let_in: Mapping[str, float], at: float) -> bool:
    """Whether a host was let in near enough to `at`. `let_in`: when each person last was, monotonic seconds."""
    return not visit.hosts or any(
        host in let_in and abs(at - let_in[host]) <= visit.escort_seconds for host in visit.hosts
    )
