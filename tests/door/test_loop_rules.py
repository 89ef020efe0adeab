"""The loop and the rules: what operators set decides who comes in, and for how long the door stays open."""

from dataclasses import replace
from datetime import datetime
from math import inf

import pytest

from appliance.access.blocklist import Ban
from appliance.access.book import Book
from appliance.access.ledger import Note
from appliance.access.modes import Mode, ModePlan
from appliance.access.roster import Roster, RosterPerson
from appliance.access.schedule import Schedule, Term, weekly
from appliance.access.visitors import Visit
from appliance.door.inbox import Edge, Noted, RosterLoaded, Written
from appliance.door.machine import State
from appliance.facts import AdminUnlock, ClockQuality, Passing, PinEntry
from appliance.settings import AccessConfig
from tests.access.wallclocks import BERLIN
from tests.door.test_loop import DIGEST, Bench

FORCED_DIGEST, GUEST_DIGEST, HOST_DIGEST = b"f" * 32, b"g" * 32, b"h" * 32
ROSTER = Roster(
    {
        "p": RosterPerson("p", consent=True, has_templates=True, groups=frozenset({"staff"})),
        "guest": RosterPerson("guest"),
        "host": RosterPerson("host", extended=True),
    },
    {DIGEST: "p", GUEST_DIGEST: "guest", HOST_DIGEST: "host"},
    7,
    duress_pins={FORCED_DIGEST: "p"},
)
NOON = datetime(2026, 11, 23, 12, tzinfo=BERLIN).timestamp()  # a Monday
OFFICE = weekly("office", {"mon-fri": "08:00-18:00"})
FREE = Book(plan=ModePlan(Mode.ANY, ((OFFICE, Mode.FREE),)))
BOTH = Book(plan=ModePlan(Mode.FACE_AND_PIN))
HOUR = 3600.0


def bench(book: Book = Book(), utc: float = NOON, **kwargs) -> Bench:  # noqa: B008 - frozen
    made = Bench(None, zone=BERLIN, **kwargs)
    made.clock.utc = utc
    made.turn(RosterLoaded(ROSTER, book))
    made.record.events.clear()
    return made


def answer(bench: Bench) -> dict:
    return bench.published[-1]["answer"]


def enter(bench: Bench, digest: bytes = DIGEST) -> Bench:
    return bench.turn(bench.pin(digest)).written()


def pass_through(bench: Bench) -> Bench:
    return bench.turn(Edge("contact", True, bench.now), 1).turn(Edge("contact", False, bench.now), 2)


# --- hours, modes, second factors


def test_hours_of_the_group_decide():
    inside = bench(Book(hours={"staff": (OFFICE,)}))
    assert enter(inside).released
    outside = bench(Book(hours={"staff": (OFFICE,)}), NOON + 7 * HOUR)
    assert not enter(outside).released
    assert outside.record.whys() == ["outside_hours"]


@pytest.mark.parametrize("first", ["match", "pin"])
def test_a_second_factor_is_asked_for_and_refuses_nobody(first):
    door = bench(BOTH)
    second = {"match": "pin", "pin": "match"}[first]
    door.turn(getattr(door, first)())
    assert not door.released
    assert door.record.whys() == ["second_factor"]
    assert door.record.events[0].detail["needs"] == [{"pin": "pin", "match": "face"}[second]]
    assert (answer(door)["why"], answer(door)["needs"]) == ("second_factor", [{"pin": "pin", "match": "face"}[second]])
    door.turn(getattr(door, second)(), 2.0).written()
    assert door.released
    assert answer(door)["needs"] == []


def test_asking_for_a_second_factor_locks_nobody_out():
    door = bench(BOTH)
    for _ in range(30):
        door.turn(door.pin(), after=0.1)
    assert set(door.record.whys()) == {"second_factor"}
    assert door.published[-1]["screen_until"] is None


def test_the_second_factor_comes_too_late_whatever_the_wall_clock_says():
    for leap in (0.0, -HOUR, 10 * 365 * 86_400.0):
        door = bench(BOTH)
        door.turn(door.pin())
        door.clock.utc += leap
        door.turn(after=12.1)
        door.turn(door.match()).written()
        assert not door.released
        assert [why for why in door.record.whys() if why != "vision_lost"] == ["second_factor", "second_factor"]


def test_a_second_factor_of_somebody_else_is_none():
    door = bench(BOTH)
    door.turn(door.pin(GUEST_DIGEST))
    door.turn(door.match()).written()
    assert not door.released


def test_a_card_or_pin_that_named_a_person_is_confirmed_one_to_one():
    unsure = {"score": 0.44, "threshold": 0.71, "margin": 0.0}
    door = bench(BOTH)
    door.turn(door.match(**unsure))
    assert door.record.whys() == ["low_score"]
    door.turn(door.pin())
    door.turn(door.match(**{**unsure, "score": 0.439}), 1.0)
    assert door.record.whys()[-1] == "low_score"
    door.turn(door.match(person=None, **unsure), 0.1)
    assert door.record.whys()[-1] == "unknown_face"
    door.turn(door.match(**unsure), 0.1).written()
    assert door.released


def test_a_locked_door_opens_for_an_administrator_alone():
    door = bench(Book(plan=ModePlan(Mode.LOCKED)))
    assert not enter(door).released
    assert door.record.whys() == ["door_locked"]
    door.turn(AdminUnlock("boss", "n", door.now)).written()
    assert door.released


# --- lockdown


def test_lockdown_of_the_store_holds_from_the_first_book_on():
    door = bench(Book(lockdown=True, lockdown_by="boss"))
    assert door.door.state is State.LOCKDOWN
    for credential in (door.pin(), door.match(), AdminUnlock("boss", "n", door.now)):
        door.turn(credential)
    assert door.record.whys() == ["lockdown"] * 3
    assert not door.record.open
    door.turn(Edge("rex", True, door.now))
    assert door.released


def test_lockdown_comes_and_goes_with_the_store_and_takes_back_a_grant():
    door = enter(bench())
    door.turn(RosterLoaded(ROSTER, Book(lockdown=True)))
    assert not door.released
    door.turn(RosterLoaded(ROSTER, Book()))
    assert enter(door).released


def test_a_lockdown_between_decision_and_disk_withholds():
    door = bench()
    door.turn(door.pin())
    door.turn(RosterLoaded(ROSTER, Book(lockdown=True)))
    door.written()
    assert not door.released
    assert answer(door)["why"] == "lockdown"
    assert door.record.whys()[-1] == "withheld"


# --- free access


def test_a_grant_withheld_while_somebody_leaves_is_told_to_nobody_as_granted():
    told: list[str] = []
    door = bench()
    door.loop._granted = told.append
    door.turn(door.pin())
    door.turn(RosterLoaded(ROSTER, Book(lockdown=True)))
    door.turn(Edge("rex", True, door.now)).written()
    assert door.released
    assert "withheld" in door.record.whys()
    assert (told, answer(door)["why"]) == ([], "lockdown")


def test_free_hours_begin_with_the_first_person_and_not_before():
    door = bench(FREE)
    door.turn(after=60)
    assert not door.released
    enter(door)
    assert "free" in door.record.whys()
    pass_through(door)
    door.turn(after=600)
    assert door.released
    assert door.published[-1]["free"] is True


def at_free(book: Book = FREE, utc: float = NOON) -> Bench:
    door = enter(bench(book, utc))
    pass_through(door).turn(after=10)
    assert door.released
    return door


def test_free_access_ends_with_its_hours():
    door = at_free(utc=NOON + 6 * HOUR - 60)
    door.turn(after=45.0)
    assert door.released
    door.turn(after=5.0)
    assert not door.released
    assert door.record.whys()[-2:] == ["locked", "free_end"]


@pytest.mark.parametrize(
    "leap", [6 * HOUR, -5 * HOUR, 3652 * 86_400.0, -3648 * 86_400.0, inf, -inf, float("nan")], ids=str
)
def test_free_access_ends_when_the_clock_leaps_out_of_its_hours(leap):
    door = at_free()
    door.clock.utc += leap
    door.turn(after=0.01)
    assert not door.released


def test_free_access_ends_when_nobody_knows_the_time():
    door = at_free()
    door.clock.quality = ClockQuality.UNKNOWN
    door.turn(after=0.01)
    assert not door.released
    enter(door)
    assert "free" not in door.record.whys()[-2:]


@pytest.mark.parametrize(
    "book", [Book(plan=ModePlan(Mode.PIN)), Book(plan=ModePlan(Mode.LOCKED)), replace(FREE, lockdown=True)]
)
def test_free_access_ends_when_the_operator_ends_it(book):
    door = at_free()
    door.turn(RosterLoaded(ROSTER, book))
    door.turn()
    assert not door.released


def test_a_fire_ends_free_access():
    door = at_free()
    door.turn(Edge("fire", True, door.now))
    assert door.released
    door.turn(Edge("fire", False, door.now))
    assert not door.released


def test_a_visitor_frees_no_door():
    door = bench(replace(FREE, visits={"guest": visit()}))
    enter(door, GUEST_DIGEST)
    assert door.released
    assert "free" not in door.record.whys()


@pytest.mark.parametrize(
    ("year", "month", "day"), [(2026, 3, 29), (2026, 10, 25)], ids=["an hour skipped", "an hour twice"]
)
def test_free_nights_over_a_change_of_summer_time_end_as_the_wall_clock_shows(year, month, day):
    night = weekly("night", {"daily": "01:00-04:00"})
    begin = datetime(year, month, day, 1, 30, tzinfo=BERLIN).timestamp()
    end = datetime(year, month, day, 4, 0, tzinfo=BERLIN).timestamp()
    door = at_free(Book(plan=ModePlan(Mode.ANY, ((night, Mode.FREE),))), begin)
    while door.clock.utc < end - 30:
        door.turn(after=20)
        assert door.released
    door.turn(after=end - door.clock.utc)
    assert not door.released


# --- visits, hosts, companions, alarms


def visit(**kwargs) -> Visit:
    return Visit(Term(NOON - 86_400, NOON + 86_400), **{"uses": 2, **kwargs})


def test_uses_of_a_visit_are_noted_after_the_grant_and_count_at_once():
    door = bench(Book(visits={"guest": visit()}, used={"guest": 1}))
    enter(door, GUEST_DIGEST)
    assert door.record.notes == [Note(1, "guest", True, None)]
    door.turn(after=30)
    assert not enter(door, GUEST_DIGEST).released
    assert door.record.whys()[-1] == "used_up"
    # A book read before the note was written does not bring the use back; neither does the one after.
    door.turn(RosterLoaded(ROSTER, Book(visits={"guest": visit()}, used={"guest": 1})))
    assert not enter(door, GUEST_DIGEST).released
    door.turn(Noted(1))
    door.turn(RosterLoaded(ROSTER, Book(visits={"guest": visit()}, used={"guest": 2})))
    assert not enter(door, GUEST_DIGEST).released
    # An operator's new visit counts from nothing.
    door.turn(RosterLoaded(ROSTER, Book(visits={"guest": visit()}, used={"guest": 0})))
    assert enter(door, GUEST_DIGEST).released


def test_a_visitor_waits_for_the_host_and_enters_along():
    door = bench(Book(visits={"guest": visit(hosts=frozenset({"host"}))}))
    door.turn(door.pin(GUEST_DIGEST))
    assert not door.released
    assert (answer(door)["why"], answer(door)["needs"]) == ("escort_missing", [])
    door.turn(after=5)
    enter(door, HOST_DIGEST)
    assert door.released
    granted = [(event.person, event.detail) for event in door.record.events if event.why == "granted"]
    assert granted == [("host", {"keypad": "keypad"}), ("guest", {"host": "host"})]
    assert door.record.notes == [Note(1, "guest", True, None)]
    # Two were let in: a second face behind the first is no tailgating.
    door.turn(Passing(door.now, 1), 0.1)
    assert "tailgating" not in door.record.whys()


def test_a_duress_pin_opens_as_always_and_security_is_told_silently():
    door, plain = bench(), bench()
    enter(door, FORCED_DIGEST)
    enter(plain)
    assert door.released
    assert [(e.type, e.why) for e in door.record.events] == [
        ("access", "granted"), ("pin", "duress"), ("door", "unlocked"),
    ]  # fmt: skip
    assert door.record.events[1].person == "p"
    assert door.published[-1] == plain.published[-1]


def test_duress_is_told_in_a_lockdown_and_of_who_is_refused_too():
    for book in (Book(lockdown=True), Book(hours={"staff": (weekly("never", {"sun": "08:00-09:00"}),)})):
        door = bench(book)
        enter(door, FORCED_DIGEST)
        assert not door.released
        assert ("pin", "duress") in [(e.type, e.why) for e in door.record.events]


def test_somebody_on_the_blocklist_is_refused_and_told_once_each_time():
    door = bench(Book(bans={"p": Ban("stolen_pin")}))
    assert not enter(door).released
    assert [(e.type, e.why, e.person) for e in door.record.events] == [("access", "blocked", "p")]
    suspended = Roster({"p": replace(ROSTER.people["p"], active=False)}, ROSTER.pins)
    door.turn(RosterLoaded(suspended, Book(bans={"p": Ban("stolen_pin")})))
    door.turn(door.pin())
    assert door.record.whys()[-2:] == ["suspended", "blocked"]


# --- anti-passback

TIMED = AccessConfig(passback="timed", passback_seconds=60)
ZONE = AccessConfig(passback="zone", passback_forget_hours=12)


def test_nobody_enters_twice_within_the_time_whatever_the_clock_says():
    door = bench(settings=TIMED)
    enter(door)
    assert door.record.notes == [Note(1, "p", False, ("inside", "entry", door.clock.utc))]
    pass_through(door).turn(after=20)
    door.clock.utc += 10 * 365 * 86_400
    assert not enter(door).released
    assert door.record.whys()[-1] == "passed_back"
    door.turn(after=60)
    assert enter(door).released


def test_a_sighting_survives_a_restart():
    seen = {"p": ("inside", "entry", NOON - 30)}
    door = bench(Book(sightings=seen), settings=TIMED)
    assert not enter(door).released
    door.turn(after=31)
    assert enter(door).released


@pytest.mark.parametrize(
    ("quality", "utc"),
    [(ClockQuality.UNKNOWN, NOON + 9e6), (ClockQuality.SYNCED, NOON - 9e6), (ClockQuality.SYNCED, float("nan"))],
    ids=["unknown", "back", "nan"],
)
def test_after_a_restart_without_a_believable_clock_a_sighting_was_just_now(quality, utc):
    door = Bench(None, settings=TIMED, zone=BERLIN)
    door.clock.quality, door.clock.utc = quality, utc
    door.turn(RosterLoaded(ROSTER, Book(sightings={"p": ("inside", "entry", NOON)})))
    assert not enter(door).released


def test_what_was_noted_while_nobody_knew_the_time_counts_as_now_after_the_next_start():
    door = bench(settings=TIMED)
    door.clock.quality = ClockQuality.UNKNOWN
    enter(door)
    seen = door.record.notes[0].seen
    later = bench(Book(sightings={"p": seen}), NOON + 86_400, settings=TIMED)
    assert not enter(later).released


def test_a_book_that_is_read_again_leaves_a_sighting_where_it_was():
    door = enter(bench(settings=TIMED))
    door.clock.utc += 9e6  # set meanwhile
    seen = {"p": door.record.notes[0].seen}
    door.turn(RosterLoaded(ROSTER, Book(sightings=seen)), 10)
    door.turn(Noted(1))
    door.turn(RosterLoaded(ROSTER, Book(sightings=seen)), 10)
    assert not enter(door).released
    door.turn(RosterLoaded(ROSTER, Book()))  # forgiven
    assert enter(door).released


def test_by_zone_and_soft():
    door = bench(settings=replace(ZONE, passback_hard=False))
    pass_through(enter(door)).turn(after=30)
    enter(door)
    assert door.released
    told = [(e.type, e.why) for e in door.record.events]
    assert told[-3:] == [("access", "granted"), ("access", "passed_back"), ("door", "unlocked")]


# --- tailgating


def test_a_second_person_behind_one_is_told_once():
    door = enter(bench())
    door.switches["contact"].active = True
    door.turn(after=0.5)
    door.turn(Passing(door.now, 1), 0.5)
    door.turn(Passing(door.now, 1), 0.5)
    assert door.record.whys().count("tailgating") == 1


# --- what must not open


def test_before_the_first_book_nobody_is_counted_or_let_in():
    door = Bench(None)
    for _ in range(20):
        door.turn(PinEntry(b"x" * 32, "keypad", door.now))
    assert set(door.record.whys()) == {"started", "not_ready"}
    door.turn(RosterLoaded(ROSTER, Book()))
    assert enter(door).released


def test_three_inputs_are_not_three_sets_of_tries():
    door = bench()
    for number in range(8):
        keypad = ("keypad", "screen", "osdp")[number % 3]
        door.turn(PinEntry(b"x" * 32, keypad, door.now))
    assert door.published[-1]["screen_until"] == pytest.approx(door.now + 30)
    assert not enter(door).released
    assert door.record.whys()[-1] == "locked_out"
    door.turn(door.match()).written()
    assert door.released


def test_a_grant_is_never_acted_on_twice():
    door = bench()
    door.turn(door.pin())
    tickets = tuple(door.record.open)
    door.turn(Written(tickets, durable=True)).turn(Edge("contact", True, door.now), 1)
    door.turn(Edge("contact", False, door.now), 1)
    door.turn(Written(tickets, durable=True))
    assert not door.released


def test_always_open_hours_need_no_clock_and_others_do():
    always, office = Book(hours={"staff": (Schedule("24/7"),)}), Book(hours={"staff": (OFFICE,)})
    for book, opens in ((always, True), (office, False)):
        door = bench(book)
        door.clock.quality = ClockQuality.UNKNOWN
        assert enter(door).released is opens
    two = bench(office, settings=AccessConfig(clock_unknown="two_factor"))
    two.clock.quality = ClockQuality.UNKNOWN
    assert not enter(two).released
    assert answer(two)["needs"] == ["card", "face"]
    two.turn(two.match()).written()
    assert two.released


def test_what_was_shown_before_the_rights_changed_counts_no_more():
    door = bench(Book(plan=ModePlan(Mode.FACE_AND_PIN)))
    assert not enter(door).released
    door.turn(RosterLoaded(replace(ROSTER, pins={}), Book(plan=ModePlan(Mode.FACE_AND_PIN))))
    door.turn(door.match(), 1.0).written()
    assert not door.released
    assert answer(door)["why"] == "second_factor"
