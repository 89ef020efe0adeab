"""What the rules remember reaches the disk through the journal's thread, after the event, and is read back."""

from dataclasses import replace

import pytest

from appliance.access.ledger import Note
from appliance.access.schedule import Term
from appliance.access.visitors import Visit
from appliance.door.inbox import Noted, RosterLoaded, StoreState, Written
from appliance.door.journal import Journal
from appliance.door.memory import Memory
from appliance.door.pinhash import PinHash
from appliance.errors import StoreError
from appliance.facts import ClockQuality, Event, EventType, Moment
from appliance.store.people import People
from appliance.store.rulebook import Rulebook
from appliance.system import clock
from appliance.system.keys import DeviceKey
from tests.fakes import FailingStore, RecordingPost, eventually

NOW = Moment(1000.0, 1_790_000_000.0, ClockQuality.SYNCED)
EVENT = Event(EventType.ACCESS, "granted", NOW, person="p")
USED, SEEN = Note(1, "p", True, None), Note(2, "p", False, ("inside", "entry", NOW.utc))


@pytest.fixture
def store():
    return FailingStore()


@pytest.fixture
def post():
    return RecordingPost()


@pytest.fixture
def journal(store, post, monkeypatch):
    monkeypatch.setattr("appliance.door.journal.RETRY_SECONDS", 0.05)
    journal = Journal(lambda: store, post, lambda: NOW)
    yield journal
    journal.close()


def test_a_note_follows_its_event_and_is_answered(journal, store, post):
    store.order = []
    store.gate = lambda: store.order.append("event")
    noting, store.note = store.note, lambda note: (store.order.append("note"), noting(note))
    journal.put(EVENT, 1)
    journal.note(USED)
    journal.note(SEEN)
    journal.start()
    assert eventually(lambda: post.of(Noted)[1:]) == [Noted(2)]
    assert store.order == ["event", "note", "note"]
    assert store.notes == [USED, SEEN]
    kinds = [type(item) for item in post.items]
    assert kinds.index(Written) < kinds.index(Noted)


def test_a_note_that_cannot_be_written_is_tried_again_and_said_once(journal, store, post, caplog):
    store.broken = True
    journal.start()
    journal.note(USED)
    assert eventually(lambda: StoreState("failed") in post.of(StoreState))
    assert eventually(lambda: store.closed >= 3)
    assert post.of(Noted) == []
    store.broken = False
    assert eventually(lambda: post.of(Noted)) == [Noted(1)]
    assert store.notes == [USED]
    assert len([line for line in caplog.messages if "without its record" in line]) == 1


def test_notes_are_written_before_the_end(journal, store):
    journal.start()
    for number in range(1, 50):
        journal.note(replace(USED, number=number))
    journal.close()
    assert len(store.notes) == 49


class Unreadable(FailingStore):
    """It opens and it writes, but its people cannot be read."""

    unreadable = True

    def changed_roster(self, now):
        if self.unreadable:
            raise StoreError("table people is damaged")
        return super().changed_roster(now)


def test_a_store_whose_people_cannot_be_read_is_said_once_and_is_well_once_they_can(post, monkeypatch):
    monkeypatch.setattr("appliance.door.journal.RETRY_SECONDS", 0.02)
    monkeypatch.setattr("appliance.door.journal.LOOK_SECONDS", 0.01)
    store = Unreadable()
    journal = Journal(lambda: store, post, lambda: NOW)
    journal.start()
    try:
        assert eventually(lambda: store.closed >= 5)
        journal.put(EVENT, 1)
        assert eventually(lambda: store.events), "the record is written all the same"
        assert eventually(lambda: store.closed >= 10)
        assert [state.state for state in post.of(StoreState)] == ["ok", "failed"]
        store.unreadable = False
        assert eventually(lambda: len(post.of(StoreState)) > 2)
        assert [state.state for state in post.of(StoreState)] == ["ok", "failed", "ok"]
    finally:
        journal.close()


@pytest.fixture
def memory(tmp_path):
    memory = Memory(tmp_path, PinHash(), door="lobby")
    memory.changed_roster(0.0)
    yield memory
    memory.close()


def test_rules_and_notes_of_the_store_come_with_the_people(memory, tmp_path):
    db = memory._db
    pid = People(db, DeviceKey.load(tmp_path), now=clock.now).add("Somebody", by="cli").pid
    rules, utc = Rulebook(db, now=clock.now), clock.now().utc
    rules.set_visit(pid, Visit(Term(utc - 9, utc + 99), uses=3), by="cli")
    rules.set_lockdown(True, "cli", "drill")
    assert memory.changed_roster(301.0) is not None
    assert memory.book.lockdown
    assert (memory.book.visits[pid].uses, memory.book.used[pid]) == (3, 0)
    memory.note(Note(1, pid, True, ("inside", "entry", utc)))
    memory.note(Note(2, pid, False, ("", "entry", utc)))  # no store could take it: left out, and no fault
    memory.note(Note(3, "nobody", True, ("inside", "entry", utc)))
    memory.changed_roster(602.0)
    assert memory.book.used[pid] == 1
    assert memory.book.sightings == {pid: ("inside", "entry", utc)}


def test_the_journal_brings_people_and_rules_in_one(tmp_path, post):
    journal = Journal(lambda: Memory(tmp_path, PinHash()), post, lambda: NOW)
    journal.start()
    try:
        assert eventually(lambda: post.of(RosterLoaded))
        assert not post.of(RosterLoaded)[0].book.lockdown
        other = Memory(tmp_path, PinHash())
        Rulebook(other._db, now=clock.now).set_lockdown(True, "cli", "drill")
        other.close()
        assert eventually(lambda: post.of(RosterLoaded)[-1].book.lockdown)
    finally:
        journal.close()
