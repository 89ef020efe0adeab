"""The journal: durable before the answer, never waited for, nothing lost while it can be kept."""

import threading
import time

import pytest

from appliance.access.roster import Roster, RosterPerson
from appliance.daemons import doorparts
from appliance.door import journal as journals
from appliance.door.inbox import History, RosterLoaded, StoreState, Written
from appliance.door.journal import Journal
from appliance.door.memory import Memory
from appliance.door.pinhash import PinHash
from appliance.errors import StoreError
from appliance.facts import Event, EventType, Moment
from appliance.store.database import FILE, connect
from appliance.store.events import EventLog
from tests.fakes import FailingStore, RecordingPost, eventually

NOW = Moment(1000.0, 1_790_000_000.0)


def event(why="granted", **detail):
    return Event(EventType.ACCESS, why, NOW, by="face", detail=detail)


@pytest.fixture
def post():
    return RecordingPost()


@pytest.fixture
def store():
    return FailingStore()


@pytest.fixture
def journal(store, post, monkeypatch):
    monkeypatch.setattr(journals, "RETRY_SECONDS", 0.1)
    journal = Journal(lambda: store, post, lambda: NOW)
    journal.start()
    yield journal
    journal.close()


def test_the_answer_comes_after_the_event_is_in_the_store(journal, store, post):
    held = threading.Event()
    store.gate = lambda: held.wait(5)
    journal.put(event(), ticket=1)
    time.sleep(0.05)
    assert not post.of(Written)
    held.set()
    written = eventually(lambda: post.of(Written))[0]
    assert written.tickets == (1,)
    assert written.durable
    assert written.last.seq == 1
    assert [e.why for e in store.events] == ["granted"]


def test_order_is_kept(journal, store):
    for n in range(300):
        journal.put(event(n=n), ticket=n if n % 3 == 0 else None)
    eventually(lambda: len(store.events) == 300)
    assert [e.detail["n"] for e in store.events] == list(range(300))


def test_what_was_not_waited_for_is_marked(journal, store, post):
    held = threading.Event()
    store.gate = lambda: held.wait(5)
    journal.put(event(n=1), ticket=1)
    time.sleep(0.05)  # now the first is being written, and the second waits behind it
    journal.put(event(n=2), ticket=2)
    journal.late(2)
    held.set()
    eventually(lambda: len(store.events) == 2)
    assert [e.detail for e in store.events] == [{"n": 1}, {"n": 2, "late": True}]


def test_a_full_disk_answers_at_once_keeps_the_events_and_says_so_once(journal, store, post):
    eventually(lambda: StoreState("ok") in post.items)
    store.broken = True
    began = time.monotonic()
    for n in range(1, 4):
        journal.put(event(n=n), ticket=n)
    eventually(lambda: sum(len(w.tickets) for w in post.of(Written)) == 3)
    assert time.monotonic() - began < 1
    assert not any(w.durable for w in post.of(Written))
    time.sleep(0.4)  # several tries
    assert [s.state for s in post.of(StoreState)] == ["ok", "failed"]
    assert journal.waiting == 3
    store.broken = False
    eventually(lambda: len(store.events) == 3)
    assert [e.detail for e in store.events] == [{"n": n, "late": True} for n in (1, 2, 3)]
    assert eventually(lambda: [s.state for s in post.of(StoreState)] == ["ok", "failed", "ok"])


def test_a_store_that_cannot_be_opened(post, monkeypatch):
    monkeypatch.setattr(journals, "RETRY_SECONDS", 0.05)
    tries = []

    def open_store():
        tries.append(1)
        if len(tries) < 3:
            raise StoreError("there is no such directory; make it")
        return store

    store = FailingStore()
    journal = Journal(open_store, post, lambda: NOW)
    journal.start()
    journal.put(event(), ticket=7)
    assert eventually(lambda: post.of(Written))[0] == Written((7,), durable=False)
    assert eventually(lambda: store.events)
    assert [s.state for s in post.of(StoreState)] == ["failed", "ok"]
    journal.close()


def test_memory_is_bounded_and_what_was_lost_is_counted(journal, store, monkeypatch):
    monkeypatch.setattr(journals, "ROOM", 50)
    store.broken = True
    for n in range(80):
        journal.put(event(n=n))
    assert journal.waiting == 50
    store.broken = False
    eventually(lambda: len(store.events) == 51)
    assert [e.detail.get("n") for e in store.events[:-1]] == list(range(30, 80))
    assert (store.events[-1].why, store.events[-1].detail) == ("events_lost", {"count": 30})


def test_close_writes_what_is_left(store, post):
    journal = Journal(lambda: store, post, lambda: NOW)
    for n in range(250):
        journal.put(event(n=n))
    journal.start()
    journal.close()
    assert len(store.events) == 250
    assert store.closed == 1


def test_close_does_not_wait_for_a_hung_disk(store, post):
    store.gate = lambda: time.sleep(3)
    journal = Journal(lambda: store, post, lambda: NOW)
    journal.start()
    journal.put(event())
    time.sleep(0.05)
    began = time.monotonic()
    journal.close(0.2)
    assert time.monotonic() - began < 1


def test_people_are_brought_when_they_change(journal, store, post):
    roster = Roster({"p": RosterPerson("p")})
    store.roster = roster
    assert eventually(lambda: post.of(RosterLoaded)) == [RosterLoaded(roster)]


def test_history_is_told_once(journal, post):
    eventually(lambda: post.of(History))
    time.sleep(0.3)
    assert post.of(History) == [History(())]


def test_a_locked_database_is_not_waited_for_by_put(tmp_path, post):
    journal = Journal(lambda: Memory(tmp_path, PinHash()), post, lambda: NOW)
    journal.start()
    eventually(lambda: StoreState("ok") in post.items)
    other = connect(tmp_path / FILE)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    journal.put(event(), ticket=1)
    journal.late(1)
    assert time.monotonic() - began < 0.05
    assert eventually(lambda: post.of(Written))[0].durable is False
    other.execute("ROLLBACK")
    assert eventually(lambda: EventLog(other).latest(1), 6)
    journal.close()


class Garbled(FailingStore):
    """Raises what no store should."""

    faults = 0

    def history(self, now: Moment) -> History:
        raise ValueError("no such event type")

    def changed_roster(self, now: float) -> Roster | None:
        self.faults += 1
        if self.faults < 3:
            raise IndexError("no such row")
        return super().changed_roster(now)


def test_what_a_damaged_record_raises_ends_nothing(post, monkeypatch):
    monkeypatch.setattr(journals, "RETRY_SECONDS", 0.05)
    store = Garbled()
    journal = Journal(lambda: store, post, lambda: NOW)
    journal.start()
    eventually(lambda: store.faults >= 3, 5)
    assert journal.is_alive()
    journal.put(event(), ticket=1)
    assert eventually(lambda: store.events)
    journal.close()
    assert post.of(History) == [History(())]
    assert StoreState("failed") in post.items


def test_a_thread_that_breaks_is_run_anew(monkeypatch, caplog):
    monkeypatch.setattr(doorparts, "AGAIN_SECONDS", 0.01)
    runs = []

    class Breaks(threading.Thread):
        def run(self):
            runs.append(1)
            if len(runs) < 3:
                raise ValueError("unforeseen")

        def close(self):
            self.join()

    part = doorparts.keep(Breaks(name="card"))
    part.start()
    part.close()
    assert len(runs) == 3
    assert "card broke" in caplog.text
