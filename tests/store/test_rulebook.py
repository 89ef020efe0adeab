"""The rules: every change, its line in the record, what is refused, and what the door reads of them."""

import json
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from appliance.access.blocklist import Ban
from appliance.access.book import Book
from appliance.access.calendar import Calendar
from appliance.access.modes import Mode, ModePlan
from appliance.access.schedule import ALL_WEEK, CLOSED, Schedule, Span, Term, weekly
from appliance.access.visitors import Visit
from appliance.errors import LintelError, ScheduleError
from appliance.facts import ClockQuality, EventType
from appliance.store.database import connect, faults, roster_version, transaction
from appliance.store.events import EventLog
from appliance.store.lockdown import Side, greatest_number, standing
from appliance.store.migration_lockdown import TWO_LOCKDOWNS
from appliance.store.people import People
from appliance.store.person import BadNameError, UnknownPersonError
from appliance.store.rulebook import Rulebook, read

from .conftest import DAY, START, Clock

OFFICE = weekly("office", {"mon-fri": "08:00-12:00, 13:00-17:30", "sat": "22:00-06:00+1"})
NEW_YEAR = Calendar(
    "DE", frozenset({date(2027, 1, 1), date(2028, 1, 1)}), covers=(date(2027, 1, 1), date(2028, 12, 31))
)
VISIT = Visit(Term(START, START + 3600), 2)


@pytest.fixture
def rules(db: Database, log: EventLog, clock: Clock) -> Rulebook:
    return Rulebook(db, log=log, now=clock)


def test_an_empty_store_has_no_rules(db: Database) -> None:
    assert read(db, START) == Book()


def test_a_schedule_comes_back_as_it_was_set(db: Database, rules: Rulebook, people: People) -> None:
    people.add("Ada", by="cli", groups=["staff"])
    special = {date(2027, 12, 24): (Span(480, 720),), date(2028, 2, 29): CLOSED}
    schedule = Schedule("office hours ☕", OFFICE.week, special, Term(START, START + DAY))
    rules.set_schedule(schedule, "cli")
    rules.set_group_hours("staff", [schedule.name], "cli")
    assert [stored.schedule for stored in rules.schedules()] == [schedule]
    assert read(db, START).hours == {"staff": (schedule,)}
    closed = Schedule(schedule.name, (CLOSED,) * 7)
    rules.set_schedule(closed, "cli")
    assert read(db, START).hours == {"staff": (closed,)}, (
        "the group goes on with the new hours, nothing is left of the old"
    )


def test_holidays_are_in_the_hours_that_the_door_reads(db: Database, rules: Rulebook, people: People) -> None:
    people.add("Ada", by="cli", groups=["staff"])
    own = {date(2028, 1, 1): (Span(600, 660),)}
    rules.set_calendar(NEW_YEAR, "cli", source="country DE")
    rules.set_schedule(Schedule("office", OFFICE.week, own), "cli", calendars=["DE"])
    rules.set_group_hours("staff", ["office"], "cli")
    assert read(db, START).hours["staff"][0].special == {date(2027, 1, 1): CLOSED, **own}
    stored = rules.schedules()[0]
    assert (stored.calendars, stored.schedule and stored.schedule.special) == (("DE",), own)
    calendar = rules.calendars()[0]
    assert (calendar.calendar, calendar.source, calendar.loaded_at) == (NEW_YEAR, "country DE", START)
    half = Calendar("DE", frozenset({date(2027, 1, 1)}), (Span(480, 720),))
    rules.set_calendar(half, "cli")
    assert read(db, START).hours["staff"][0].special == {date(2027, 1, 1): (Span(480, 720),), **own}
    rules.set_schedule(OFFICE, "cli")
    assert read(db, START).hours["staff"][0].special == {}
    rules.remove_calendar("DE", "cli")
    assert rules.calendars() == []


def test_groups_have_schedules_or_none(db: Database, rules: Rulebook, people: People) -> None:
    people.add("Ada", by="cli", groups=["staff", "lab"])
    rules.set_schedule(OFFICE, "cli")
    rules.set_schedule(Schedule("all"), "cli")
    rules.set_group_hours("staff", ["office", "all", "office"], "cli")
    assert rules.group_hours() == {"staff": ("all", "office")}
    rules.set_group_hours("staff", [], "cli")
    assert read(db, START).hours == {}
    with pytest.raises(ScheduleError, match=r"nobody is in a group 'staf'; known are lab, staff"):
        rules.set_group_hours("staf", ["office"], "cli")
    rules.set_group_hours("cleaners", ["office"], "cli", new=True)
    with pytest.raises(ScheduleError, match="there is no schedule 'night'; known are all, office"):
        rules.set_group_hours("staff", ["night"], "cli")
    assert set(rules.group_hours()) == {"cleaners"}


def test_the_modes_of_a_door_stand_before_those_of_every_door(db: Database, rules: Rulebook) -> None:
    night, always = weekly("night", {"daily": "20:00-06:00+1"}), Schedule("all")
    for schedule in (OFFICE, night, always):
        rules.set_schedule(schedule, "cli")
    rules.set_mode("office", Mode.FREE, "cli")
    rules.set_mode("night", Mode.LOCKED, "cli")
    rules.set_default_mode(Mode.FACE, "cli")
    assert read(db, START, door="back").plan == ModePlan(Mode.FACE, ((OFFICE, Mode.FREE), (night, Mode.LOCKED)))
    rules.set_mode("night", Mode.LOCKED, "cli", place=0)
    assert [turn[1] for turn in read(db, START).plan.turns] == [Mode.LOCKED, Mode.FREE]
    rules.set_mode("night", Mode.PIN, "cli")
    rules.set_mode("office", Mode.FACE_AND_PIN, "cli", door="back")
    rules.set_default_mode(Mode.LOCKED, "cli", door="back")
    back = ModePlan(Mode.LOCKED, ((OFFICE, Mode.FACE_AND_PIN), (night, Mode.PIN), (OFFICE, Mode.FREE)))
    assert read(db, START, door="back").plan == back
    assert read(db, START, door="front").plan == ModePlan(Mode.FACE, ((night, Mode.PIN), (OFFICE, Mode.FREE)))
    rules.set_mode("all", Mode.PIN, "cli", door="back")
    assert read(db, START, door="back").plan.turns == ((OFFICE, Mode.FACE_AND_PIN), (always, Mode.PIN))
    rules.remove_mode("all", "cli", door="back")
    rules.remove_mode("office", "cli", door="back")
    rules.set_default_mode(None, "cli", door="back")
    assert read(db, START, door="back").plan == read(db, START, door="front").plan
    with pytest.raises(ScheduleError, match="no mode of back is on 'office'"):
        rules.remove_mode("office", "cli", door="back")
    assert [(line.door, line.schedule, line.mode) for line in rules.modes()] == [
        ("", "night", "pin"),
        ("", "office", "free"),
        ("", None, "face"),
    ]


def test_a_plan_that_hides_a_part_of_itself_is_refused_whichever_change_makes_it(rules: Rulebook) -> None:
    rules.set_schedule(OFFICE, "cli")
    rules.set_schedule(Schedule("all"), "cli")
    rules.set_mode("office", Mode.FREE, "cli")
    rules.set_mode("all", Mode.FACE, "cli")
    before = rules.modes()
    for change in (
        lambda: rules.set_mode("all", Mode.FACE, "cli", place=0),
        lambda: rules.set_schedule(Schedule("office"), "cli"),
    ):
        with pytest.raises(ScheduleError, match="always on, so what follows it never is; put it last"):
            change()
    assert (rules.modes(), rules.schedules()[1].schedule) == (before, OFFICE)


def test_what_is_in_use_stays(rules: Rulebook, people: People) -> None:
    people.add("Ada", by="cli", groups=["staff"])
    rules.set_calendar(NEW_YEAR, "cli")
    rules.set_schedule(OFFICE, "cli", calendars=["DE"])
    rules.set_group_hours("staff", ["office"], "cli")
    rules.set_mode("office", Mode.FREE, "cli", door="back")
    with pytest.raises(ScheduleError, match="'office' is in use by group staff, the modes of back; take it from there"):
        rules.remove_schedule("office", "cli")
    with pytest.raises(ScheduleError, match="'DE' is in use by schedule office"):
        rules.remove_calendar("DE", "cli")
    rules.set_group_hours("staff", [], "cli")
    with pytest.raises(ScheduleError, match="in use by the modes of back"):
        rules.remove_schedule("office", "cli")
    rules.remove_mode("office", "cli", door="back")
    rules.remove_schedule("office", "cli")
    rules.remove_calendar("DE", "cli")
    assert (rules.schedules(), rules.calendars()) == ([], [])


def test_the_database_itself_forbids_to_take_what_is_in_use(rules: Rulebook, db: Database, people: People) -> None:
    people.add("Ada", by="cli", groups=["staff"])
    rules.set_calendar(NEW_YEAR, "cli")
    rules.set_schedule(OFFICE, "cli", calendars=["DE"])
    rules.set_group_hours("staff", ["office"], "cli")
    for sql in ("DELETE FROM schedules", "DELETE FROM calendars"):
        with pytest.raises(LintelError, match="a rule of the record forbids it"), transaction(db):
            db.execute(sql)


@pytest.mark.parametrize(
    "row",
    [
        "schedules VALUES ('x', 10.0, 9.0)",
        "schedules VALUES ('', NULL, NULL)",
        "schedule_hours VALUES ('office', 0, 600, 599)",
        "schedule_hours VALUES ('office', 0, 600, 2041)",
        "schedule_hours VALUES ('office', 7, 0, 60)",
        "schedule_hours VALUES ('office', 0, 1440, 1441)",
        "schedule_hours VALUES ('office', 0, 'noon', 1441)",
        "schedule_hours VALUES ('gone', 0, 0, 60)",
        "special_days VALUES ('office', '2027-02-29')",
        "special_days VALUES ('office', '2027-13-01')",
        "special_days VALUES ('office', 'noon')",
        "special_hours VALUES ('office', '2027-02-28', 0, 60)",
        "calendars VALUES ('x', '', '2027-01-02', '2027-01-01', 0.0)",
        "calendars VALUES ('x', '', '2027-01-02', NULL, 0.0)",
        "group_hours VALUES ('staff', 'gone')",
        "modes VALUES (NULL, '', 0, 'office', 'open')",
        "visits VALUES (:pid, 2.0, 1.0, 1, 0, 0, 30.0)",
        "visits VALUES (:pid, 1.0, 2.0, 0, 0, 0, 30.0)",
        "visits VALUES (:pid, 1.0, 2.0, 1, 0, 0, 3.0)",
        "visits VALUES ('gone', 1.0, 2.0, 1, 0, 0, 30.0)",
        "bans VALUES (:pid, '', NULL, 0.0)",
        "lookalikes VALUES (:pid, :pid)",
        "sightings VALUES ('gone', 'inside', 'entry', 0.0)",
        "duress_pins VALUES (:pid, x'00', 0.0)",
    ],
)
def test_the_database_itself_refuses_what_contradicts_itself(
    rules: Rulebook, db: Database, people: People, row: str
) -> None:
    rules.set_schedule(Schedule("office", (CLOSED,) * 7), "cli")
    pid = people.add("Ada", by="cli").pid
    with pytest.raises(LintelError, match=r"cannot be written: (a rule of|cannot store TEXT)"), transaction(db):
        db.execute(f"INSERT INTO {row}", {"pid": pid})


def test_visits_count_their_uses_until_they_are_granted_anew(db: Database, rules: Rulebook, people: People) -> None:
    ada, bob, eve = (people.add(name, by="cli").pid for name in ("Ada", "Bob", "Eve"))
    escorted = Visit(Term(START, START + 3600), None, frozenset({bob, eve}), 60.0)
    rules.set_visit(ada, escorted, "cli")
    for _ in range(3):
        rules.note_used(ada)
    rules.note_used(bob)
    book = read(db, START)
    assert (book.visits, book.used) == ({ada: escorted}, {ada: 3})
    rules.set_visit(ada, VISIT, "cli")
    assert rules.visits() == {ada: (VISIT, 0)}
    rules.remove_visit(ada, "cli")
    assert read(db, START).visits == {}
    with pytest.raises(ScheduleError, match="cannot be their own host"):
        rules.set_visit(ada, Visit(VISIT.term, hosts=frozenset({ada})), "cli")
    with pytest.raises(UnknownPersonError):
        rules.set_visit(ada, Visit(VISIT.term, hosts=frozenset({"x"})), "cli")
    assert read(db, START).visits == {}


def test_a_visitor_whose_hosts_are_all_erased_comes_in_with_nobody(
    db: Database, rules: Rulebook, people: People
) -> None:
    ada, bob, eve = (people.add(name, by="cli").pid for name in ("Ada", "Bob", "Eve"))
    rules.set_visit(ada, Visit(VISIT.term, hosts=frozenset({bob, eve})), "cli")
    people.remove(bob, "cli")
    assert read(db, START).visits[ada].hosts == {eve}
    people.remove(eve, "cli")
    hosts = read(db, START).visits[ada].hosts
    assert hosts, "not free to come alone"
    assert not hosts & {person.pid for person in people.list()}


def test_bans_stand_until_they_are_lifted(db: Database, rules: Rulebook, people: People, clock: Clock) -> None:
    ada, bob = people.add("Ada", by="cli").pid, people.add("Bob", by="cli").pid
    rules.ban(ada, "stolen_pin", "cli")
    rules.ban(bob, "dismissed", "cli", until=START + DAY)
    rules.ban(ada, "dismissed", "cli")
    assert rules.bans() == {ada: Ban("dismissed"), bob: Ban("dismissed", START + DAY)}
    rules.unban(ada, "cli")
    clock.turn(2 * DAY)
    assert read(db, clock().utc).bans == {bob: Ban("dismissed", START + DAY)}, "the door says whether it is over"


def test_sightings_are_replaced_and_forgiven(db: Database, rules: Rulebook, people: People) -> None:
    ada, bob = people.add("Ada", by="cli").pid, people.add("Bob", by="cli").pid
    rules.note_sighting(ada, "inside", "entry", START)
    rules.note_sighting(ada, "outside", "exit", START + 5)
    rules.note_sighting(bob, "inside", "entry", START + 6)
    rules.note_sighting("gone", "inside", "entry", START)
    assert read(db, START).sightings == {ada: ("outside", "exit", START + 5), bob: ("inside", "entry", START + 6)}
    rules.forgive(ada, "cli")
    assert set(read(db, START).sightings) == {bob}
    rules.forgive(None, "cli")
    assert read(db, START).sightings == {}


def test_a_lockdown_stands_until_it_is_lifted_and_is_said_once(db: Database, rules: Rulebook, log: EventLog) -> None:
    assert rules.set_lockdown(False, "cli", "nothing to lift") is False
    assert rules.set_lockdown(True, "admin-1", "  a  drill ") is True
    assert rules.set_lockdown(True, "admin-2", "again") is False
    assert (read(db, START).lockdown, read(db, START).lockdown_by) == (True, "admin-1")
    order = json.loads(db.execute("SELECT value FROM meta WHERE key = 'lockdown'").fetchone()[0])
    assert order == {"by": "admin-1", "why": "a drill", "at": START}
    assert rules.set_lockdown(False, "cli", "over") is True
    assert not read(db, START).lockdown
    said = [(e.why, e.by, e.person, e.detail) for e in log.latest(9)]
    assert said == [
        ("lockdown_on", "admin-1", None, {"reason": "a drill"}),
        ("lockdown_off", "cli", None, {"reason": "over"}),
    ]


def test_every_change_is_recorded_and_makes_the_door_read_again(
    rules: Rulebook, db: Database, people: People, log: EventLog
) -> None:
    ada, bob = (people.add(name, by="cli", groups=["staff"]).pid for name in ("Ada Lovelace", "Bob"))
    changes: list[tuple[str, Callable[[], object]]] = [
        ("calendar_set", lambda: rules.set_calendar(NEW_YEAR, "boss")),
        ("schedule_set", lambda: rules.set_schedule(OFFICE, "boss", calendars=["DE"])),
        ("group_hours_set", lambda: rules.set_group_hours("staff", ["office"], "boss")),
        ("mode_set", lambda: rules.set_mode("office", Mode.FREE, "boss")),
        ("default_mode_set", lambda: rules.set_default_mode(Mode.PIN, "boss")),
        ("visit_set", lambda: rules.set_visit(ada, VISIT, "boss")),
        ("banned", lambda: rules.ban(ada, "dismissed", "boss")),
        ("alike_cleared", lambda: rules.clear_alike(ada, "boss")),
        ("passback_forgiven", lambda: rules.forgive(ada, "boss")),
        ("lockdown_on", lambda: rules.set_lockdown(True, "boss", "drill")),
        ("lockdown_off", lambda: rules.set_lockdown(False, "boss", "drill")),
        ("unbanned", lambda: rules.unban(ada, "boss")),
        ("visit_removed", lambda: rules.remove_visit(ada, "boss")),
        ("mode_removed", lambda: rules.remove_mode("office", "boss")),
        ("group_hours_set", lambda: rules.set_group_hours("staff", [], "boss")),
        ("schedule_removed", lambda: rules.remove_schedule("office", "boss")),
        ("calendar_removed", lambda: rules.remove_calendar("DE", "boss")),
    ]
    for why, change in changes:
        before, count = roster_version(db), log.head()[0]
        change()
        assert (roster_version(db), log.head()[0]) == (before + 1, count + 1), why
        event = log.latest(1)[0]
        assert (event.type, event.why, event.by) == (EventType.AUDIT, why, "boss")
    rules.set_alike([bob, ada], "boss")
    assert [(e.why, e.person) for e in log.latest(2)] == [("alike_set", pid) for pid in sorted((ada, bob))]
    assert rules.alike() == {ada, bob}
    assert "Lovelace" not in repr(log.latest(100))


def test_notes_are_no_changes(rules: Rulebook, db: Database, people: People, log: EventLog) -> None:
    ada = people.add("Ada", by="cli").pid
    rules.set_visit(ada, VISIT, "cli")
    before = (roster_version(db), log.head())
    rules.note_used(ada)
    rules.note_sighting(ada, "inside", "entry", START)
    assert (roster_version(db), log.head()) == before


def test_a_change_that_fails_leaves_nothing(rules: Rulebook, db: Database, log: EventLog) -> None:
    rules.set_schedule(OFFICE, "cli")
    before = (read(db, START), rules.schedules(), roster_version(db), log.head())
    with pytest.raises(ScheduleError, match="there is no calendar 'DE'; there is none yet"):
        rules.set_schedule(Schedule("office"), "cli", calendars=["DE"])
    with pytest.raises(RuntimeError), transaction(db):  # noqa: PT012 - the whole block is what fails
        rules.set_lockdown(True, "cli", "drill")
        rules.set_schedule(Schedule("other"), "cli")
        raise RuntimeError
    assert (read(db, START), rules.schedules(), roster_version(db), log.head()) == before


LONG = "x" * 10_000
NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    "bad",
    [
        lambda r, p: r.set_schedule(Schedule(LONG), "cli"),
        lambda r, p: r.set_schedule(Schedule("a\x00b"), "cli"),
        lambda r, p: r.set_schedule(Schedule("\ud800"), "cli"),
        lambda r, p: r.set_schedule(Schedule(" "), "cli"),
        lambda r, p: r.set_schedule(Schedule("x", term=Term(NAN, None)), "cli"),
        lambda r, p: r.set_schedule(Schedule("x", term=Term(2 * DAY, 2 * DAY)), "cli"),
        lambda r, p: r.set_schedule(Schedule("x", ((Span(0, 60), Span(59, 61)), *ALL_WEEK[1:])), "cli"),
        lambda r, p: r.set_schedule(Schedule("x"), "cli", calendars=[LONG]),
        lambda r, p: r.set_calendar(Calendar("x", frozenset({date(2027, 1, 1)}), (Span(0, 9), Span(8, 10))), "cli"),
        lambda r, p: r.set_calendar(Calendar("x", frozenset()), "cli", source=LONG),
        lambda r, p: r.set_group_hours(LONG, [], "cli"),
        lambda r, p: r.set_group_hours("nobody's", ["office"], "cli"),
        lambda r, p: r.set_mode("gone", Mode.PIN, "cli"),
        lambda r, p: r.set_mode("office", "open sesame", "cli"),
        lambda r, p: r.set_mode("office", Mode.PIN, "cli", door=LONG),
        lambda r, p: r.set_mode("office", Mode.PIN, "cli", place=-1),
        lambda r, p: r.set_default_mode("open sesame", "cli"),
        lambda r, p: r.set_default_mode(Mode.PIN, "cli", door="\u202e"),
        lambda r, p: r.remove_schedule("gone", "cli"),
        lambda r, p: r.remove_calendar(LONG, "cli"),
        lambda r, p: r.set_visit("gone", VISIT, "cli"),
        lambda r, p: r.set_visit(p, Visit(Term(START, INFINITE)), "cli"),
        lambda r, p: r.set_visit(p, Visit(Term(START, START - 1)), "cli"),
        lambda r, p: r.ban("gone", "dismissed", "cli"),
        lambda r, p: r.ban(p, "", "cli"),
        lambda r, p: r.ban(p, "He stole it", "cli"),
        lambda r, p: r.ban(p, LONG, "cli"),
        lambda r, p: r.ban(p, "dismissed", "cli", until=NAN),
        lambda r, p: r.ban(p, "dismissed", "cli", until=INFINITE),
        lambda r, p: r.ban(p, "dismissed", "cli", until=START),
        lambda r, p: r.unban("gone", "cli"),
        lambda r, p: r.set_alike([p], "cli"),
        lambda r, p: r.set_alike([p, "gone"], "cli"),
        lambda r, p: r.clear_alike("gone", "cli"),
        lambda r, p: r.note_sighting(p, "inside", "entry", NAN),
        lambda r, p: r.note_sighting(p, LONG, "entry", START),
        lambda r, p: r.note_sighting(p, "inside", "", START),
        lambda r, p: r.forgive("gone", "cli"),
        lambda r, p: r.set_lockdown(True, "cli", ""),
        lambda r, p: r.set_lockdown(True, "cli", LONG),
        lambda r, p: r.set_lockdown(True, "cli", "a\x1b[31m"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(
    rules: Rulebook, db: Database, people: People, log: EventLog, bad: Callable[[Rulebook, str], Any]
) -> None:
    rules.set_schedule(OFFICE, "cli")
    pid = people.add("Ada", by="cli", groups=["staff"]).pid
    before = (read(db, START), rules.schedules(), rules.calendars(), roster_version(db), log.head())
    with pytest.raises((ScheduleError, BadNameError, UnknownPersonError)) as caught:
        bad(rules, pid)
    assert len(str(caught.value)) < 400
    assert (read(db, START), rules.schedules(), rules.calendars(), roster_version(db), log.head()) == before


def test_a_ban_can_be_set_while_the_clock_is_wrong(rules: Rulebook, people: People, clock: Clock) -> None:
    ada = people.add("Ada", by="cli").pid
    clock.moment = type(clock.moment)(1.0, START * 2, ClockQuality.UNKNOWN)
    rules.ban(ada, "dismissed", "cli", until=START)
    assert rules.bans() == {ada: Ban("dismissed", START)}


def test_a_long_book_is_read_while_another_thread_writes(path: Path, rules: Rulebook, people: People) -> None:
    """Each book is of one moment: a schedule and its group are both there or neither."""
    people.add("Ada", by="cli", groups=["staff"])
    stop, torn = threading.Event(), []

    def look() -> None:
        with connect(path) as db:
            while not stop.is_set():
                book = read(db, START)
                if len({schedule.name for schedule in book.hours.get("staff", ())}) not in (0, 2):
                    torn.append(book)

    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(20):
        rules.set_schedule(OFFICE, "cli")
        rules.set_schedule(Schedule("all"), "cli")
        rules.set_group_hours("staff", ["all", "office"], "cli")
        rules.set_group_hours("staff", [], "cli")
        rules.remove_schedule("all", "cli")
    stop.set()
    reader.join()
    assert torn == []


def test_erasing_a_person_leaves_nothing_of_the_rules_about_them(
    db: Database, rules: Rulebook, people: People, path: Path
) -> None:
    kept = people.add("Kept", by="cli").pid
    people.set_pin(kept, by="cli")
    gone = [people.add(f"Gone {n}", by="cli").pid for n in range(8)]
    secrets = []
    for number, pid in enumerate(gone):
        people.set_pin(pid, by="cli")
        people.set_duress_pin(pid, "cli")
        rules.set_visit(pid, Visit(VISIT.term, hosts=frozenset({kept})), "cli")
        rules.ban(pid, f"reason_planted_{number}", "cli")
        rules.set_alike([pid, kept], "cli")
        rules.note_sighting(pid, f"zone-planted-{number}", f"reader-planted-{number}", START)
        secrets += [f"zone-planted-{number}".encode(), f"reader-planted-{number}".encode()]
        secrets.append(db.execute("SELECT sealed FROM duress_pins WHERE pid = ?", (pid,)).fetchone()[0])
        secrets.append((pid + kept).encode())
        secrets.append("".join(sorted((pid, kept))).encode())
    rules.set_visit(kept, Visit(VISIT.term, hosts=frozenset(gone)), "cli")
    disk = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert all(secret in disk for secret in secrets)
    for pid in gone:
        assert people.remove(pid, "cli") is True
    for table in ("hosts", "bans", "lookalikes", "sightings", "duress_pins"):
        assert db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] == 0, table
    assert list(read(db, START).visits) == [kept]
    disk = b"".join(file.read_bytes() for file in path.parent.iterdir())
    windows = {disk[i : i + 16] for i in range(len(disk) - 15)}
    for secret in secrets[2::5]:
        assert not any(secret[i : i + 16] in windows for i in range(0, len(secret) - 15, 16)), "a sealed PIN"
    assert not any(secret in disk for secret in secrets)
    assert faults(db) == []


def test_each_side_lifts_only_its_own_lockdown(db: Database, rules: Rulebook, log: EventLog) -> None:
    assert rules.set_lockdown(True, "site:alice", "alarm", side="site", issued=1.0, seq=7) is True
    assert rules.set_lockdown(True, "cli", "intruder") is True
    assert read(db, START).lockdown_by == "cli"
    assert rules.set_lockdown(False, "cli", "over") is True
    assert (read(db, START).lockdown, read(db, START).lockdown_by) == (True, "site:alice")
    assert rules.set_lockdown(False, "cli", "over") is False
    assert rules.set_lockdown(False, "site:bob", "over", side="site", seq=8) is True
    assert not read(db, START).lockdown
    assert [event.why for event in log.latest(9)] == [
        "site_lockdown_on",
        "lockdown_on",
        "lockdown_off",
        "site_lockdown_off",
    ]
    assert greatest_number(db) == 8


@pytest.mark.parametrize(
    ("value", "side"),
    [
        ('{"by": "site:alice", "why": "x", "at": 1}', "site"),
        ('{"by": "cli", "why": "x", "at": 1}', "local"),
        ('{"by": ["site:alice"]}', "local"),
        ("nonsense", "local"),
        (b"\xff", "local"),
        (7, "local"),
    ],
)
def test_the_lockdown_of_an_earlier_version_stays_whose_it_was(db: Database, value: object, side: Side) -> None:
    db.execute("INSERT INTO meta VALUES ('lockdown', ?)", (value,))
    db.conn.commit()
    db.conn.executescript(TWO_LOCKDOWNS)
    assert list(standing(db)) == [side]
    db.conn.executescript(TWO_LOCKDOWNS)
    assert list(standing(db)) == [side]
