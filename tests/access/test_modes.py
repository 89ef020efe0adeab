"""Which factors open in which mode, exhaustively; and how long the first one waits for the second."""

from datetime import date, datetime
from itertools import chain, combinations
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.access.modes import (
    FACTOR_SECONDS,
    NEEDS,
    NOTHING_SHOWN,
    Factor,
    Mode,
    ModePlan,
    Need,
    Shown,
    check_window,
)
from appliance.access.schedule import CLOSED, Schedule, weekly
from appliance.errors import ScheduleError
from tests.access.wallclocks import BERLIN, utc

FACE, PIN, CARD, PASS = Factor.FACE, Factor.PIN, Factor.CARD, Factor.PASS
SETS = [frozenset(some) for some in chain.from_iterable(combinations(Factor, n) for n in range(5))]
DAY = weekly("day", {"mon-fri": "08:00-18:00"})
NIGHT = weekly("night", {"daily": "22:00-06:00+1"})


def at(*when: int) -> float:
    return datetime(*when, tzinfo=BERLIN).timestamp()


@pytest.mark.parametrize("shown", SETS)
def test_what_each_mode_takes(shown):
    assert NEEDS[Mode.ANY].met(shown) == NEEDS[Mode.FREE].met(shown) == bool(shown)
    assert NEEDS[Mode.FACE].met(shown) == (FACE in shown)
    assert NEEDS[Mode.PIN].met(shown) == (PIN in shown)
    assert NEEDS[Mode.FACE_AND_PIN].met(shown) == ({FACE, PIN} <= shown)
    assert NEEDS[Mode.CARD_AND_FACE].met(shown) == ({CARD, FACE} <= shown)
    assert set(NEEDS) == set(Mode) - {Mode.LOCKED}


@pytest.mark.parametrize("shown", SETS)
def test_what_each_mode_takes_with_a_second_factor(shown):
    two = len(shown) >= 2
    assert NEEDS[Mode.ANY].two().met(shown) == two
    assert NEEDS[Mode.FACE].two().met(shown) == (two and FACE in shown)
    assert NEEDS[Mode.PIN].two().met(shown) == (two and PIN in shown)
    assert NEEDS[Mode.FACE_AND_PIN].two() == NEEDS[Mode.FACE_AND_PIN]
    assert NEEDS[Mode.CARD_AND_FACE].two() == NEEDS[Mode.CARD_AND_FACE]


def test_a_need_says_what_helps():
    assert [NEEDS[Mode.FACE].takes(factor) for factor in Factor] == [True, False, False, False]
    assert all(NEEDS[Mode.ANY].takes(factor) for factor in Factor)
    assert Need(frozenset({FACE, PIN})).two() == Need(frozenset({FACE, PIN}), frozenset(Factor), 2)


def test_the_first_schedule_that_is_on_decides():
    plan = ModePlan(
        Mode.FACE, ((DAY, Mode.FREE), (weekly("lunch", {"mon": "12:00-13:00"}), Mode.PIN), (NIGHT, Mode.LOCKED))
    )
    assert plan.at(at(2026, 11, 23, 12, 30), BERLIN) is Mode.FREE
    assert plan.at(at(2026, 11, 23, 7), BERLIN) is Mode.FACE
    assert plan.at(at(2026, 11, 23, 23), BERLIN) is Mode.LOCKED
    turned = ModePlan(Mode.FACE, tuple(reversed(plan.turns)))
    assert turned.at(at(2026, 11, 23, 12, 30), BERLIN) is Mode.PIN
    assert ModePlan().at(at(2026, 11, 23, 12, 30), BERLIN) is Mode.ANY


def test_the_plan_knows_when_it_turns():
    plan = ModePlan(Mode.FACE, ((DAY, Mode.FREE), (NIGHT, Mode.LOCKED)))
    assert plan.next_change(at(2026, 11, 23, 9), BERLIN) == at(2026, 11, 23, 18)
    assert plan.next_change(at(2026, 11, 23, 18), BERLIN) == at(2026, 11, 23, 22)
    assert plan.next_change(at(2026, 11, 23, 23), BERLIN) == at(2026, 11, 24, 6)
    assert ModePlan(Mode.FREE).next_change(at(2026, 11, 23, 9), BERLIN) is None
    same = ModePlan(Mode.FACE, ((DAY, Mode.FACE),))
    assert same.next_change(at(2026, 11, 23, 9), BERLIN) is None


def test_while_the_clock_is_unknown_the_mode_that_asks_for_most_holds():
    assert ModePlan(Mode.ANY, ((NIGHT, Mode.FACE_AND_PIN), (DAY, Mode.PIN))).unclocked() is Mode.FACE_AND_PIN
    assert ModePlan(Mode.ANY, ((DAY, Mode.FREE),)).unclocked() is Mode.ANY
    assert ModePlan(Mode.LOCKED, ((DAY, Mode.FREE),)).unclocked() is Mode.ANY
    assert ModePlan(Mode.LOCKED, ((DAY, Mode.CARD_AND_FACE),)).unclocked() is Mode.CARD_AND_FACE
    assert ModePlan(Mode.FREE).unclocked() is Mode.ANY
    assert ModePlan(Mode.LOCKED).unclocked() is Mode.LOCKED
    assert ModePlan(Mode.PIN, ((NIGHT, Mode.LOCKED),)).unclocked() is Mode.PIN


def test_a_turn_that_can_never_come_is_refused():
    with pytest.raises(
        ScheduleError, match="mode free on '24/7': is always on, so what follows it never is; put it last"
    ):
        ModePlan(turns=((Schedule("24/7"), Mode.FREE), (DAY, Mode.PIN)))
    ModePlan(turns=((DAY, Mode.PIN), (Schedule("24/7"), Mode.FREE)))
    ModePlan(turns=((Schedule("24/7"), Mode.FREE),))
    ModePlan(turns=((Schedule("but", special={date(2026, 1, 1): CLOSED}), Mode.FREE), (DAY, Mode.PIN)))


def test_two_factors_of_one_person_within_the_window():
    shown = NOTHING_SHOWN.add("p", FACE, 100.0).add("p", PIN, 100.0 + FACTOR_SECONDS)
    assert shown.standing("p", 100.0 + FACTOR_SECONDS) == {FACE, PIN}
    assert shown.standing("p", 100.5 + FACTOR_SECONDS) == {PIN}
    assert shown.standing("q", 100.0 + FACTOR_SECONDS) == frozenset()
    late = NOTHING_SHOWN.add("p", FACE, 100.0).add("p", PIN, 100.1 + FACTOR_SECONDS)
    assert late.standing("p", 100.1 + FACTOR_SECONDS) == {PIN}
    assert late.factors == ((PIN, 100.1 + FACTOR_SECONDS),)
    assert late.until() == 100.1 + 2 * FACTOR_SECONDS
    assert shown.until(10.0) == 110.0 + FACTOR_SECONDS
    assert NOTHING_SHOWN.until() == -inf


def test_facts_may_arrive_in_another_order_than_they_happened():
    shown = NOTHING_SHOWN.add("p", PIN, 101.0).add("p", FACE, 100.0)
    assert shown.standing("p", 101.0) == {FACE, PIN}


def test_the_same_factor_again_only_renews_it():
    shown = NOTHING_SHOWN.add("p", FACE, 100.0).add("p", FACE, 105.0)
    assert shown.factors == ((FACE, 105.0),)
    assert not NEEDS[Mode.ANY].two().met(shown.standing("p", 105.0))


def test_another_persons_factor_is_nobody_elses():
    shown = NOTHING_SHOWN.add("p", FACE, 100.0).add("q", PIN, 101.0)
    assert shown == Shown("q", ((PIN, 101.0),))
    assert shown.standing("p", 101.0) == frozenset()
    assert NOTHING_SHOWN.standing("p", 0.0) == frozenset()


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_a_time_that_is_none_is_never_near(bad):
    assert NOTHING_SHOWN.add("p", FACE, bad).standing("p", 100.0) == frozenset()
    assert NOTHING_SHOWN.add("p", FACE, 100.0).standing("p", bad) == frozenset()
    assert NOTHING_SHOWN.add("p", FACE, bad).add("p", PIN, 100.0).standing("p", 100.0) == {PIN}


@given(st.lists(st.tuples(st.sampled_from("pq"), st.sampled_from(Factor), st.floats(0, 60)), max_size=12))
def test_two_factors_never_come_from_two_people_or_from_long_ago(steps):
    shown, now = NOTHING_SHOWN, 0.0
    history = []
    for person, factor, pause in steps:
        now += pause
        shown = shown.add(person, factor, now)
        history.append((person, factor, now))
        for who in "pq":
            standing = shown.standing(who, now)
            shown_by_him = {f for p, f, t in history if p == who and now - t <= FACTOR_SECONDS}
            assert standing <= shown_by_him
            assert not standing or who == person


def test_the_window_has_bounds():
    assert [check_window(seconds) for seconds in (10.0, 12.0, 15.0)] == [10.0, 12.0, 15.0]
    for bad in (9.9, 15.1, nan):
        with pytest.raises(ScheduleError, match="must be 10 to 15"):
            check_window(bad)


def test_a_plan_never_asks_an_unbelievable_clock():
    assert ModePlan(Mode.PIN, ((Schedule("24/7"), Mode.FREE),)).at(nan, BERLIN) is Mode.PIN
    assert ModePlan(Mode.PIN, ((DAY, Mode.FREE),)).edges(utc(2026, 1, 1), utc(2026, 1, 1), BERLIN) == []
