"""A database of every earlier version is brought forward, with all that is in it."""

import sqlite3
from pathlib import Path

import pytest

from appliance.access.book import Book
from appliance.access.modes import Mode
from appliance.access.schedule import Schedule
from appliance.store import database
from appliance.store.consent import given
from appliance.store.database import connect, faults, roster_version
from appliance.store.enrolments import add_templates
from appliance.store.events import EventLog
from appliance.store.faces import gallery
from appliance.store.migrations import MIGRATIONS
from appliance.store.people import People
from appliance.store.rulebook import Rulebook, read
from appliance.system.keys import DeviceKey

from .conftest import START, event, vectors

PIN = "482913"


def shape(path: Path) -> list[tuple[str, str, str]]:
    with sqlite3.connect(path) as raw:
        return raw.execute("SELECT type, name, COALESCE(sql, '') FROM sqlite_schema ORDER BY type, name").fetchall()


def old(path: Path, version: int, monkeypatch: pytest.MonkeyPatch, keys: DeviceKey) -> str:
    """A database as that version left it, with one person; their pid."""
    with monkeypatch.context() as then:
        then.setattr(database, "MIGRATIONS", MIGRATIONS[:version])
        db = connect(path)
    pid = "6f2b1c1e-0000-4000-8000-000000000001"
    wrapped = keys.new_person_key(pid)
    sealer = keys.person(pid, wrapped)
    salt = db.execute("SELECT value FROM meta WHERE key = 'pin_salt'").fetchone()[0]
    db.execute("INSERT INTO meta VALUES ('key_check', ?)", (keys.check_value(),))
    db.execute("INSERT INTO people (pid, person_key, added_at) VALUES (?, ?, ?)", (pid, wrapped, START))
    db.execute("INSERT INTO names VALUES (?, ?)", (pid, sealer.seal(b"Ada", f"name:{pid}")))
    sealed = sealer.seal(keys.pin_digest(PIN, salt), f"pin:{pid}")
    db.execute("INSERT INTO pins VALUES (?, ?, ?)", (pid, sealed, START))
    db.execute("INSERT INTO memberships VALUES (?, 'staff')", (pid,))
    EventLog(db).append(event())
    db.close()
    return pid


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_every_earlier_version_is_brought_forward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: DeviceKey, version: int
) -> None:
    path, fresh = tmp_path / "old.db", tmp_path / "fresh.db"
    pid = old(path, version, monkeypatch, keys)
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (version,)
    connect(fresh).close()
    with connect(path) as db:
        assert read(db, START) == Book()
        people, rules = People(db, keys), Rulebook(db)
        assert [(p.name, p.groups, p.remark) for p in people.list()] == [("Ada", {"staff"}, "")]
        assert dict(people.roster().pins) == {keys.pin_digest(PIN, people.pin_salt): pid}
        assert EventLog(db).verify_chain().holds
        before = roster_version(db)
        people.give_consent(pid, given(START, "cli"), "cli")
        add_templates(db, keys, pid, vectors(1), "m", by="cli")
        people.set_duress_pin(pid, "cli")
        rules.set_schedule(Schedule("all"), "cli")
        rules.set_group_hours("staff", ["all"], "cli")
        rules.set_mode("all", Mode.PIN, "cli")
        assert roster_version(db) == before + 6
        assert read(db, START).hours == {"staff": (Schedule("all"),)}
        assert gallery(db, keys, "m")[0] == [pid]
        people.remove(pid, "cli")
        assert faults(db) == []
    assert shape(path) == shape(fresh)
