"""What a door remembers between two readings of the store."""

from dataclasses import replace
from datetime import datetime
from math import nan

import pytest

from appliance.access.book import Book
from appliance.access.ledger import Ledger, Note
from appliance.access.modes import Mode, ModePlan
from appliance.access.passback import ENTRY, Kind, Passback, Sighting
from appliance.access.schedule import Term, weekly
from appliance.access.terms import door_rules
from appliance.access.verdict import ClockPolicy, DoorRules, Stamp, State, Verdict, Why
from appliance.access.visitors import Visit
from appliance.access.walltime import LATEST
from appliance.facts import ClockQuality, Moment
from appliance.settings import AccessConfig
from tests.access.wallclocks import BERLIN

NOON = datetime(2026, 11, 23, 12, tzinfo=BERLIN).timestamp()  # a Monday
NOW = Moment(1000.0, NOON, ClockQuality.SYNCED)
UNSET = Moment(1000.0, 0.0, ClockQuality.UNKNOWN)
VISIT = Visit(Term(NOON - 60, NOON + 6000), uses=5)
HOUR = 3600.0


def ledger(kind: Kind = Kind.OFF, book: Book = Book(), now: Moment = NOW) -> Ledger:  # noqa: B008 - frozen
    made = Ledger(lambda b: DoorRules(plan=b.plan, visits=b.visits, passback=Passback(kind)), BERLIN)
    made.load(book, now)
    return made


def let_in(pid: str, state: State, *along: str) -> Verdict:
    used = {**state.used, **{one: state.used.get(one, 0) + 1 for one in (pid, *along)}}
    seen = {one: Sighting("inside", ENTRY, NOW.mono) for one in (pid, *along)}
    return Verdict(True, Why.GRANTED, pid, (), replace(state, used=used, sightings=seen), companions=along)


def test_a_use_counts_at_once_until_the_book_has_it():
    made = ledger(book=Book(visits={"v": VISIT}, used={"v": 2}))
    assert made.state.used == {"v": 2}
    (note,) = made.keep(let_in("v", made.state), NOW)
    assert note == Note(1, "v", True, None)
    made.load(Book(visits={"v": VISIT}, used={"v": 2}), NOW)  # read before the note was written
    assert made.state.used == {"v": 3}
    made.written(note.number)
    made.load(Book(visits={"v": VISIT}, used={"v": 3}), NOW)
    assert made.state.used == {"v": 3}


def test_a_visit_set_anew_begins_anew_and_an_unchanged_one_goes_on():
    made = ledger(book=Book(visits={"v": VISIT, "w": VISIT}))
    for note in made.keep(let_in("v", made.state, "w"), NOW):
        made.written(note.number)
    made.load(Book(visits={"v": replace(VISIT, uses=1), "w": VISIT}, used={"w": 1}), NOW)
    assert made.state.used == {"w": 1}


def test_notes_are_counted_up_and_written_in_order():
    made = ledger(Kind.ZONE, Book(visits={"v": VISIT}))
    first, second = made.keep(let_in("v", made.state, "w"), NOW)
    (third,) = made.keep(let_in("x", made.state), NOW)
    assert [note.number for note in (first, second, third)] == [1, 2, 3]
    made.written(2)
    made.load(Book(visits={"v": VISIT}), NOW)
    assert set(made.state.sightings) == {"x"}, "what is written is the store's to tell"


def test_leaving_uses_no_visit():
    made = ledger(Kind.ZONE, Book(visits={"v": VISIT}))
    gone = Verdict(
        True, Why.GRANTED, "v", (), replace(made.state, sightings={"v": Sighting("outside", "exit", NOW.mono)})
    )
    assert made.keep(gone, NOW) == [Note(1, "v", False, ("outside", "exit", NOON))]


def test_a_refusal_is_kept_but_noted_nowhere():
    made = ledger(Kind.ZONE)
    after = State(let_in={"p": Stamp(1.0, ENTRY)})
    assert made.keep(Verdict(False, Why.SUSPENDED, "p", (), after), NOW) == []
    assert made.state is after


def test_nobody_is_noted_where_nothing_is_asked_of_it():
    made = ledger()
    assert made.keep(Verdict(True, Why.GRANTED, "p", (), made.state), NOW) == []


def test_where_somebody_was_is_turned_into_this_boots_time_once():
    book = Book(sightings={"p": ("inside", "entry", NOON - 600)})
    made = ledger(Kind.ZONE, book)
    assert made.state.sightings == {"p": Sighting("inside", "entry", 400.0)}
    leapt = replace(NOW, utc=NOON + 9 * HOUR)
    made.load(book, leapt)
    assert made.state.sightings == {"p": Sighting("inside", "entry", 400.0)}, "a clock set later moves nobody's past"
    made.load(Book(sightings={"p": ("outside", "", NOON + 8 * HOUR)}), leapt)
    assert made.state.sightings == {"p": Sighting("outside", ENTRY, 1000.0 - HOUR)}


@pytest.mark.parametrize(("utc", "now"), [(NOON + 60, NOW), (nan, NOW), (NOON - 600, UNSET)])
def test_what_no_clock_can_place_counts_as_now(utc, now):
    made = ledger(Kind.ZONE, Book(sightings={"p": ("inside", "entry", utc)}), now)
    assert made.state.sightings["p"].at == now.mono


@pytest.mark.parametrize("now", [UNSET, replace(NOW, utc=1e3), replace(NOW, quality=ClockQuality.UNKNOWN)])
def test_what_an_unset_clock_says_is_not_noted_as_long_ago(now):
    made = ledger(Kind.TIMED)
    (note,) = made.keep(let_in("p", made.state), now)
    assert note.seen == ("inside", ENTRY, LATEST)


def test_new_rights_forget_what_was_shown_and_waited_for_but_not_who_came_in():
    made = ledger()
    stamps = {"p": Stamp(990.0, ENTRY)}
    made.keep(Verdict(False, Why.ESCORT_MISSING, "p", (), State(let_in=stamps, waiting=stamps)), NOW)
    made.load(Book(), NOW)
    assert made.state == State(let_in=stamps)


def test_free_hours_end_with_their_schedule_and_without_a_clock():
    book = Book(plan=ModePlan(Mode.ANY, ((weekly("office", {"mon-fri": "08:00-18:00"}), Mode.FREE),)))
    made = ledger(book=book)
    assert made.free(NOW)
    assert made.turns(NOON) == NOON + 6 * HOUR
    assert not made.free(replace(NOW, utc=NOON + 6 * HOUR))
    assert made.free(replace(NOW, utc=NOON + 6 * HOUR - 1)), "back again"
    assert not made.free(replace(NOW, quality=ClockQuality.UNKNOWN))
    assert not made.free(replace(NOW, utc=1e3))
    made.load(Book(), NOW)
    assert not made.free(NOW)
    assert made.turns(NOON) is None


def test_before_the_first_book_nothing_is_free_and_no_rule_is_known():
    made = Ledger()
    assert made.rules == DoorRules()
    assert made.state == State()
    assert not made.free(NOW)


def test_a_doors_rules_are_its_book_and_its_settings():
    book = Book(
        hours={"staff": (weekly("office", {"mon-fri": "08:00-18:00"}),)},
        plan=ModePlan(Mode.PIN),
        visits={"v": VISIT},
        alike=frozenset({"t"}),
    )
    settings = AccessConfig(
        clock_unknown="two_factor",
        factor_seconds=14.0,
        passback="timed",
        passback_hard=False,
        passback_seconds=90.0,
        passback_forget_hours=3.0,
    )
    rules = door_rules(book, settings)
    assert (rules.hours, rules.plan, rules.visits, rules.bans) == (book.hours, book.plan, book.visits, book.bans)
    assert (rules.alike, rules.factor_seconds, rules.clock_unknown) == (book.alike, 14.0, ClockPolicy.TWO_FACTOR)
    passback = rules.passback
    assert (passback.kind, passback.hard, passback.seconds, passback.forget_seconds) == (Kind.TIMED, False, 90.0, 10800)
