"""Hours on the wall clock: nights, holidays, skipped and repeated hours, and when they turn."""

import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.access.schedule import (
    ALL_WEEK,
    CLOSED,
    WHOLE_DAY,
    Schedule,
    Span,
    Term,
    common,
    parse_days,
    parse_hours,
    text_of,
    weekly,
)
from appliance.access.walltime import HORIZON_DAYS, LATEST, instants, jumps, wall
from appliance.errors import LintelError, ScheduleError
from tests.access.wallclocks import APIA, BERLIN, LORD_HOWE, YORK, schedules, utc, zoned_instants

OFFICE = weekly("office", {"mon-fri": "08:00-12:00, 13:00-17:30", "sat": "09:00-24:00"})
NIGHT = weekly("night", {"daily": "22:00-02:30+1"})


def local(zone: ZoneInfo, *when: int, fold: int = 0) -> float:
    return datetime(*when, tzinfo=zone, fold=fold).timestamp()


def test_hours_hold_from_their_first_minute_up_to_not_including_their_last():
    day = (2026, 11, 23)  # a Monday
    on = [(8, 0), (11, 59), (13, 0), (17, 29)]
    off = [(0, 0), (7, 59), (12, 0), (12, 59), (17, 30), (23, 59)]
    assert all(OFFICE.allows(local(BERLIN, *day, *at), BERLIN) for at in on)
    assert not any(OFFICE.allows(local(BERLIN, *day, *at), BERLIN) for at in off)
    assert OFFICE.allows(local(BERLIN, *day, 12, 0) - 0.001, BERLIN)
    assert not OFFICE.allows(local(BERLIN, 2026, 11, 22, 10, 0), BERLIN)  # Sunday


def test_the_same_instant_is_another_hour_elsewhere():
    at = local(BERLIN, 2026, 11, 23, 9, 0)
    assert OFFICE.allows(at, BERLIN)
    assert not OFFICE.allows(at, YORK)  # 03:00 there


def test_a_night_runs_into_the_next_day_and_the_week_is_a_ring():
    sunday = weekly("sunday night", {"sun": "22:00-06:00+1"})
    assert sunday.allows(local(BERLIN, 2026, 11, 22, 23, 0), BERLIN)
    assert sunday.allows(local(BERLIN, 2026, 11, 23, 5, 59), BERLIN)
    assert not sunday.allows(local(BERLIN, 2026, 11, 23, 6, 0), BERLIN)
    assert not sunday.allows(local(BERLIN, 2026, 11, 22, 5, 0), BERLIN)


def test_a_span_that_ends_in_the_skipped_hour_ends_at_the_jump():
    # Berlin 2026-03-29: 02:00 becomes 03:00.
    jump = utc(2026, 3, 29, 1)
    assert NIGHT.allows(jump - 1, BERLIN)
    assert not NIGHT.allows(jump, BERLIN)
    assert NIGHT.next_change(utc(2026, 3, 28, 22), BERLIN) == jump


def test_a_span_that_begins_in_the_skipped_hour_begins_at_the_jump():
    early = weekly("early", {"sun": "02:15-05:00"})
    jump = utc(2026, 3, 29, 1)
    assert not early.allows(jump - 1, BERLIN)
    assert early.allows(jump, BERLIN)
    assert early.next_change(utc(2026, 3, 28, 12), BERLIN) == jump


def test_a_span_within_the_skipped_hour_never_is():
    brief = weekly("brief", {"sun": "02:10-02:50"})
    assert brief.next_change(local(BERLIN, 2026, 3, 28, 12), BERLIN) == local(BERLIN, 2026, 4, 5, 2, 10)


def test_a_repeated_hour_is_judged_twice_alike():
    # Berlin 2026-10-25: 03:00 becomes 02:00 again.
    first, second = (local(BERLIN, 2026, 10, 25, 2, 29, fold=fold) for fold in (0, 1))
    assert second - first == 3600
    assert NIGHT.allows(first, BERLIN)
    assert not NIGHT.allows(first + 60, BERLIN)
    assert NIGHT.allows(second, BERLIN)
    assert not NIGHT.allows(second + 60, BERLIN)
    turns, at = [], local(BERLIN, 2026, 10, 24, 23)
    for _ in range(3):
        at = NIGHT.next_change(at, BERLIN)
        turns.append(at)
    assert turns == [first + 60, second - 29 * 60, second + 60]


def test_half_an_hour_of_daylight_saving_and_a_day_that_never_was():
    assert len(instants(datetime.fromisoformat("2026-04-05T01:45"), LORD_HOWE)) == 2
    assert len(instants(datetime.fromisoformat("2026-10-04T02:15"), LORD_HOWE)) == 0
    friday = weekly("friday", {"fri": "00:00-24:00"})
    # Samoa had no Friday 30 December 2011.
    assert friday.next_change(local(APIA, 2011, 12, 29, 12), APIA) == local(APIA, 2012, 1, 6)


def test_a_special_day_rules_from_midnight_to_midnight():
    shop = Schedule("shop", NIGHT.week, {date(2026, 12, 25): CLOSED, date(2026, 12, 31): parse_hours("20:00-04:00+1")})
    assert shop.allows(local(BERLIN, 2026, 12, 24, 23, 59), BERLIN)
    assert not shop.allows(local(BERLIN, 2026, 12, 25, 0, 0), BERLIN)
    assert not shop.allows(local(BERLIN, 2026, 12, 25, 23, 0), BERLIN)
    assert not shop.allows(local(BERLIN, 2026, 12, 26, 1, 0), BERLIN)
    assert shop.allows(local(BERLIN, 2026, 12, 26, 22, 0), BERLIN)
    assert not shop.allows(local(BERLIN, 2026, 12, 31, 1, 0), BERLIN)
    assert shop.allows(local(BERLIN, 2026, 12, 31, 20, 0), BERLIN)
    assert shop.allows(local(BERLIN, 2027, 1, 1, 3, 59), BERLIN)
    assert shop.next_change(local(BERLIN, 2026, 12, 24, 23), BERLIN) == local(BERLIN, 2026, 12, 25)


def test_a_term_bounds_the_hours():
    begin, end = local(BERLIN, 2026, 11, 23, 10), local(BERLIN, 2026, 11, 24, 10)
    course = Schedule("course", OFFICE.week, term=Term(begin, end))
    assert not course.allows(begin - 1, BERLIN)
    assert course.allows(begin, BERLIN)
    assert course.allows(end - 1, BERLIN)
    assert not course.allows(end, BERLIN)
    assert course.next_change(0.0 + utc(2001, 1, 1), BERLIN) == begin
    assert course.next_change(end - 1, BERLIN) == end
    assert course.next_change(end, BERLIN) is None
    assert course.next_change(begin, BERLIN) == local(BERLIN, 2026, 11, 23, 12)
    late = Schedule("late", OFFICE.week, term=Term(local(BERLIN, 2026, 11, 23, 12)))
    assert late.next_change(utc(2001, 1, 1), BERLIN) == local(BERLIN, 2026, 11, 23, 13)


def test_only_a_week_without_exception_needs_no_clock():
    assert Schedule("24/7").always
    assert weekly("in halves", {"daily": "00:00-12:00, 12:00-24:00"}).always
    assert weekly("shifted", {"daily": "12:00-12:00+1"}).always
    assert not weekly("almost", {"mon-sat": "00:00-24:00", "sun": "00:00-23:59"}).always
    assert not Schedule("but for one", ALL_WEEK, {date(2026, 1, 1): WHOLE_DAY}).always
    assert not Schedule("until", term=Term(end=utc(2030, 1, 1))).always
    assert not Schedule("from", term=Term(begin=utc(2020, 1, 1))).always


def test_what_never_changes_has_no_next_change():
    assert Schedule("24/7").next_change(utc(2026, 1, 1), BERLIN) is None
    assert Schedule("never", (CLOSED,) * 7).next_change(utc(2026, 1, 1), BERLIN) is None


def test_a_holiday_within_the_horizon_is_found_and_one_beyond_is_not():
    at = local(BERLIN, 2026, 1, 1, 12)
    far = date(2026, 1, 1) + timedelta(days=HORIZON_DAYS - 1)
    assert Schedule("far", ALL_WEEK, {far: CLOSED}).next_change(at, BERLIN) == local(
        BERLIN, far.year, far.month, far.day
    )
    beyond = date(2026, 1, 1) + timedelta(days=HORIZON_DAYS + 1)
    assert Schedule("beyond", ALL_WEEK, {beyond: CLOSED}).next_change(at, BERLIN) is None


@pytest.mark.parametrize("at", [float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1e12, 1e300])
def test_an_instant_no_clock_can_show_is_outside_all_hours(at):
    assert not Schedule("24/7").allows(at, BERLIN)
    assert Schedule("24/7").next_change(at, BERLIN) is None


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        ({"mon": "08:00-12:00, 11:59-13:00"}, ["x", "mon 08:00-12:00 and mon 11:59-13:00 overlap", "join"]),
        ({"mon": "22:00-06:00+1", "tue": "05:00-07:00"}, ["mon 22:00-06:00+1 and tue 05:00-07:00 overlap"]),
        ({"sun": "22:00-06:00+1", "mon": "05:59-07:00"}, ["sun 22:00-06:00+1 and mon 05:59-07:00 overlap"]),
        ({"mon-tue": "08:00-09:00", "tue": "08:30-08:40"}, ["tue 08:00-09:00 and tue 08:30-08:40 overlap"]),
        ({"mon": "17:00-08:00"}, ["'x', mon", "17:00-08:00: end before they begin", "17:00-08:00+1"]),
        ({"mon": "08:00-08:00"}, ["end before they begin"]),
        ({"mon": "08:00-09:00+1"}, ["last more than a day"]),
        ({"mon": "24:00-24:00+1"}, ["must begin between 00:00 and 23:59"]),
        ({"mon": "08:60-09:00"}, ["hours '08:60-09:00': 08:60 is no time of day; use 00:00 to 24:00"]),
        ({"mon": "08:00-24:01"}, ["24:01 is no time of day"]),
        ({"mon": "8-9"}, ["'8-9'", "08:00-17:30"]),
        ({"mon": ""}, ["''"]),
        ({"mon": "٠٨:00-09:00"}, ["08:00-17:30"]),
        (
            {"noday": "08:00-09:00"},
            ["'noday' is no day; use mon, tue, wed, thu, fri, sat, sun, a range such as mon-fri"],
        ),
        ({"mon-tue-wed": "08:00-09:00"}, ["is no day"]),
        ({"mon-": "08:00-09:00"}, ["is no day"]),
    ],
)
def test_a_contradiction_is_refused_with_its_place_and_remedy(hours, words):
    with pytest.raises(ScheduleError) as caught:
        weekly("x", hours)
    for word in words:
        assert word in str(caught.value)
    assert isinstance(caught.value, LintelError)
    assert isinstance(caught.value, ValueError)


def test_other_contradictions():
    with pytest.raises(ScheduleError, match="has 6 days; give seven"):
        Schedule("x", ALL_WEEK[:6])
    with pytest.raises(ScheduleError, match="x, 2026-01-01': 08:00-10:00 and 09:00-11:00 overlap"):
        Schedule("x", ALL_WEEK, {date(2026, 1, 1): parse_hours("09:00-11:00, 08:00-10:00")})
    with pytest.raises(ScheduleError, match="from 2026-01-02 to 2026-01-01 ends before it begins; swap"):
        Term(utc(2026, 1, 2), utc(2026, 1, 1))
    with pytest.raises(ScheduleError, match="ends before it begins"):
        Term(utc(2026, 1, 1), utc(2026, 1, 1))
    for bad in (float("nan"), float("inf"), -1.0):
        with pytest.raises(ScheduleError, match="between 1970 and 2200"):
            Term(end=bad)
    for begin, end in ((-1, 5), (1440, 1500)):
        with pytest.raises(ScheduleError, match="must begin"):
            Span(begin, end)
    Span(0, 1440), Span(1439, 1439 + 1440)


def test_edges_reach_as_far_as_the_zones_own_days():
    # UTC+14: its days begin long before those of UTC.
    kiritimati = ZoneInfo("Pacific/Kiritimati")
    begin, end = local(kiritimati, 2026, 11, 23), local(kiritimati, 2026, 11, 24, 12)
    edges = sorted(set(OFFICE.edges(begin, end, kiritimati)))
    hours = [(23, 8), (23, 12), (23, 13), (23, 17.5), (24, 8), (24, 12)]
    assert edges == [local(kiritimati, 2026, 11, day) + 3600 * hour for day, hour in hours]


def test_hours_that_touch_are_one_stretch():
    joined = weekly("joined", {"mon": "08:00-12:00, 12:00-24:00", "tue": "00:00-06:00"})
    assert joined.next_change(local(BERLIN, 2026, 11, 23, 9), BERLIN) == local(BERLIN, 2026, 11, 24, 6)


def test_words():
    assert parse_days("sat-mon, WED") == [5, 6, 0, 2]
    assert parse_days("daily") == list(range(7))
    assert sorted(parse_days("mon, tue, wed, thu, fri, sat, sun")) == list(range(7))
    special = {date(2026, 1, 1): CLOSED}
    assert weekly("x", {"mon": "closed"}, special=special).special == special
    assert parse_days("sun") == [6]
    assert parse_hours(" Closed ") == ()
    assert text_of(()) == "closed"
    assert text_of(parse_hours("8:05-9:00, 20:00-00:00+1")) == "08:05-09:00, 20:00-24:00"
    assert str(Span(1320, 1441)) == "22:00-00:01+1"
    assert common(parse_hours("08:00-12:00, 13:00-18:00"), parse_hours("11:00-14:00, 18:00-19:00")) == parse_hours(
        "11:00-12:00, 13:00-14:00"
    )


def test_a_schedule_cannot_be_edited_behind_its_back():
    days = {date(2026, 1, 1): CLOSED}
    schedule = Schedule("x", ALL_WEEK, days)
    days.clear()
    assert schedule.special
    with pytest.raises(TypeError):
        schedule.special[date(2026, 1, 2)] = CLOSED  # type: ignore[index]


def slow_allows(schedule: Schedule, at: float, zone: ZoneInfo) -> bool:
    """The same in other words: real intervals of naive datetimes, clipped at the midnights of special days."""
    shown = datetime.fromtimestamp(at, zone).replace(tzinfo=None)
    for day in (shown.date() - timedelta(days=1), shown.date()):
        midnight = datetime.combine(day, clock.min)
        for span in schedule.special.get(day, schedule.week[day.weekday()]):
            begin, end = midnight + timedelta(minutes=span.begin), midnight + timedelta(minutes=span.end)
            tomorrow = day + timedelta(days=1)
            if tomorrow in schedule.special:
                end = min(end, midnight + timedelta(days=1))
            if begin <= shown < end:
                return True
    return False


@given(zoned_instants(), st.data())
@settings(max_examples=150, deadline=None)
def test_any_schedule_anywhere_agrees_with_the_slow_way(where, data):
    zone, at = where
    schedule = data.draw(schedules(around=datetime.fromtimestamp(at, zone).date()))
    for t in (at, at + 3600, at - 61, at + 86400):
        assert schedule.allows(t, zone) == slow_allows(schedule, t, zone)


@given(zoned_instants(), st.data())
@settings(max_examples=80, deadline=None)
def test_next_change_is_the_first_change(where, data):
    zone, at = where
    schedule = data.draw(schedules(around=datetime.fromtimestamp(at, zone).date()))
    turn = schedule.next_change(at, zone)
    now = schedule.allows(at, zone)
    limit = at + 3 * 86400 if turn is None else min(turn, at + 3 * 86400)
    for t in range(int(at) + 1, int(limit), 173):
        assert schedule.allows(t, zone) == now
    if turn is not None:
        assert turn > at
        assert schedule.allows(turn, zone) != now
        assert schedule.allows(turn - 1, zone) == now or turn - 1 < at


@given(zoned_instants())
@settings(max_examples=200, deadline=None)
def test_instants_are_the_inverse_of_the_wall(where):
    zone, at = where
    shown = wall(at, zone)
    assert at in instants(shown, zone)
    assert all(wall(t, zone) == shown for t in instants(shown, zone))


@given(zoned_instants())
@settings(max_examples=100, deadline=None)
def test_jumps_are_where_the_offset_turns(where):
    zone, at = where

    def offset(t: float) -> timedelta | None:
        return datetime.fromtimestamp(t, zone).utcoffset()

    found = jumps(at, at + 2 * 86400, zone)
    for t in found:
        assert at < t <= at + 2 * 86400
        assert offset(t) != offset(t - 1)
    inside = [t for t in range(int(at) + 1, int(at) + 2 * 86400, 900) if offset(t) != offset(t - 900) and t - 900 > at]
    assert len(found) >= len(inside)


@given(schedules())
@settings(max_examples=40, deadline=None)
def test_a_week_survives_its_words(schedule):
    words = {
        name: text_of(hours)
        for name, hours in zip(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), schedule.week, strict=True)
    }
    assert weekly("any", words).week == schedule.week


def test_a_decision_costs_microseconds_and_the_next_change_milliseconds():
    holidays = {date(2026, 1, 1) + timedelta(days=n * 17): CLOSED for n in range(60)}
    schedule = Schedule("busy", OFFICE.week, holidays)
    took = []
    for n in range(2000):
        began = time.thread_time()
        schedule.allows(utc(2026, 11, 23) + n * 601, BERLIN)
        took.append(time.thread_time() - began)
    assert sorted(took)[1980] < 0.001
    began = time.thread_time()
    Schedule("never", (CLOSED,) * 7).next_change(utc(2026, 1, 1), BERLIN)
    assert time.thread_time() - began < 0.5


def test_the_last_believable_year_is_judged_too():
    at = LATEST - 86400.0
    assert Schedule("24/7").allows(at, UTC)
    assert Schedule("24/7").next_change(at, UTC) is None
