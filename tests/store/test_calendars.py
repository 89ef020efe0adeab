"""Calendar files as they come, and as an attacker would write them; and countries' holidays."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.access.schedule import CLOSED, parse_hours
from appliance.errors import ScheduleError
from appliance.store import calendars
from appliance.store.calendars import LARGEST_BYTES, MOST_EVENTS, country_calendar, load_calendar, read_calendar

FIRST, LAST = date(2026, 1, 1), date(2028, 12, 31)


def calendar(*events: str, ends: str = "\r\n") -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN"]
    for number, event in enumerate(events):
        lines += ["BEGIN:VEVENT", f"UID:{number}", *event.split("\n"), "END:VEVENT"]
    return ends.join([*lines, "END:VCALENDAR", ""]).encode()


def days(*events: str, first: date = FIRST, last: date = LAST) -> list[str]:
    return [str(day) for day in sorted(read_calendar("test", calendar(*events), first, last).days)]


def test_a_whole_day_and_several():
    assert days("DTSTART;VALUE=DATE:20260501") == ["2026-05-01"]
    assert days("DTSTART;VALUE=DATE:20260501\nDTEND;VALUE=DATE:20260502") == ["2026-05-01"]
    assert days("DTSTART;VALUE=DATE:20260501\nDTEND;VALUE=DATE:20260501") == ["2026-05-01"]
    assert days("DTSTART;VALUE=DATE:20261230\nDTEND;VALUE=DATE:20270102") == ["2026-12-30", "2026-12-31", "2027-01-01"]
    assert days("DTSTART;VALUE=DATE:20260501\nDURATION:P2D") == ["2026-05-01", "2026-05-02"]
    assert days("DTSTART:20260501T000000\nDTEND:20260502T000000") == ["2026-05-01"]
    assert days("DTSTART;TZID=Europe/Berlin:20260501T000000\nDTEND;TZID=Europe/Berlin:20260502T000000") == [
        "2026-05-01"
    ]
    assert days() == []


def test_only_days_in_range_and_an_event_may_reach_into_it():
    assert days("DTSTART;VALUE=DATE:20251230\nDTEND;VALUE=DATE:20260103") == ["2026-01-01", "2026-01-02"]
    assert days("DTSTART;VALUE=DATE:20281231\nDTEND;VALUE=DATE:20290103") == ["2028-12-31"]
    assert days("DTSTART;VALUE=DATE:20290101") == []
    found = read_calendar("test", calendar("DTSTART;VALUE=DATE:20260501"), FIRST, LAST, parse_hours("08:00-12:00"))
    assert (found.name, found.covers, found.hours) == ("test", (FIRST, LAST), parse_hours("08:00-12:00"))
    assert read_calendar("test", calendar(), FIRST, LAST).hours == CLOSED


def test_repetition():
    assert days("DTSTART;VALUE=DATE:20001225\nRRULE:FREQ=YEARLY") == ["2026-12-25", "2027-12-25", "2028-12-25"]
    assert days("DTSTART;VALUE=DATE:20001225\nRRULE:FREQ=YEARLY;UNTIL=20271224") == ["2026-12-25"]
    assert days("DTSTART;VALUE=DATE:20001225\nRRULE:FREQ=YEARLY;UNTIL=20271225T235959Z") == ["2026-12-25", "2027-12-25"]
    assert days("DTSTART;VALUE=DATE:20261225\nRRULE:FREQ=YEARLY;COUNT=2") == ["2026-12-25", "2027-12-25"]
    assert days("DTSTART;VALUE=DATE:20001225\nRRULE:FREQ=YEARLY;INTERVAL=2") == ["2026-12-25", "2028-12-25"]
    # The fourth Thursday of November, and the last Monday of May.
    assert days("DTSTART;VALUE=DATE:20001123\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH")[0] == "2026-11-26"
    assert days("DTSTART;VALUE=DATE:20000529\nRRULE:FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO")[0] == "2026-05-25"
    assert days("DTSTART;VALUE=DATE:20240229\nRRULE:FREQ=YEARLY") == ["2028-02-29"]
    assert len(days("DTSTART;VALUE=DATE:20260104\nRRULE:FREQ=WEEKLY;BYDAY=SU")) == 157
    two = days("DTSTART;VALUE=DATE:20001224\nDTEND;VALUE=DATE:20001226\nRRULE:FREQ=YEARLY")
    assert two[:2] == ["2026-12-24", "2026-12-25"]


def test_exceptions():
    assert days(
        "DTSTART;VALUE=DATE:20001225\nRRULE:FREQ=YEARLY\nEXDATE;VALUE=DATE:20261225\nEXDATE;VALUE=DATE:20281225"
    ) == ["2027-12-25"]
    assert days("DTSTART;VALUE=DATE:20260501\nRDATE;VALUE=DATE:20260503,20260505") == [
        "2026-05-01",
        "2026-05-03",
        "2026-05-05",
    ]
    assert days("DTSTART;VALUE=DATE:20260501\nSTATUS:CANCELLED") == []
    master = "DTSTART;VALUE=DATE:20001225\nRRULE:FREQ=YEARLY"
    moved = "UID:0\nDTSTART;VALUE=DATE:20261228\nRECURRENCE-ID;VALUE=DATE:20261225"
    data = calendar(master, moved).replace(b"UID:1\r\nUID:0", b"UID:0")
    assert min(read_calendar("test", data, FIRST, LAST).days) == date(2026, 12, 28)
    dropped = data.replace(b"RECURRENCE-ID", b"STATUS:CANCELLED\r\nRECURRENCE-ID")
    assert min(read_calendar("test", dropped, FIRST, LAST).days) == date(2027, 12, 25)


def test_files_as_they_come(tmp_path):
    event = "DTSTART;VALUE=DATE:20260501\nSUMMARY:a long \n text\nBEGIN:VALARM\nTRIGGER:-PT1H\nEND:VALARM"
    for data in (
        calendar(event, ends="\n"),
        b"\xef\xbb\xbf" + calendar(event),
        calendar(event).replace(b"DATE:2026", b"DA\r\n TE:2026"),
        calendar(event).replace(b"\r\n", b"\r\n\r\n").replace(b"\r\n\r\n text", b"\r\n text"),
        calendar(event).lower().replace(b"dtstart;value=date", b"DTSTART;VALUE=DATE"),
    ):
        assert read_calendar("test", data, FIRST, LAST).days == {date(2026, 5, 1)}
    path = tmp_path / "holidays.ics"
    path.write_bytes(calendar(event))
    assert load_calendar(path, FIRST, LAST).name == "holidays.ics"
    with pytest.raises(ScheduleError, match="cannot be read: No such file"):
        load_calendar(tmp_path / "none.ics", FIRST, LAST)


@pytest.mark.parametrize(
    ("event", "line", "words"),
    [
        ("DTSTART;VALUE=DATE:2026XX01", 6, "2026XX01"),
        ("DTSTART;VALUE=DATE:20260230", 6, ""),
        ("SUMMARY:x\nDTSTART:20260501T140000Z", 7, "only whole days are holidays; make it all-day"),
        ("DTSTART:20260501T000000Z", 6, "only whole days"),
        ("SUMMARY:no day", 4, "without DTSTART"),
        ("DTSTART;VALUE=DATE:20260501\nDTEND;VALUE=DATE:20260430", 7, "correct its end"),
        ("DTSTART;VALUE=DATE:20260501\nDTEND;VALUE=DATE:21260501", 7, "more than 366"),
        ("DTSTART;VALUE=DATE:20260501\nDURATION:PT1H", 7, "lasts no whole days"),
        ("DTSTART;VALUE=DATE:20260501\nDURATION:P3D\nDURATION:P3D", 7, "lasts no whole days"),
        ("DTSTART;VALUE=DATE:20260501\nRRULE:FREQ=SECONDLY", 7, "repeats YEARLY, MONTHLY"),
        ("DTSTART;VALUE=DATE:20260501\nRRULE:FREQ=OFTEN", 7, "OFTEN"),
        ("DTSTART;VALUE=DATE:20260501\nRRULE:FREQ=YEARLY;INTERVAL=0", 7, "INTERVAL must be 1"),
        ("DTSTART;VALUE=DATE:20260501\nRRULE:FREQ=YEARLY;BYSECOND=1,2", 7, "BYSECOND with YEARLY"),
        ("DTSTART;VALUE=DATE:20260501\nRRULE:FREQ=YEARLY\nRRULE:FREQ=WEEKLY", 7, "more than one RRULE"),
        ("DTSTART;VALUE=DATE:20260501\nRRULE:FREQ=YEARLY;BYMONTH=13", 7, "BYMONTH must be"),
        ("DTSTART;VALUE=DATE:20260501\nRRULE:FREQ=DAILY;BYMONTHDAY=30", 7, "BYMONTHDAY with DAILY"),
        ("DTSTART;VALUE=DATE:20260501\nRRULE:FREQ=YEARLY;COUNT=2;UNTIL=20300101", 7, "only one of COUNT and UNTIL"),
        ("DTSTART;VALUE=DATE:20260501\nDTSTART;VALUE=DATE:20260502", 6, "more than one DTSTART"),
        ("DTSTART;VALUE=DATE:20260501\nRDATE;VALUE=PERIOD:20260501T000000Z/P1D", 7, ""),
    ],
)
def test_an_error_names_the_line_and_the_remedy(event, line, words):
    with pytest.raises(ScheduleError) as caught:
        read_calendar("test.ics", calendar(event), FIRST, LAST)
    assert f"calendar 'test.ics', line {line}: " in str(caught.value)
    assert words in str(caught.value)
    assert "; " in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "line 1: does not begin with BEGIN:VCALENDAR"),
        (b"\x89PNG\r\n\x1a\n", "line 1: is not UTF-8"),
        (b"BEGIN:VCALENDAR\r\nX:1\r\nSUMMARY:\xff\r\n", "line 3: is not UTF-8"),
        (b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART", "line 2: VEVENT does not end, the file is cut"),
        (b"BEGIN:VCALENDAR\r\nEND:VEVENT\r\n", "line 2: END:VEVENT ends what did not begin"),
        (b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\nEND:VCALENDAR\r\n", "line 3: END:VCALENDAR ends what"),
        (b"x" * (LARGEST_BYTES + 1), "larger than 1 MB"),
        (calendar(*["DTSTART;VALUE=DATE:20260501"] * (MOST_EVENTS + 1)), f"more than {MOST_EVENTS} events"),
    ],
)
def test_what_is_no_calendar(data, words):
    with pytest.raises(ScheduleError, match=words):
        read_calendar("test", data, FIRST, LAST)


def test_rules_that_never_come_true_do_not_hold_the_machine(monkeypatch):
    monkeypatch.setattr(calendars, "BUDGET_SECONDS", 0.2)
    never = "DTSTART;VALUE=DATE:20260201\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"
    with pytest.raises(ScheduleError, match="line 9: the rules take too long to follow"):
        read_calendar("test", calendar(*[never] * 9), FIRST, LAST)


def test_a_range_has_bounds():
    for first, last in ((LAST, FIRST), (FIRST, FIRST + timedelta(days=366 * 22))):
        with pytest.raises(ScheduleError, match="no range"):
            read_calendar("test", calendar(), first, last)
        with pytest.raises(ScheduleError, match="no range"):
            country_calendar("DE", first, last)


@given(st.binary(max_size=300) | st.text(max_size=300).map(calendar))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_or_refused(data):
    try:
        found = read_calendar("test", data, FIRST, LAST)
    except ScheduleError:
        return
    assert all(FIRST <= day <= LAST for day in found.days)


FRAGMENTS = st.sampled_from(
    [
        "DTSTART;VALUE=DATE:20260501",
        "DTSTART;VALUE=DATE:20001225",
        "DTSTART:20260501T000000",
        "DTEND;VALUE=DATE:20260503",
        "DURATION:P3D",
        "DURATION:-P3D",
        "RRULE:FREQ=YEARLY",
        "RRULE:FREQ=YEARLY;COUNT=3;UNTIL=20270101",
        "RRULE:FREQ=MONTHLY;BYDAY=-1FR;UNTIL=20270101T000000Z",
        "RRULE:COUNT=3",
        "RRULE:FREQ=WEEKLY;BYDAY=XX",
        "RRULE:FREQ=YEARLY;INTERVAL=-1",
        "RRULE:FREQ=YEARLY;UNTIL=soon",
        "RRULE:FREQ=YEARLY;BYSETPOS=0",
        "EXDATE;VALUE=DATE:20260501",
        "EXDATE:20260501T100000",
        "RDATE:19700101T000000",
        "RECURRENCE-ID;VALUE=DATE:20260501",
        "STATUS:CANCELLED",
        "DTSTART;TZID=Nowhere/Else:20260501T000000",
        "DTSTART;VALUE=TIME:000000",
        "DTEND;VALUE=TIME:000000",
        "DTSTART;VALUE=DATE:00010101",
        "DTEND;VALUE=DATE:99991231",
    ]
)


@given(st.lists(st.lists(FRAGMENTS, min_size=1, max_size=5).map("\n".join), max_size=3))
@settings(max_examples=150, deadline=None)
def test_any_mixture_of_properties_is_read_or_refused(events):
    try:
        found = read_calendar("test", calendar(*events), FIRST, LAST)
    except ScheduleError:
        return
    assert all(FIRST <= day <= LAST for day in found.days)


def test_countries():
    bavaria = country_calendar("DE", FIRST, LAST, "BY")
    assert bavaria.name == "DE-BY"
    assert {date(2026, 1, 6), date(2026, 4, 3), date(2026, 10, 3), date(2027, 12, 25)} <= bavaria.days
    assert date(2026, 1, 6) not in country_calendar("DE", FIRST, LAST).days
    assert all(FIRST <= day <= LAST for day in bavaria.days)
    assert country_calendar("US", date(2026, 7, 3), date(2026, 7, 4)).days == {date(2026, 7, 3), date(2026, 7, 4)}
    with pytest.raises(ScheduleError, match="holidays of 'XX': unknown; use an ISO 3166 code"):
        country_calendar("XX", FIRST, LAST)
    with pytest.raises(ScheduleError, match=r"DE has no part 'ZZ'; known are .*BY"):
        country_calendar("DE", FIRST, LAST, "ZZ")
