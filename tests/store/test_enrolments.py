"""Templates at rest."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from sqlite_utils import Database

from appliance.errors import EnrolmentError
from appliance.store.consent import TERM_DAYS, Consent
from appliance.store.enrolments import add_templates, count_other_models
from appliance.store.events import EventLog
from appliance.store.faces import gallery
from appliance.store.people import People
from appliance.store.person import UnknownPersonError
from appliance.system.keys import DeviceKey

from .conftest import Clock, vectors

MODEL = "sha256:0123456789ab"


def test_templates_come_back_as_they_went_in(people: People, db: Database, keys: DeviceKey, consent: Consent) -> None:
    ada, bob = (people.add(name, by="cli", consent=consent) for name in ("Ada", "Bob"))
    add_templates(db, keys, ada.pid, vectors(2, 1), MODEL, by="cli")
    add_templates(db, keys, bob.pid, vectors(3, 2), MODEL, by="cli")
    owners, rows = gallery(db, keys, MODEL)
    assert sorted(owners) == sorted([ada.pid] * 2 + [bob.pid] * 3)
    assert (rows.shape, rows.dtype, rows.flags.c_contiguous) == ((5, 160), np.float32, True)
    for pid, wanted in ((ada.pid, vectors(2, 1)), (bob.pid, vectors(3, 2))):
        mine = rows[[owner == pid for owner in owners]]
        assert np.abs(mine - wanted).max() < 1e-6


def test_at_rest_they_are_neither_plain_nor_unrotated(
    path: Path, people: People, db: Database, keys: DeviceKey, consent: Consent
) -> None:
    ada = people.add("Ada", by="cli", consent=consent)
    add_templates(db, keys, ada.pid, vectors(1), MODEL, by="cli")
    disk = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert vectors(1)[0, :8].tobytes() not in disk
    wrapped, sealed, number = db.execute(
        "SELECT person_key, sealed, id FROM people JOIN templates USING (pid)"
    ).fetchone()
    opened = keys.person(ada.pid, wrapped).unseal(sealed, f"template:{ada.pid}:{number}:{MODEL}")
    inside = np.frombuffer(opened, dtype="<f4")
    assert abs(float(inside @ vectors(1)[0])) < 0.5, "what a broken seal would show is rotated"


def test_only_those_who_may_be_matched_now_are_in_the_gallery(
    people: People, db: Database, keys: DeviceKey, consent: Consent, clock: Clock
) -> None:
    ada, bob, eve = (people.add(name, by="cli", consent=consent) for name in ("Ada", "Bob", "Eve"))
    for person in (ada, bob, eve):
        add_templates(db, keys, person.pid, vectors(1), MODEL, by="cli", now=clock)
    add_templates(db, keys, ada.pid, vectors(1), "sha256:older0000000", by="cli", now=clock)
    people.suspend(bob.pid, "cli")
    people.withdraw_consent(eve.pid, "cli")
    assert gallery(db, keys, MODEL, clock)[0] == [ada.pid]
    assert set(gallery(db, keys, MODEL, clock, suspended=True)[0]) == {ada.pid, bob.pid}
    assert count_other_models(db, MODEL) == 1
    clock.turn(TERM_DAYS * 86400 + 1)
    owners, rows = gallery(db, keys, MODEL, clock)
    assert owners == []
    assert rows.shape == (0, 160)


def test_no_template_without_a_consent_that_stands(
    people: People, db: Database, keys: DeviceKey, consent: Consent, clock: Clock
) -> None:
    ada = people.add("Ada", by="cli")
    with pytest.raises(EnrolmentError, match="no consent that stands"):
        add_templates(db, keys, ada.pid, vectors(1), MODEL, by="cli", now=clock)
    people.give_consent(ada.pid, consent, "cli")
    add_templates(db, keys, ada.pid, vectors(1), MODEL, by="cli", now=clock)
    people.withdraw_consent(ada.pid, "cli")
    with pytest.raises(EnrolmentError, match="no consent that stands"):
        add_templates(db, keys, ada.pid, vectors(1), MODEL, by="cli", now=clock)
    people.give_consent(ada.pid, consent, "cli")
    clock.turn(TERM_DAYS * 86400 + 1)
    with pytest.raises(EnrolmentError, match="no consent that stands"):
        add_templates(db, keys, ada.pid, vectors(1), MODEL, by="cli", now=clock)
    with pytest.raises(UnknownPersonError):
        add_templates(db, keys, "x", vectors(1), MODEL, by="cli", now=clock)
    assert people.get(ada.pid).templates == 0


def test_the_schema_itself_holds_to_consent(people: People, db: Database, consent: Consent) -> None:
    """What code forgot, the database still refuses."""
    ada, bob = people.add("Ada", by="cli", consent=consent), people.add("Bob", by="cli", consent=consent)
    mine, other = (db.execute("SELECT id FROM consents WHERE pid = ?", (p.pid,)).fetchone()[0] for p in (ada, bob))
    insert = "INSERT INTO templates VALUES ('t', ?, ?, 'm', x'00', 'photo', 0)"
    for pid, number in ((ada.pid, 999), (ada.pid, other), ("x", mine)):
        with pytest.raises(sqlite3.IntegrityError, match="no template without a standing consent"):
            db.execute(insert, (pid, number))
    db.execute(insert, (ada.pid, mine))
    with pytest.raises(sqlite3.IntegrityError, match="stays with the person"):
        db.execute("UPDATE templates SET pid = ?, consent = ?", (bob.pid, other))
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("INSERT INTO consents VALUES (NULL, ?, 'n', 0, 'cli', 1, NULL)", (ada.pid,))
    db.execute("UPDATE consents SET withdrawn_at = 1 WHERE pid = ?", (ada.pid,))
    assert db.execute("SELECT COUNT(*) FROM templates").fetchone()[0] == 0
    db.execute("DELETE FROM people WHERE pid = ?", (ada.pid,))
    for table in ("names", "pins", "memberships", "consents", "templates"):
        assert db.execute(f"SELECT COUNT(*) FROM {table} WHERE pid = ?", (ada.pid,)).fetchone()[0] == 0


@pytest.mark.parametrize("bad", [np.zeros((1, 159), "f4"), np.zeros(160, "f4"), np.full((1, 160), np.nan, "f4")])
def test_what_is_not_templates_is_refused(
    people: People, db: Database, keys: DeviceKey, consent: Consent, bad: np.ndarray
) -> None:
    ada = people.add("Ada", by="cli", consent=consent)
    with pytest.raises(EnrolmentError, match=r"must be \(n, 160\) finite"):
        add_templates(db, keys, ada.pid, bad, MODEL, by="cli")


def test_the_record_says_which_model_and_how_many(
    people: People, db: Database, keys: DeviceKey, consent: Consent, log: EventLog
) -> None:
    ada = people.add("Ada", by="cli", consent=consent)
    add_templates(db, keys, ada.pid, vectors(3), MODEL, by="admin-1", source="live", log=log)
    last = log.latest(1)[0]
    assert (last.why, last.person, last.by, last.model) == ("templates_added", ada.pid, "admin-1", MODEL)
    assert last.detail == {"count": 3, "source": "live"}


def test_a_damaged_template_takes_no_other_with_it(
    people: People, db: Database, keys: DeviceKey, consent: Consent, caplog: pytest.LogCaptureFixture
) -> None:
    ada, bob = (people.add(name, by="cli", consent=consent).pid for name in ("Ada", "Bob"))
    add_templates(db, keys, ada, vectors(3, 1), MODEL, by="cli")
    add_templates(db, keys, bob, vectors(1, 2), MODEL, by="cli")
    db.execute(
        "UPDATE templates SET sealed = zeroblob(length(sealed)) "
        "WHERE rowid IN (SELECT rowid FROM templates WHERE pid = ? ORDER BY rowid LIMIT 2)",
        (ada,),
    )
    owners, rows = gallery(db, keys, MODEL)
    assert sorted(owners) == sorted([ada, bob])
    assert np.abs(rows[owners.index(ada)] - vectors(3, 1)[2]).max() < 1e-6
    assert [f"template:{ada}:" in record.getMessage() for record in caplog.records] == [True]
    db.execute("UPDATE people SET person_key = x'00'")
    assert gallery(db, keys, MODEL)[1].shape == (0, 160)
