"""Somebody shows a card or a PIN at the reader inside: to be let out, and to be no longer inside.

Nobody is kept in by hours, modes, visits or a blocklist: those are rules of entry, so it asks only who it is. A
lockdown does hold back this release, as every one that is not the button's or a fire's. Pure.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from appliance.access.passback import EXIT, Kind, passed
from appliance.access.roster import Roster
from appliance.access.verdict import Alarm, DoorRules, Outcome, Request, Rule, Spoke, Stamp, State, Verdict, Why
from appliance.facts import Moment


def leave(request: Request, roster: Roster, rules: DoorRules, state: State, now: Moment) -> Verdict:
    """The answer at the way out. Whoever goes is outside from then on, as anti-passback by zone counts."""
    person = roster.person(request.person)
    if person is None or not person.active:
        why = Why.NOT_ENROLLED if person is None else Why.SUSPENDED
        return Verdict(False, why, request.person, (Spoke(Rule.PERSON, Outcome.DENY, why),), state)
    gone = request.person
    # Who has left is nobody's company, and comes along with nobody.
    after = replace(state, let_in=_without(state.let_in, gone), waiting=_without(state.waiting, gone))
    if rules.passback.kind is Kind.ZONE:  # by time it is entries that count, and leaving undoes none
        after = replace(after, sightings=passed(rules.passback, state.sightings, gone, EXIT, now.mono))
    reasons = (
        Spoke(Rule.PERSON, Outcome.ALLOW, Why.KNOWN),
        Spoke(Rule.FACTORS, Outcome.ALLOW, Why.ENOUGH, request.factor),
    )
    ban = rules.bans.get(gone)
    raised = {Alarm.DURESS: request.duress, Alarm.BLOCKED: ban is not None and ban.stands(now)}
    alarms = tuple(alarm for alarm, raise_it in raised.items() if raise_it)
    return Verdict(True, Why.GRANTED, request.person, reasons, after, alarms=alarms)


def _without(stamps: Mapping[str, Stamp], pid: str) -> Mapping[str, Stamp]:
    return MappingProxyType({who: stamp for who, stamp in stamps.items() if who != pid})
