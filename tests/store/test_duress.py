"""The second PIN, for who is forced to open."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from appliance.errors import StoreError
from appliance.store import pinholders
from appliance.store.events import EventLog
from appliance.store.people import People
from appliance.store.person import UnknownPersonError
from appliance.store.pins import PinRefusedError, neighbours
from appliance.system.keys import DeviceKey

ADAS, BOBS = "482913", "590217"


def issuing(monkeypatch: pytest.MonkeyPatch, *pins: str) -> None:
    """The dice fall like this; drawing more is an error."""
    drawn: Iterator[str] = iter(pins)
    monkeypatch.setattr(pinholders, "issue", lambda length: next(drawn))


def test_it_finds_its_person_and_is_told_from_the_ordinary_one(
    people: People, keys: DeviceKey, log: EventLog, path: Path
) -> None:
    ada = people.add("Ada", by="cli").pid
    ordinary = keys.pin_digest(people.set_pin(ada, by="cli"), people.pin_salt)
    duress = keys.pin_digest(people.set_duress_pin(ada, "cli"), people.pin_salt)
    roster = people.roster()
    assert (dict(roster.pins), dict(roster.duress_pins)) == ({ordinary: ada}, {duress: ada})
    for digest in (ordinary, duress):
        found = roster.by_pin(digest)
        assert found is not None
        assert found.pid == ada
    assert "duress_pins" not in repr(roster)
    assert [e.why for e in log.latest(2)] == ["pin_set", "duress_pin_set"]
    assert people.get(ada).has_duress_pin
    disk = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert duress not in disk


def test_a_new_ordinary_pin_keeps_it_and_none_takes_it_away(people: People) -> None:
    ada = people.add("Ada", by="cli").pid
    people.set_pin(ada, by="cli")
    people.set_duress_pin(ada, "cli")
    people.set_pin(ada, by="cli")
    assert people.get(ada).has_duress_pin
    people.remove_duress_pin(ada, "cli")
    assert (people.get(ada).has_pin, people.get(ada).has_duress_pin) == (True, False)
    people.set_duress_pin(ada, "cli")
    people.remove_pin(ada, "cli")
    assert dict(people.roster().duress_pins) == {}
    with pytest.raises(PinRefusedError, match="give them that first"):
        people.set_duress_pin(ada, "cli")
    with pytest.raises(UnknownPersonError):
        people.set_duress_pin("x", "cli")
    with pytest.raises(UnknownPersonError):
        people.remove_duress_pin("x", "cli")


def test_no_slip_in_the_last_digit_raises_an_alarm(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = people.add("Ada", by="cli").pid
    people.set_pin(ada, ADAS, by="cli")
    issuing(monkeypatch, "482910", ADAS, "482918", "482813")
    assert people.set_duress_pin(ada, "cli") == "482813"
    for digits in ("482813", "482819"):
        with pytest.raises(PinRefusedError, match="not available"):
            people.set_pin(ada, digits, by="cli")
    assert people.set_pin(ada, "482823", by="cli") == "482823"


def test_no_pin_is_two_peoples_whichever_kind_it_is(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, bob = people.add("Ada", by="cli").pid, people.add("Bob", by="cli").pid
    people.set_pin(ada, ADAS, by="cli")
    people.set_pin(bob, BOBS, by="cli")
    issuing(monkeypatch, BOBS, "730584", "730584", "730581")
    assert people.set_duress_pin(ada, "cli") == "730584"
    assert people.set_duress_pin(bob, "cli") == "730581", "near another person's is near enough to nobody"
    with pytest.raises(PinRefusedError, match="not available"):
        people.set_pin(bob, "730584", by="cli")


def test_it_counts_as_a_code_in_use(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = people.add("Ada", by="cli").pid
    asked: list[int] = []
    monkeypatch.setattr(pinholders, "shortest_for", lambda holders: asked.append(holders) or 6)
    people.set_pin(ada, by="cli")
    people.set_pin(ada, by="cli")
    people.set_duress_pin(ada, "cli")
    people.set_duress_pin(ada, "cli")
    people.set_pin(people.add("Bob", by="cli").pid, by="cli")
    assert asked == [1, 1, 2, 2, 3]


def test_a_damaged_one_opens_nothing_and_concerns_nobody_else(
    people: People, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    ada, bob = people.add("Ada", by="cli").pid, people.add("Bob", by="cli").pid
    for pid in (ada, bob):
        people.set_pin(pid, by="cli")
        people.set_duress_pin(pid, "cli")
    db.execute(
        "UPDATE duress_pins SET sealed = (SELECT sealed FROM duress_pins WHERE pid = ?) WHERE pid = ?", (ada, bob)
    )
    for _ in range(2):
        assert set(people.roster().duress_pins.values()) == {ada}
    assert set(people.roster().pins.values()) == {ada, bob}
    assert len(caplog.records) == 1
    db.execute("UPDATE pins SET sealed = x'00' WHERE pid = ?", (ada,))
    people.set_pin(bob, by="cli")
    with pytest.raises(PinRefusedError, match="ordinary one"):
        people.set_duress_pin(ada, "cli")
    db.execute("UPDATE people SET person_key = x'00' WHERE pid = ?", (bob,))
    with pytest.raises(StoreError):
        people.set_duress_pin(bob, "cli")


def test_an_ordinary_record_is_no_record_for_duress(people: People, db: Database) -> None:
    ada = people.add("Ada", by="cli").pid
    people.set_pin(ada, by="cli")
    db.execute("INSERT INTO duress_pins SELECT * FROM pins")
    assert dict(people.roster().duress_pins) == {}


def test_neighbours_differ_in_their_last_digit_only() -> None:
    assert neighbours("482913") == [f"48291{n}" for n in range(10)]
