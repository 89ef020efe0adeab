"""What in the rules is hardly meant so. Nothing here decides; each fault says what to do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from appliance.access.explain import when_can_enter
from appliance.access.modes import NEEDS, Factor, Mode
from appliance.commands.asking import Asking
from appliance.commands.reasons import short
from appliance.commands.records import local
from appliance.commands.times import today_at
from appliance.store.hours import StoredCalendar, StoredSchedule, whole
from appliance.store.person import Person
from appliance.store.rulebook import Rulebook

FAR_SECONDS = 366 * 86_400.0
"""Somebody who cannot enter within a year never can."""
NEAR_SECONDS = 28 * 86_400.0
SHORTEST_DAYS = 60
"""Holidays that end sooner want loading again."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is hardly meant so."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Look:
    """All that is looked at, of one moment."""

    asking: Asking
    book: Rulebook
    people: Sequence[Person]
    timezone: str


def faults(look: Look) -> list[Fault]:
    """All of them, the gravest first."""
    checks = (unreadable, shut_out, never, alike, empty_groups, unused, ending_holidays)
    return [fault for check in checks for fault in check(look)]


def unreadable(look: Look) -> Iterator[Fault]:
    """Rows that no longer mean anything."""
    calendars: dict[str, StoredCalendar] = {stored.name: stored for stored in look.book.calendars()}
    for stored in look.book.schedules():
        if fault := schedule_fault(stored, calendars):
            yield Fault(
                f"schedule {stored.name!r} cannot be understood, so nobody enters by it: {fault}",
                f"lintel rules schedule add {stored.name!r} HOURS --replace",
            )
    for name, calendar in calendars.items():
        if calendar.calendar is None:
            yield Fault(
                f"holidays {name!r} cannot be understood, so what observes them is closed: {calendar.fault}",
                f"lintel rules holidays add {name!r} --replace",
            )
    for line in look.book.modes():
        if line.mode not in tuple(Mode):
            yield Fault(f"the mode {line.mode!r} cannot be understood", "lintel rules mode set")


def schedule_fault(stored: StoredSchedule, calendars: dict[str, StoredCalendar]) -> str:
    """Why it cannot be understood by itself; empty: it can."""
    broken = [name for name in stored.calendars if name not in calendars or calendars[name].calendar is None]
    if stored.schedule is None:
        return stored.fault
    return f"its holidays {broken[0]} cannot be" if broken else ""


def shut_out(look: Look) -> Iterator[Fault]:
    """Hours at which nobody at all could enter by what the door asks for, though the door is not meant to be locked."""
    door, begin = look.asking.door, look.asking.at.utc
    plan, zone = door.rules.plan, ZoneInfo(look.timezone)
    if not look.people:
        return
    held = {factors(look, person) for person in look.people if not person.suspended}
    told: set[Mode] = set()
    end = begin + NEAR_SECONDS
    for utc, until in pairwise([begin, *sorted({t for t in plan.edges(begin, end, zone) if begin < t < end}), end]):
        mode = plan.at(utc, zone)
        if mode in told or (mode in NEEDS and any(NEEDS[mode].met(factors) for factors in held)):
            continue
        told.add(mode)
        span = f"from {local(utc, look.timezone)} to {local(until, look.timezone)}"
        if mode is Mode.LOCKED:
            if plan.default is Mode.LOCKED and len(plan.turns) == 0:
                yield Fault("the door is locked to everybody at all times", "lintel rules mode remove --usual")
            continue
        asked = " and ".join(sorted(NEEDS[mode].together or NEEDS[mode].any_of))
        yield Fault(f"{span} the door asks for {asked}, which nobody has: nobody can enter", f"give somebody {asked}")


def never(look: Look) -> Iterator[Fault]:
    """People who are not suspended and yet can enter at no time of the coming year."""
    begin = look.asking.at.utc
    answers: dict[object, str | None] = {}
    for person in look.people:
        ban = look.asking.book.bans.get(person.pid)
        ended = person.valid_until is not None and person.valid_until <= begin
        if person.suspended or ended or (ban is not None and ban.until is None) or person.pid in look.asking.coming:
            continue
        alike = _alike_in_rights(look, person)
        if alike not in answers:
            nothing = None if factors(look, person) else "they have no face, PIN, card or pass"
            answers[alike] = nothing or _never(look, person.pid)
        if (why := answers[alike]) is not None:
            yield Fault(
                f"{person.name} ({person.pid[:8]}) can never enter: {why}", f"see lintel why {person.pid[:8]} --week"
            )


def _alike_in_rights(look: Look, person: Person) -> object:
    """The same for people whom the rules treat alike: on a large site they are asked about once."""
    book = look.asking.book
    if person.pid in book.visits or person.pid in book.bans:
        return person.pid
    consent = person.consent.expires_at if person.consent else None
    validity = person.valid_from, person.valid_until
    return person.groups, factors(look, person), validity, consent, person.pid in book.alike


def _never(look: Look, pid: str) -> str | None:
    """Why this person can never enter; None: they can."""
    door, begin = look.asking.of(pid), look.asking.at.utc
    near = when_can_enter(pid, door, begin, begin + NEAR_SECONDS)
    if any(one.ways for one in near):
        return None
    if any(one.ways for one in when_can_enter(pid, door, begin, begin + FAR_SECONDS)):
        return None
    return short(near[0].why)


def factors(look: Look, person: Person) -> frozenset[Factor]:
    """What the person has to show."""
    has = {Factor.FACE: person.templates > 0, Factor.PIN: person.has_pin}
    return look.asking.held(person.pid) | {factor for factor, there in has.items() if there}


def alike(look: Look) -> Iterator[Fault]:
    """Look-alikes whose face alone does not suffice and who have nothing else."""
    for person in look.people:
        marked = person.pid in look.asking.book.alike and not person.suspended
        if marked and factors(look, person) <= {Factor.FACE}:
            yield Fault(
                f"{person.name} ({person.pid[:8]}) looks like somebody else and has no second factor",
                f"lintel people set-pin {person.pid[:8]}, or set-card",
            )


def empty_groups(look: Look) -> Iterator[Fault]:
    """Hours for a group that nobody is in: perhaps a slip of the pen."""
    taken = {group for person in look.people for group in person.groups}
    for group in sorted(set(look.book.group_hours()) - taken):
        yield Fault(
            f"group {group!r} has hours and nobody is in it",
            f"lintel people groups WHO {group!r}, or lintel rules group remove {group!r}",
        )


def unused(look: Look) -> Iterator[Fault]:
    """Schedules and holidays without effect, and schedules that are never on."""
    schedules, zone = look.book.schedules(), ZoneInfo(look.timezone)
    users = {name for names in look.book.group_hours().values() for name in names}
    users |= {line.schedule for line in look.book.modes() if line.schedule is not None}
    calendars = {stored.name: stored for stored in look.book.calendars()}
    for stored in schedules:
        if stored.name not in users:
            yield Fault(
                f"schedule {stored.name!r} is used by nobody",
                f"lintel rules group set GROUP {stored.name!r}, or lintel rules schedule remove {stored.name!r}",
            )
        elif not schedule_fault(stored, calendars):
            schedule, utc = whole(stored, calendars), look.asking.at.utc
            if not schedule.allows(utc, zone) and schedule.next_change(utc, zone) is None:
                yield Fault(
                    f"schedule {stored.name!r} is never on from now", f"lintel rules schedule show {stored.name!r}"
                )
    observed = {name for stored in schedules for name in stored.calendars}
    for name in sorted(set(calendars) - observed):
        yield Fault(
            f"holidays {name!r} are observed by no schedule",
            f"lintel rules schedule add NAME HOURS --holidays {name!r} --replace",
        )


def ending_holidays(look: Look) -> Iterator[Fault]:
    """Holidays whose days are known for only a short while yet: after that every day is an ordinary one."""
    today = today_at(look.timezone, look.asking.at.utc)
    for stored in look.book.calendars():
        if stored.calendar is None or stored.calendar.covers is None:
            continue
        last = stored.calendar.covers[1]
        if last < today + timedelta(days=SHORTEST_DAYS):
            yield Fault(
                f"holidays {stored.name!r} are known only until {last}",
                f"lintel rules holidays add {stored.name!r} --replace, with later --years",
            )
