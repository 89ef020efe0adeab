"""Who could enter when, and why not: told by the code that decides."""

from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.access.blocklist import Ban
from appliance.access.explain import Door, Stretch, explain, factors_of, when_can_enter, who_can_enter
from appliance.access.modes import Factor, Mode, ModePlan
from appliance.access.passback import ENTRY, Kind, Passback, Sighting
from appliance.access.roster import Roster, RosterPerson
from appliance.access.rules import judge
from appliance.access.schedule import Schedule, Term, weekly
from appliance.access.verdict import ClockPolicy, DoorRules, Outcome, Request, Rule, Spoke, State, Why
from appliance.access.visitors import Visit
from appliance.facts import ClockQuality, Moment
from tests.access.wallclocks import BERLIN, utc

FACE, PIN, CARD = (frozenset({factor}) for factor in (Factor.FACE, Factor.PIN, Factor.CARD))
OFFICE = weekly("office", {"mon-fri": "08:00-18:00"})


def at(*when: int) -> float:
    return datetime(*when, tzinfo=BERLIN).timestamp()


MONDAY = at(2026, 11, 23)
NOON = Moment(1000.0, at(2026, 11, 23, 12), ClockQuality.SYNCED)
SUNDAY = Moment(1000.0, at(2026, 11, 22, 12), ClockQuality.SYNCED)
PEOPLE = {
    p.pid: p
    for p in [
        RosterPerson("ann", consent=True, has_templates=True),
        RosterPerson("bob", consent=True, has_templates=True, groups=frozenset({"staff"})),
        RosterPerson("pia", groups=frozenset({"staff"})),
        RosterPerson("gone", active=False, consent=True, has_templates=True),
        RosterPerson("unasked", consent=False, has_templates=True),
        RosterPerson("empty"),
        RosterPerson("temp", consent=True, has_templates=True, valid_from=MONDAY + 3600, valid_until=MONDAY + 7200),
        RosterPerson("guest"),
    ]
}
ROSTER = Roster(PEOPLE, {b"a": "ann", b"p": "pia", b"u": "unasked", b"g": "guest"})
VISIT = Visit(Term(MONDAY + 3600, MONDAY + 7200), hosts=frozenset({"ann"}))
RULES = DoorRules(hours={"staff": (OFFICE,)}, visits={"guest": VISIT})
DOOR = Door(ROSTER, RULES, BERLIN)


def test_what_people_have_to_show():
    assert factors_of("ann", DOOR) == FACE | PIN
    assert factors_of("bob", DOOR) == FACE
    assert factors_of("pia", DOOR) == PIN
    assert factors_of("empty", DOOR) == factors_of("nobody", DOOR) == frozenset()
    assert factors_of("bob", replace(DOOR, held=CARD)) == FACE | CARD


def test_ways_in():
    assert explain("ann", DOOR, NOON).ways == (FACE, PIN)
    assert explain("bob", DOOR, NOON).ways == (FACE,)
    both = replace(DOOR, rules=replace(RULES, plan=ModePlan(Mode.FACE_AND_PIN)))
    told = explain("ann", both, NOON)
    assert (told.ways, told.why) == ((FACE | PIN,), Why.GRANTED)
    assert Spoke(Rule.FACTORS, Outcome.ALLOW, Why.ENOUGH, "face, pin") in told.reasons
    assert explain("unasked", DOOR, NOON).ways == (PIN,)
    alike = replace(DOOR, rules=replace(RULES, alike=frozenset({"ann"})))
    assert explain("ann", alike, NOON).ways == (PIN,)
    held = explain("bob", replace(DOOR, rules=replace(RULES, alike=frozenset({"bob"})), held=CARD), NOON)
    assert held.ways == (CARD,)


def test_why_not():
    told = explain("bob", DOOR, SUNDAY)
    assert (told.person, told.ways, told.why) == ("bob", (), Why.OUTSIDE_HOURS)
    assert Spoke(Rule.HOURS, Outcome.DENY, Why.OUTSIDE_HOURS, "office") in told.reasons
    assert explain("bob", DOOR, NOON).why is Why.GRANTED
    assert explain("gone", DOOR, NOON).why is Why.SUSPENDED
    assert explain("nobody", DOOR, NOON).why is Why.NOT_ENROLLED
    assert explain("empty", DOOR, NOON).why is Why.WRONG_FACTOR
    banned = replace(DOOR, rules=replace(RULES, bans={"ann": Ban("theft")}))
    assert explain("ann", banned, NOON).why is Why.BLOCKED
    both = replace(DOOR, rules=replace(RULES, plan=ModePlan(Mode.FACE_AND_PIN)))
    assert explain("bob", both, NOON).why is Why.SECOND_FACTOR
    # Of two refusals the nearer one: his face lacks consent, his PIN only the hour.
    assert (
        explain("unasked", replace(DOOR, rules=replace(RULES, plan=ModePlan(Mode.LOCKED))), NOON).why is Why.DOOR_LOCKED
    )
    clock = explain("bob", DOOR, Moment(0.0, NOON.utc))
    assert clock.why is Why.CLOCK_UNKNOWN


def test_a_host_who_may_still_come_closes_no_way():
    told = explain("guest", DOOR, Moment(0.0, MONDAY + 3600, ClockQuality.SYNCED))
    assert (told.ways, told.why) == ((PIN,), Why.ESCORT_MISSING)
    late = explain("guest", DOOR, Moment(0.0, MONDAY + 7200, ClockQuality.SYNCED))
    assert (late.ways, late.why) == ((), Why.EXPIRED)


def test_who():
    assert who_can_enter(DOOR, NOON) == {"ann": (FACE, PIN), "bob": (FACE,), "pia": (PIN,), "unasked": (PIN,)}
    assert who_can_enter(DOOR, SUNDAY) == {"ann": (FACE, PIN), "unasked": (PIN,)}


def test_when():
    day = when_can_enter("bob", DOOR, MONDAY, MONDAY + 86400)
    assert day == [
        Stretch(MONDAY, at(2026, 11, 23, 8), (), Why.OUTSIDE_HOURS),
        Stretch(at(2026, 11, 23, 8), at(2026, 11, 23, 18), (FACE,), Why.GRANTED),
        Stretch(at(2026, 11, 23, 18), MONDAY + 86400, (), Why.OUTSIDE_HOURS),
    ]
    assert [s.why for s in when_can_enter("temp", DOOR, MONDAY, MONDAY + 86400)] == [
        Why.NOT_YET_VALID,
        Why.GRANTED,
        Why.EXPIRED,
    ]
    assert when_can_enter("ann", DOOR, MONDAY, MONDAY + 7 * 86400) == [
        Stretch(MONDAY, MONDAY + 7 * 86400, (FACE, PIN), Why.GRANTED)
    ]
    assert [s.why for s in when_can_enter("nobody", DOOR, MONDAY, MONDAY + 10)] == [Why.NOT_ENROLLED]
    guest = when_can_enter("guest", DOOR, MONDAY, MONDAY + 86400)
    assert [(s.begin, s.why) for s in guest] == [
        (MONDAY, Why.NOT_YET_VALID),
        (MONDAY + 3600, Why.ESCORT_MISSING),
        (MONDAY + 7200, Why.EXPIRED),
    ]
    used = replace(DOOR, state=State(used={"guest": 1}))
    assert {s.why for s in when_can_enter("guest", used, MONDAY + 3600, MONDAY + 7200)} == {Why.USED_UP}


def test_when_knows_what_people_are_given_and_which_reader():
    rules = replace(RULES, plan=ModePlan(Mode.CARD_AND_FACE))
    door = replace(DOOR, rules=rules, held=CARD)
    assert [s.ways for s in when_can_enter("ann", door, MONDAY, MONDAY + 10)] == [(CARD | FACE,)]
    both = replace(RULES, visits={"bob": VISIT}, hours={"staff": (weekly("x", {"mon": "01:30-24:00"}),)})
    told = when_can_enter("bob", replace(DOOR, rules=both), MONDAY, MONDAY + 10_000)
    assert [(s.begin - MONDAY, s.end - MONDAY, s.why) for s in told] == [
        (0, 5400, Why.OUTSIDE_HOURS),
        (5400, 7200, Why.ESCORT_MISSING),
        (7200, 10_000, Why.EXPIRED),
    ]
    twice = replace(RULES, visits={"temp": replace(VISIT, term=Term(MONDAY + 1800, MONDAY + 9000))})
    told = when_can_enter("temp", replace(DOOR, rules=twice), MONDAY, MONDAY + 10_000)
    assert [s.end - MONDAY for s in told] == [3600, 7200, 10_000]


def test_when_follows_modes_and_bans():
    plan = ModePlan(Mode.FACE, ((weekly("night", {"mon": "00:00-06:00"}), Mode.LOCKED),))
    rules = replace(RULES, plan=plan, bans={"ann": Ban("x", until=MONDAY + 12 * 3600)})
    told = when_can_enter("ann", replace(DOOR, rules=rules), MONDAY, MONDAY + 86400)
    assert [(s.begin, s.ways, s.why) for s in told] == [
        (MONDAY, (), Why.BLOCKED),
        (MONDAY + 12 * 3600, (FACE,), Why.GRANTED),
    ]
    free = when_can_enter("ann", replace(DOOR, rules=replace(rules, bans={})), MONDAY, MONDAY + 86400)
    assert [(s.begin, s.why) for s in free] == [(MONDAY, Why.DOOR_LOCKED), (MONDAY + 6 * 3600, Why.GRANTED)]


def test_when_speaks_of_rights_not_of_where_somebody_is():
    rules = replace(RULES, passback=Passback(Kind.ZONE))
    inside = replace(DOOR, rules=rules, state=State(sightings={"ann": Sighting("inside", ENTRY, 0.0)}))
    assert explain("ann", inside, NOON).why is Why.PASSED_BACK
    assert [s.why for s in when_can_enter("ann", inside, MONDAY, MONDAY + 10)] == [Why.GRANTED]
    assert explain("ann", replace(inside, reader="exit"), NOON).why is Why.GRANTED


@given(
    st.sampled_from(list(PEOPLE)),
    st.sampled_from(Mode),
    st.integers(0, 7 * 86400),
    st.sampled_from(ClockQuality),
    st.sampled_from(ClockPolicy),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_what_is_explained_is_what_happens(pid, mode, offset, quality, policy, alike):
    rules = replace(
        RULES, plan=ModePlan(mode), clock_unknown=policy, alike=frozenset({pid}) if alike else frozenset(), visits={}
    )
    door = replace(DOOR, rules=rules, held=CARD)
    now = Moment(1000.0, MONDAY + offset, quality)
    told = explain(pid, door, now)
    assert (told.why is Why.GRANTED) == bool(told.ways)
    for way in told.ways:
        assert way <= factors_of(pid, door)
        state, granted = State(), []
        for factor in sorted(way, key=lambda f: f is not Factor.FACE):
            verdict = judge(Request(pid, factor, 1000.0), ROSTER, rules, state, now, zone=BERLIN)
            state = verdict.after
            granted.append(verdict.granted)
        assert granted[-1]
        assert not any(granted[:-1])
    if not told.ways:
        for factor in factors_of(pid, door):
            assert not judge(Request(pid, factor, 1000.0), ROSTER, rules, State(), now, zone=BERLIN).granted


@given(st.integers(0, 300), st.sampled_from(["bob", "temp", "guest"]))
@settings(max_examples=40, deadline=None)
def test_a_week_is_covered_without_a_hole_and_agrees_with_each_moment(day, pid):
    begin = utc(2026, 1, 1) + day * 86400
    week = when_can_enter(pid, DOOR, begin, begin + 7 * 86400)
    assert (week[0].begin, week[-1].end) == (begin, begin + 7 * 86400)
    for one, other in pairwise(week):
        assert one.end == other.begin
        assert (one.ways, one.why) != (other.ways, other.why)
    for stretch in week:
        for moment in (stretch.begin, (stretch.begin + stretch.end) / 2, stretch.end - 1):
            told = explain(pid, DOOR, Moment(0.0, moment, ClockQuality.SYNCED))
            assert (told.ways, told.why) == (stretch.ways, stretch.why)


def test_a_24_7_schedule_shows_as_one_stretch():
    rules = replace(RULES, hours={"staff": (OFFICE, Schedule("24/7"))})
    assert len(when_can_enter("bob", replace(DOOR, rules=rules), MONDAY, MONDAY + 86400)) == 1
