"""From a token to the relay: verified in a thread of its own, and opened only once its use is on the disk."""

from dataclasses import replace

import pytest

from appliance.access.passes import Pass, PassEntry, Standing, signed
from appliance.access.roster import Roster, RosterPerson
from appliance.door.inbox import Spent
from appliance.door.passdesk import Papers, PassDesk
from appliance.door.passgate import PassGate
from appliance.errors import StoreError
from appliance.facts import PassShown, Reason
from appliance.system.keys import DeviceKey
from appliance.system.passkey import PassKey
from tests.door.test_loop import Bench
from tests.fakes import RecordingPost, eventually

PERSON = "7d0a7e0c-5a7e-4a55-9f67-1c2f0f0f7a11"
PASS = Pass("0d7c3f52-53c5-4ef0-8f0c-6f2d7f3b9a01", PERSON, "hq", ("lobby",), 1000, 5000, 1)
KEY = PassKey(DeviceKey(b"k" * 32))


class Book:
    """Counts in memory; its disk fails on request."""

    def __init__(self) -> None:
        self.used, self.broken = 0, False

    def standing(self, number: str) -> Standing | None:
        if self.broken:
            raise StoreError("the disk is gone; look for it")
        return Standing(self.used, False) if number == PASS.id else None

    def spend(self, number: str) -> Reason | None:
        if self.standing(number) != Standing(0, False):
            return Reason.USED_UP
        self.used += 1
        return None


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def post() -> RecordingPost:
    return RecordingPost()


@pytest.fixture
def desk(book: Book, post: RecordingPost):
    desk = PassDesk(lambda: Papers(book, KEY.verify, lambda: None), "hq", "lobby", post)
    desk.start()
    yield desk
    desk.close()


def test_the_desk_reads_verifies_and_counts(desk: PassDesk, book: Book, post: RecordingPost) -> None:
    desk.show(PassShown(signed(PASS, KEY.sign), 7.0))
    desk.spend(1, PASS.id)
    desk.show(PassShown(signed(PASS, KEY.sign), 8.0))
    desk.show(PassShown(b"\x01nonsense", 9.0))
    eventually(lambda: len(post.items) == 4)
    assert post.items == [
        PassEntry(7.0, PASS),
        Spent(1, None),
        PassEntry(8.0, PASS, Reason.USED_UP),
        PassEntry(9.0, None, Reason.MALFORMED),
    ]


def test_without_its_record_the_desk_refuses(book: Book, post: RecordingPost, desk: PassDesk) -> None:
    book.broken = True
    desk.show(PassShown(signed(PASS, KEY.sign), 7.0))
    desk.spend(5, PASS.id)
    eventually(lambda: len(post.items) == 2)
    assert post.items == [PassEntry(7.0, PASS, Reason.UNRECORDED), Spent(5, Reason.UNRECORDED)]


def test_a_desk_that_cannot_keep_up_says_no(book: Book, post: RecordingPost) -> None:
    desk = PassDesk(lambda: Papers(book, KEY.verify, lambda: None), "hq", "lobby", post)  # never started
    for number in range(20):
        desk.spend(number, PASS.id)
    assert [item.refused for item in post.items] == [Reason.UNRECORDED] * 12


class PassBench(Bench):
    """A loop whose disk answers when the test says so."""

    def __init__(self) -> None:
        self.spending: list[tuple[int, str]] = []
        gate = PassGate(lambda ticket, number: self.spending.append((ticket, number)))
        super().__init__(Roster({PERSON: RosterPerson(PERSON)}), passes=gate)

    def shown(self, **changes) -> PassEntry:
        utc = int(self.clock.utc)
        given = replace(PASS, begin=utc - 100, end=utc + 100, **changes)
        return PassEntry(self.now, given)

    def spent(self, refused: Reason | None = None, after: float = 0.0) -> "PassBench":
        ticket, _ = self.spending.pop(0)
        self.turn(Spent(ticket, refused), after)
        return self


def test_nothing_opens_before_the_use_is_written_and_the_event_too() -> None:
    bench = PassBench()
    bench.turn(bench.shown())
    bench.turn(after=0.5)
    assert bench.spending == [(1, PASS.id)]
    assert not bench.released
    assert "granted" not in bench.record.whys()
    bench.spent()
    assert not bench.released
    bench.written()
    assert bench.released
    granted = next(event for event in bench.record.events if event.why == "granted")
    assert (granted.by, granted.person, granted.detail) == ("pass", PERSON, {"pass": PASS.id})


@pytest.mark.parametrize("reason", [Reason.USED_UP, Reason.REVOKED, Reason.UNRECORDED, Reason.NOT_ENROLLED])
def test_a_use_that_could_not_be_written_opens_nothing(reason: Reason) -> None:
    bench = PassBench()
    bench.turn(bench.shown())
    bench.spent(reason).written()
    bench.turn(after=1.0)
    assert not bench.released
    assert bench.record.whys()[-1] == reason


def test_a_disk_that_answers_far_too_late_opens_nothing() -> None:
    bench = PassBench()
    bench.turn(bench.shown())
    bench.spent(after=6.0).written()
    assert not bench.released
    assert "stale" in bench.record.whys()


def test_shown_twice_in_one_breath_it_is_used_once() -> None:
    bench = PassBench()
    bench.turn(bench.shown(uses=5))
    bench.clock.pass_(1.0)
    bench.turn(bench.shown(uses=5))
    assert len(bench.spending) == 1
    assert bench.record.whys()[-1] == "replayed"
    bench.spent()
    bench.clock.pass_(10.0)
    bench.turn(bench.shown(uses=5))
    assert len(bench.spending) == 1


def test_a_refused_pass_spends_nothing_and_every_fault_is_recorded() -> None:
    bench = PassBench()
    for fault in (Reason.FORGED, Reason.OTHER_SITE, Reason.OTHER_DOOR, Reason.MALFORMED):
        bench.turn(PassEntry(bench.now, None, fault))
        assert bench.record.events[-1].why == fault
        assert bench.record.events[-1].by == "pass"
    bench.turn(replace(bench.shown(), taken_at=bench.now - 3))
    assert bench.record.whys()[-1] == "stale"
    assert bench.spending == []
    bench.written()
    assert not bench.released


def test_a_door_without_a_desk_opens_for_no_pass() -> None:
    bench = PassBench()
    bench.asks._passes = PassGate()
    bench.turn(bench.shown()).written()
    assert not bench.released
    assert bench.record.whys()[-1] == "unrecorded"


def test_an_answer_nobody_waits_for_does_nothing() -> None:
    bench = PassBench()
    before = len(bench.record.events)
    bench.turn(Spent(77, None))
    assert len(bench.record.events) == before
    assert not bench.released
