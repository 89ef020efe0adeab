"""Days and times as they are typed."""

from datetime import UTC, date, datetime

import pytest

from appliance.commands.records import BadDateError
from appliance.commands.times import beginning, ending, today_at

ZONE = "Europe/Berlin"
TODAY = date(2027, 1, 4)


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "at", "end"),
    [
        ("2027-01-31", "2027-01-30T23:00", "2027-01-31T23:00"),
        ("2027-03-28", "2027-03-27T23:00", "2027-03-28T22:00"),  # a day of 23 hours
        ("2027-01-31T14:00", "2027-01-31T13:00", "2027-01-31T13:00"),
        (" 2027-07-31 14:00 ", "2027-07-31T12:00", "2027-07-31T12:00"),
        ("14:30", "2027-01-04T13:30", "2027-01-04T13:30"),
        ("2027-10-31T02:30+01:00", "2027-10-31T01:30", "2027-10-31T01:30"),
        ("2027-01-31T14:00Z", "2027-01-31T14:00", "2027-01-31T14:00"),
    ],
)
def test_what_is_typed_is_meant_at_the_site(text: str, at: str, end: str) -> None:
    assert beginning(text, ZONE, TODAY) == utc(at)
    assert ending(text, ZONE, TODAY) == utc(end)


def test_a_time_that_comes_twice_is_asked_back_with_both_answers() -> None:
    with pytest.raises(BadDateError, match=r"comes twice in Europe/Berlin") as told:
        beginning("2027-10-31T02:30", ZONE, TODAY)
    answers = [word for word in str(told.value).split() if word.startswith("2027")]
    assert [beginning(answer, ZONE, TODAY) for answer in answers] == [utc("2027-10-31T00:30"), utc("2027-10-31T01:30")]


def test_a_time_that_is_skipped_is_refused_with_what_the_clock_shows_then() -> None:
    with pytest.raises(BadDateError, match=r"does not exist in Europe/Berlin.* called 2027-03-28T03:30"):
        beginning("2027-03-28T02:30", ZONE, TODAY)


@pytest.mark.parametrize(
    "text", ["", "soon", "2027-02-30", "25:00", "1960-01-01", "0001-01-01", "9999-12-31", "2300-01-01"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    for read in (beginning, ending):
        with pytest.raises(BadDateError, match=r"use a time between|write it as 2027-01-31"):
            read(text, ZONE, TODAY)


def test_which_day_it_is_depends_on_the_site() -> None:
    assert today_at(ZONE, utc("2027-01-04T23:30")) == date(2027, 1, 5)
