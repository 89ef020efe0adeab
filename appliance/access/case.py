"""One question to the rules, and what every rule may ask of it. Pure."""

from dataclasses import dataclass
from datetime import tzinfo

from appliance.access.modes import Factor, Mode
from appliance.access.roster import RosterPerson
from appliance.access.schedule import Schedule
from appliance.access.verdict import DoorRules, State, Turns
from appliance.access.walltime import believable
from appliance.facts import ClockQuality, Moment


@dataclass(frozen=True, slots=True)
class Case:
    """One question to the rules."""

    pid: str
    person: RosterPerson | None
    factors: frozenset[Factor]
    """All that stand for the person now."""
    latest: Factor | None
    """The one just shown; None: it does not matter."""
    reader: str
    rules: DoorRules
    state: State
    now: Moment
    zone: tzinfo
    turns: Turns | None = None

    @property
    def clock(self) -> bool:
        """Whether the time of day can be told."""
        return self.now.quality is not ClockQuality.UNKNOWN and believable(self.now.utc)

    @property
    def mode(self) -> Mode:
        """What the door asks for now."""
        plan = self.rules.plan
        return plan.at(self.now.utc, self.zone) if self.clock else plan.unclocked()

    @property
    def schedules(self) -> list[Schedule]:
        """The hours of the person's groups."""
        return schedules_of(self.person, self.rules)

    @property
    def limited(self) -> bool:
        """Whether the right depends on the time."""
        if self.person is None or self.person.valid_from is not None or self.person.valid_until is not None:
            return True
        return bool(self.schedules) and not any(schedule.always for schedule in self.schedules)


def schedules_of(person: RosterPerson | None, rules: DoorRules) -> list[Schedule]:
    """The hours of a person's groups, by group's name."""
    groups = sorted(person.groups) if person else []
    return [schedule for group in groups for schedule in rules.hours.get(group, ())]
