"""What a card, a PIN or a face is worth by itself; and the way out."""

from dataclasses import replace

import pytest

from appliance.access.blocklist import Ban
from appliance.access.decide import decide
from appliance.access.lockout import FACE_POLICY, PIN_POLICY, Lockouts, Outcome
from appliance.access.modes import Factor, Shown
from appliance.access.passback import Kind, Passback
from appliance.access.proof import AHEAD_SECONDS, Known, Rules, aged, named, not_live, prove
from appliance.access.roster import Roster, RosterPerson
from appliance.access.verdict import Alarm, DoorRules, Stamp, State
from appliance.facts import (
    CardEntry,
    Credential,
    PinEntry,
    Reason,
)
from tests.access.test_decide import MATCH, MODEL, NOW

CARD, PIN = b"c" * 32, b"p" * 32
ROSTER = Roster({"p": RosterPerson("p", consent=True, has_templates=True)}, {PIN: "p"}, 7, {CARD: "p"})
RULES = Rules(models=frozenset({MODEL}))
KNOWN = Known(ROSTER, evidence=RULES)


def card(digest: bytes | None = CARD, reader: str = "wiegand") -> CardEntry:
    return CardEntry(digest, reader, NOW.mono - 0.5)


def failed(times: int, reason: Reason, by: Credential, **who: str) -> Lockouts:
    lockouts = Lockouts()
    for _ in range(times):
        lockouts = lockouts.after(Outcome(reason, by, **who), NOW.mono - 1)
    return lockouts


def test_a_card_says_whose_it_is_and_since_when():
    found = prove(card(), KNOWN, NOW)
    assert (found.factor, found.person, found.reason) == (Factor.CARD, "p", None)
    assert (found.at, found.since, found.until, found.leaving) == (NOW.mono - 0.5, NOW.mono - 0.5, None, False)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [(card(None), "malformed"), (card(b"x" * 32), "unknown_card"), (replace(card(), read_at=NOW.mono - 2.1), "stale")],
)
def test_a_card_that_proves_nothing_names_nobody(entry, reason):
    found = prove(entry, KNOWN, NOW)
    assert (found.reason, found.person) == (reason, None)


def test_a_reader_that_is_locked_out_learns_nothing_of_a_card():
    known = replace(KNOWN, lockouts=failed(PIN_POLICY.after, Reason.UNKNOWN_CARD, Credential.CARD, keypad="wiegand"))
    for entry in (card(), card(None), card(b"x" * 32)):
        found = prove(entry, known, NOW)
        assert (found.reason, found.person, found.until) == ("locked_out", None, NOW.mono - 1 + 30)
    assert prove(card(reader="osdp"), known, NOW).person == "p"
    late = replace(NOW, mono=NOW.mono + 31)
    assert prove(replace(card(), read_at=late.mono), known, late).person == "p"


def test_attacks_in_one_persons_name_lock_out_that_face_and_say_until_when():
    lockouts = failed(FACE_POLICY.after, Reason.SPOOF, Credential.FACE, person="p")
    # Somebody else's grant clears the count that stands for every face, not the one against this person.
    lockouts = lockouts.after(Outcome(Reason.GRANTED, Credential.FACE, "q"), NOW.mono)
    found = prove(MATCH, replace(KNOWN, lockouts=lockouts), NOW)
    assert (found.reason, found.until) == ("locked_out", NOW.mono - 1 + 30)


def test_a_pin_counts_from_when_it_was_entered():
    entry = PinEntry(PIN, "keypad", NOW.mono - 3)
    assert prove(entry, KNOWN, NOW).since == NOW.mono - 3


def test_what_comes_from_just_ahead_is_fresh_and_no_further():
    assert aged(0.0, -AHEAD_SECONDS, 2.0) is None
    assert aged(0.0, -AHEAD_SECONDS - 1e-6, 2.0) is Reason.STALE


@pytest.mark.parametrize(("asked", "proven"), [(3, True), (5, True), (6, False), (9, False)])
def test_so_many_frames_are_asked_for_as_the_site_says(asked, proven):
    assert (not_live(MATCH, replace(RULES, passive_frames=asked)) is None) is proven


@pytest.mark.parametrize("window", [10.0, 15.0])
def test_whoever_was_named_stays_so_for_the_sites_own_window(window):
    for ago, stands in ((window - 0.1, True), (window + 0.1, False)):
        state = State(shown=Shown("p", ((Factor.CARD, NOW.mono - ago),)))
        known = replace(KNOWN, state=state, rules=DoorRules(factor_seconds=window))
        assert named("p", known, NOW) is stands


# --- the way out

OUT = replace(KNOWN, evidence=replace(RULES, exit_reader="wiegand"))


def test_only_the_reader_inside_lets_out():
    assert prove(card(), OUT, NOW).leaving is True
    assert prove(card(reader="osdp"), OUT, NOW).leaving is False
    assert decide(card(), OUT, NOW).decision.leaving is True
    keypad = replace(KNOWN, evidence=replace(RULES, exit_reader="keypad"))
    for pad, leaving in (("keypad", True), ("screen", False)):
        assert prove(PinEntry(PIN, pad, NOW.mono), keypad, NOW).leaving is leaving
    assert prove(MATCH, keypad, NOW).leaving is False


def test_who_leaves_is_remembered_outside_and_beside_nobody():
    stamps = {"p": Stamp(NOW.mono - 5, "entry"), "q": Stamp(NOW.mono - 5, "entry")}
    state = State(let_in=stamps, waiting=stamps, used={"p": 1})
    for kind in Kind:
        known = replace(OUT, state=state, rules=DoorRules(passback=Passback(kind)))
        answer = decide(card(), known, NOW)
        assert answer.decision.granted
        assert (set(answer.after.let_in), set(answer.after.waiting)) == ({"q"}, {"q"})
        assert answer.after.used == {"p": 1}
        seen = answer.after.sightings.get("p")
        assert (seen.zone, seen.reader, seen.at) == ("outside", "exit", NOW.mono) if kind is Kind.ZONE else seen is None


@pytest.mark.parametrize(("person", "reason"), [(None, "unknown_card"), (RosterPerson("p", active=False), "suspended")])
def test_who_is_not_known_or_suspended_is_not_let_out_by_card(person, reason):
    roster = replace(ROSTER, people={"p": person} if person else {})
    decision = decide(card(), replace(OUT, roster=roster), NOW).decision
    assert (decision.granted, decision.reason, decision.leaving) == (False, reason, True)


def test_security_hears_of_who_leaves_under_duress_or_banned():
    forced = b"f" * 32
    roster = replace(ROSTER, duress_pins={forced: "p"})
    known = replace(OUT, roster=roster, evidence=replace(RULES, exit_reader="keypad"))
    assert decide(PinEntry(PIN, "keypad", NOW.mono), known, NOW).verdict.alarms == ()
    assert decide(PinEntry(forced, "keypad", NOW.mono), known, NOW).verdict.alarms == (Alarm.DURESS,)
    for until, told in ((None, (Alarm.BLOCKED,)), (NOW.utc - 1, ())):
        banned = replace(OUT, rules=DoorRules(bans={"p": Ban("stolen_pin", until)}))
        answer = decide(card(), banned, NOW)
        assert (answer.decision.granted, answer.verdict.alarms) == (True, told)


def test_the_reader_inside_opens_for_as_long_as_the_person_needs():
    slow = replace(ROSTER, people={"p": RosterPerson("p", extended=True)})
    assert decide(card(), OUT, NOW).decision.unlock_seconds == RULES.unlock_seconds
    assert decide(card(), replace(OUT, roster=slow), NOW).decision.unlock_seconds == RULES.extended_unlock_seconds
