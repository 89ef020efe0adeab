"""Passes held up at a door whose desk, key and store are the real ones: what each ends in, at the loop."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import pytest

from appliance.access.passes import Pass, PassEntry, signed
from appliance.access.roster import Roster, RosterPerson
from appliance.door.inbox import Spent
from appliance.door.passdesk import Papers, PassDesk
from appliance.door.passgate import PassGate
from appliance.facts import PassShown
from appliance.store.database import FILE, connect
from appliance.store.passes import Passbook
from appliance.store.people import People
from appliance.system.keys import DeviceKey
from appliance.system.passkey import PassKey
from tests.door.test_loop import Bench
from tests.fakes import HandClock, RecordingPost, eventually

UTC = int(HandClock().utc)
DEVICE = DeviceKey(b"k" * 32)
KEY, OTHER_KEY = PassKey(DEVICE), PassKey(DeviceKey(b"o" * 32))


@dataclass
class Door:
    """The loop, the desk's thread, and the store on a disk."""

    book: Passbook
    desk: PassDesk
    post: RecordingPost
    visitor: str
    bench: Bench = field(init=False)

    def __post_init__(self) -> None:
        roster = Roster({self.visitor: RosterPerson(self.visitor)})
        self.bench = Bench(roster, passes=PassGate(self.desk.spend))

    def given(self, **changes: object) -> Pass:
        """One that the record knows."""
        plain = Pass(str(uuid4()), self.visitor, "hq", ("lobby",), UTC - 100, UTC + 100, 3)
        found = replace(plain, **changes)
        self.book.issue(found, "test")
        return found

    def hold_up(self, token: bytes, age: float = 0.0) -> str:
        """The last word about it."""
        before = len(self.post.items)
        self.desk.show(PassShown(token, self.bench.now - age))
        self._hand_on(before, PassEntry)
        if self.desk_is_asked():
            self._hand_on(before + 1, Spent)
        self.bench.written()
        return [event for event in self.bench.record.events if event.type == "access"][-1].why

    def desk_is_asked(self) -> bool:
        return bool(self.bench.asks._passes._waiting)

    def _hand_on(self, place: int, kind: type) -> None:
        item = eventually(lambda: self.post.items[place:])[0]
        assert isinstance(item, kind)
        self.bench.turn(item)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    db, post = connect(tmp_path / FILE), RecordingPost()
    visitor = People(db, DEVICE).add("Vic Tor", by="test").pid

    def papers() -> Papers:
        own = connect(tmp_path / FILE)  # in the desk's thread
        return Papers(Passbook(own), KEY.verify, own.close)

    desk = PassDesk(papers, "hq", "lobby", post)
    desk.start()
    yield Door(Passbook(db), desk, post, visitor)
    desk.close()
    assert not desk.is_alive()
    db.close()


def of(pass_: Pass) -> bytes:
    return signed(pass_, KEY.sign)


def turned(token: bytes, place: int) -> bytes:
    return token[:place] + bytes([token[place] ^ 1]) + token[place + 1 :]


REFUSED: dict[str, tuple[Callable[[Door], bytes], str]] = {
    "signature of another key": (lambda door: signed(door.given(), OTHER_KEY.sign), "forged"),
    "a bit of the signature": (lambda door: turned(of(door.given()), 100), "forged"),
    "a later end, by hand": (lambda door: turned(of(door.given()), 42), "forged"),
    "another site": (lambda door: of(replace(door.given(), site="annex")), "other_site"),
    "another door": (lambda door: of(door.given(doors=("garage",))), "other_door"),
    "cut off": (lambda door: of(door.given())[:-70], "malformed"),
    "cut off in the signature": (lambda door: of(door.given())[:-1], "malformed"),
    "nothing": (lambda _: b"", "malformed"),
    "rubbish": (lambda _: bytes(range(256)), "malformed"),
    "too long": (lambda door: of(door.given()) + bytes(300), "malformed"),
    "expired": (lambda door: of(door.given(begin=UTC - 900, end=UTC - 1)), "expired"),
    "too soon": (lambda door: of(door.given(begin=UTC + 10, end=UTC + 900)), "not_yet_valid"),
    "of nobody's record": (lambda door: of(replace(door.given(), id=str(uuid4()))), "not_enrolled"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_each_bad_pass_is_an_event_with_its_reason_and_never_an_unlock(door: Door, name: str) -> None:
    make, reason = REFUSED[name]
    assert door.hold_up(make(door)) == reason
    assert not door.bench.released
    assert {issued.used for issued in door.book.list()} <= {0}
    assert door.hold_up(of(door.given())) == "granted", "the desk and the door live on"


def test_a_revoked_pass_opens_nothing(door: Door) -> None:
    pass_ = door.given()
    door.book.revoke(pass_.id, "test")
    assert door.hold_up(of(pass_)) == "revoked"
    assert not door.bench.released


def test_a_code_shown_again_is_replayed_then_counted_then_used_up(door: Door) -> None:
    pass_ = door.given(uses=2)
    assert door.hold_up(of(pass_)) == "granted"
    assert door.bench.released
    assert door.hold_up(of(pass_)) == "replayed"
    for said in ("granted", "used_up"):
        door.bench.clock.pass_(11.0)
        assert door.hold_up(of(pass_)) == said
    assert [issued.used for issued in door.book.list()] == [2]


def test_a_frame_from_a_while_ago_spends_nothing(door: Door) -> None:
    assert door.hold_up(of(door.given()), age=3.0) == "stale"
    assert not door.bench.released
    assert [issued.used for issued in door.book.list()] == [0]


def test_one_revoked_between_reading_and_writing_opens_nothing(door: Door) -> None:
    pass_ = door.given()
    entry = PassEntry(door.bench.now, pass_)
    door.book.revoke(pass_.id, "test")
    door.bench.turn(entry)
    (spent,) = eventually(lambda: door.post.of(Spent))
    door.bench.turn(spent).written()
    assert spent.refused == "revoked"
    assert not door.bench.released
