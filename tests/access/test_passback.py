"""Nobody's entry lets a second person in."""

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.access.passback import (
    ENTRY,
    EXIT,
    INSIDE,
    OUTSIDE,
    Kind,
    Passage,
    Passback,
    Sighting,
    forgiven,
    passed,
    passes_back,
)
from appliance.errors import ScheduleError

TIMED, ZONE = Passback(Kind.TIMED, seconds=60), Passback(Kind.ZONE)


def test_timed():
    seen = Sighting(INSIDE, ENTRY, 100.0)
    assert passes_back(TIMED, seen, ENTRY, 159.9)
    assert not passes_back(TIMED, seen, ENTRY, 160.0)
    assert not passes_back(TIMED, seen, EXIT, 101.0)
    assert not passes_back(TIMED, None, ENTRY, 101.0)
    assert passes_back(TIMED, seen, ENTRY, nan)
    assert passes_back(TIMED, seen, ENTRY, 99.0)


def test_zone():
    inside = passed(ZONE, {}, "p", ENTRY, 100.0)["p"]
    assert inside == Sighting(INSIDE, ENTRY, 100.0)
    assert passes_back(ZONE, inside, ENTRY, 101.0)
    assert not passes_back(ZONE, inside, EXIT, 101.0)
    outside = passed(ZONE, {"p": inside}, "p", EXIT, 200.0)["p"]
    assert outside == Sighting(OUTSIDE, EXIT, 200.0)
    assert not passes_back(ZONE, outside, ENTRY, 201.0)
    assert passes_back(ZONE, outside, EXIT, 201.0)
    assert passes_back(ZONE, inside, ENTRY, 100.0 + ZONE.forget_seconds - 1)
    assert not passes_back(ZONE, inside, ENTRY, 100.0 + ZONE.forget_seconds)
    assert passes_back(ZONE, inside, ENTRY, nan)
    assert not passes_back(ZONE, None, EXIT, 1.0)


def test_a_reader_that_leads_nowhere_known_refuses_whoever_was_seen():
    assert passes_back(ZONE, Sighting(INSIDE, ENTRY, 1.0), "garage", 2.0)
    assert passed(ZONE, {}, "p", "garage", 1.0)["p"].zone == "garage"


def test_off():
    assert not passes_back(Passback(), Sighting(INSIDE, ENTRY, 100.0), ENTRY, 100.0)
    assert Passback().hard


def test_a_reset_forgives_one_or_all():
    seen = passed(ZONE, passed(ZONE, {}, "p", ENTRY, 1.0), "q", ENTRY, 2.0)
    assert set(seen) == {"p", "q"}
    assert set(forgiven(seen, "p")) == {"q"}
    assert set(forgiven(seen)) == set()
    assert set(forgiven(seen, "nobody")) == {"p", "q"}


def test_nonsense_is_refused():
    for bad in (0, -1, nan, 7 * 86400 + 1):
        with pytest.raises(ScheduleError, match="anti-passback, seconds"):
            Passback(seconds=bad)
        with pytest.raises(ScheduleError, match="anti-passback, forget_seconds"):
            Passback(forget_seconds=bad)
    Passback(seconds=7 * 86400, forget_seconds=1)
    with pytest.raises(ScheduleError, match="a reader from 'lab' to itself: name the zone"):
        Passage("lab", "lab")


def test_the_passages_cannot_be_edited_behind_its_back():
    passages = {ENTRY: Passage("a", "b")}
    rule = Passback(Kind.ZONE, passages=passages)
    passages.clear()
    assert rule.passages == {ENTRY: Passage("a", "b")}


@given(st.lists(st.tuples(st.sampled_from([ENTRY, EXIT]), st.floats(0, 3600)), max_size=20))
def test_by_zone_entries_and_exits_alternate(steps):
    seen, now, last = {}, 0.0, None
    for reader, pause in steps:
        now += pause
        if not passes_back(ZONE, seen.get("p"), reader, now):
            assert reader != last or now - seen["p"].at >= ZONE.forget_seconds
            seen = passed(ZONE, seen, "p", reader, now)
            last = reader
