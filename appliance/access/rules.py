"""All rules of a door, joined: may this person, by this factor, enter now, and what did each rule say?

`decide.py` weighs the evidence (is it fresh, live, a match?); this weighs the right. Every rule
speaks whether or not another has refused already, so the same code decides and explains. It
fails closed: a grant needs every rule's word, and a time that no clock can show is an unknown one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import tzinfo
from math import inf
from types import MappingProxyType

from appliance.access import visitors
from appliance.access.case import Case
from appliance.access.modes import NEEDS, NOTHING_SHOWN, Factor, Mode, Need, Shown
from appliance.access.passback import Kind, passed, passes_back
from appliance.access.roster import Roster, RosterPerson
from appliance.access.verdict import (
    Alarm,
    ClockPolicy,
    DoorRules,
    Outcome,
    Request,
    Rule,
    Spoke,
    Stamp,
    State,
    Turns,
    Verdict,
    Why,
)
from appliance.access.visitors import LONGEST_ESCORT_SECONDS, Visit, escorted
from appliance.facts import ClockQuality, Moment


def judge(
    request: Request,
    roster: Roster,
    rules: DoorRules,
    state: State,
    now: Moment,
    *,
    zone: tzinfo,
    turns: Turns | None = None,
) -> Verdict:
    """Weigh one request. Nothing is remembered unless the caller keeps `after`. `turns` spares asking the plan."""
    window = rules.factor_seconds
    shown = state.shown.add(request.person, request.factor, request.at, window)
    factors = shown.standing(request.person, now.mono, window)
    person = roster.person(request.person)
    case = Case(request.person, person, factors, request.factor, request.reader, rules, state, now, zone, turns)
    fresh = abs(now.mono - request.at) <= window
    first = Spoke(Rule.FRESH, Outcome.ALLOW, Why.FRESH) if fresh else Spoke(Rule.FRESH, Outcome.DENY, Why.STALE)
    reasons = (first, *weigh(case))
    why = conclude(reasons)
    verdict = Verdict(why is Why.GRANTED, why, request.person, reasons, state, alarms=_alarms(case, request, reasons))
    if verdict.granted:
        return _granted(verdict, case, roster)
    if verdict.waits:
        return replace(verdict, after=_waiting(case, shown, reasons), needs=_needs(case))
    return verdict


def weigh(case: Case) -> tuple[Spoke, ...]:
    """Every rule's word, but for freshness, in the order of `Rule`."""
    return tuple(word for words in (_right(case), _means(case), _company(case)) for word in words)


def conclude(reasons: tuple[Spoke, ...]) -> Why:
    """The first refusal, or what is missing first, or GRANTED. GRANTED takes the person's and the factors' word."""
    for outcome in (Outcome.DENY, Outcome.MORE):
        for spoke in reasons:
            if spoke.outcome is outcome:
                return spoke.why
    agreed = {spoke.rule for spoke in reasons if spoke.outcome is Outcome.ALLOW}
    return Why.GRANTED if {Rule.PERSON, Rule.MODE, Rule.FACTORS} <= agreed else Why.NOT_ENROLLED


def _right(case: Case) -> Iterator[Spoke]:
    """Whether the person may enter at all, now, here."""
    yield _person(case)
    if ban := case.rules.bans.get(case.pid):
        told = case.now if case.clock else replace(case.now, quality=ClockQuality.UNKNOWN)
        if ban.stands(told):
            yield Spoke(Rule.BLOCKLIST, Outcome.DENY, Why.BLOCKED, ban.reason)
    if case.limited and not case.clock:
        two = case.rules.clock_unknown is ClockPolicy.TWO_FACTOR
        yield Spoke(Rule.CLOCK, Outcome.NOTE if two else Outcome.DENY, Why.CLOCK_UNKNOWN)
    elif case.person is not None:
        yield _validity(case.person, case.now)
        yield _hours(case)
    if visit := case.rules.visits.get(case.pid):
        yield _visit(case, visit)
    if passes_back(case.rules.passback, case.state.sightings.get(case.pid), case.reader, case.now.mono):
        yield Spoke(Rule.PASSBACK, Outcome.DENY if case.rules.passback.hard else Outcome.NOTE, Why.PASSED_BACK)


def _person(case: Case) -> Spoke:
    person = case.person
    if person is None:
        return Spoke(Rule.PERSON, Outcome.DENY, Why.NOT_ENROLLED)
    if not person.active:
        return Spoke(Rule.PERSON, Outcome.DENY, Why.SUSPENDED)
    if Factor.FACE in case.factors and not person.has_templates:
        return Spoke(Rule.PERSON, Outcome.DENY, Why.NOT_ENROLLED, Factor.FACE)
    if Factor.FACE in case.factors and not _consents(person, case):
        return Spoke(Rule.PERSON, Outcome.DENY, Why.NO_CONSENT, Factor.FACE)
    return Spoke(Rule.PERSON, Outcome.ALLOW, Why.KNOWN)


def _consents(person: RosterPerson, case: Case) -> bool:
    """While nobody knows the time, as it stood when the people were read."""
    if not person.consent or person.consent_until is None:
        return person.consent
    return not case.clock or case.now.utc < person.consent_until


def _validity(person: RosterPerson, now: Moment) -> Spoke:
    # Negated, so that a nan refuses.
    if person.valid_from is not None and not now.utc >= person.valid_from:
        return Spoke(Rule.VALIDITY, Outcome.DENY, Why.NOT_YET_VALID)
    if person.valid_until is not None and not now.utc < person.valid_until:
        return Spoke(Rule.VALIDITY, Outcome.DENY, Why.EXPIRED)
    return Spoke(Rule.VALIDITY, Outcome.ALLOW, Why.VALID)


def _hours(case: Case) -> Spoke:
    schedules = case.schedules
    if not schedules:
        return Spoke(Rule.HOURS, Outcome.ALLOW, Why.ALWAYS)
    for schedule in schedules:
        if schedule.always:
            return Spoke(Rule.HOURS, Outcome.ALLOW, Why.ALWAYS, schedule.name)
        if schedule.allows(case.now.utc, case.zone):
            return Spoke(Rule.HOURS, Outcome.ALLOW, Why.IN_HOURS, schedule.name)
    return Spoke(Rule.HOURS, Outcome.DENY, Why.OUTSIDE_HOURS, ", ".join(schedule.name for schedule in schedules))


def _visit(case: Case, visit: Visit) -> Spoke:
    told = case.now if case.clock else replace(case.now, quality=ClockQuality.UNKNOWN)
    refused = visitors.refusal(visit, case.state.used.get(case.pid, 0), told)
    if refused:
        return Spoke(Rule.VISIT, Outcome.DENY, Why(refused))
    return Spoke(Rule.VISIT, Outcome.ALLOW, Why.VALID)


def _means(case: Case) -> Iterator[Spoke]:
    """Whether the factors shown suffice here and now."""
    mode = case.mode
    if mode not in NEEDS:
        yield Spoke(Rule.MODE, Outcome.DENY, Why.DOOR_LOCKED, mode)
        return
    yield Spoke(Rule.MODE, Outcome.ALLOW, Why.DOOR_MODE, mode)
    need, lookalike = _need(case, NEEDS[mode])
    if lookalike:
        yield Spoke(Rule.LOOKALIKE, Outcome.NOTE, Why.LOOKALIKE)
    yield _factors(case, need)


def _need(case: Case, need: Need) -> tuple[Need, bool]:
    """What this person must show, and whether that is more because somebody looks like them."""
    if case.limited and not case.clock:
        need = need.two()
    if case.pid in case.rules.alike and need.met(case.factors) and not need.met(case.factors - {Factor.FACE}):
        return need.two(), True
    return need, False


def _needs(case: Case) -> frozenset[Factor]:
    """The factors that would help, once some have been shown."""
    mode = case.mode
    if mode not in NEEDS:
        return frozenset()
    need, _ = _need(case, NEEDS[mode])
    if need.met(case.factors):
        return frozenset()
    # A pass has a time of its own: it never opens while nobody knows the time.
    useless = case.factors if case.clock else case.factors | {Factor.PASS}
    return need.together - useless or need.any_of - useless


def _factors(case: Case, need: Need) -> Spoke:
    shown = ", ".join(sorted(case.factors))
    if need.met(case.factors):
        return Spoke(Rule.FACTORS, Outcome.ALLOW, Why.ENOUGH, shown)
    useful = case.factors & need.any_of if case.latest is None else case.latest in need.any_of
    if not useful:
        return Spoke(Rule.FACTORS, Outcome.DENY, Why.WRONG_FACTOR, shown)
    return Spoke(Rule.FACTORS, Outcome.MORE, Why.SECOND_FACTOR, ", ".join(sorted(need.together - case.factors)))


def _company(case: Case) -> Iterator[Spoke]:
    visit = case.rules.visits.get(case.pid)
    if visit is None or not visit.hosts:
        return
    # A host on his way out is no company.
    beside = {pid: stamp.at for pid, stamp in case.state.let_in.items() if stamp.reader == case.reader}
    if escorted(visit, beside, case.now.mono):
        yield Spoke(Rule.ESCORT, Outcome.ALLOW, Why.ESCORTED)
    else:
        yield Spoke(Rule.ESCORT, Outcome.MORE, Why.ESCORT_MISSING)


def _alarms(case: Case, request: Request, reasons: tuple[Spoke, ...]) -> tuple[Alarm, ...]:
    said = {spoke.why for spoke in reasons}
    raised = {
        Alarm.DURESS: request.duress and case.person is not None,
        Alarm.BLOCKED: Why.BLOCKED in said,
        Alarm.PASSBACK: Why.PASSED_BACK in said,
    }
    return tuple(alarm for alarm, raise_it in raised.items() if raise_it)


def _granted(verdict: Verdict, case: Case, roster: Roster) -> Verdict:
    along = [pid for pid in case.state.waiting if _comes_along(pid, case, roster)]
    after = _entered(case, [case.pid, *along])
    # Who is only visiting, or is forced, does not open the door for everybody.
    forced = Alarm.DURESS in verdict.alarms
    frees = case.mode is Mode.FREE and case.pid not in case.rules.visits and not forced
    free = _free_until(case) if frees else None
    return replace(verdict, after=after, companions=tuple(along), free_until=free)


def _comes_along(pid: str, host: Case, roster: Roster) -> bool:
    """Whether a waiting visitor enters with this host: everything but the company is asked again."""
    visit, waiting = host.rules.visits.get(pid), host.state.waiting[pid]
    beside = {host.pid: host.now.mono} if host.reader == waiting.reader else {}
    if visit is None or not visit.hosts or not escorted(visit, beside, waiting.at):
        return False
    case = replace(host, pid=pid, person=roster.person(pid), factors=frozenset())
    return all(spoke.outcome in (Outcome.ALLOW, Outcome.NOTE) for spoke in _right(case))


def _entered(case: Case, pids: list[str]) -> State:
    """What to remember once these have been let in together."""
    rules, now, stamp = case.rules, case.now.mono, Stamp(case.now.mono, case.reader)
    used = dict(case.state.used)
    used.update({pid: used.get(pid, 0) + 1 for pid in pids if pid in rules.visits})
    sightings = case.state.sightings
    if rules.passback.kind is not Kind.OFF:
        for pid in pids:
            sightings = passed(rules.passback, sightings, pid, case.reader, now)
    let_in = {**_recent(case.state.let_in, now), **dict.fromkeys(pids, stamp)}
    waiting = {pid: asked for pid, asked in _recent(case.state.waiting, now).items() if pid not in pids}
    return State(NOTHING_SHOWN, MappingProxyType(used), MappingProxyType(let_in), MappingProxyType(waiting), sightings)


def _recent(stamps: Mapping[str, Stamp], now: float) -> dict[str, Stamp]:
    return {pid: stamp for pid, stamp in stamps.items() if now - stamp.at <= LONGEST_ESCORT_SECONDS}


def _waiting(case: Case, shown: Shown, reasons: tuple[Spoke, ...]) -> State:
    missing = {spoke.rule for spoke in reasons if spoke.outcome is Outcome.MORE}
    if missing == {Rule.ESCORT}:
        if Factor.PASS in case.factors:
            # Its use is written only when the pass itself opens: shown again once the host is in, never on trust.
            return replace(case.state, shown=NOTHING_SHOWN)
        waiting = {**case.state.waiting, case.pid: Stamp(case.now.mono, case.reader)}
        return replace(case.state, shown=NOTHING_SHOWN, waiting=MappingProxyType(waiting))
    return replace(case.state, shown=shown)


def _free_until(case: Case) -> float:
    change = case.turns(case.now.utc) if case.turns else case.rules.plan.next_change(case.now.utc, case.zone)
    return inf if change is None else case.now.mono + (change - case.now.utc)
