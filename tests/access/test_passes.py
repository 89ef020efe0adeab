"""What a pass says, and every way in which one is worthless."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.access.decide import decide
from appliance.access.passes import (
    LONGEST_BYTES,
    LONGEST_TEXT,
    SIGNATURE_BYTES,
    Pass,
    PassEntry,
    Standing,
    from_text,
    read,
    refused,
    signed,
    to_text,
)
from appliance.access.proof import Known
from appliance.access.roster import Roster, RosterPerson
from appliance.errors import PassError
from appliance.facts import ClockQuality, Credential, Moment, Reason
from appliance.system.keys import DeviceKey
from appliance.system.passkey import PassKey

PERSON = "7d0a7e0c-5a7e-4a55-9f67-1c2f0f0f7a11"
PASS = Pass("0d7c3f52-53c5-4ef0-8f0c-6f2d7f3b9a01", PERSON, "hq", ("lobby",), 1000, 5000, 1)
KEY, OTHER = PassKey(DeviceKey(b"k" * 32)), PassKey(DeviceKey(b"o" * 32))
TOKEN = signed(PASS, KEY.sign)
ROSTER = Roster({PERSON: RosterPerson(PERSON)})
NOW = Moment(100.0, 2000.0, ClockQuality.SYNCED)


def here(token: bytes) -> Pass | Reason:
    return read(token, "hq", "lobby", KEY.verify)


def decided(entry: PassEntry, now: Moment = NOW, roster: Roster = ROSTER, lockdown: bool = False):
    return decide(entry, Known(roster, lockdown=lockdown), now).decision


def test_a_pass_reads_back_as_it_was_signed() -> None:
    assert here(TOKEN) == PASS
    assert len(TOKEN) < 128, "small enough for a QR code that a door's camera reads"
    everywhere = replace(PASS, doors=(), uses=0)
    assert here(signed(everywhere, KEY.sign)) == everywhere
    several = replace(PASS, doors=("yard", "lobby"), uses=0)
    assert here(signed(several, KEY.sign)) == several


def test_the_longest_names_fit_and_no_more() -> None:
    long = replace(PASS, site="s" * 48, doors=("d" * 48,))
    assert len(signed(long, KEY.sign)) <= LONGEST_BYTES
    with pytest.raises(PassError, match="fewer doors"):
        signed(replace(long, doors=("d" * 48, "e" * 48, "f" * 48), uses=0), KEY.sign)
    with pytest.raises(PassError, match="letters"):
        signed(replace(PASS, site="h q"), KEY.sign)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (b"", Reason.MALFORMED),
        (TOKEN[:40], Reason.MALFORMED),
        (b"\x02" + TOKEN[1:], Reason.MALFORMED),
        (TOKEN + bytes(LONGEST_BYTES), Reason.MALFORMED),
        (signed(PASS, OTHER.sign), Reason.FORGED),
        (signed(replace(PASS, uses=0), lambda _: TOKEN[-SIGNATURE_BYTES:]), Reason.FORGED),
        (signed(replace(PASS, site="branch"), OTHER.sign), Reason.OTHER_SITE),
        (signed(replace(PASS, site="branch"), KEY.sign), Reason.OTHER_SITE),
        (signed(replace(PASS, doors=("yard",)), KEY.sign), Reason.OTHER_DOOR),
    ],
)
def test_what_is_no_pass_for_this_door_says_why(token: bytes, reason: Reason) -> None:
    assert here(token) is reason


@given(st.integers(0, len(TOKEN) * 8 - 1))
def test_no_bit_can_be_changed(bit: int) -> None:
    changed = bytearray(TOKEN)
    changed[bit // 8] ^= 1 << bit % 8
    assert isinstance(here(bytes(changed)), Reason)


@given(st.binary(max_size=LONGEST_BYTES + 10))
def test_any_bytes_are_refused_without_a_fault(token: bytes) -> None:
    assert here(token) in (Reason.MALFORMED, Reason.FORGED, Reason.OTHER_SITE)


@given(st.binary(max_size=200))
def test_signed_nonsense_is_refused_without_a_fault(body: bytes) -> None:
    assert isinstance(here(b"\x01" + body + KEY.sign(b"\x01" + body)), Reason)


def test_the_text_has_one_spelling() -> None:
    text = to_text(TOKEN)
    assert from_text(text) == TOKEN
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567:1")
    for other in ("", "https://example.org", text.lower(), text + "=", text[:-1] + "7", "LP1:", "LP1:1", text * 9):
        assert from_text(other) is None
    assert from_text("LP1:" + "A" * LONGEST_TEXT) is None


@given(st.binary(min_size=1, max_size=LONGEST_BYTES))
def test_every_token_has_a_text_and_comes_back(token: bytes) -> None:
    assert len(to_text(token)) <= LONGEST_TEXT
    assert from_text(to_text(token)) == token


@given(st.text(max_size=LONGEST_TEXT))
def test_any_text_is_read_without_a_fault(text: str) -> None:
    assert from_text("LP1:" + text) is None or text.isascii()


@pytest.mark.parametrize(
    "changes",
    [{"end": 1000}, {"end": 1000 + 400 * 86400}, {"uses": -1}, {"uses": 1001}, {"doors": ()}, {"doors": ("a", "b")}],
)
def test_a_pass_that_cannot_be_meant_is_not_made(changes: dict) -> None:
    with pytest.raises(PassError):
        replace(PASS, **changes)


def test_the_record_has_the_last_word() -> None:
    assert refused(PASS, Standing(0, False)) is None
    assert refused(PASS, Standing(1, False)) is Reason.USED_UP
    assert refused(PASS, Standing(0, True)) is Reason.REVOKED
    assert refused(PASS, None) is Reason.NOT_ENROLLED
    assert refused(replace(PASS, uses=0), Standing(999, False)) is None


def test_a_good_pass_is_granted_to_its_person() -> None:
    decision = decided(PassEntry(99.5, PASS))
    assert (decision.granted, decision.by, decision.person) == (True, Credential.PASS, PERSON)
    assert decision.since == 99.5


@pytest.mark.parametrize(
    ("entry", "now", "reason"),
    [
        (PassEntry(97.0, PASS), NOW, Reason.STALE),
        (PassEntry(float("nan"), PASS), NOW, Reason.STALE),
        (PassEntry(99.5, None, Reason.FORGED), NOW, Reason.FORGED),
        (PassEntry(99.5, None), NOW, Reason.MALFORMED),
        (PassEntry(99.5, PASS, Reason.USED_UP), NOW, Reason.USED_UP),
        (PassEntry(99.5, PASS), replace(NOW, utc=999.0), Reason.NOT_YET_VALID),
        (PassEntry(99.5, PASS), replace(NOW, utc=5000.0), Reason.EXPIRED),
        (PassEntry(99.5, PASS), replace(NOW, utc=float("nan")), Reason.NOT_YET_VALID),
        (PassEntry(99.5, PASS), replace(NOW, quality=ClockQuality.UNKNOWN), Reason.CLOCK_UNKNOWN),
        (PassEntry(99.5, replace(PASS, person=PASS.id)), NOW, Reason.NOT_ENROLLED),
    ],
)
def test_a_pass_out_of_its_time_or_place_opens_nothing(entry: PassEntry, now: Moment, reason: Reason) -> None:
    decision = decided(entry, now)
    assert (decision.granted, decision.reason, decision.unlock_seconds) == (False, reason, 0.0)


def test_a_suspended_visitor_and_a_lockdown_refuse() -> None:
    suspended = Roster({PERSON: RosterPerson(PERSON, active=False)})
    assert decided(PassEntry(99.5, PASS), roster=suspended).reason is Reason.SUSPENDED
    assert decided(PassEntry(99.5, PASS), lockdown=True).reason is Reason.LOCKDOWN
