"""The rules asked in advance: who could enter when, by which means, and why not otherwise.

Nothing here decides. It puts the same questions to `rules.weigh` as a visitor would.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import tzinfo
from itertools import combinations, pairwise

from appliance.access.case import Case, schedules_of
from appliance.access.modes import Factor
from appliance.access.passback import ENTRY
from appliance.access.roster import Roster
from appliance.access.rules import conclude, weigh
from appliance.access.verdict import DoorRules, Outcome, Rule, Spoke, State, Why
from appliance.facts import ClockQuality, Moment

Ways = tuple[frozenset[Factor], ...]
"""Each a set of factors that opens the door; no set contains another. Empty: nothing does."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would happen to one person."""

    person: str
    ways: Ways
    why: Why
    """GRANTED, or what stands in the way, or what is still missing (a host)."""
    reasons: tuple[Spoke, ...]
    """Every rule's word: on the first way, or else on what the person has to show."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some time during which the answer is the same."""

    begin: float
    """UTC epoch seconds."""
    end: float
    ways: Ways
    why: Why


NOTHING_YET = State()


@dataclass(frozen=True, slots=True)
class Door:
    """Everything but the person and the time."""

    roster: Roster
    rules: DoorRules
    zone: tzinfo
    state: State = NOTHING_YET
    reader: str = ENTRY
    held: frozenset[Factor] = frozenset()
    """Factors that people are given which the roster does not know of: cards, passes."""


def explain(pid: str, door: Door, at: Moment) -> Explanation:
    """Why this person could enter at that moment, or could not."""
    return _explain(pid, door, at, factors_of(pid, door))


def who_can_enter(door: Door, at: Moment) -> dict[str, Ways]:
    """Everybody who could, and how."""
    holders = frozenset(door.roster.pins.values())
    found = {pid: _explain(pid, door, at, _factors(pid, door, pid in holders)).ways for pid in door.roster.people}
    return {pid: ways for pid, ways in found.items() if ways}


def when_can_enter(pid: str, door: Door, begin: float, end: float) -> list[Stretch]:
    """The answers from `begin` to `end` (UTC epoch seconds), such as a week, one stretch after another.

    It speaks of the rights alone: passing back and escorts depend on who goes where until then.
    """
    door = replace(door, state=State(used=door.state.used))
    factors = factors_of(pid, door)
    turns = [begin, *sorted({utc for utc in _edges(pid, door, begin, end) if begin < utc < end}), end]
    found: list[Stretch] = []
    for utc, until in pairwise(turns):
        told = _explain(pid, door, Moment(0.0, utc, ClockQuality.SYNCED), factors)
        if found and (found[-1].ways, found[-1].why) == (told.ways, told.why):
            found[-1] = replace(found[-1], end=until)
        else:
            found.append(Stretch(utc, until, told.ways, told.why))
    return found


def factors_of(pid: str, door: Door) -> frozenset[Factor]:
    """What that person has to show."""
    return _factors(pid, door, pid in door.roster.pins.values())


def _factors(pid: str, door: Door, has_pin: bool) -> frozenset[Factor]:
    person = door.roster.person(pid)
    face = person is not None and person.has_templates
    return door.held | {f for f, has in ((Factor.FACE, face), (Factor.PIN, has_pin)) if has}


def _explain(pid: str, door: Door, at: Moment, has: frozenset[Factor]) -> Explanation:
    answers = {factors: weigh(_case(pid, door, at, factors)) for factors in _subsets(has)}
    ways: list[frozenset[Factor]] = []
    for factors, reasons in answers.items():  # smaller sets come first
        if _opens(reasons) and not any(way <= factors for way in ways):
            ways.append(factors)
    reasons = answers[ways[0]] if ways else _nearest(answers)
    why = conclude(reasons)
    return Explanation(pid, tuple(ways), why, reasons)


def _opens(reasons: tuple[Spoke, ...]) -> bool:
    """Whether nothing is in the way that the person cannot mend: a host may still come."""
    missing = {spoke.rule for spoke in reasons if spoke.outcome is Outcome.MORE}
    return conclude(reasons) is Why.GRANTED or (
        missing == {Rule.ESCORT} and all(spoke.outcome is not Outcome.DENY for spoke in reasons)
    )


def _nearest(answers: dict[frozenset[Factor], tuple[Spoke, ...]]) -> tuple[Spoke, ...]:
    """Of several refusals the one with the fewest against it."""
    return min(answers.values(), key=lambda reasons: sum(spoke.outcome is Outcome.DENY for spoke in reasons))


def _subsets(factors: Iterable[Factor]) -> list[frozenset[Factor]]:
    """All of one or two, or the empty one if there are none: no mode asks for three."""
    ordered = sorted(factors)
    return [frozenset(some) for size in (1, 2) for some in combinations(ordered, size)] or [frozenset()]


def _case(pid: str, door: Door, at: Moment, factors: frozenset[Factor]) -> Case:
    return Case(pid, door.roster.person(pid), factors, None, door.reader, door.rules, door.state, at, door.zone)


def _edges(pid: str, door: Door, begin: float, end: float) -> list[float]:
    person, rules = door.roster.person(pid), door.rules
    bounds = [person.valid_from, person.valid_until] if person else []
    if ban := rules.bans.get(pid):
        bounds.append(ban.until)
    if visit := rules.visits.get(pid):
        bounds += visit.term.bounds
    turns = [utc for schedule in schedules_of(person, rules) for utc in schedule.edges(begin, end, door.zone)]
    return [*turns, *rules.plan.edges(begin, end, door.zone), *(utc for utc in bounds if utc is not None)]
