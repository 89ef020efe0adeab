"""The store as the door uses it: people as they change, and lock-outs that outlive a power cut."""

import pytest

from appliance.access.lockout import Lockouts, Outcome
from appliance.door.memory import Memory, happened, outcome
from appliance.door.pinhash import PinHash
from appliance.errors import KeyFileError, StoreError
from appliance.facts import ClockQuality, Credential, Event, EventType, Moment, Reason
from appliance.store.database import FILE, connect
from appliance.store.people import People
from appliance.system import clock
from appliance.system.keys import DeviceKey

NOW = Moment(5000.0, 1_790_000_000.0, ClockQuality.SYNCED)


def moment(ago: float, quality=ClockQuality.SYNCED) -> Moment:
    return Moment(NOW.mono - ago, NOW.utc - ago, quality)


@pytest.fixture
def memory(tmp_path):
    memory = Memory(tmp_path, PinHash())
    yield memory
    memory.close()


def test_a_new_device_gets_its_key_and_an_empty_roster(tmp_path, memory):
    assert memory.changed_roster(0.0).people == {}
    assert (tmp_path / "device.key").exists()


def test_a_database_that_another_process_made_gets_its_key_too(tmp_path):
    connect(tmp_path / FILE).close()
    memory = Memory(tmp_path, PinHash())
    assert memory.changed_roster(0.0).people == {}
    memory.close()


def test_people_come_once_for_each_change(tmp_path):
    pins = PinHash()
    memory = Memory(tmp_path, pins)
    memory.changed_roster(0.0)
    assert memory.changed_roster(1.0) is None
    db = connect(tmp_path / FILE)
    people = People(db, DeviceKey.load(tmp_path))
    pid = people.add("Ada", by="cli").pid
    digits = people.set_pin(pid, by="cli")
    roster = memory.changed_roster(2.0)
    assert roster.by_pin(pins.digest(digits)).pid == pid
    assert memory.changed_roster(3.0) is None
    people.suspend(pid, "cli")
    assert not memory.changed_roster(4.0).people[pid].active
    people.remove(pid, "cli")
    assert memory.changed_roster(5.0).people == {}
    memory.close()


def test_events_of_others_do_not_load_the_people_again(tmp_path, memory):
    memory.changed_roster(0.0)
    other = Memory(tmp_path, PinHash())
    other.append([Event(EventType.SYS, "started", NOW)])
    assert memory.changed_roster(1.0) is None
    other.close()


def test_people_are_read_again_as_consents_run_out(memory):
    memory.changed_roster(0.0)
    assert memory.changed_roster(299.0) is None
    assert memory.changed_roster(300.0) is not None


def test_no_key_no_people_but_a_record(tmp_path):
    first = Memory(tmp_path, PinHash())
    first.changed_roster(0.0)
    first.close()
    (tmp_path / "device.key").unlink()  # lost: a new one would not open what is there
    pins = PinHash()
    memory = Memory(tmp_path, pins)
    with pytest.raises(KeyFileError):
        memory.changed_roster(0.0)
    assert not (tmp_path / "device.key").exists()
    assert pins.digest("123456") is None
    assert memory.append([Event(EventType.SYS, "started", NOW)])[0].seq == 1
    memory.close()


def wrong_pins(memory, times, ago=1.0, quality=ClockQuality.SYNCED):
    events = [
        Event(EventType.PIN, "unknown_pin", moment(ago, quality), by="pin", detail={"keypad": "keypad"})
        for _ in range(times)
    ]
    memory.append(events)


def lockouts(history):
    counts = Lockouts()
    for what, at in history.outcomes:
        counts = counts.after(what, at)
    return counts


def test_lock_outs_are_there_again_after_a_start(memory):
    wrong_pins(memory, 5, ago=1.0)
    until = lockouts(memory.history(NOW)).until(["keypad:keypad"], NOW.mono)
    assert until == pytest.approx(NOW.mono - 1 + 30, abs=0.01)


def test_pulling_the_plug_does_not_shorten_a_lock_out_when_the_clock_is_lost(memory, monkeypatch):
    wrong_pins(memory, 5, ago=3000.0, quality=ClockQuality.UNKNOWN)
    monkeypatch.setattr(clock, "boot_id", lambda: "another boot")
    until = lockouts(memory.history(NOW)).until(["keypad:keypad"], NOW.mono)
    assert until == pytest.approx(NOW.mono + 30)


def test_after_another_boot_the_wall_clock_tells_how_long_ago(memory, monkeypatch):
    wrong_pins(memory, 5, ago=20.0)
    monkeypatch.setattr(clock, "boot_id", lambda: "another boot")
    monotonic_again = Moment(15.0, NOW.utc, ClockQuality.SYNCED)
    until = lockouts(memory.history(monotonic_again)).until(["keypad:keypad"], 15.0)
    assert until == pytest.approx(25.0, abs=0.01)


def test_a_record_from_the_future_counts_as_now(memory):
    row = memory.append([Event(EventType.PIN, "unknown_pin", moment(-500.0), by="pin")])[0]
    assert happened(row, NOW, "another boot") == NOW.mono
    assert happened(row, NOW, row.boot) == NOW.mono


@pytest.mark.parametrize(("elapsed", "counts"), [(3600.0, 3600.0), (86400.0, 86400.0), (-3600.0, 0.0)])
def test_what_the_wall_clock_says_of_another_boot_is_believed_within_reason(memory, elapsed, counts):
    row = memory.append([Event(EventType.PIN, "unknown_pin", moment(elapsed), by="pin")])[0]
    assert happened(row, NOW, "another boot") == pytest.approx(NOW.mono - counts, abs=0.01)


@pytest.mark.parametrize("years", [-10, 10])
def test_a_clock_that_leapt_a_decade_shortens_no_lock_out(memory, monkeypatch, years):
    wrong_pins(memory, 5, ago=1.0)
    wild = Moment(2.0, NOW.utc + years * 365 * 86400, ClockQuality.SYNCED)
    monkeypatch.setattr(clock, "boot_id", lambda: "another boot")
    assert lockouts(memory.history(wild)).until(["keypad:keypad"], 2.0) == pytest.approx(32.0)


@pytest.mark.parametrize("step", [-10 * 365 * 86400, -3600, 3600, 10 * 365 * 86400])
def test_within_a_boot_no_step_of_the_wall_clock_matters(memory, step):
    wrong_pins(memory, 5, ago=1.0)
    stepped = Moment(NOW.mono, NOW.utc + step, ClockQuality.SYNCED)
    assert lockouts(memory.history(stepped)).until(["keypad:keypad"], NOW.mono) == pytest.approx(NOW.mono + 29)


def test_what_a_stored_event_means(memory):
    rows = memory.append(
        [
            Event(EventType.SPOOF, "spoof", NOW, by="face", person="p"),
            Event(EventType.ACCESS, "granted", NOW, by="face", person="q"),
            Event(EventType.ACCESS, "some_new_word", NOW, by="face"),
            Event(EventType.PIN, "unknown_pin", NOW, by="pin", detail={"keypad": 3}),
        ]
    )
    assert [outcome(row) for row in rows] == [
        Outcome(Reason.SPOOF, Credential.FACE, "p"),
        Outcome(Reason.GRANTED, Credential.FACE, "q"),
        None,
        Outcome(Reason.UNKNOWN_PIN, Credential.PIN),
    ]


def test_a_storm_of_attacks_does_not_push_wrong_pins_out_of_memory(memory):
    wrong_pins(memory, 5)
    memory.append([Event(EventType.SPOOF, "spoof", NOW, by="face") for _ in range(900)])
    assert lockouts(memory.history(NOW)).until(["keypad:keypad"], NOW.mono) is not None


def test_used_unlocks_are_remembered(memory):
    memory.append([Event(EventType.ACCESS, "granted", NOW, by="admin", detail={"id": "nonce", "admin": "a"})])
    assert memory.history(NOW).unlock_ids == {"nonce"}


def test_refusals_while_locked_out_do_not_push_out_why(memory):
    wrong_pins(memory, 10)
    refused = Event(EventType.PIN, "locked_out", NOW, by="pin", detail={"keypad": "keypad"})
    malformed = Event(EventType.ACCESS, "malformed", NOW, by="card", detail={"keypad": "keypad"})
    granted = Event(EventType.ACCESS, "granted", NOW, by="pin", person="p")
    memory.append([refused, malformed, granted] * 300)
    until = lockouts(memory.history(NOW)).until(["keypad:keypad"], NOW.mono)
    assert until == pytest.approx(NOW.mono - 1 + 960, abs=0.01)


def test_wrong_cards_outlive_a_storm_of_wrong_frames(memory):
    memory.append([Event(EventType.ACCESS, "unknown_card", NOW, by="card", detail={"keypad": "wiegand"})] * 5)
    memory.append([Event(EventType.ACCESS, "malformed", NOW, by="card", detail={"keypad": "wiegand"})] * 300)
    assert lockouts(memory.history(NOW)).until(["keypad:wiegand"], NOW.mono) is not None


def test_damaged_events_are_passed_over_and_said_once(tmp_path, memory, caplog):
    wrong_pins(memory, 8)
    db = connect(tmp_path / FILE)
    db.execute("DROP TRIGGER events_are_written_once")
    db.execute("""UPDATE events SET detail = '{"keypad' WHERE seq = 2""")
    db.execute("UPDATE events SET detail = '[]' WHERE seq = 4")
    db.execute("UPDATE events SET boot = CAST(x'ff41' AS TEXT) WHERE seq = 6")
    db.close()
    assert len(memory.history(NOW).outcomes) == 6
    assert [record.getMessage()[:8] for record in caplog.records] == ["2 events"]


def test_what_was_lost_of_the_database_itself_is_a_fault_of_the_store(tmp_path, memory):
    db = connect(tmp_path / FILE)
    db.execute("DELETE FROM meta WHERE key = 'pin_salt'")
    with pytest.raises(StoreError, match="pin_salt"):
        memory.changed_roster(0.0)
    db.execute("DELETE FROM meta WHERE key = 'roster_version'")
    db.close()
    with pytest.raises(StoreError, match="roster_version"):
        memory.changed_roster(0.0)
    assert memory.history(NOW).outcomes == ()
