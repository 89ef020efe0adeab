"""Holidays laid over hours."""

from datetime import date

import pytest

from appliance.access.calendar import Calendar, observing, special_days, uncovered
from appliance.access.schedule import CLOSED, WHOLE_DAY, Schedule, parse_hours, weekly
from appliance.errors import ScheduleError

XMAS, EVE, MAY = date(2026, 12, 25), date(2026, 12, 24), date(2026, 5, 1)
PUBLIC = Calendar("public", frozenset({XMAS, MAY}))
SHORT = Calendar("short days", frozenset({EVE, XMAS}), parse_hours("08:00-12:00"))


def test_closed_is_the_default_and_wins_over_hours():
    assert special_days([PUBLIC, SHORT]) == {MAY: CLOSED, EVE: parse_hours("08:00-12:00"), XMAS: CLOSED}
    assert special_days([SHORT, PUBLIC]) == special_days([PUBLIC, SHORT])
    assert special_days([]) == {}


def test_of_two_sets_of_hours_only_what_both_give_is_left():
    late = Calendar("late", frozenset({EVE}), parse_hours("10:00-18:00"))
    assert special_days([SHORT, late]) == {EVE: parse_hours("10:00-12:00"), XMAS: parse_hours("08:00-12:00")}


def test_a_schedules_own_days_stand_above_the_calendars():
    schedule = Schedule("shop", special={MAY: WHOLE_DAY})
    assert observing(schedule, [PUBLIC]).special == {MAY: WHOLE_DAY, XMAS: CLOSED}
    assert observing(schedule, [PUBLIC], {MAY: CLOSED}).special == {MAY: CLOSED, XMAS: CLOSED}
    week = weekly("w", {"mon": "08:00-09:00"})
    assert observing(week, []) == week
    assert observing(week, [PUBLIC]).week == week.week


def test_a_calendar_knows_what_it_covers():
    year = Calendar("2026", frozenset({XMAS}), covers=(date(2026, 1, 1), date(2026, 12, 31)))
    assert year.covered(date(2026, 1, 1))
    assert year.covered(date(2026, 12, 31))
    assert not year.covered(date(2025, 12, 31))
    assert not year.covered(date(2027, 1, 1))
    assert uncovered([year, PUBLIC], date(2027, 1, 1)) == ["2026"]
    assert uncovered([year, PUBLIC], XMAS) == []
    Calendar("a day", frozenset({XMAS}), covers=(XMAS, XMAS))
    with pytest.raises(ScheduleError, match="calendar 'x': covers 2026-12-25 to 2026-12-24, which is no stretch; swap"):
        Calendar("x", frozenset(), covers=(XMAS, EVE))
    for covers in ((EVE, XMAS), (MAY, EVE)):
        with pytest.raises(ScheduleError, match="is outside what it covers"):
            Calendar("x", frozenset({MAY, XMAS}), covers=covers)
