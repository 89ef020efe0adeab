"""`lintel rules` on a real store."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from appliance.access.modes import Mode
from appliance.commands import rules
from appliance.commands.rules.hours import schedule_of, week_text
from appliance.errors import LintelError
from appliance.store.database import FILE, connect
from appliance.store.events import EventLog
from appliance.store.rulebook import Rulebook, read
from tests.commands.test_people import Shell, lintel

__all__ = ["lintel"]
ROOT = Path(__file__).parents[2]
OFFICE = ("rules", "schedule", "add", "office hours", "mon-fri", "07:00-18:00", "sat 09:00-13:00")
ICS = """BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:test\r
BEGIN:VEVENT\r
UID:1\r
DTSTART;VALUE=DATE:20270510\r
SUMMARY:Day off\r
END:VEVENT\r
END:VCALENDAR\r
"""


@pytest.fixture
def staff(lintel: Shell) -> str:
    return str(lintel.json("people", "add", "Ada", "--pin", "--group", "staff")["pid"])


def book(lintel: Shell):
    return read(connect(lintel.state / FILE), 1.8e9, door="door")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mon-fri", "07:00-18:00"], "mon-fri 07:00-18:00"),
        (["mon-fri 07:00-12:00, 13:00-17:00"], "mon-fri 07:00-12:00, 13:00-17:00"),
        (
            ["Mon , Wed 08:00-09:00", "mon,wed", "10:00-11:00"],
            "mon 08:00-09:00, 10:00-11:00; wed 08:00-09:00, 10:00-11:00",
        ),
        (["fri", "22:00-06:00+1"], "fri 22:00-06:00+1"),
        (["daily", "00:00-24:00"], "always"),
        (["always"], "always"),
        (["never"], "never"),
        (["mon", "08:00-09:00", "sun closed"], "mon 08:00-09:00"),
    ],
)
def test_hours_are_read_and_told_back(words: list[str], said: str) -> None:
    assert week_text(schedule_of("x", words).week) == said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fri 18:00-07:00"], "'x', fri: .*end before they begin; write 18:00-07:00.1"),
        (["mon 08:00-12:00, 11:00-14:00"], "mon 08:00-12:00 and mon 11:00-14:00 overlap; join them"),
        (["monday 08:00-12:00"], "'monday' is no day; use mon, tue"),
        (["monday"], "'monday' is no day; use mon, tue"),
        (["mon"], "mon has no hours; write them as"),
        (["08:00-12:00"], "is on no day; write them as"),
        (["mon 8-12"], "hours '8-12': write them as 08:00-17:30"),
        ([""], "has no hours; write them as"),
    ],
)
def test_hours_that_cannot_be_meant_are_refused_with_the_remedy(words: list[str], said: str) -> None:
    with pytest.raises(LintelError, match=said):
        schedule_of("x", words)


def test_a_schedule_is_added_shown_replaced_and_removed(lintel: Shell) -> None:
    assert "nothing uses it yet" in lintel(*OFFICE, "--from", "2027-01-01", "--until", "2027-12-31")
    told = lintel.json("rules", "schedule", "show", "office hours")
    assert told["week"]["mon"] == ["07:00-18:00"]  # type: ignore[index]
    assert (told["from"], told["until"]) == ("2026-12-31T23:00:00Z", "2027-12-31T23:00:00Z")
    assert "mon-fri 07:00-18:00; sat 09:00-13:00" in lintel("rules", "schedule", "list")
    assert "is there already; add --replace" in lintel(*OFFICE, code=2)
    lintel(
        "rules", "schedule", "add", "office hours", "daily 08:00-09:00", "--special", "2027-12-24=closed", "--replace"
    )
    (one,) = lintel.json("rules", "schedule", "list")["schedules"]
    assert (one["week"]["sun"], one["special"], one["from"]) == (["08:00-09:00"], {"2027-12-24": []}, None)
    assert "known are office hours" in lintel("rules", "schedule", "remove", "ofice", code=2)
    assert lintel.json("rules", "schedule", "remove", "office hours") == {"name": "office hours", "removed": True}
    assert lintel.json("rules", "schedule", "list") == {"schedules": []}
    whys = [event.why for event in EventLog(connect(lintel.state / FILE)).latest(10)]
    assert whys.count("schedule_set") == 2
    assert whys.count("schedule_removed") == 1


def test_a_group_gets_hours_and_loses_them(lintel: Shell, staff: str) -> None:
    lintel(*OFFICE)
    assert "there is no schedule 'tea'; known are office hours" in lintel(
        "rules", "group", "set", "staff", "tea", code=2
    )
    assert "nobody is in a group 'staf'; known are staff" in lintel(
        "rules", "group", "set", "staf", "office hours", code=2
    )
    told = lintel.json("rules", "group", "set", "staff", "office hours")
    assert told == {"group": "staff", "schedules": ["office hours"], "people": [staff]}
    assert [schedule.name for schedule in book(lintel).hours["staff"]] == ["office hours"]
    assert "in use by group staff" in lintel("rules", "schedule", "remove", "office hours", code=2)
    assert "Ada" in lintel("rules", "group", "show", "staff")
    lintel("rules", "group", "remove", "staff")
    assert not book(lintel).hours
    assert "has no hours" in lintel("rules", "group", "remove", "staff", code=2)
    assert lintel.json("rules", "group", "set", "crew", "office hours", "--new")["people"] == []


def test_holidays_of_a_country_and_of_a_file(lintel: Shell, tmp_path: Path) -> None:
    told = lintel.json("rules", "holidays", "add", "bavaria", "--country", "de", "--part", "BY", "--years", "2026-2027")
    assert {"2027-01-06", "2026-12-25"} <= set(told["days"])  # type: ignore[arg-type]
    assert (told["first"], told["last"], told["hours"]) == ("2026-01-01", "2027-12-31", [])
    file = tmp_path / "own.ics"
    file.write_text(ICS, newline="")
    own = lintel.json("rules", "holidays", "add", "own", "--file", file, "--years", "2027", "--hours", "10:00-12:00")
    assert (own["days"], own["hours"], own["source"]) == (["2027-05-10"], ["10:00-12:00"], "own.ics")
    lintel(*OFFICE, "--holidays", "bavaria", "--holidays", "own")
    lintel("people", "add", "Ada", "--pin", "--group", "staff")
    lintel("rules", "group", "set", "staff", "office hours")
    (schedule,) = book(lintel).hours["staff"]
    assert len(schedule.special) == len(told["days"]) + 1  # type: ignore[arg-type]
    assert "in use by schedule office hours" in lintel("rules", "holidays", "remove", "own", code=2)
    assert "2027-05-10" in lintel("rules", "holidays", "show", "own")
    assert "1 days of own.ics, 2027-01-01 to 2027-12-31, 10:00-12:00" in lintel("rules", "holidays", "list")
    for words, said in (
        (("x", "--country", "DE", "--part", "XX"), "no part 'XX'; known are BB"),
        (("x", "--country", "Germany"), "use an ISO 3166 code"),
        (("x", "--file", tmp_path / "no.ics"), "no.ics cannot be read: No such file"),
        (("x", "--country", "DE", "--years", "2028-2026"), "the earlier first"),
        (("x", "--file", file, "--years", "2026"), "names no day from 2026-01-01"),
        (("x", "--file", file, "--part", "BY"), "give --country too"),
        (("own", "--country", "DE"), "are there already; add --replace"),
    ):
        assert said in lintel("rules", "holidays", "add", *words, code=2)
    assert "known are bavaria, own" in lintel("rules", "holidays", "show", "hessen", code=2)


def test_a_mode_that_is_none_is_refused_in_the_words_that_are_typed(
    lintel: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        lintel("rules", "mode", "set", "facee")
    said = capsys.readouterr().err
    assert "'facee'" in said
    assert "face_and_pin" in said
    assert "Mode." not in said


def test_modes_by_schedule_and_the_usual_one(lintel: Shell) -> None:
    lintel(*OFFICE)
    lintel("rules", "schedule", "add", "night", "daily 22:00-05:00+1")
    lintel("rules", "mode", "set", "free", "--on", "office hours")
    lintel("rules", "mode", "set", "locked", "--on", "night", "--first")
    lintel("rules", "mode", "set", "face_and_pin")
    plan = book(lintel).plan
    assert [(schedule.name, mode) for schedule, mode in plan.turns] == [("night", "locked"), ("office hours", "free")]
    assert plan.default is Mode.FACE_AND_PIN
    told = lintel.json("rules", "mode", "list")
    assert [(line["mode"], line["on"]) for line in told["modes"]] == [  # type: ignore[attr-defined]
        ("locked", "night"), ("free", "office hours"), ("face_and_pin", None),
    ]  # fmt: skip
    assert "whoever comes first" in lintel("rules", "mode", "list")
    assert "there is no schedule 'tea'" in lintel("rules", "mode", "set", "pin", "--on", "tea", code=2)
    assert "give --on too" in lintel("rules", "mode", "set", "pin", "--first", code=2)
    lintel("rules", "mode", "remove", "--on", "night")
    lintel("rules", "mode", "remove", "--usual")
    assert book(lintel).plan.default is Mode.ANY
    with pytest.raises(SystemExit):
        lintel("rules", "mode", "set", "open")


def test_show_prints_what_the_rules_hold_of_a_person(lintel: Shell, staff: str) -> None:
    words = ("--from", "2027-01-31T14:00", "--until", "2027-01-31T16:00", "--uses", "2")
    pid = str(lintel.json("people", "add", "Vic", "--pin")["pid"])
    none = {"visit": None, "blocked": None, "alike": False, "last_seen": None}
    assert {key: lintel.json("people", "show", "Vic")[key] for key in none} == none
    lintel("rules", "visit", "add", "Vic", *words)
    lintel("rules", "block", "add", "Vic", "--reason", "stolen_pin")
    lintel("rules", "alike", "add", "Vic", "Ada")
    noted = Rulebook(connect(lintel.state / FILE))
    noted.note_sighting(pid, "inside", "entry", 1.8e9)
    noted.note_used(pid)
    told = lintel.json("people", "show", "Vic")
    assert (told["visit"]["uses"], told["visit"]["used"], told["visit"]["hosts"]) == (2, 1, [])
    assert (told["blocked"]["reason"], told["alike"]) == ("stolen_pin", True)
    assert told["last_seen"] == {"zone": "inside", "reader": "entry", "at": "2027-01-15T08:00:00Z"}
    assert "stolen_pin" in lintel("people", "show", "Vic")


def test_a_visit_for_a_new_visitor_with_a_host(lintel: Shell, staff: str) -> None:
    words = ("--from", "2027-01-31T14:00", "--until", "2027-01-31T16:00", "--host", "Ada", "--uses", "2")
    told = lintel.json("rules", "visit", "add", "Vic Tor", "--new", *words)
    assert len(str(told["digits"])) >= 6
    assert (told["from"], told["until"]) == ("2027-01-31T13:00:00Z", "2027-01-31T15:00:00Z")
    visit = book(lintel).visits[str(told["pid"])]
    assert (visit.uses, visit.hosts) == (2, {staff})
    assert "0 of 2" in lintel("rules", "visit", "list")
    assert "only within 30 s of Ada" in lintel("rules", "visit", "show", "vic tor")
    assert "is called 'Vic Tor' already" in lintel("rules", "visit", "add", "Vic Tor", "--new", *words, code=2)
    for more, said in (
        (("--until", "2020-01-01"), "ends before it begins"),
        (("--from", "2027-01-01", "--until", "2029-01-01"), "more than a year"),
        (("--until", "2027-01-01", "--uses", "-1"), "must be 1 or more"),
        (("--until", "2027-01-01", "--host", "Nobody"), "nobody is called 'Nobody'"),
        (("--until", "2027-01-01", "--host", "Vic Tor"), "their own host"),
        (("--until", "2027-01-01", "--within", "1"), "must be 5 to 120"),
    ):
        assert said in lintel("rules", "visit", "add", "vic tor", "--from", "2026-12-01", *more, code=2)
    lintel("rules", "visit", "remove", "vic tor")
    assert "has no visit" in lintel("rules", "visit", "show", "vic tor", code=2)


def test_a_visitor_who_could_not_be_granted_was_not_added(lintel: Shell, staff: str) -> None:
    lintel("rules", "visit", "add", "Vic", "--new", "--until", "2020-01-01", code=2)
    assert [person.name for person in lintel.people().list()] == ["Ada"]


def test_the_blocklist(lintel: Shell, staff: str) -> None:
    assert "give one short word" in lintel("rules", "block", "add", "Ada", "--reason", "A long Story", code=2)
    lintel("rules", "block", "add", "Ada", "--reason", "stolen_pin", "--until", "2030-01-31")
    (ban,) = lintel.json("rules", "block", "list")["blocked"]
    assert (ban["pid"], ban["reason"], ban["until"], ban["stands"]) == (
        staff,
        "stolen_pin",
        "2030-01-31T23:00:00Z",
        True,
    )
    assert "stolen_pin, until 2030-02-01 00:00" in lintel("rules", "block", "show", "Ada")
    lintel("rules", "block", "remove", "Ada")
    assert "not on the blocklist" in lintel("rules", "block", "remove", "Ada", code=2)
    assert "nobody is blocked" in lintel("rules", "block", "list")


def test_look_alikes_and_forgiveness(lintel: Shell, staff: str) -> None:
    eve = lintel.json("people", "add", "Eve", "--pin")["pid"]
    assert "name two or more" in lintel("rules", "alike", "add", "Ada", code=2)
    lintel("rules", "alike", "add", "Ada", "Eve")
    assert {one["pid"] for one in lintel.json("rules", "alike", "list")["alike"]} == {staff, eve}  # type: ignore[attr-defined]
    lintel("rules", "alike", "remove", "Ada")
    assert not book(lintel).alike
    assert "say whom to forgive" in lintel("rules", "forgive", code=2)
    assert "say whom to forgive" in lintel("rules", "forgive", "Ada", "--everybody", code=2)
    assert lintel.json("rules", "forgive", "Ada") == {"pid": staff, "forgiven": True}
    assert "anti-passback is off" in lintel("rules", "forgive", "--everybody")


def test_all_rules_at_a_glance(lintel: Shell, staff: str) -> None:
    assert "no hours limit anybody" in lintel("rules", "list")
    lintel(*OFFICE)
    lintel("rules", "group", "set", "staff", "office hours")
    assert "staff: office hours" in lintel("rules", "list")
    assert lintel.json("rules", "list")["groups"] == {"staff": ["office hours"]}


def test_rules_that_are_meant_so_have_no_faults(lintel: Shell, staff: str) -> None:
    lintel(*OFFICE)
    lintel("rules", "group", "set", "staff", "office hours")
    lintel("rules", "mode", "set", "locked", "--on", "office hours")
    lintel("rules", "schedule", "add", "late", "daily 18:00-24:00")
    lintel("rules", "group", "set", "staff", "late", "office hours")
    assert lintel("rules", "check") == "nothing to say against these rules\n"


def test_what_is_hardly_meant_so_is_told_with_the_remedy(lintel: Shell, staff: str) -> None:
    def faults() -> str:
        return lintel("rules", "check", code=1, both=True)

    lintel(*OFFICE)
    assert "schedule 'office hours' is used by nobody" in faults()
    lintel("rules", "group", "set", "crew", "office hours", "--new")
    assert "group 'crew' has hours and nobody is in it" in faults()
    lintel("rules", "mode", "set", "face_and_pin", "--on", "office hours")
    assert "asks for face and pin, which nobody has" in faults()
    lintel("rules", "schedule", "add", "past", "always", "--until", "2020-01-01")
    lintel("rules", "group", "set", "staff", "past")
    told = faults()
    assert "schedule 'past' is never on from now" in told
    assert "can never enter: outside their hours" in told
    assert f"lintel why {staff[:8]} --week" in told
    lintel("people", "add", "Eve", "--pin")
    assert "Eve" not in faults()
    lintel("rules", "alike", "add", "Ada", "Eve")
    lintel("people", "remove-pin", "Eve")
    assert re.search("Eve .* can never enter: they have no face, PIN, card or pass", faults())
    assert "has no second factor" in faults()
    lintel("rules", "holidays", "add", "old", "--country", "DE", "--years", "2020")
    told = faults()
    assert "holidays 'old' are observed by no schedule" in told
    assert "holidays 'old' are known only until 2020-12-31" in told


def test_the_commands_of_the_readme_run_as_written(lintel: Shell) -> None:
    section = (ROOT / "README.md").read_text().split("## Rules\n")[1].split("\n## ")[0]
    commands = [shlex.split(line)[1:] for line in section.splitlines() if line.startswith("    lintel ")]
    assert len(commands) == 8
    for words in commands:
        said = lintel(*words)
    assert "Ada Lovelace can enter on Thu 2027-01-07 09:00, by PIN" in said


def test_the_commands_of_the_documentation_run_as_written(lintel: Shell) -> None:
    lintel("people", "add", "Ada Lovelace", "--pin")
    page = (ROOT / "docs" / "rules.md").read_text()
    for line in page.splitlines():
        if line.startswith("    lintel ") and "--event" not in line:
            words = shlex.split(line)[1:]
            # No door runs here, so nothing takes a lockdown or an unlock.
            lintel(*words, code=1 if words[0] in ("lockdown", "unlock") else 0)
    assert len(lintel.json("rules", "schedule", "list")["schedules"]) == 3  # type: ignore[arg-type]


def test_every_thing_and_every_action_is_in_the_documentation() -> None:
    page = (ROOT / "docs" / "rules.md").read_text()
    parser = argparse.ArgumentParser()
    rules.add_arguments(parser)
    for name in parser._subparsers._group_actions[0].choices:  # type: ignore[union-attr]
        assert f"`{name}`" in page, name
