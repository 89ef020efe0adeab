"""Visits: when, how often, with whom. And bans."""

from dataclasses import replace
from math import nan

import pytest

from appliance.access.blocklist import Ban
from appliance.access.schedule import Term
from appliance.access.visitors import LONGEST_VISIT_SECONDS, Refusal, Visit, escorted, refusal
from appliance.errors import ScheduleError
from appliance.facts import ClockQuality, Moment
from tests.access.wallclocks import utc

BEGIN, END = utc(2026, 11, 23, 8), utc(2026, 11, 23, 18)
VISIT = Visit(Term(BEGIN, END), uses=2)


def moment(utc: float, quality: ClockQuality = ClockQuality.SYNCED) -> Moment:
    return Moment(0.0, utc, quality)


def test_window_and_uses():
    assert refusal(VISIT, 0, moment(BEGIN)) is None
    assert refusal(VISIT, 1, moment(END - 1)) is None
    assert refusal(VISIT, 2, moment(BEGIN)) is Refusal.USED_UP
    assert refusal(VISIT, 3, moment(BEGIN)) is Refusal.USED_UP
    assert refusal(VISIT, 0, moment(BEGIN - 1)) is Refusal.NOT_YET_VALID
    assert refusal(VISIT, 0, moment(END)) is Refusal.EXPIRED
    assert refusal(replace(VISIT, uses=None), 10_000, moment(BEGIN)) is None
    assert refusal(VISIT, 0, moment(BEGIN, ClockQuality.HOLDOVER)) is None
    assert refusal(VISIT, 0, moment(BEGIN, ClockQuality.UNKNOWN)) is Refusal.CLOCK_UNKNOWN
    assert refusal(VISIT, 0, moment(nan)) is Refusal.NOT_YET_VALID
    assert Visit(Term(BEGIN, END)).uses == 1


def test_a_host_must_be_near_in_time():
    alone = VISIT
    guided = replace(VISIT, hosts=frozenset({"h", "i"}), escort_seconds=30)
    assert escorted(alone, {}, 100.0)
    assert not escorted(guided, {}, 100.0)
    assert not escorted(guided, {"stranger": 100.0}, 100.0)
    assert escorted(guided, {"h": 70.0}, 100.0)
    assert not escorted(guided, {"h": 69.9}, 100.0)
    assert escorted(guided, {"i": 130.0}, 100.0)
    assert not escorted(guided, {"i": 130.1}, 100.0)
    assert not escorted(guided, {"h": nan}, 100.0)
    assert escorted(guided, {"h": 0.0, "i": 99.0}, 100.0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"term": Term(BEGIN)}, "^a visit without an end or a beginning: give both$"),
        ({"term": Term(end=END)}, "^a visit without an end or a beginning: give both$"),
        (
            {"term": Term(BEGIN, BEGIN + LONGEST_VISIT_SECONDS + 1)},
            "^a visit of more than a year: add a person with a validity instead$",
        ),
        ({"uses": 0}, "a visit with 0 uses"),
        ({"escort_seconds": 4.9}, "must be 5 to 120"),
        ({"escort_seconds": 120.1}, "must be 5 to 120"),
        ({"escort_seconds": nan}, "must be 5 to 120"),
    ],
)
def test_a_visit_that_cannot_be_meant_so_is_refused(fields, words):
    with pytest.raises(ScheduleError, match=words):
        Visit(**{"term": Term(BEGIN, END), **fields})


def test_the_bounds_themselves_are_fine():
    Visit(Term(BEGIN, BEGIN + LONGEST_VISIT_SECONDS), uses=1, escort_seconds=5)
    Visit(Term(BEGIN, END), escort_seconds=120)


def test_a_ban_holds_until_it_ends_or_is_lifted():
    ban = Ban("stolen_pin", until=END)
    assert ban.stands(moment(END - 1))
    assert not ban.stands(moment(END))
    assert Ban("x").stands(moment(END))
    assert ban.stands(moment(END + 1, ClockQuality.UNKNOWN))
    assert not ban.stands(moment(END + 1, ClockQuality.HOLDOVER))
    assert ban.stands(moment(nan))
