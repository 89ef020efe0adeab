"""Somebody shows a card or a PIN at the reader inside: to be let out, and to be no longer inside.

Nobody is kept in by hours, modes, visits or a blocklist: those are rules of entry, and beside the reader
there is the button. So it asks only who it is. Pure.
"""

from dataclasses import replace

from appliance.access.passback import EXIT, Kind, passed
from appliance.access.roster import Roster
from appliance.access.verdict import Alarm, DoorRules, Outcome, Request, Rule, Spoke, State, Verdict, Why
from appliance.facts import Moment


def leave(request: Request, roster: Roster, rules: DoorRules, state: State, now: Moment) -> Verdict:
    """The answer at the way out. Whoever goes is outside from then on, as anti-passback by zone counts."""
    person = roster.person(request.person)
    if person is None or not person.active:
        why = Why.NOT_ENROLLED if person is None else Why.SUSPENDED
        return Verdict(False, why, request.person, (Spoke(Rule.PERSON, Outcome.DENY, why),), state)
    after = state
    if rules.passback.kind is not Kind.OFF:
        after = replace(state, sightings=passed(rules.passback, state.sightings, request.person, EXIT, now.mono))
    reasons = (
        Spoke(Rule.PERSON, Outcome.ALLOW, Why.KNOWN),
        Spoke(Rule.FACTORS, Outcome.ALLOW, Why.ENOUGH, request.factor),
    )
    alarms = (Alarm.DURESS,) if request.duress else ()
    return Verdict(True, Why.GRANTED, request.person, reasons, after, alarms=alarms)
