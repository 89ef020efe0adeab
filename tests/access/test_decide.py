"""The one place where evidence is weighed: each doubt alone refuses, and nothing but all proofs together grants."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.access.decide import decide
from appliance.access.lockout import Lockouts, Outcome
from appliance.access.proof import AGE_SECONDS, AHEAD_SECONDS, PIN_AGE_SECONDS, Known, Rules, not_live
from appliance.access.roster import Roster, RosterPerson
from appliance.facts import (
    AdminUnlock,
    Challenge,
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
MODEL = "sha256:0123456789ab"
RULES = Rules(models=frozenset({MODEL}))
P = RosterPerson("p", consent=True, has_templates=True)
DIGEST = b"d" * 32
ROSTER = Roster({"p": P}, {DIGEST: "p"})
LIVE = LivenessVerdict(live=True, passive=0.95, frames=5, surround=Surround.STILL)
MATCH = Match("p", 0.8, 0.45, 0.3, LIVE, 3, 999.0, 999.9, MODEL)
PIN = PinEntry(DIGEST, "keypad", 999.9)
ADMIN = AdminUnlock("admin", "nonce", 999.9)
NO = Lockouts()


def of(credential, person=P, now=NOW, lockouts=NO, rules=RULES, lockdown=False):
    roster = Roster({"p": person} if person else {}, {DIGEST: "p"})
    return decide(credential, Known(roster, lockouts, rules, lockdown=lockdown), now).decision


@pytest.mark.parametrize(("credential", "by"), [(MATCH, "face"), (PIN, "pin"), (ADMIN, "admin")])
def test_all_proofs_together_grant(credential, by):
    decision = of(credential)
    assert decision.granted
    assert decision.reason is Reason.GRANTED
    assert decision.by == by
    assert decision.unlock_seconds == 5


def test_what_a_granted_face_says():
    decision = of(MATCH)
    assert (decision.person, decision.score, decision.threshold, decision.live) == ("p", 0.8, 0.45, True)
    assert decision.since == 999.0


def test_whoever_needs_longer_gets_longer():
    assert of(MATCH, replace(P, extended=True)).unlock_seconds == 20
    assert of(PIN, replace(P, extended=True)).unlock_seconds == 20


NAN = math.nan


def live(**changes):
    return {"liveness": replace(LIVE, **changes)}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (live(live=False), "spoof"),
        (live(passive=0.69), "spoof"),
        (live(passive=NAN), "spoof"),
        (live(frames=0), "spoof"),
        (live(surround=Surround.MOVES), "spoof"),
        ({"person": None}, "unknown_face"),
        ({"person": "q"}, "not_enrolled"),
        ({"score": 0.44}, "low_score"),
        ({"score": NAN}, "low_score"),
        ({"threshold": NAN}, "low_score"),
        ({"threshold": -1.0}, "low_score"),
        ({"threshold": 0.1}, "low_score"),
        ({"votes": 2}, "low_score"),
        ({"margin": 0.04}, "ambiguous"),
        ({"margin": NAN}, "ambiguous"),
        ({"model": "sha256:ffffffffffff"}, "wrong_model"),
        ({"taken_at": NOW.mono - AGE_SECONDS - 0.01}, "stale"),
        ({"taken_at": NOW.mono + AHEAD_SECONDS + 0.01}, "stale"),
        ({"taken_at": NAN}, "stale"),
        ({"taken_at": math.inf}, "stale"),
    ],
)
def test_one_doubt_about_a_face_refuses(change, reason):
    decision = of(replace(MATCH, **change))
    assert not decision.granted
    assert decision.reason == reason
    assert decision.unlock_seconds == 0


@pytest.mark.parametrize(
    ("change", "face", "pin"),
    [
        ({"active": False}, "suspended", "suspended"),
        ({"consent": False}, "no_consent", "granted"),  # a PIN needs no consent to face recognition
        ({"has_templates": False}, "not_enrolled", "granted"),
        ({"valid_from": NOW.utc + 1}, "not_yet_valid", "not_yet_valid"),
        ({"valid_from": NOW.utc}, "granted", "granted"),
        ({"valid_until": NOW.utc}, "expired", "expired"),
        ({"valid_until": NOW.utc + 1}, "granted", "granted"),
        ({"valid_until": NAN}, "expired", "expired"),
        ({"valid_from": NAN}, "not_yet_valid", "not_yet_valid"),
    ],
)
def test_one_doubt_about_a_person_refuses(change, face, pin):
    assert of(MATCH, replace(P, **change)).reason == face
    assert of(PIN, replace(P, **change)).reason == pin


def test_nobody_in_the_roster():
    assert of(MATCH, None).reason is Reason.NOT_ENROLLED
    assert of(PIN, None).reason is Reason.UNKNOWN_PIN
    assert decide(PIN, Known(Roster()), NOW).decision.reason is Reason.UNKNOWN_PIN


def test_no_model_no_face():
    assert of(MATCH, rules=Rules()).reason is Reason.WRONG_MODEL
    assert of(PIN, rules=Rules()).granted


def test_a_clock_nobody_set_refuses_only_those_who_have_days():
    unset = replace(NOW, quality=ClockQuality.UNKNOWN)
    for credential in (MATCH, PIN):
        assert of(credential, now=unset).granted
        assert of(credential, replace(P, valid_until=NOW.utc + 99), unset).reason is Reason.CLOCK_UNKNOWN


@pytest.mark.parametrize("credential", [MATCH, PIN, ADMIN])
def test_lockdown_refuses_all_from_outside(credential):
    assert of(credential, lockdown=True).reason is Reason.LOCKDOWN


def test_a_pin_or_an_unlock_too_old_or_ahead_is_stale():
    for at in (NOW.mono - PIN_AGE_SECONDS - 0.1, NOW.mono + 0.2, NAN):
        assert of(replace(PIN, entered_at=at)).reason is Reason.STALE
        assert of(replace(ADMIN, at=at)).reason is Reason.STALE
    assert of(replace(ADMIN, at=NOW.mono - 2.1)).reason is Reason.STALE


def locked(outcome, times):
    lockouts = NO
    for _ in range(times):
        lockouts = lockouts.after(outcome, NOW.mono)
    return lockouts


def test_locked_out_keypad_refuses_even_the_right_pin_and_does_not_say_whose():
    lockouts = locked(Outcome(Reason.UNKNOWN_PIN, Credential.PIN, keypad="keypad"), 5)
    right, wrong = of(PIN, lockouts=lockouts), of(replace(PIN, digest=b"x" * 32), lockouts=lockouts)
    assert right == wrong
    assert right.reason is Reason.LOCKED_OUT
    assert right.person is None
    assert right.until == NOW.mono + 30
    assert of(replace(PIN, keypad="screen"), lockouts=lockouts).granted
    assert of(MATCH, lockouts=lockouts).granted
    assert of(ADMIN, lockouts=lockouts).granted


def test_locked_out_faces_leave_the_pin():
    lockouts = locked(Outcome(Reason.SPOOF, Credential.FACE, None), 3)
    assert of(MATCH, lockouts=lockouts).reason is Reason.LOCKED_OUT
    assert of(replace(MATCH, liveness=replace(LIVE, live=False)), lockouts=lockouts).reason is Reason.SPOOF
    assert of(PIN, lockouts=lockouts).granted


def test_limits_themselves_are_within():
    at_the_limit = replace(
        MATCH,
        score=0.25,
        threshold=0.25,
        margin=0.05,
        taken_at=NOW.mono - 2.0,
        liveness=replace(LIVE, passive=0.7, frames=5),
    )
    assert of(at_the_limit).granted
    assert of(replace(MATCH, taken_at=NOW.mono + 0.1), now=replace(NOW, mono=0.5)).reason is Reason.STALE
    assert of(replace(MATCH, taken_at=0.6), now=replace(NOW, mono=0.5)).granted
    assert of(replace(PIN, entered_at=NOW.mono - 5.0)).granted
    assert of(replace(PIN, entered_at=NOW.mono - 5.5)).reason is Reason.STALE


any_float = st.floats(allow_nan=True, allow_infinity=True)


@given(
    st.builds(
        Match,
        person=st.sampled_from([None, "p", "q", ""]),
        score=any_float,
        threshold=any_float,
        margin=any_float,
        liveness=st.builds(
            LivenessVerdict,
            live=st.booleans(),
            passive=any_float,
            frames=st.integers(-1, 9),
            surround=st.sampled_from(list(Surround)),
        ),
        votes=st.integers(-1, 9),
        since=any_float,
        taken_at=st.one_of(any_float, st.floats(997, 1001)),
        model=st.sampled_from([MODEL, "other", ""]),
    ),
    st.builds(
        RosterPerson,
        pid=st.just("p"),
        active=st.booleans(),
        consent=st.booleans(),
        has_templates=st.booleans(),
        valid_from=st.none() | any_float,
        valid_until=st.none() | any_float,
    ),
    st.sampled_from(list(ClockQuality)),
    st.booleans(),
)
def test_a_grant_means_live_and_matched_and_allowed_now(match, person, quality, lockdown):
    decision = of(match, person, replace(NOW, quality=quality), lockdown=lockdown)
    assert decision.granted == (decision.reason is Reason.GRANTED) == (decision.unlock_seconds > 0)
    if decision.granted:
        seen = match.liveness
        assert seen.live
        assert seen.passive >= 0.7
        assert seen.surround is not Surround.MOVES
        assert match.person == "p"
        assert match.score >= match.threshold >= 0.25
        assert match.margin >= 0.05
        assert match.votes >= 3
        assert match.model == MODEL
        assert -0.1 <= NOW.mono - match.taken_at <= 2
        assert person.active
        assert person.consent
        assert person.has_templates
        assert not lockdown
        assert person.valid_from is None or (quality != "unknown" and person.valid_from <= NOW.utc)
        assert person.valid_until is None or (quality != "unknown" and person.valid_until > NOW.utc)


@pytest.mark.parametrize(
    "change",
    [
        {"objection": "passive"},
        {"level": "standard"},
        {"challenge": Challenge.PASSED, "turns": 0},
        {"challenge": Challenge.NOT_ASKED, "turns": 3},
        {"frames": 4},
    ],
)
def test_a_verdict_that_contradicts_itself_or_this_doors_level_proves_nothing(change):
    rules = replace(RULES, level="high")
    proven = replace(LIVE, level="high", challenge=Challenge.PASSED, turns=4)
    assert not_live(replace(MATCH, liveness=proven), rules) is None
    assert not_live(replace(MATCH, liveness=replace(proven, **change)), rules) is Reason.SPOOF
