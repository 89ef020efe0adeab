"""A row of the rules that cannot be understood: it counts against whom it concerns, and against nobody else."""

from collections.abc import Callable
from datetime import UTC, date

import pytest
from sqlite_utils import Database

from appliance.access.blocklist import Ban
from appliance.access.book import Book
from appliance.access.calendar import Calendar
from appliance.access.modes import Mode, ModePlan
from appliance.access.passback import ENTRY, INSIDE, OUTSIDE
from appliance.access.schedule import Schedule, Term, weekly
from appliance.access.visitors import Refusal, Visit, refusal
from appliance.facts import Moment
from appliance.store.hours import NEVER, meant
from appliance.store.people import People
from appliance.store.rulebook import Rulebook, read

from .conftest import START, Clock, moment

OFFICE, NIGHT, LAB = (weekly(name, {"mon-fri": "08:00-17:00"}) for name in ("office", "night", "lab"))


class House:
    """Two groups with hours of their own, two doors' modes, two of everybody; and a hand that damages rows."""

    def __init__(self, db: Database, people: People, rules: Rulebook) -> None:
        self.db, self.people, self.rules = db, people, rules
        self.ada = people.add("Ada", by="cli", groups=["staff"]).pid
        self.bob = people.add("Bob", by="cli", groups=["lab"]).pid
        rules.set_calendar(Calendar("DE", frozenset({date(2027, 1, 1)})), "cli")
        rules.set_schedule(OFFICE, "cli", calendars=["DE"])
        rules.set_schedule(NIGHT, "cli")
        rules.set_schedule(LAB, "cli")
        rules.set_group_hours("staff", ["office"], "cli")
        rules.set_group_hours("lab", ["lab"], "cli")
        for pid in (self.ada, self.bob):
            rules.set_visit(pid, Visit(Term(START, START + 60), 2), "cli")
            rules.ban(pid, "dismissed", "cli", until=START + 60)
            rules.note_sighting(pid, INSIDE, ENTRY, START - 60)

    def damage(self, sql: str, *values: object) -> None:
        self.db.execute("PRAGMA ignore_check_constraints = ON")
        self.db.execute("PRAGMA foreign_keys = OFF")
        self.db.execute(sql, values)

    def read(self) -> Book:
        return read(self.db, START)


@pytest.fixture
def house(db: Database, people: People, clock: Clock) -> House:
    return House(db, people, Rulebook(db, now=clock))


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE schedule_hours SET ends = 3 WHERE schedule = 'office'",
        "UPDATE schedule_hours SET day = 9 WHERE schedule = 'office' AND day = 2",
        "INSERT INTO schedule_hours VALUES ('office', 0, 500, 600)",
        "INSERT INTO special_days VALUES ('office', '2027-02-30')",
        "INSERT INTO special_hours VALUES ('office', '2027-02-28', 0, 60)",
        "UPDATE schedules SET begins = 9e9, ends = 8e9 WHERE name = 'office'",
        "UPDATE schedules SET begins = 9e999 WHERE name = 'office'",
        "UPDATE schedule_hours SET schedule = CAST(x'6f6666ff6365' AS TEXT) WHERE schedule = 'office' AND day = 4",
        "UPDATE calendar_days SET day = 'noon'",
        "UPDATE calendars SET first = '2027-01-02', last = '2027-12-31'",
        "UPDATE calendar_days SET calendar = CAST(x'44ff' AS TEXT)",
        "INSERT INTO calendar_hours VALUES ('DE', 5, 4)",
        "DELETE FROM calendars",
        "UPDATE group_hours SET schedule = 'gone' WHERE name = 'staff'",
        "UPDATE group_hours SET name = CAST(x'7374ff6666' AS TEXT), schedule = 'gone' WHERE name = 'staff'",
    ],
)
def test_nobody_of_a_group_enters_by_hours_that_cannot_be_understood(
    house: House, sql: str, caplog: pytest.LogCaptureFixture
) -> None:
    house.damage(sql)
    assert house.read().hours == {"staff": (NEVER,), "lab": (LAB,)}
    assert "set it again" in caplog.text
    assert not NEVER.always
    assert not any(NEVER.allows(START + hour * 3600, UTC) for hour in range(200))


def test_other_hours_of_the_group_still_hold(house: House) -> None:
    house.rules.set_group_hours("staff", ["office", "night"], "cli")
    house.damage("UPDATE schedule_hours SET ends = 3 WHERE schedule = 'office'")
    assert house.read().hours["staff"] == (NIGHT, NEVER)


def test_a_damaged_membership_does_not_free_from_hours(house: House) -> None:
    house.damage("UPDATE memberships SET name = CAST(x'7374ff6666' AS TEXT) WHERE pid = ?", house.ada)
    groups = house.people.roster().people[house.ada].groups
    hours = house.read().hours
    assert [hours[group] for group in groups] == [(NEVER,)]
    assert hours["lab"] == (LAB,)


@pytest.mark.parametrize(
    ("sql", "plan"),
    [
        ("UPDATE schedule_hours SET ends = 3 WHERE schedule = 'night'", ModePlan(Mode.FACE_AND_PIN)),
        ("UPDATE schedule_hours SET ends = 3 WHERE schedule = 'lab'", ModePlan(Mode.LOCKED)),
        ("UPDATE modes SET mode = 'open' WHERE schedule = 'lab'", ModePlan(Mode.FACE_AND_PIN)),
        ("UPDATE modes SET mode = 'open' WHERE schedule IS NULL", ModePlan(Mode.FACE_AND_PIN)),
        ("UPDATE modes SET schedule = 'gone' WHERE schedule = 'lab'", ModePlan(Mode.LOCKED)),
        ("UPDATE modes SET door = CAST(x'ff' AS TEXT) WHERE schedule = 'night'", ModePlan(Mode.FACE_AND_PIN)),
    ],
)
def test_a_plan_that_cannot_be_understood_asks_for_most(house: House, sql: str, plan: ModePlan) -> None:
    house.rules.set_mode("night", Mode.FREE, "cli")
    house.rules.set_mode("lab", Mode.LOCKED, "cli")
    house.rules.set_default_mode(Mode.ANY, "cli")
    sound = house.read()
    house.damage(sql)
    assert sound.plan.turns == ((NIGHT, Mode.FREE), (LAB, Mode.LOCKED))
    assert house.read().plan == plan


@pytest.mark.parametrize(
    "change",
    [
        "ends = begins - 1",
        "begins = -9e999",
        "uses = -1",
        "used = -1",
        "escorted = 7",
        "escort_seconds = 900",
        "pid = CAST(CAST(substr(pid, 1, 30) AS BLOB) || x'ff' || CAST(substr(pid, 32) AS BLOB) AS TEXT)",
    ],
)
def test_a_visit_that_cannot_be_understood_is_over(house: House, change: str) -> None:
    house.damage(f"UPDATE visits SET {change} WHERE pid = ?", house.ada)
    book = house.read()
    assert refusal(book.visits[house.ada], book.used[house.ada], moment(START)) is Refusal.EXPIRED
    assert (book.visits[house.bob], book.used[house.bob]) == (Visit(Term(START, START + 60), 2), 0)


def test_a_visit_that_lost_its_word_of_an_escort_is_over(house: House) -> None:
    house.rules.set_visit(house.ada, Visit(Term(START, START + 60), hosts=frozenset({house.bob})), "cli")
    house.damage("UPDATE visits SET escorted = 0")
    assert refusal(house.read().visits[house.ada], 0, moment(START)) is Refusal.EXPIRED


@pytest.mark.parametrize(
    "change",
    [
        "until = 9e999",
        "until = -1",
        "pid = CAST(CAST(substr(pid, 1, 30) AS BLOB) || x'ff' || CAST(substr(pid, 32) AS BLOB) AS TEXT)",
    ],
)
def test_a_ban_that_cannot_be_understood_stands(house: House, change: str) -> None:
    house.damage(f"UPDATE bans SET {change} WHERE pid = ?", house.ada)
    bans = house.read().bans
    assert bans[house.ada].stands(Moment(1.0, START * 2))
    assert bans[house.bob] == Ban("dismissed", START + 60)


def test_a_ban_without_a_readable_reason_ends_when_it_was_to_end(house: House) -> None:
    house.damage("UPDATE bans SET reason = CAST(x'ff' AS TEXT) WHERE pid = ?", house.ada)
    assert house.read().bans[house.ada] == Ban("unreadable", START + 60)


@pytest.mark.parametrize("change", ["at = 9e999", "zone = CAST(x'ff' AS TEXT)", "reader = CAST(x'ff' AS TEXT)"])
def test_who_was_seen_nobody_knows_where_is_elsewhere_just_now(house: House, change: str) -> None:
    house.damage(f"UPDATE sightings SET {change} WHERE pid = ?", house.ada)
    zone, reader, at = house.read().sightings[house.ada]
    assert zone not in (INSIDE, OUTSIDE)
    assert (reader, at) == (ENTRY, START)
    assert house.read().sightings[house.bob] == (INSIDE, ENTRY, START - 60)


@pytest.mark.parametrize("value", ["", "[]", "{}", "null", '{"why": "x"}', "[" * 100_000, b"\xff", 7])
def test_a_lockdown_that_cannot_be_understood_stands_and_can_be_lifted(house: House, value: object) -> None:
    house.damage("INSERT INTO meta VALUES ('lockdown', ?)", value)
    assert (house.read().lockdown, house.read().lockdown_by) == (True, None)
    assert house.rules.set_lockdown(False, "cli", "lifted") is True
    assert not house.read().lockdown


def test_damage_is_logged_once_and_named_without_a_name(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.damage("UPDATE bans SET until = -1 WHERE pid = ?", house.ada)
    seen: set[str] = set()
    for _ in range(3):
        read(house.db, START, damaged=seen)
    assert [house.ada in record.getMessage() for record in caplog.records] == [True]
    house.damage("UPDATE bans SET until = -1 WHERE pid = ?", house.bob)
    read(house.db, START, damaged=seen)
    assert len(caplog.records) == 2


def test_what_is_damaged_is_listed_and_can_be_set_again(house: House) -> None:
    house.damage("UPDATE schedule_hours SET ends = 3 WHERE schedule = 'office'")
    house.damage("UPDATE calendar_days SET day = 'noon'")
    house.db.execute("PRAGMA ignore_check_constraints = OFF")
    house.db.execute("PRAGMA foreign_keys = ON")
    told = {stored.name: (stored.schedule, stored.fault) for stored in house.rules.schedules()}
    assert told["office"][0] is None
    assert "end before they begin" in told["office"][1]
    assert told["lab"] == (LAB, "")
    assert house.rules.calendars()[0].calendar is None
    house.rules.set_mode("lab", Mode.PIN, "cli")
    house.rules.set_calendar(Calendar("DE", frozenset()), "cli")
    house.rules.set_schedule(Schedule("office"), "cli")
    assert house.read().hours["staff"] == (Schedule("office"),)


LOST = "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("staff", ["staff"]),
        ("gone", ["gone"]),
        (f"st{LOST}ff", ["staff"]),
        (f"{LOST}{LOST}", ["staff", "stuff", "a.b"]),
        (f"st{LOST}", ["staff", "stuff"]),
        (f"a.{LOST}", ["a.b"]),
        (f"x{LOST}", []),
    ],
)
def test_a_damaged_key_means_all_whom_it_may_mean(text: str, who: list[str]) -> None:
    known = ["staff", "stuff", "a.b"]
    assert meant(text, known) == (["staff", "stuff"] if text == f"st{LOST}ff" else who)


def test_nothing_that_can_be_called_damaged_frees_anybody(house: House) -> None:
    """Every text of every table of rules, damaged in turn: nobody gains hours, and no ban or lockdown ends."""
    texts: list[Callable[[], None]] = []
    for table in ("schedules", "schedule_hours", "group_hours", "memberships", "bans"):
        for column, kind in house.db.execute("SELECT name, type FROM pragma_table_info(?)", (table,)).fetchall():
            if kind == "TEXT" and (table, column) != ("memberships", "pid"):
                sql = f"UPDATE {table} SET {column} = CAST(CAST({column} AS BLOB) || x'ff' AS TEXT)"
                texts.append(lambda sql=sql: house.damage(sql))  # type: ignore[misc]
    house.damage("SELECT 1")
    for text in texts:
        house.db.execute("SAVEPOINT sound")
        text()
        roster, book = house.people.roster(), house.read()
        for pid in (house.ada, house.bob):
            hours = [schedule for group in roster.people[pid].groups for schedule in book.hours.get(group, ())]
            assert hours
            assert not any(schedule.always for schedule in hours)
            assert pid in book.bans
        house.db.execute("ROLLBACK TO sound")
        house.db.execute("RELEASE sound")
    assert len(texts) > 5


def test_who_a_damaged_pair_may_mean_is_still_alike(house: House) -> None:
    house.rules.set_alike([house.ada, house.bob], "cli")
    house.damage("UPDATE lookalikes SET pid = CAST(x'ff' || CAST(substr(pid, 2) AS BLOB) AS TEXT)")
    assert {house.ada, house.bob} <= house.read().alike
    assert {house.ada, house.bob} <= house.rules.alike()
