"""What vision matches against follows the store, one person at a time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlite_utils import Database

from appliance.config import Config
from appliance.daemons import enrolled as module
from appliance.daemons.enrolled import REFRESH_SECONDS, RETRY_SECONDS, Enrolled
from appliance.errors import EnrolmentError
from appliance.settings import PathsConfig
from appliance.store.consent import TERM_DAYS, given
from appliance.store.database import FILE, connect
from appliance.store.enrolments import add_templates
from appliance.store.people import People
from appliance.store.person import Person
from appliance.system.keys import DeviceKey
from appliance.vision.gallery import Gallery
from tests.store.conftest import DAY, Clock, vectors

MODEL = "sha256:0123456789ab"


class Site:
    """A store, and what vision makes of it."""

    def __init__(self, state: Path) -> None:
        self.clock, self.keys, self.state = Clock(), DeviceKey.load(state, create=True), state
        self.db: Database = connect(state / FILE)
        self.people = People(self.db, self.keys, now=self.clock)
        self.enrolled = Enrolled(replace(Config(), paths=PathsConfig(state=str(state))), MODEL, self.clock)
        self.gallery = Gallery.empty(MODEL)

    def enrol(self, name: str, seed: int) -> Person:
        person = self.people.add(name, by="cli", consent=given(self.clock().utc, "cli"))
        add_templates(self.db, self.keys, person.pid, vectors(3, seed), MODEL, by="cli", now=self.clock)
        return person

    def look(self, seconds: float = 1.0) -> bool:
        """Time passes; whether the gallery was told to have changed."""
        self.clock.turn(seconds)
        fresh = self.enrolled.fresh(self.clock().mono)
        if fresh is not None:
            self.gallery = fresh
        return fresh is not None

    def named(self, seed: int) -> str | None:
        """Whom that face is taken for."""
        found = self.gallery.best(vectors(3, seed)[1], MODEL)
        return found.person if found.score > 0.5 else None


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_changes_are_taken_over_in_place(site: Site) -> None:
    ada, bob = site.enrol("Ada", 1), site.enrol("Bob", 2)
    assert site.look()
    first = site.gallery
    assert (site.named(1), site.named(2)) == (ada.pid, bob.pid)
    assert not site.look()
    cid = site.enrol("Cid", 3)
    assert site.look()
    assert site.named(3) == cid.pid
    site.people.suspend(bob.pid, "cli")
    assert site.look()
    assert site.named(2) is None
    site.people.resume(bob.pid, "cli")
    assert site.look()
    assert site.named(2) == bob.pid
    site.people.withdraw_consent(ada.pid, "cli")
    assert site.look()
    assert (site.named(1), site.named(2), site.named(3)) == (None, bob.pid, cid.pid)
    assert site.gallery is first
    # Nothing names who is erased: everything is read anew.
    site.people.remove(cid.pid, "cli")
    assert site.look()
    assert (site.named(1), site.named(2), site.named(3)) == (None, bob.pid, None)


def test_what_concerns_no_face_reads_no_face(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = site.enrol("Ada", 1)
    site.look()
    monkeypatch.setattr(module, "gallery", lambda *_, **__: pytest.fail("templates were read"))
    site.people.rename(ada.pid, "Ada L.", "cli")
    site.people.set_pin(ada.pid, by="cli")
    assert not site.look()


def test_an_event_that_somebody_writes_looks_at_no_consent(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.enrol("Ada", 1)
    site.look()
    looked = []
    monkeypatch.setattr(module, "consents_ending", lambda *_: looked.append(1) or frozenset())
    for _ in range(5):
        site.people.suspend(site.enrol("Bob", 2).pid, "cli")
        site.look()
    assert not looked
    site.look(REFRESH_SECONDS)
    assert looked == [1]


def test_a_consent_that_runs_out_ends_the_match_without_a_row_changing(site: Site) -> None:
    ada = site.enrol("Ada", 1)
    site.look()
    site.clock.turn(TERM_DAYS * DAY)
    assert site.look(REFRESH_SECONDS)
    assert site.named(1) is None
    assert ada.pid not in site.gallery.people
    site.clock.moment = replace(
        site.clock.moment, utc=site.clock.moment.utc - TERM_DAYS * DAY
    )  # the clock is put right
    assert site.look(REFRESH_SECONDS)
    assert site.named(1) == ada.pid


def test_too_many_changes_are_read_anew(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.enrol("Ada", 1)
    site.look()
    first = site.gallery
    monkeypatch.setattr(module, "FEW", 1)
    bob, cid = site.enrol("Bob", 2), site.enrol("Cid", 3)
    assert site.look()
    assert site.gallery is not first
    assert (site.named(2), site.named(3)) == (bob.pid, cid.pid)


def test_who_missed_the_oldest_changes_reads_everything(site: Site) -> None:
    ada = site.enrol("Ada", 1)
    site.look()
    first = site.gallery
    bob = site.enrol("Bob", 2)
    with site.db.conn:
        site.db.execute("INSERT INTO face_changes (seq, pid) VALUES (5000, ?)", (ada.pid,))
    assert site.look()
    assert site.gallery is not first
    assert site.named(2) == bob.pid


def test_a_broken_store_keeps_nobody_until_it_is_whole(site: Site) -> None:
    ada = site.enrol("Ada", 1)
    site.look()
    key = (site.state / "device.key").read_bytes()
    (site.state / "device.key").write_bytes(b"short")
    site.enrol("Bob", 2)
    assert site.look()
    assert site.gallery.people == ()
    assert not site.look(RETRY_SECONDS / 2)
    (site.state / "device.key").write_bytes(key)
    assert site.look(RETRY_SECONDS)
    assert site.named(1) == ada.pid


def test_a_template_of_wrong_length_matches_nobody_and_harms_nobody(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    ada, bob = site.enrol("Ada", 1), site.enrol("Bob", 2)
    wrapped, number = site.db.execute(
        "SELECT person_key, id FROM people JOIN templates USING (pid) WHERE pid = ?", (ada.pid,)
    ).fetchone()
    short = np.zeros(512, np.float32).tobytes()
    sealed = site.keys.person(ada.pid, wrapped).seal(short, f"template:{ada.pid}:{number}:{MODEL}")
    with site.db.conn:
        site.db.execute("UPDATE templates SET sealed = ? WHERE id = ?", (sealed, number))
    site.look()
    assert sorted(site.gallery.people) == sorted([ada.pid, bob.pid])
    assert site.named(2) == bob.pid
    assert "2048 bytes: must be 640" in caplog.text


def test_rows_that_are_no_templates_are_refused_and_take_nobody_elses(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = site.enrol("Ada", 1), site.enrol("Bob", 2)
    zero = np.zeros((1, 160), np.float32)
    for wrong in (zero, zero + 0.01, np.vstack([vectors(1, 3), zero])):
        with pytest.raises(EnrolmentError, match="length must be 1"):
            add_templates(site.db, site.keys, bob.pid, wrong, MODEL, by="cli", now=site.clock)
    site.look()
    # As an earlier version stored it.
    with monkeypatch.context() as earlier:
        earlier.setattr("appliance.store.enrolments.of_length_one", lambda rows: np.ones(len(rows), bool))
        add_templates(site.db, site.keys, bob.pid, zero, MODEL, by="cli", now=site.clock)
    for _ in range(2):
        caplog.clear()
        assert site.look()
        assert (site.named(1), site.named(2)) == (ada.pid, bob.pid)
        assert bob.pid in caplog.text
        site.enrolled = Enrolled(replace(Config(), paths=PathsConfig(state=str(site.state))), MODEL, site.clock)
    # Even if the store gave it out, it would be one person's loss.
    monkeypatch.setattr("appliance.store.faces.of_length_one", lambda rows: np.ones(len(rows), bool))
    site.enrolled = Enrolled(replace(Config(), paths=PathsConfig(state=str(site.state))), MODEL, site.clock)
    assert site.look()
    assert site.named(1) == ada.pid


def test_who_is_erased_is_in_no_table_and_matches_no_more(site: Site) -> None:
    ada, bob = site.enrol("Ada", 1), site.enrol("Bob", 2)
    site.look()
    site.people.remove(ada.pid, by="cli")
    assert ada.pid not in {pid for (pid,) in site.db.execute("SELECT pid FROM face_changes")}
    assert site.look()
    assert (site.named(1), site.named(2)) == (None, bob.pid)
