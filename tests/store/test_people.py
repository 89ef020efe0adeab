"""People: every change, its line in the record, and erasure down to the last byte."""

import random
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from sqlite_utils import Database

from appliance.access.passes import Pass
from appliance.errors import CardError, EnrolmentError, KeyFileError, ScheduleError
from appliance.facts import EventType
from appliance.store import people as people_module
from appliance.store import pinholders
from appliance.store.consent import TERM_DAYS, Consent, given
from appliance.store.database import connect, faults, transaction, truncate_log
from appliance.store.enrolments import add_templates, expire_consents
from appliance.store.events import EventLog
from appliance.store.faces import gallery
from appliance.store.passes import Passbook
from appliance.store.people import People
from appliance.store.person import UNREADABLE, BadNameError, UnknownPersonError, unaided_clock
from appliance.store.pins import PinRefusedError
from appliance.store.sealing import keyed
from appliance.system.keys import DeviceKey

from .conftest import START, Clock, vectors

MODEL = "sha256:0123456789ab"
GOOD = "482913"


def audit(log: EventLog) -> list[str]:
    return [e.why for e in log.latest(100)]


def test_a_person_has_a_random_id_and_a_name(people: People, consent: Consent) -> None:
    ada = people.add("  Ada \u00a0 Love\u0301lace ", by="cli", consent=consent, groups=["staff", "lab"], extended=True)
    assert UUID(ada.pid).version == 4
    assert ada.name == "Ada Lov\u00e9lace"
    assert (ada.groups, ada.extended, ada.suspended, ada.has_pin, ada.templates) == (
        {"staff", "lab"},
        True,
        False,
        False,
        0,
    )
    assert ada.consent == consent
    assert people.get(ada.pid) == ada
    assert people.list() == [ada]


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "Ada\x00", "Ada\x1b[31m", "Ada\u202e"])
def test_a_name_that_cannot_be_shown_is_refused(people: People, name: str) -> None:
    with pytest.raises(BadNameError, match="1 to 100 printable characters"):
        people.add(name, by="cli")
    assert people.list() == []


def test_people_are_found_by_name_id_or_its_beginning(people: People) -> None:
    ada, bob = people.add("Ada", by="cli"), people.add("Bob", by="cli")
    assert people.find("ada") == people.find(ada.pid) == people.find(ada.pid[:8].upper()) == ada
    twin = people.add("BOB", by="cli")
    with pytest.raises(UnknownPersonError, match="could be 2 people") as caught:
        people.find("bob")
    assert bob.pid in str(caught.value)
    assert twin.pid in str(caught.value)
    for text in ("Carol", ada.pid[:5], ""):
        with pytest.raises(UnknownPersonError, match="lintel people list"):
            people.find(text)


def test_every_change_is_recorded_without_a_name(people: People, log: EventLog, consent: Consent) -> None:
    ada = people.add("Ada Lovelace", by="cli", consent=consent, groups=["staff"])
    people.suspend(ada.pid, "admin-1")
    people.resume(ada.pid, "admin-1")
    people.set_extended(ada.pid, True, "admin-1")
    people.set_extended(ada.pid, False, "admin-1")
    people.set_validity(ada.pid, START, START + 10, "admin-1")
    people.set_groups(ada.pid, [], "admin-1")
    people.rename(ada.pid, "Ada King", "admin-1")
    people.set_pin(ada.pid, by="admin-1")
    people.remove_pin(ada.pid, "admin-1")
    people.withdraw_consent(ada.pid, "admin-1")
    changes = (
        "person_added consent_given groups_set suspended resumed extended_on extended_off validity_set "
        "groups_set renamed pin_set pin_removed consent_withdrawn"
    )
    assert audit(log) == changes.split()
    events = log.latest(100)
    assert {e.person for e in events} == {ada.pid}
    assert {e.type for e in events} == {EventType.AUDIT}
    assert "Ada" not in repr(events)
    assert [e.roster for e in events] == list(range(1, 14)), "the roster counts up with each"
    after = people.get(ada.pid)
    assert (after.name, after.groups, after.consent, after.has_pin) == ("Ada King", frozenset(), None, False)
    assert (after.valid_from, after.valid_until) == (START, START + 10)


def test_nothing_changes_for_nobody(people: People, log: EventLog, consent: Consent) -> None:
    calls: list[Callable[[], object]] = [
        lambda: people.get("x"),
        lambda: people.remove("x", "cli"),
        lambda: people.rename("x", "Ada", "cli"),
        lambda: people.set_pin("x", by="cli"),
        lambda: people.remove_pin("x", "cli"),
        lambda: people.suspend("x", "cli"),
        lambda: people.set_groups("x", ["a"], "cli"),
        lambda: people.give_consent("x", consent, "cli"),
        lambda: people.withdraw_consent("x", "cli"),
    ]
    for call in calls:
        with pytest.raises(UnknownPersonError, match="nobody has the id x"):
            call()
    assert audit(log) == []


def test_a_change_and_its_line_in_the_record_are_one(db: Database, people: People, log: EventLog) -> None:
    with pytest.raises(RuntimeError), transaction(db):  # noqa: PT012 - the whole block is what fails
        people.add("Ada", by="cli")
        raise RuntimeError
    assert people.list() == []
    assert audit(log) == []


def test_names_and_pins_are_unreadable_on_the_disk(path: Path, people: People, db: Database) -> None:
    ada = people.add("Ada Lovelace", by="cli")
    people.set_pin(ada.pid, GOOD, by="cli")
    digest = next(iter(people.roster().pins))
    assert len(digest) == 32
    bytes_on_disk = b"".join(file.read_bytes() for file in path.parent.iterdir())
    for secret in (b"Lovelace", GOOD.encode(), digest, digest.hex().encode()):
        assert secret not in bytes_on_disk


def test_the_roster_says_what_a_decision_needs(people: People, consent: Consent, db: Database, keys: DeviceKey) -> None:
    ada = people.add("Ada", by="cli", consent=consent, groups=["staff"], extended=True, valid_until=START + 5)
    bob = people.add("Bob", by="cli")
    people.suspend(bob.pid, "cli")
    people.set_pin(bob.pid, GOOD, by="cli")
    add_templates(db, keys, ada.pid, vectors(1), MODEL, by="cli")
    roster = people.roster()
    person = roster.people[ada.pid]
    assert (person.active, person.extended, person.consent, person.has_templates) == (True, True, True, True)
    assert (person.valid_from, person.valid_until, person.groups) == (None, START + 5, {"staff"})
    assert (person.consent_until, roster.people[bob.pid].consent_until) == (consent.expires_at, None)
    assert not roster.people[bob.pid].active
    assert not roster.people[bob.pid].consent
    assert roster.pins == {keys.pin_digest(GOOD, people.pin_salt): bob.pid}
    assert "Ada" not in repr(roster)
    people.resume(bob.pid, "cli")
    assert people.roster().loaded_version == roster.loaded_version + 1


def test_a_consent_ends_with_its_term(
    people: People, clock: Clock, consent: Consent, db: Database, keys: DeviceKey, log: EventLog
) -> None:
    ada = people.add("Ada", by="cli", consent=consent)
    add_templates(db, keys, ada.pid, vectors(2), MODEL, by="cli", now=clock)
    assert expire_consents(db, log, clock) == 0
    clock.turn(TERM_DAYS * 86400 + 1)
    assert not people.roster().people[ada.pid].consent
    assert gallery(db, keys, MODEL, clock)[0] == [], "even before the hourly job"
    assert expire_consents(db, log, clock) == 1
    assert people.get(ada.pid).templates == 0
    assert people.get(ada.pid).consent is None
    assert (log.latest(1)[0].why, log.latest(1)[0].person) == ("consent_expired", ada.pid)
    assert expire_consents(db, log, clock) == 0


def test_no_consent_ends_on_the_word_of_a_wrong_clock(people: People, db: Database, log: EventLog) -> None:
    people.add("Ada", by="cli", consent=Consent("2026-1", 0.0, "cli", 1.0))
    assert expire_consents(db, log, unaided_clock) == 0


def test_a_renewed_consent_keeps_templates(
    people: People, clock: Clock, consent: Consent, db: Database, keys: DeviceKey
) -> None:
    ada = people.add("Ada", by="cli", consent=consent)
    add_templates(db, keys, ada.pid, vectors(2), MODEL, by="cli", now=clock)
    clock.turn(100)
    people.give_consent(ada.pid, given(clock().utc, "admin"), "admin")
    after = people.get(ada.pid)
    assert after.templates == 2
    assert after.consent is not None
    assert after.consent.given_at == START + 100


def test_a_consent_needs_a_clock_that_was_set_and_a_lawful_term() -> None:
    with pytest.raises(EnrolmentError, match="clock is not set: set it first"):
        given(3600.0, "cli")
    with pytest.raises(ValueError, match="must be 1 to 1095"):
        given(START, "cli", days=5000)


def test_a_pin_is_issued_strong_and_replaces_the_old_one(people: People) -> None:
    ada = people.add("Ada", by="cli")
    first = people.set_pin(ada.pid, by="cli")
    second = people.set_pin(ada.pid, by="cli")
    assert len(first) == len(second) == 6
    assert len(people.roster().pins) == 1
    assert people.get(ada.pid).has_pin
    people.set_pin(ada.pid, second, by="cli")  # one's own PIN again is no clash


def test_a_taken_pin_is_refused_without_saying_so(people: People, log: EventLog) -> None:
    ada, bob = people.add("Ada", by="cli"), people.add("Bob", by="cli")
    people.set_pin(ada.pid, GOOD, by="cli")
    with pytest.raises(PinRefusedError) as caught:
        people.set_pin(bob.pid, GOOD, by="cli")
    assert str(caught.value) == "this PIN is not available: choose another, or let the device issue one"
    assert not people.get(bob.pid).has_pin
    assert log.latest(1)[0].why == "pin_refused", "a hunt for taken PINs shows in the record"
    assert GOOD not in repr(log.latest(100))


def test_an_issued_pin_that_is_taken_is_drawn_again(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, bob = people.add("Ada", by="cli"), people.add("Bob", by="cli")
    people.set_pin(ada.pid, GOOD, by="cli")
    draws = iter([GOOD, GOOD, "590217"])
    monkeypatch.setattr(pinholders, "issue", lambda length: next(draws))
    assert people.set_pin(bob.pid, by="cli") == "590217"


@pytest.mark.parametrize("pin", ["123456", "111111", "4829", "abcdef"])
def test_a_weak_pin_is_refused(people: People, pin: str) -> None:
    ada = people.add("Ada", by="cli")
    with pytest.raises(PinRefusedError, match="too easy to guess"):
        people.set_pin(ada.pid, pin, by="cli")
    assert not people.get(ada.pid).has_pin


def test_another_devices_key_is_refused_before_anything_is_read(people: People, db: Database) -> None:
    people.add("Ada", by="cli")
    assert keyed(db)
    with pytest.raises(KeyFileError, match=r"does not fit this database.*restore device\.key"):
        People(db, DeviceKey(b"x" * 32))
    with pytest.raises(KeyFileError, match="does not fit"):
        gallery(db, DeviceKey(b"x" * 32), MODEL)


def test_a_record_moved_to_another_person_does_not_open(people: People, db: Database) -> None:
    ada, bob = people.add("Ada", by="cli"), people.add("Bob", by="cli")
    db.execute("UPDATE names SET sealed = (SELECT sealed FROM names WHERE pid = ?) WHERE pid = ?", (ada.pid, bob.pid))
    assert people.get(bob.pid).name == UNREADABLE


def test_erasing_leaves_no_byte_of_a_person(
    path: Path, people: People, db: Database, keys: DeviceKey, consent: Consent
) -> None:
    """Among a hundred others, in a file that has seen many changes; -wal and -shm are searched too."""
    dice = random.Random(7)
    everyone = []
    for n in range(100):
        person = people.add(f"Resident Number {n}", by="cli", consent=consent, groups=["staff"])
        add_templates(db, keys, person.pid, vectors(3, n), MODEL, by="cli")
        everyone.append(person)
    for person in dice.sample(everyone, 15):
        people.rename(person.pid, person.name + " the Second", "cli")
    for n, person in enumerate(everyone[:5]):
        people.set_pin(person.pid, f"48291{n}"[:6] if n != 0 else GOOD[::-1], by="cli")
    gone = [*everyone[:3], *dice.sample(everyone[3:], 30)]
    secrets: set[bytes] = set()
    for person in gone:
        secrets |= {person.name.encode()}
        for sql in (
            "SELECT person_key FROM people WHERE pid = ?",
            "SELECT sealed FROM names WHERE pid = ?",
            "SELECT sealed FROM pins WHERE pid = ?",
            "SELECT sealed FROM templates WHERE pid = ?",
        ):
            secrets |= {row[0] for row in db.execute(sql, (person.pid,))}
    owners, plain = gallery(db, keys, MODEL)
    doomed = {person.pid for person in gone}
    secrets |= {row.tobytes() for owner, row in zip(owners, plain, strict=True) if owner in doomed}
    planted = [secret for secret in secrets if len(secret) > 40]
    assert sum(secret in b"".join(f.read_bytes() for f in path.parent.iterdir()) for secret in planted) > 100

    for person in gone:
        assert people.remove(person.pid, "cli") is True
    files = list(path.parent.iterdir())
    assert {file.name for file in files} == {"lintel.db", "lintel.db-wal", "lintel.db-shm"}
    disk = b"".join(file.read_bytes() for file in files)
    # Any 16 bytes of a secret would be a trace, not only the whole.
    windows = {disk[i : i + 16] for i in range(len(disk) - 15)}
    for secret in secrets:
        assert not any(secret[i : i + 16] in windows for i in range(0, len(secret) - 15, 16))
    assert faults(db) == []
    assert len(people.list()) == 67
    assert {person.pid for person in gone} <= {e.person for e in EventLog(db).after(0, 2000)}, "the record stays"
    assert EventLog(db).verify_chain().holds


def test_withdrawing_consent_erases_templates_from_the_disk_too(
    path: Path, people: People, db: Database, keys: DeviceKey, consent: Consent
) -> None:
    ada = people.add("Ada", by="cli", consent=consent)
    people.set_pin(ada.pid, GOOD, by="cli")
    add_templates(db, keys, ada.pid, vectors(2), MODEL, by="cli")
    sealed = [row[0] for row in db.execute("SELECT sealed FROM templates")]
    assert people.withdraw_consent(ada.pid, "cli") is True
    disk = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert not any(row[:32] in disk for row in sealed)
    assert people.get(ada.pid).has_pin, "the other way in stays"


def test_a_reader_that_holds_on_delays_the_last_step_only(
    path: Path, people: People, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = people.add("Ada", by="cli")
    reader = connect(path)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM people").fetchall()
    db.execute("PRAGMA busy_timeout = 50")
    monkeypatch.setattr(people_module, "truncate_log", lambda database: truncate_log(database, 0.05))
    assert people.remove(ada.pid, "cli") is False
    assert people.list() == []
    reader.execute("ROLLBACK")
    reader.close()


def test_a_card_is_kept_as_a_keyed_hash_only(people: People, path: Path, keys: DeviceKey) -> None:
    ada, bob = people.add("Ada", by="cli").pid, people.add("Bob", by="cli").pid
    people.set_card(ada, "26:120:4711", "cli")
    digest = keys.card_digest("26:120:4711")
    assert dict(people.roster().cards) == {digest: ada}
    assert DeviceKey(b"o" * 32).card_digest("26:120:4711") != digest
    with pytest.raises(CardError, match="somebody else's"):
        people.set_card(bob, "26:120:4711", "cli")
    people.set_card(ada, "26:120:4711", "cli")
    people.set_card(ada, "26:120:4712", "cli")
    assert dict(people.roster().cards) == {keys.card_digest("26:120:4712"): ada}
    people.set_card(bob, "26:120:4711", "cli")
    people.remove_card(bob, "cli")
    people.remove(ada, "cli")
    assert dict(people.roster().cards) == {}
    disk = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"120:471" not in disk


def test_a_damaged_record_takes_nobody_elses_rights(
    people: People, db: Database, keys: DeviceKey, log: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    ada, bob, eve = (people.add(name, by="cli", groups=["staff"]).pid for name in ("Ada", "Bob", "Eve"))
    for pid in (ada, bob, eve):
        people.set_pin(pid, by="cli")
    people.set_card(ada, "26:120:4711", "cli")
    db.execute("UPDATE names SET sealed = zeroblob(length(sealed)) WHERE pid = ?", (ada,))
    db.execute("UPDATE pins SET sealed = x'00' WHERE pid = ?", (bob,))
    db.execute("UPDATE people SET suspended = 1 WHERE pid = ?", (eve,))
    for _ in range(2):
        roster = people.roster()
        assert set(roster.people) == {ada, bob, eve}
        assert set(roster.pins.values()) == {ada, eve}
        assert roster.cards == {keys.card_digest("26:120:4711"): ada}
        assert not roster.people[eve].active
    assert [bob in record.getMessage() for record in caplog.records] == [True]
    db.execute("UPDATE people SET person_key = x'00' WHERE pid = ?", (ada,))
    assert set(people.roster().pins.values()) == {eve}


def test_a_damaged_record_is_shown_with_its_remedy_and_hides_nobody(people: People, db: Database) -> None:
    ada, bob, eve, dan = (people.add(name, by="cli").pid for name in ("Ada", "Bob", "Eve", "Dan"))
    for pid in (ada, bob, eve):
        people.set_pin(pid, by="cli")
    people.set_duress_pin(eve, "cli")
    db.execute("UPDATE names SET sealed = zeroblob(length(sealed)) WHERE pid = ?", (ada,))
    db.execute("UPDATE pins SET sealed = x'00' WHERE pid = ?", (bob,))
    db.execute("UPDATE duress_pins SET sealed = x'00' WHERE pid = ?", (eve,))
    db.execute("UPDATE people SET person_key = x'00' WHERE pid = ?", (dan,))
    assert [(person.name, person.remark) for person in (people.get(pid) for pid in (ada, bob, eve, dan))] == [
        (UNREADABLE, "the name is damaged: rename them"),
        ("Bob", "the PIN is damaged: give them a new one"),
        ("Eve", "the PIN for duress is damaged: give them a new one"),
        (UNREADABLE, "the key of their records is damaged: remove them and add them anew"),
    ]
    assert len(people.list()) == 4
    assert people.find("bob").pid == bob
    assert people.find(ada).pid == ada
    people.rename(ada, "Ada", "cli")
    people.set_pin(bob, by="cli")
    people.set_duress_pin(eve, "cli")
    assert [people.get(pid).remark for pid in (ada, bob, eve)] == [""] * 3
    db.execute("DELETE FROM names WHERE pid = ?", (ada,))
    assert people.get(ada).name == UNREADABLE
    people.rename(ada, "Ada", "cli")
    people.remove(dan, "cli")
    assert [person.name for person in people.list()] == ["Ada", "Bob", "Eve"]


def test_what_opens_the_door_for_somebody_is_shown(people: People, db: Database, log: EventLog, clock: Clock) -> None:
    ada = people.add("Ada", by="cli").pid
    people.set_card(ada, "26:120:4711", "cli")
    book = Passbook(db, log, clock)
    begin = int(START)
    for number, (end, uses) in enumerate([(begin + 60, 1), (begin + 60, 0), (begin + 60, 1), (begin + 60, 1)]):
        book.issue(Pass(f"{number:032x}", ada, "site", ("front",), begin - 60, end, uses), "cli")
    book.spend(f"{0:032x}")
    book.revoke(f"{2:032x}", "cli")
    shown = people.get(ada)
    assert (shown.has_card, shown.passes, shown.has_pin, shown.has_duress_pin) == (True, 2, False, False)
    clock.turn(61)
    assert people.get(ada).passes == 0


@pytest.mark.parametrize("bounds", [(START + 5, START), (float("nan"), None), (None, float("inf")), (None, -1.0)])
def test_a_validity_that_means_nothing_is_refused(people: People, bounds: tuple[float | None, float | None]) -> None:
    ada = people.add("Ada", by="cli").pid
    with pytest.raises(ScheduleError):
        people.set_validity(ada, *bounds, "cli")
    with pytest.raises(ScheduleError):
        people.add("Bob", by="cli", valid_from=bounds[0], valid_until=bounds[1])
    assert [(p.name, p.valid_from, p.valid_until) for p in people.list()] == [("Ada", None, None)]
