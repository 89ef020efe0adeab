"""The loop, turn by turn, on recording parts and time that passes when told to."""

from dataclasses import replace
from datetime import UTC, tzinfo
from functools import partial

import pytest

from appliance.access.book import Book
from appliance.access.ledger import Ledger
from appliance.access.lockout import Outcome
from appliance.access.passes import Pass, PassEntry
from appliance.access.proof import Rules
from appliance.access.roster import Roster, RosterPerson
from appliance.access.terms import door_rules
from appliance.door.asks import Asks
from appliance.door.inbox import (
    Edge,
    History,
    Inbox,
    KeypadState,
    PinUnusable,
    Refusals,
    RosterLoaded,
    Spent,
    StoreState,
    Written,
)
from appliance.door.lock import Lock
from appliance.door.loop import Loop
from appliance.door.machine import Door, State
from appliance.door.passgate import PassGate
from appliance.door.report import Report
from appliance.errors import LockError
from appliance.facts import (
    AdminUnlock,
    Alive,
    Credential,
    LivenessVerdict,
    Match,
    PinEntry,
    Reason,
    Surround,
)
from appliance.settings import AccessConfig
from tests.fakes import HandClock, RecordingRecord, RecordingRelay, ReplaySwitch

MODEL = "sha256:0123456789ab"
DIGEST = b"d" * 32
PEOPLE = Roster({"p": RosterPerson("p", consent=True, has_templates=True)}, {DIGEST: "p"})
EMPTY, SETTINGS = Book(), AccessConfig()
LIVE = LivenessVerdict(True, 0.95, 5, Surround.STILL)


class Bench:
    """A loop with nothing real around it."""

    def __init__(
        self,
        roster: Roster | None = PEOPLE,
        book: Book = EMPTY,
        *,
        settings: AccessConfig = SETTINGS,
        zone: tzinfo = UTC,
        passes: PassGate | None = None,
        **switches: bool,
    ) -> None:
        self.clock, self.relay, self.record = HandClock(), RecordingRelay(), RecordingRecord()
        self.switches = {
            "rex": ReplaySwitch(),
            "contact": ReplaySwitch(),
            "tamper": ReplaySwitch(),
            "fire": ReplaySwitch(),
        }
        for name, active in switches.items():
            self.switches[name].active = active
        self.published = []
        self.inbox = Inbox()
        self.door = Door(5.0, 30.0)
        report = Report(self.published.append, keypad="evdev")
        self.ledger = Ledger(partial(door_rules, settings=settings), zone)
        rules = Rules(models=frozenset([MODEL]), exit_reader=settings.exit_reader)
        self.asks = Asks(self.record, report, rules=rules, ledger=self.ledger, passes=passes)
        self.loop = Loop(
            door=self.door,
            lock=Lock(self.relay, "fail_secure"),
            switches=self.switches,
            inbox=self.inbox,
            record=self.record,
            asks=self.asks,
            report=report,
            now=self.clock,
        )
        self.loop.begin()
        if roster is not None:
            self.loop.turn(RosterLoaded(roster, book))

    def turn(self, item=None, after=0.0):
        self.clock.pass_(after)
        self.loop.turn(item)
        return self

    def written(self, durable=True):
        tickets, self.record.open = tuple(self.record.open), []
        return self.turn(Written(tickets, durable))

    @property
    def released(self) -> bool:
        return bool(self.relay.told) and self.relay.told[-1]

    @property
    def now(self) -> float:
        return self.clock.mono

    def match(self, **changes) -> Match:
        now = self.now
        return replace(Match("p", 0.8, 0.45, 0.3, LIVE, 3, now - 0.5, now, MODEL, 41.26), **changes)

    def pin(self, digest=DIGEST) -> PinEntry:
        return PinEntry(digest, "keypad", self.now)

    def details(self, why):
        return [event.detail for event in self.record.events if event.why == why]


def test_begins_at_rest_and_says_so():
    bench = Bench()
    assert set(bench.relay.told) == {False}
    assert bench.record.whys() == ["started"]
    assert bench.published[0]["state"] == "LOCKED"


@pytest.mark.parametrize("credential", ["match", "pin"])
def test_a_grant_drives_only_after_its_event_is_written(credential):
    bench = Bench()
    bench.turn(getattr(bench, credential)())
    assert bench.record.whys() == ["started", "granted"]
    assert not bench.released
    bench.clock.pass_(0.02)
    bench.written()
    assert bench.released
    assert bench.record.whys() == ["started", "granted", "unlocked"]


def test_unlocked_says_how_long_it_took():
    bench = Bench()
    bench.turn(bench.match())
    bench.clock.pass_(0.02)
    bench.written()
    assert bench.details("unlocked") == [{"latency_ms": pytest.approx(520, abs=0.1), "compute_ms": 41.3}]
    event = bench.record.events[-1]
    assert (event.type, event.by, event.person) == ("door", "face", "p")


def test_a_disk_that_does_not_answer_is_waited_for_100_ms():
    bench = Bench()
    bench.turn(bench.pin())
    assert bench.loop.wait(bench.now) <= 0.101
    bench.turn(after=0.09)
    assert not bench.released
    bench.turn(after=0.011)
    assert bench.released
    assert bench.record.marked_late == bench.record.open
    assert bench.details("unlocked")[0]["late"] is True
    bench.written()  # its late answer moves nothing
    assert bench.record.whys().count("unlocked") == 1


def test_a_disk_that_failed_is_not_waited_for():
    bench = Bench()
    bench.turn(bench.pin()).written(durable=False)
    assert bench.released
    assert bench.details("unlocked")[0]["late"] is True


def test_fire_lockdown_and_time_between_decision_and_drive_are_minded():
    bench = Bench()
    bench.turn(bench.pin())
    bench.turn(Edge("fire", True, bench.now))
    bench.written()
    assert bench.released
    assert bench.door.state is State.RELEASED


@pytest.mark.parametrize("disk", ["silent", "failed", "fine"])
def test_the_button_waits_for_nothing(disk):
    bench = Bench(roster=None)
    if disk == "failed":
        bench.turn(StoreState("failed"))
    bench.clock.pass_(0.003)
    bench.turn(Edge("rex", True, bench.now - 0.003))
    assert bench.released
    assert bench.details("unlocked") == [{"latency_ms": pytest.approx(3)}]


def test_a_lost_edge_of_the_button_is_found_by_its_level():
    bench = Bench()
    bench.turn()
    bench.switches["rex"].active = True
    assert bench.loop.wait(bench.now) <= 0.25
    bench.turn(after=0.25)
    assert bench.released


def test_lost_edges_of_contact_and_fire_are_found():
    bench = Bench()
    bench.turn()
    bench.switches["contact"].active = True
    bench.turn(after=0.25)
    assert bench.door.state is State.FORCED
    bench.switches["fire"].active = True
    bench.turn(after=0.25)
    assert bench.released
    bench.switches["fire"].active = False
    bench.turn(after=0.25)
    assert not bench.released


def test_the_button_held_down_holds_the_lock_and_is_recorded_once():
    bench = Bench()
    bench.switches["rex"].active = True
    bench.turn(Edge("rex", True, bench.now))
    for _ in range(100):
        bench.turn(after=0.25)
        assert bench.released
    bench.switches["rex"].active = False
    bench.turn(Edge("rex", False, bench.now))
    bench.turn(after=4.7)
    assert bench.released
    bench.turn(after=0.31)
    assert not bench.released
    assert bench.record.whys().count("unlocked") == 1


def test_levels_are_read_however_busy_the_inbox_is():
    bench = Bench()
    bench.turn()
    bench.switches["rex"].active = True
    bench.turn(Alive("vision", bench.now, "ok"), after=0.26)
    assert bench.released


def test_relocks_on_time():
    bench = Bench()
    bench.turn(bench.pin()).written()
    bench.turn(after=4.99)
    assert bench.released
    bench.turn(after=0.02)
    assert not bench.released
    assert "locked" in bench.record.whys()


def test_no_roster_no_face_no_pin():
    bench = Bench(roster=None)
    bench.turn(bench.pin())
    bench.turn(bench.match())
    bench.turn(AdminUnlock("boss", "nonce", bench.now))
    assert bench.record.whys() == ["started", "not_ready", "not_ready", "not_ready"]
    assert not bench.record.open
    bench.turn(Edge("rex", True, bench.now))
    assert bench.released


def test_a_right_taken_away_opens_nothing():
    bench = Bench()
    bench.turn(RosterLoaded(Roster()))
    bench.turn(bench.pin())
    assert bench.record.whys()[-1] == "unknown_pin"


def test_a_broken_store_leaves_the_last_people_in_force():
    bench = Bench()
    bench.turn(StoreState("failed"))
    bench.turn(bench.pin()).written(durable=False)
    assert bench.released


def test_wrong_pins_lock_the_keypad_out_and_the_status_says_so():
    bench = Bench()
    bench.turn(KeypadState("ok"))
    for _ in range(5):
        bench.turn(bench.pin(b"x" * 32))
    assert bench.published[-1]["keypad"] == "locked_out"
    bench.turn(bench.pin())
    event = bench.record.events[-1]
    assert (event.type, event.why, event.person) == ("pin", "locked_out", None)
    assert event.detail == {"keypad": "keypad", "wait_seconds": 30.0}
    bench.turn(after=30.1)
    bench.turn(bench.pin()).written()
    assert bench.released


def test_what_the_record_tells_counts_and_so_does_what_came_before_it_was_told():
    bench = Bench()
    wrong = Outcome(Reason.UNKNOWN_PIN, Credential.PIN, keypad="keypad")
    bench.turn(bench.pin(b"x" * 32))
    bench.turn(History(((wrong, bench.now - 5),) * 4))
    bench.turn(bench.pin())
    assert bench.record.whys()[-1] == "locked_out"


def test_an_attack_is_recorded_as_one():
    bench = Bench()
    bench.turn(bench.match(liveness=replace(LIVE, live=False)))
    event = bench.record.events[-1]
    assert (event.type, event.why, event.person, event.live) == ("spoof", "spoof", "p", False)
    assert event.detail == {"model": MODEL, "votes": 3}


def test_an_administrator_opens_once():
    bench = Bench()
    unlock = AdminUnlock("boss", "nonce", bench.now)
    bench.turn(unlock).written()
    assert bench.released
    bench.turn(unlock)
    assert bench.record.whys()[-1] == "replayed"
    assert bench.record.events[-1].by == "admin"
    assert bench.record.events[-1].detail == {"admin": "boss", "id": "nonce"}
    assert not bench.record.open


def test_an_unlock_used_before_the_restart_opens_nothing():
    bench = Bench()
    bench.turn(History((), frozenset(["nonce"])))
    bench.turn(AdminUnlock("boss", "nonce", bench.now))
    assert bench.record.whys()[-1] == "replayed"


def test_vision_lost_and_back():
    bench = Bench()
    bench.turn(Alive("vision", bench.now, "ok"))
    assert bench.published[-1]["vision"] == "ok"
    bench.turn(after=4.9)
    bench.turn(after=0.2)
    assert bench.published[-1]["vision"] == "lost"
    bench.turn(after=60)
    bench.turn(Alive("vision", bench.now, "blind"))
    assert bench.published[-1]["vision"] == "blind"
    assert bench.record.whys() == ["started", "vision_lost", "vision_back"]


def test_others_losses_and_returns_are_told_once_each():
    bench = Bench()
    for item in (
        KeypadState("ok"), KeypadState("lost"), KeypadState("ok"), StoreState("ok"), StoreState("failed"),
        StoreState("ok"), Refusals({"malformed": 12}), PinUnusable("keypad"),
    ):  # fmt: skip
        bench.turn(item)
    assert bench.record.whys() == [
        "started", "keypad_lost", "keypad_back", "store_lost", "store_back", "doorline_refused", "pin_unusable",
    ]  # fmt: skip
    assert bench.details("doorline_refused") == [{"malformed": 12}]


def test_status_on_change_and_now_and_then():
    bench = Bench()
    count = len(bench.published)
    bench.turn(after=0.3)
    bench.turn(after=0.3)
    assert len(bench.published) == count
    bench.turn(after=0.5)
    assert len(bench.published) == count + 1
    bench.turn(Edge("contact", True, bench.now))
    assert bench.published[-1]["state"] == "FORCED"
    assert bench.published[-1]["contact"] == "open"


def test_tamper():
    bench = Bench()
    bench.turn(Edge("tamper", True, bench.now))
    event = bench.record.events[-1]
    assert (event.type, event.why) == ("tamper", "case_open")


def test_power_comes_during_a_fire_with_the_case_open():
    bench = Bench(fire=True, tamper=True)
    assert bench.released
    assert bench.record.whys() == ["started", "released", "case_open"]


def test_the_command_is_given_again_each_second():
    bench = Bench()
    told = len(bench.relay.told)
    bench.turn(after=1.01)
    assert bench.relay.told[told:] == [False]


def test_what_the_inbox_had_to_drop_is_told():
    bench = Bench()
    for _ in range(300):
        bench.inbox.put(Alive("vision", bench.now, "ok"))
    bench.turn(after=1.0)
    bench.turn(after=1.0)
    assert bench.details("inbox_full") == [{"dropped": 44}]


def test_run_ends_when_told():
    bench = Bench()
    bench.loop.stop()
    bench.loop.run()
    assert bench.record.whys()[-1] == "stopped"


class Torn:
    """A switch that cannot be read."""

    @property
    def active(self) -> bool:
        raise LockError("GPIO line of it: busy; free it")


def test_a_contact_that_cannot_be_read_is_told_once_and_the_button_opens():
    bench = Bench()
    bench.switches["contact"] = bench.switches["tamper"] = Torn()
    bench.loop.begin()
    for _ in range(3):
        bench.turn(after=1.0)
    assert bench.details("line_lost") == [{"line": "contact"}, {"line": "tamper"}]
    bench.turn(Edge("rex", True, bench.now))
    assert bench.released
    bench.switches["rex"] = Torn()
    with pytest.raises(LockError):
        bench.turn(after=1.0)


def test_a_pass_is_weighed_again_once_its_use_is_written():
    asked = []
    gate = PassGate(lambda ticket, number: asked.append(ticket))
    bench = Bench(Roster({"p": RosterPerson("p")}), passes=gate)
    utc = int(bench.clock.utc)
    bench.turn(PassEntry(bench.now, Pass("id", "p", "hq", ("lobby",), utc - 9, utc + 99, 1)))
    bench.turn(RosterLoaded(Roster({"p": RosterPerson("p", active=False)})))
    bench.turn(Spent(asked[0], None), after=3.0).written()
    assert not bench.released
    assert bench.record.whys()[-1] == "suspended"


def answer(bench):
    return bench.published[-1]["answer"]


def test_the_screen_is_told_of_a_refusal_at_once_and_of_a_grant_once_the_lock_is_driven():
    bench = Bench()
    assert answer(bench) is None
    bench.turn(PinEntry(b"x" * 32, "screen", bench.clock().mono))
    assert (answer(bench)["n"], answer(bench)["why"], answer(bench)["by"]) == (1, "unknown_pin", "pin")
    bench.turn(PinEntry(DIGEST, "screen", bench.clock().mono))
    assert answer(bench)["n"] == 1
    bench.written()
    assert (answer(bench)["n"], answer(bench)["why"]) == (2, "granted")
    assert "person" not in answer(bench)


def test_the_screen_is_told_when_its_lockout_ends():
    bench = Bench()
    for _ in range(5):
        bench.turn(PinEntry(b"x" * 32, "screen", bench.clock().mono))
    until = bench.published[-1]["screen_until"]
    assert until - bench.clock().mono == pytest.approx(30)
    bench.turn(PinEntry(DIGEST, "screen", bench.clock().mono))
    assert (answer(bench)["why"], answer(bench)["until"]) == ("locked_out", until)
    bench.turn(after=31)
    assert bench.published[-1]["screen_until"] is None
