"""`lintel why` on a real store: the answers are those of the code that decides."""

import pytest

from appliance.access.decide import decide
from appliance.access.proof import Known
from appliance.commands.records import iso
from appliance.facts import ClockQuality, Event, EventType, Moment, PinEntry
from appliance.store.database import FILE, connect
from appliance.store.events import EventLog
from appliance.store.rulebook import Rulebook
from appliance.system.clock import now
from tests.commands.test_people import Shell, lintel

__all__ = ["lintel"]
MONDAY = "2027-01-04"


@pytest.fixture
def ada(lintel: Shell) -> str:
    """Somebody with a PIN and office hours."""
    pid = str(lintel.json("people", "add", "Ada", "--pin", "--group", "staff")["pid"])
    lintel("rules", "schedule", "add", "office", "mon-fri 07:00-18:00")
    lintel("rules", "group", "set", "staff", "office")
    return pid


def test_inside_and_outside_the_hours(lintel: Shell, ada: str) -> None:
    told = lintel.json("why", "Ada", "--at", f"{MONDAY}T09:00")
    assert (told["can_enter"], told["why"], told["ways"]) == (True, "granted", [["pin"]])
    assert told["next_change"] == "2027-01-04T17:00:00Z"
    said = lintel("why", "Ada", "--at", f"{MONDAY}T09:00")
    assert "Ada can enter on Mon 2027-01-04 09:00, by PIN" in said
    assert "From Mon 2027-01-04 18:00 on: outside their hours" in said
    out = lintel("why", "Ada", "--at", f"{MONDAY}T18:00", code=1, both=True)
    assert "Ada cannot enter on Mon 2027-01-04 18:00: outside their hours" in out
    assert "no     hours      off now: 'office'" in out
    assert "From Tue 2027-01-05 07:00 on: by PIN" in out


def test_the_week_in_stretches(lintel: Shell, ada: str) -> None:
    week = lintel.json("why", ada, "--at", MONDAY, "--week")["week"]
    inside = [(one["from"], one["until"]) for one in week if one["can_enter"]]  # type: ignore[attr-defined]
    assert len(inside) == 5
    assert inside[0] == ("2027-01-04T06:00:00Z", "2027-01-04T17:00:00Z")
    assert "Mon 2027-01-04 07:00 to Mon 2027-01-04 18:00  by PIN" in lintel("why", "Ada", "--at", MONDAY, "--week")


def test_a_card_and_a_mode_make_other_ways(lintel: Shell, ada: str) -> None:
    lintel("people", "set-card", "Ada", "12:3456")
    assert lintel.json("why", "Ada", "--at", f"{MONDAY}T09:00")["ways"] == [["card"], ["pin"]]
    lintel("rules", "mode", "set", "pin")
    assert lintel.json("why", "Ada", "--at", f"{MONDAY}T09:00")["ways"] == [["pin"]]
    lintel("rules", "mode", "set", "face_and_pin")
    said = lintel("why", "Ada", "--at", f"{MONDAY}T09:00", code=1, both=True)
    assert "they lack a second factor" in said
    assert "face is missing" in said


@pytest.mark.parametrize("hour", [6, 7, 12, 17, 18, 23])
def test_it_says_what_the_door_would_do(lintel: Shell, ada: str, hour: int) -> None:
    from appliance.commands.asking import ask  # noqa: PLC0415
    from appliance.commands.records import open_records  # noqa: PLC0415
    from appliance.config import load  # noqa: PLC0415

    config = load(lintel.config)
    utc = 1_799_017_200.0 + hour * 3600  # Monday
    with open_records(config) as records:
        asking = ask(config, records, utc)
    door, now = asking.door, Moment(asking.at.mono, utc, ClockQuality.SYNCED)
    (digest,) = door.roster.pins
    known = Known(roster=door.roster, rules=door.rules, zone=door.zone)
    decision = decide(PinEntry(digest, "keypad", now.mono), known, now).decision
    at = f"{MONDAY}T{hour:02d}:00"
    told = lintel.json("why", "Ada", "--at", at, code=0 if decision.granted else 1)
    assert (told["can_enter"], told["why"]) == (decision.granted, decision.reason.value)


def test_a_recorded_decision_beside_the_rules_of_now(lintel: Shell, ada: str) -> None:
    log = EventLog(connect(lintel.state / FILE))
    noon = Moment(1.0, 1_799_017_200.0 + 12 * 3600, ClockQuality.SYNCED)
    refused = log.append(Event(EventType.ACCESS, "outside_hours", noon, person=ada, by="pin"))
    said = lintel("why", "--event", refused.seq)
    assert f"Event {refused.seq}, Mon 2027-01-04 12:00, access: Outside their hours" in said
    assert "Ada can enter on Mon 2027-01-04 12:00, by PIN" in said
    assert "rules and rights have changed since" in said
    night = Moment(2.0, 1_799_017_200.0 + 20 * 3600, ClockQuality.SYNCED)
    granted = log.append(Event(EventType.ACCESS, "granted", night, person=ada, by="pin"))
    assert "The door let them in: rules, rights or uses have changed since." in lintel("why", "--event", granted.seq)
    told = lintel.json("why", "--event", granted.seq)
    assert told["event"]["why"] == "granted"  # type: ignore[index]
    assert told["rules"]["can_enter"] is False  # type: ignore[index]
    unknown = log.append(Event(EventType.ACCESS, "unknown_face", noon, by="face"))
    assert "It names nobody" in lintel("why", "--event", unknown.seq)
    assert "It is no decision" in lintel("why", "--event", 1)
    lintel("people", "remove", "Ada", "--yes")
    assert "has been erased since" in lintel("why", "--event", granted.seq)


def test_what_cannot_be_answered(lintel: Shell, ada: str) -> None:
    for words, said in (
        (("Nobody",), "nobody is called 'Nobody'"),
        ((), "say whom it is about"),
        (("Ada", "--event", "1"), "say whom it is about"),
        (("--event", "1", "--week"), "--week does not go with --event"),
        (("--event", "999"), "there is no event 999 in the record"),
        (("--event", "-1"), "there is no event -1 in the record"),
        (("Ada", "--at", "2027-10-31T02:30"), "comes twice in Europe/Berlin"),
        (("Ada", "--at", "2027-03-28T02:30"), "does not exist in Europe/Berlin"),
        (("Ada", "--at", "later"), "is not a time"),
    ):
        assert said in lintel("why", *words, code=2)


def test_a_lockdown_stands_above_all_rights(lintel: Shell, ada: str) -> None:
    lintel("rules", "group", "remove", "staff")
    assert lintel.json("why", "Ada")["can_enter"] is True
    lintel("lockdown", "on", "--reason", "drill", code=1)
    said = lintel("why", "Ada", code=1, both=True)
    assert "Ada cannot enter now: the door is in lockdown" in said
    assert lintel.json("why", "Ada", code=1)["lockdown"] is True


def test_a_visit_with_a_host(lintel: Shell, ada: str) -> None:
    words = ("--from", MONDAY, "--until", "2027-01-05", "--host", "Ada")
    lintel("rules", "visit", "add", "Vic", "--new", *words)
    assert "Vic can enter on Mon 2027-01-04 09:00, by PIN, with a host" in lintel(
        "why", "Vic", "--at", f"{MONDAY}T09:00"
    )
    assert "the visit is over" in lintel("why", "Vic", "--at", "2027-01-07T09:00", code=1, both=True)


def test_a_holiday_is_named(lintel: Shell, ada: str) -> None:
    lintel("rules", "holidays", "add", "bavaria", "--country", "DE", "--part", "BY", "--years", "2027")
    lintel("rules", "schedule", "add", "office", "mon-fri 07:00-18:00", "--holidays", "bavaria", "--replace")
    said = lintel("why", "Ada", "--at", "2027-01-06T09:00", code=1, both=True)
    assert "'office' has other hours on 2027-01-06: closed" in said
    assert "other hours" not in lintel("why", "Ada", "--at", "2027-01-07T09:00")


def test_who_was_just_let_in_passes_back_until_forgiven(lintel: Shell, ada: str) -> None:
    lintel.config.write_text(lintel.config.read_text() + '[access]\npassback = "timed"\npassback_seconds = 60\n')
    lintel("rules", "group", "remove", "staff")
    seen = now().utc
    Rulebook(connect(lintel.state / FILE)).note_sighting(ada, "inside", "entry", seen)

    def told(seconds: float, code: int) -> object:
        return lintel.json("why", "Ada", "--at", iso(seen + seconds), code=code)["why"]

    assert told(30, 1) == "passed_back"
    assert told(90, 0) == "granted"
    assert told(-30, 0) == "granted"  # it was not known then
    lintel("rules", "forgive", "Ada")
    assert told(30, 0) == "granted"
