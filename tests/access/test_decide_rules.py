"""Evidence and right together: what the rules say becomes the decision, and nothing is kept of what was refused."""

import math
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.access.blocklist import Ban
from appliance.access.decide import REASONS, Answer, decide
from appliance.access.lockout import DOOR_PIN_POLICY, PIN_POLICY, Lockouts, Outcome
from appliance.access.modes import Factor, Mode, ModePlan, Shown
from appliance.access.proof import CONFIRM_THRESHOLD, Known, Rules
from appliance.access.roster import Roster, RosterPerson
from appliance.access.schedule import Term, weekly
from appliance.access.verdict import Alarm, ClockPolicy, DoorRules, State, Why
from appliance.access.visitors import Visit
from appliance.facts import (
    AdminUnlock,
    CardEntry,
    ClockQuality,
    Credential,
    LivenessVerdict,
    Match,
    Moment,
    PinEntry,
    Reason,
    Surround,
)

NOW = Moment(1000.0, 1_790_000_000.0, ClockQuality.SYNCED)
UNSET = replace(NOW, quality=ClockQuality.UNKNOWN)
MODEL = "sha256:0123456789ab"
DIGEST, FORCED, CARD_DIGEST = b"d" * 32, b"f" * 32, b"c" * 32
P = RosterPerson("p", consent=True, has_templates=True)
LIVE = LivenessVerdict(live=True, passive=0.95, frames=5, surround=Surround.STILL)
MATCH = Match("p", 0.8, 0.45, 0.3, LIVE, 3, 999.0, 999.9, MODEL)
PIN, CARD = PinEntry(DIGEST, "keypad", 999.9), CardEntry(CARD_DIGEST, "wiegand", 999.9)
DURESS = replace(PIN, digest=FORCED)
ADMIN = AdminUnlock("admin", "nonce", 999.9)
BOTH = DoorRules(plan=ModePlan(Mode.CARD_AND_FACE))


def knowing(person: RosterPerson = P, **fields) -> Known:
    roster = Roster({person.pid: person, "q": replace(P, pid="q")}, {DIGEST: "p"}, 1, {CARD_DIGEST: "p"}, {FORCED: "p"})
    return Known(**{"roster": roster, "evidence": Rules(models=frozenset({MODEL})), **fields})


def of(credential, now=NOW, **fields) -> Answer:
    return decide(credential, knowing(**fields), now)


def test_every_word_that_refuses_has_a_reason_and_granted_is_granted():
    said_by_rules = set(Why) - {
        Why.FRESH, Why.KNOWN, Why.VALID, Why.ALWAYS, Why.IN_HOURS, Why.DOOR_MODE, Why.LOOKALIKE, Why.ENOUGH,
        Why.ESCORTED,
    }  # fmt: skip
    assert set(REASONS) == said_by_rules
    assert all(why.value == reason.value for why, reason in REASONS.items())


@pytest.mark.parametrize("credential", [MATCH, PIN, CARD, ADMIN])
def test_before_people_and_rules_are_read_nobody_comes_in(credential):
    decision = decide(credential, Known(evidence=Rules(models=frozenset({MODEL}))), NOW).decision
    assert (decision.granted, decision.reason, decision.unlock_seconds) == (False, Reason.NOT_READY, 0.0)


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (DoorRules(plan=ModePlan(Mode.LOCKED)), "door_locked"),
        (DoorRules(plan=ModePlan(Mode.FACE)), "wrong_factor"),
        (DoorRules(plan=ModePlan(Mode.FACE_AND_PIN)), "second_factor"),
        (DoorRules(bans={"p": Ban("stolen_pin")}), "blocked"),
        (DoorRules(hours={"staff": (weekly("never", {"mon": "closed"}),)}), "outside_hours"),
        (DoorRules(visits={"p": Visit(Term(NOW.utc - 9, NOW.utc - 1))}), "expired"),
        (DoorRules(visits={"p": Visit(Term(NOW.utc - 9, NOW.utc + 9), hosts=frozenset({"q"}))}), "escort_missing"),
    ],
)
def test_what_the_rules_refuse_or_miss_is_not_granted(rules, reason):
    answer = of(PIN, person=replace(P, groups=frozenset({"staff"})), rules=rules)
    assert (answer.decision.granted, answer.decision.reason, answer.decision.unlock_seconds) == (False, reason, 0.0)
    waits = reason in ("second_factor", "escort_missing")
    assert answer.waits is waits
    assert (answer.after is not None) is waits
    assert answer.needs == (("face",) if reason == "second_factor" else ())
    assert answer.decision.person == "p"


def test_a_grant_is_remembered_and_a_refusal_for_other_reasons_is_not():
    rules = DoorRules(visits={"p": Visit(Term(NOW.utc - 9, NOW.utc + 9))})
    assert of(PIN, rules=rules).after.used == {"p": 1}
    assert of(replace(PIN, entered_at=990.0), rules=rules).after is None
    assert of(PIN, rules=rules, lockdown=True).after is None
    replayed = replace(of(PIN, rules=rules), decision=replace(of(PIN).decision, granted=False, reason=Reason.REPLAYED))
    assert replayed.after is None
    assert not replayed.waits


@pytest.mark.parametrize("credential", [PIN, MATCH, CARD])
def test_during_a_lockdown_no_factor_is_remembered(credential):
    answer = of(credential, rules=DoorRules(plan=ModePlan(Mode.CARD_AND_FACE)), lockdown=True)
    assert not answer.decision.granted
    assert not answer.waits
    assert answer.after is None
    assert answer.needs == ()


def test_alarms_are_raised_whatever_else_refuses():
    banned = DoorRules(bans={"p": Ban("stolen_pin")})
    assert of(DURESS).verdict.alarms == (Alarm.DURESS,)
    assert of(DURESS).decision == of(PIN).decision
    assert of(DURESS, lockdown=True).verdict.alarms == (Alarm.DURESS,)
    assert set(of(DURESS, rules=banned).verdict.alarms) == {Alarm.DURESS, Alarm.BLOCKED}
    assert of(MATCH, rules=banned, lockdown=True).verdict.alarms == (Alarm.BLOCKED,)
    assert of(PIN).verdict.alarms == ()


def test_a_digest_that_is_an_ordinary_pin_too_raises_no_alarm():
    roster = Roster({"p": P}, {DIGEST: "p"}, 1, {}, {DIGEST: "p"})
    assert of(PIN, roster=roster).verdict.alarms == ()


def test_an_administrator_opens_a_locked_door_and_no_lockdown():
    locked = DoorRules(plan=ModePlan(Mode.LOCKED))
    assert of(ADMIN, rules=locked).decision.granted
    assert of(ADMIN, rules=locked, lockdown=True).decision.reason is Reason.LOCKDOWN
    assert of(ADMIN).verdict is None


def test_whoever_enters_along_and_needs_longer_gets_longer():
    rules = DoorRules(visits={"q": Visit(Term(NOW.utc - 9, NOW.utc + 9), hosts=frozenset({"p"}))})
    roster = Roster({"p": P, "q": replace(P, pid="q", extended=True)}, {DIGEST: "p", FORCED: "q"})
    waiting = of(replace(PIN, digest=FORCED), roster=roster, rules=rules)
    assert waiting.decision.reason is Reason.ESCORT_MISSING
    answer = of(PIN, roster=roster, rules=rules, state=waiting.after)
    assert answer.verdict.companions == ("q",)
    assert answer.decision.unlock_seconds == 20
    assert of(PIN, roster=roster, rules=rules).decision.unlock_seconds == 5


# --- one to one


def named(at: float = 995.0, by: Factor = Factor.CARD, person: str = "p") -> State:
    return State(shown=Shown(person, ((by, at),)))


UNSURE = replace(MATCH, score=CONFIRM_THRESHOLD, threshold=0.71, margin=0.0)


def test_a_face_confirms_whom_a_card_has_named():
    assert of(UNSURE, rules=BOTH).decision.reason is Reason.LOW_SCORE
    answer = of(UNSURE, rules=BOTH, state=named())
    assert answer.decision.granted
    assert answer.decision.by is Credential.FACE


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        ({"score": CONFIRM_THRESHOLD - 0.001}, named(), "low_score"),
        ({"score": math.nan}, named(), "low_score"),
        ({"votes": 2}, named(), "low_score"),
        ({"margin": -0.01}, named(), "ambiguous"),
        ({"margin": math.nan}, named(), "ambiguous"),
        ({"model": "sha256:ffffffffffff"}, named(), "wrong_model"),
        ({"person": None}, named(), "unknown_face"),
        ({"person": "q"}, named(), "low_score"),
        ({"liveness": replace(LIVE, live=False)}, named(), "spoof"),
        ({}, named(person="q"), "low_score"),
        ({}, named(at=1000.0 - 12.1), "low_score"),
        ({}, named(at=math.nan), "low_score"),
        ({}, named(by=Factor.FACE), "low_score"),
        ({}, State(), "low_score"),
    ],
)
def test_a_face_confirms_nobody_else_nothing_stale_and_nothing_doubtful(change, state, reason):
    decision = of(replace(UNSURE, **change), rules=BOTH, state=state).decision
    assert (decision.granted, decision.reason) == (False, reason)


@pytest.mark.parametrize("by", [Factor.PIN, Factor.CARD, Factor.PASS])
def test_whatever_names_a_person_may_be_confirmed(by):
    need = DoorRules(plan=ModePlan(Mode.ANY), alike=frozenset({"p"}))
    assert of(UNSURE, rules=need, state=named(by=by)).decision.granted


# --- consent, clock, lock-outs


def test_a_consent_that_has_run_out_since_it_was_read_refuses_the_face():
    until = replace(P, consent_until=NOW.utc + 10)
    assert of(MATCH, person=until).decision.granted
    for utc in (NOW.utc + 10, NOW.utc + 1e6):
        assert of(MATCH, replace(NOW, utc=utc), person=until).decision.reason is Reason.NO_CONSENT
        assert of(PIN, replace(NOW, utc=utc), person=until).decision.granted
    assert of(MATCH, person=replace(P, consent_until=math.nan)).decision.reason is Reason.NO_CONSENT
    assert of(MATCH, person=replace(until, consent=False)).decision.reason is Reason.NO_CONSENT
    # Who may always enter does so without a clock; the consent stood when the people were read.
    assert of(MATCH, UNSET, person=until).decision.granted


@pytest.mark.parametrize("utc", [math.nan, math.inf, -math.inf, 0.0, -1e9, 1e12])
def test_a_time_that_no_clock_shows_is_an_unknown_one(utc):
    now = replace(NOW, utc=utc)
    timed = replace(P, valid_from=NOW.utc - 9e9, valid_until=NOW.utc + 9e9)
    assert of(PIN, now, person=timed).decision.reason is Reason.CLOCK_UNKNOWN
    two = DoorRules(clock_unknown=ClockPolicy.TWO_FACTOR)
    answer = of(PIN, now, person=timed, rules=two)
    assert answer.decision.reason is Reason.SECOND_FACTOR
    assert set(answer.needs) == {"face", "card"}, "a pass means nothing without a clock"


def test_tries_are_counted_for_the_whole_door():
    lockouts = Lockouts()
    for number in range(DOOR_PIN_POLICY.after):
        assert of(PIN, lockouts=lockouts).decision.granted
        lockouts = lockouts.after(Outcome(Reason.UNKNOWN_PIN, Credential.PIN, keypad=f"pad{number % 4}"), NOW.mono)
    decision = of(PIN, lockouts=lockouts).decision
    assert (decision.reason, decision.until, decision.person) == (Reason.LOCKED_OUT, NOW.mono + 30, None)
    assert of(CARD, lockouts=lockouts).decision.granted
    assert of(MATCH, lockouts=lockouts).decision.granted
    assert DOOR_PIN_POLICY.after > PIN_POLICY.after, "slips at one input alone lock nobody out at another"


def test_unknown_cards_are_no_pin_tries():
    lockouts = Lockouts()
    for number in range(40):
        outcome = Outcome(Reason.UNKNOWN_CARD, Credential.CARD, keypad=f"reader{number % 10}")
        lockouts = lockouts.after(outcome, NOW.mono)
    assert of(PIN, lockouts=lockouts).decision.granted


# --- everything at once


@settings(deadline=None)
@given(
    st.sampled_from([MATCH, UNSURE, PIN, DURESS, CARD, replace(MATCH, score=0.1), replace(PIN, digest=b"x" * 32)]),
    st.sampled_from(list(Mode)),
    st.sampled_from([State(), named(), named(by=Factor.PIN), named(person="q")]),
    st.sampled_from([NOW, UNSET, replace(NOW, utc=math.nan), replace(NOW, mono=math.nan), replace(NOW, mono=2000.0)]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_a_grant_takes_fresh_evidence_every_factor_and_no_lockdown(credential, mode, state, now, lockdown, banned, ok):
    rules = DoorRules(plan=ModePlan(mode), bans={"p": Ban("stolen_pin")} if banned else {})
    answer = of(credential, now, person=replace(P, active=ok), rules=rules, state=state, lockdown=lockdown)
    decision = answer.decision
    assert decision.granted == (decision.reason is Reason.GRANTED) == (decision.unlock_seconds > 0)
    assert not (decision.granted and answer.waits)
    if decision.granted:
        assert now.mono == NOW.mono
        assert ok
        assert not lockdown
        assert not banned
        assert mode is not Mode.LOCKED
        shown = {Factor(decision.by.value), *state.shown.standing("p", now.mono)}
        needed = {
            Mode.FACE: {Factor.FACE},
            Mode.PIN: {Factor.PIN},
            Mode.FACE_AND_PIN: {Factor.FACE, Factor.PIN},
            Mode.CARD_AND_FACE: {Factor.CARD, Factor.FACE},
        }
        assert needed.get(mode, set()) <= shown


def test_asking_first_by_one_then_by_another_is_the_same_as_the_other_way_round():
    for first, second in product((MATCH, CARD), repeat=2):
        waiting = of(first, rules=BOTH)
        assert waiting.waits
        after = of(second, rules=BOTH, state=waiting.after)
        assert after.decision.granted == (first is not second)
