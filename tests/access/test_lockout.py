"""Lock-outs: after how many, how long, for whom, and what is forgiven."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.access.lockout import FACE_POLICY, PIN_POLICY, Lockouts, Outcome, lockout_seconds
from appliance.facts import Credential, Reason

WRONG = Outcome(Reason.UNKNOWN_PIN, Credential.PIN, keypad="keypad")
SPOOF = Outcome(Reason.SPOOF, Credential.FACE, person="p")
KEYPAD = ["keypad:keypad"]


def test_five_wrong_pins_lock_that_keypad_out_for_30_seconds():
    lockouts = Lockouts()
    for n in range(4):
        lockouts = lockouts.after(WRONG, 100.0 + n)
        assert lockouts.until(KEYPAD, 100.0 + n) is None
    lockouts = lockouts.after(WRONG, 104.0)
    assert lockouts.until(KEYPAD, 104.0) == 134.0
    assert lockouts.until(["keypad:screen"], 104.0) is None
    assert lockouts.until(["face"], 104.0) is None
    assert lockouts.until(KEYPAD, 134.0) is None


def test_each_further_one_doubles_to_an_hour():
    assert [lockout_seconds(n, PIN_POLICY) for n in range(3, 8)] == [0, 0, 30, 60, 120]
    assert lockout_seconds(1000, PIN_POLICY) == 3600


def test_a_good_pin_buys_a_guesser_nothing():
    lockouts = Lockouts()
    for n in range(5):
        lockouts = lockouts.after(WRONG, n)
        lockouts = lockouts.after(Outcome(Reason.GRANTED, Credential.PIN, "p", "keypad"), n)
    assert lockouts.until(KEYPAD, 5) is not None


def test_wrong_pins_are_forgotten_one_by_one():
    lockouts = Lockouts()
    for _ in range(4):
        lockouts = lockouts.after(WRONG, 0.0)
    after = PIN_POLICY.forget_seconds
    assert lockouts.after(WRONG, 0.9 * after).until(KEYPAD, 0.9 * after) is not None
    # One forgotten, one more: four again. And the next half hour began when the last one ended.
    lockouts = lockouts.after(WRONG, 1.5 * after)
    assert lockouts.counts[KEYPAD[0]].failures == 4
    assert lockouts.after(WRONG, 2.1 * after).counts[KEYPAD[0]].failures == 4
    assert lockouts.after(WRONG, 100 * after).counts[KEYPAD[0]].failures == 1


def test_three_attacks_lock_faces_out_and_whom_they_were_taken_for():
    lockouts = Lockouts()
    for n in range(3):
        assert lockouts.until(["face"], n) is None
        lockouts = lockouts.after(SPOOF, n)
    assert lockouts.until(["face"], 2) == 32
    assert lockouts.until(["person:p"], 2) == 32
    assert lockouts.until(["person:q"], 2) is None
    assert lockouts.until(KEYPAD, 2) is None


def test_a_granted_face_clears_faces_but_not_the_person_somebody_posed_as():
    lockouts = Lockouts()
    for n in range(3):
        lockouts = lockouts.after(SPOOF, n)
        lockouts = lockouts.after(Outcome(Reason.GRANTED, Credential.FACE, "q"), n)
    assert lockouts.until(["face"], 2) is None
    assert lockouts.until(["face", "person:p"], 2) is not None


def test_who_waits_for_two_reasons_waits_for_the_longer():
    lockouts = Lockouts()
    for n in range(5):
        lockouts = lockouts.after(SPOOF, n)
    for _ in range(3):
        lockouts = lockouts.after(Outcome(Reason.SPOOF, Credential.FACE, "q"), 10)
    faces, p, q = (lockouts.until([subject], 10) for subject in ("face", "person:p", "person:q"))
    assert q < p < faces
    assert lockouts.until(["person:q", "person:p"], 10) == lockouts.until(["person:p", "person:q"], 10) == p


def test_the_longest_and_the_forgetting_are_as_documented():
    assert (PIN_POLICY.longest_seconds, PIN_POLICY.forget_seconds) == (3600, 1800)
    assert (FACE_POLICY.longest_seconds, FACE_POLICY.forget_seconds) == (3600, 1800)
    assert lockout_seconds(10**6, PIN_POLICY) == 3600


def test_what_is_no_failure_counts_nothing():
    counted = {"unknown_pin", "unknown_card", "spoof"}
    for reason in [reason for reason in Reason if reason.value not in counted]:
        for by in Credential:
            assert Lockouts().after(Outcome(reason, by, "p", "keypad"), 0).counts == {}


@given(st.lists(st.tuples(st.sampled_from([WRONG, SPOOF]), st.floats(0, 1e5)), max_size=30))
def test_a_failure_never_shortens_a_lock_out_nor_loses_one(history):
    lockouts, now = Lockouts(), 0.0
    for outcome, pause in history:
        now += pause
        subjects = KEYPAD if outcome is WRONG else ["face"]
        before = lockouts.until(subjects, now)
        lockouts = lockouts.after(outcome, now)
        after = lockouts.until(subjects, now)
        assert before is None or (after is not None and after >= before) or pause > PIN_POLICY.forget_seconds
        for count in lockouts.counts.values():
            assert 1 <= count.failures <= len(history)
            assert count.until - now <= max(PIN_POLICY.longest_seconds, FACE_POLICY.longest_seconds)
