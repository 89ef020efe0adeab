"""Clocks that leap: the record stays sound, and is not deleted on the word of a wrong clock."""

import logging
from dataclasses import replace

import pytest
from sqlite_utils import Database

from appliance.facts import ClockQuality, Moment
from appliance.store import timeline
from appliance.store.events import EventLog
from appliance.store.timeline import LEAP_SECONDS, PROOF_SECONDS, Timeline

from .conftest import DAY, START, event

HOUR = 3600.0
YEAR = 365 * DAY
SUMMER_ENDS = 1_792_890_000.0
"""2026-10-25 01:00 UTC: clocks go back in Europe."""


def moment(mono: float, utc: float, quality: ClockQuality = ClockQuality.SYNCED) -> Moment:
    return Moment(mono, utc, quality)


def a_record(log: EventLog, days: int = 60) -> Moment:
    """A settled event a day. Returns the last one's time."""
    for day in range(days):
        now = moment(1000 + day * DAY, START + day * DAY)
        log.append(event(at=now))
    log.settle(range(1, days + 1))
    assert log.prune(now, days=90) == 0
    return now


@pytest.mark.parametrize("leap", [10 * YEAR, YEAR, 100 * DAY, LEAP_SECONDS + HOUR])
def test_a_leap_ahead_deletes_nothing_until_it_has_lasted(
    log: EventLog, leap: float, caplog: pytest.LogCaptureFixture
) -> None:
    now = a_record(log)
    caplog.set_level(logging.WARNING)
    pruned = 0
    for hour in range(6, int(PROOF_SECONDS // HOUR) + 1, 6):
        wild = moment(now.mono + hour * HOUR, now.utc + leap + hour * HOUR)
        log.append(event(at=wild))
        pruned += log.prune(wild, days=30)
        if hour == 24:
            # What was due anyway: time goes on from where it was.
            assert pruned == 30
            assert "the clock leapt ahead" in caplog.text
    last = moment(wild.mono + 12 * HOUR, wild.utc + 12 * HOUR)
    pruned += log.prune(last, days=30)
    assert (pruned == 60) is (leap > 30 * DAY), "believed in the end"
    assert log.verify_chain().holds


def test_a_leap_that_is_taken_back_costs_nothing(log: EventLog) -> None:
    now = a_record(log)
    for hour in range(1, 72):
        wild = moment(now.mono + hour * HOUR, now.utc + 10 * YEAR + hour * HOUR)
        log.append(event(at=wild))
        assert log.prune(wild, days=90) == 0
    for hour in range(72, 400, 24):
        right = moment(now.mono + hour * HOUR, now.utc + hour * HOUR)
        assert log.prune(right, days=90) == 0
    log.settle(range(1, 200))
    later = moment(now.mono + 200 * DAY, now.utc + 200 * DAY)
    assert log.prune(later, days=90) == 60, "only events from the future are left, until one behind them is old"
    log.append(event(at=later))
    log.settle(range(1, 200))
    assert log.prune(moment(later.mono + 91 * DAY, later.utc + 91 * DAY), days=90) == 72
    assert log.verify_chain().holds


@pytest.mark.parametrize("step", [-HOUR, HOUR, -DAY, -YEAR])
def test_small_and_backward_steps_delete_nothing_fresh(log: EventLog, step: float) -> None:
    now = a_record(log)
    stepped = moment(now.mono + 60, now.utc + step)
    log.append(event(at=stepped))
    log.settle(range(1, 100))
    assert log.prune(stepped, days=90) == 0
    right = moment(now.mono + 2 * HOUR, now.utc + 2 * HOUR)
    log.append(event(at=right))
    log.settle(range(1, 100))
    assert log.prune(right, days=90) == 0, "an event that is dated a year ago stands behind fresh ones"
    assert log.verify_chain().holds


def test_an_event_dated_in_the_past_takes_no_fresher_ones_along(log: EventLog) -> None:
    now = a_record(log)
    log.append(event(at=moment(now.mono + 60, now.utc - YEAR)))
    right = moment(now.mono + 2 * HOUR, now.utc + 2 * HOUR)
    log.append(event(at=right))
    log.settle(range(1, 100))
    assert log.prune(right, days=90) == 0
    assert log.prune(moment(now.mono + 60 * DAY, now.utc + 60 * DAY), days=90) == 29


def test_the_end_of_summer_time_is_nothing_to_the_record(log: EventLog) -> None:
    stored = [log.append(event(at=moment(m * 60.0, SUMMER_ENDS + (m - 90) * 60.0))) for m in range(180)]
    assert [row.t_ms for row in stored] == sorted(row.t_ms for row in stored)
    assert all(row.time.endswith("Z") for row in stored)
    assert log.verify_chain().holds


@pytest.mark.parametrize("utc", [0.0, 1e9, START - 10 * YEAR, START + 10 * YEAR, 4e9, 2e11])
def test_whatever_the_clock_says_the_chain_goes_on(log: EventLog, utc: float) -> None:
    log.append(event())
    for quality in ClockQuality:
        log.append(event(at=moment(1.0, utc, quality)))
    log.append(event())
    assert [row.seq for row in log.after(0)] == [1, 2, 3, 4, 5]
    assert log.verify_chain().holds


def test_a_device_that_was_off_for_a_year_tidies_up_after_a_week(log: EventLog) -> None:
    now = a_record(log)
    again = EventLog(log._db, "another boot")
    start = moment(5.0, now.utc + YEAR)
    assert again.prune(start, days=30) == 29, "what was too old when it was switched off"
    week = moment(5.0 + PROOF_SECONDS, start.utc + PROOF_SECONDS)
    assert again.prune(week, days=30) == 31


def test_a_clock_that_wavers_proves_nothing() -> None:
    line = Timeline(START, START, 0.0, "b")
    for day in range(1, 30):
        line = line.at(moment(day * DAY, START + 10 * YEAR + (day % 2) * YEAR), "b")
    assert line.trusted == START + 29 * DAY


def test_power_cuts_do_not_hurry_it() -> None:
    line = Timeline(START, START, 0.0, "b")
    for boot in range(400):
        line = line.at(moment(600.0, START + 10 * YEAR + boot * HOUR), f"boot {boot}")
    assert line.trusted == START


@pytest.mark.parametrize("note", ["x", "{}", "[1]", b"\xff", 7, '{"trusted": "x"}'])
def test_a_note_that_cannot_be_read_begins_anew(db: Database, log: EventLog, note: object) -> None:
    now = a_record(log)
    db.execute("UPDATE meta SET value = ? WHERE key = ?", (note, timeline.KEY))
    wild = replace(now, utc=now.utc + 10 * YEAR)
    assert timeline.trusted(db, wild, "boot") == now.utc
