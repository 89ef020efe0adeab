"""A reader on the inside: who leaves is let out, and may come back."""

from dataclasses import replace

import pytest

from appliance.access.blocklist import Ban
from appliance.access.book import Book
from appliance.access.modes import Mode, ModePlan
from appliance.access.proof import Rules
from appliance.access.roster import Roster, RosterPerson
from appliance.access.schedule import Term, weekly
from appliance.access.visitors import Visit
from appliance.door.inbox import Edge, RosterLoaded
from appliance.facts import CardEntry, Passing
from appliance.settings import AccessConfig
from tests.access.wallclocks import BERLIN
from tests.door.test_loop import DIGEST, Bench
from tests.door.test_loop_rules import NOON, pass_through

CARD = b"c" * 32
ROSTER = Roster({"p": RosterPerson("p", groups=frozenset({"staff"}))}, {DIGEST: "p"}, 7, {CARD: "p"})
ZONE = AccessConfig(passback="zone", exit_reader="wiegand")
NIGHT = Book(hours={"staff": (weekly("night", {"mon-fri": "01:00-02:00"}),)})


def door(book: Book = Book(), settings: AccessConfig = ZONE, roster: Roster = ROSTER) -> Bench:  # noqa: B008 - frozen
    made = Bench(None, zone=BERLIN, settings=settings)
    made.clock.utc = NOON
    made.turn(RosterLoaded(roster, book))
    made.record.events.clear()
    return made


def enter(bench: Bench) -> bool:
    bench.turn(None, 20).turn(bench.pin()).written()
    return bench.released


def leave(bench: Bench, reader: str = "wiegand") -> bool:
    bench.turn(None, 20)
    bench.turn(CardEntry(CARD, reader, bench.now)).written()
    return bench.released


def test_in_again_is_refused_until_out_by_the_reader_inside():
    bench = door()
    assert enter(bench)
    pass_through(bench)
    assert not enter(bench)
    assert bench.record.whys()[-1] == "passed_back"
    assert leave(bench)
    pass_through(bench)
    assert enter(bench)


def test_the_same_card_at_the_reader_outside_is_an_entry():
    bench = door()
    assert enter(bench)
    pass_through(bench)
    assert not leave(bench, "osdp")
    assert bench.record.whys()[-1] == "passed_back"


@pytest.mark.parametrize(
    "book",
    [NIGHT, Book(plan=ModePlan(Mode.LOCKED)), Book(plan=ModePlan(Mode.FACE)), Book(bans={"p": Ban("stolen_pin")})],
)
def test_no_rule_of_entry_keeps_anybody_in(book: Book):
    bench = door(book)
    assert not enter(bench)
    assert leave(bench)


def test_leaving_begins_no_free_access_and_uses_no_visit():
    free = door(Book(plan=ModePlan(Mode.FREE)))
    assert leave(free)
    assert not free.door.free
    visit = Visit(Term(NOON - 60, NOON + 6000), uses=1)
    guest = door(Book(visits={"p": visit}))
    assert leave(guest)
    pass_through(guest)
    assert enter(guest)


def test_a_host_who_has_left_is_no_company():
    visit = Visit(Term(NOON - 60, NOON + 6000), hosts=frozenset({"host"}))
    people = {"p": RosterPerson("p"), "host": RosterPerson("host")}
    roster = Roster(people, {DIGEST: "p", b"h" * 32: "host"}, 7, {CARD: "host"})
    for leaves in (False, True):
        bench = door(Book(visits={"p": visit}), AccessConfig(exit_reader="wiegand"), roster)
        bench.turn(bench.pin(b"h" * 32)).written()
        pass_through(bench)
        if leaves:
            bench.turn(CardEntry(CARD, "wiegand", bench.now)).written()
            pass_through(bench)
        bench.turn(bench.pin()).written()
        assert bench.released is not leaves


def test_leaving_undoes_no_entry_that_counts_by_time():
    bench = door(settings=AccessConfig(passback="timed", exit_reader="wiegand"))
    assert enter(bench)
    pass_through(bench)
    assert leave(bench)
    pass_through(bench)
    bench.turn(bench.pin()).written()
    assert not bench.released


def test_who_is_banned_goes_and_security_is_told():
    bench = door(Book(bans={"p": Ban("stolen_pin")}))
    assert leave(bench)
    assert "blocked" in bench.record.whys()


def test_leaving_is_recorded_as_such_and_told_to_no_panel():
    bench = door()
    told = []
    bench.loop._granted = told.append
    assert enter(bench)
    pass_through(bench)
    assert leave(bench)
    assert told == ["p"], "the entry alone"
    assert [detail.get("exit") for detail in bench.details("granted")] == [None, True]


def test_who_comes_by_while_somebody_leaves_is_no_tailgater():
    for comes in (True, False):
        bench = door()
        assert enter(bench) if comes else leave(bench)
        bench.turn(Edge("contact", True, bench.now), 1)
        bench.turn(Passing(bench.now, 1))
        assert ("tailgating" in bench.record.whys()) is comes


def test_who_is_suspended_or_unknown_opens_nothing_from_inside_either():
    gone = replace(ROSTER, people={"p": RosterPerson("p", active=False)})
    assert not leave(door(roster=gone))
    assert not leave(door(roster=replace(ROSTER, cards={})))


def test_without_such_a_reader_every_card_is_an_entry():
    bench = door(NIGHT, AccessConfig())
    assert not leave(bench)
    assert bench.record.whys()[-1] == "outside_hours"
    assert Rules().exit_reader == ""
