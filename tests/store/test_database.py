"""Opening the file: what it looks like, who may share it, and what is said when it cannot be."""

import errno
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from appliance.errors import StoreError
from appliance.store import database
from appliance.store.database import connect, data_version, faults, meta, roster_version, transaction, truncate_log
from appliance.store.events import EventLog
from appliance.store.migrations import APPLICATION_ID, MIGRATIONS
from appliance.store.sealing import keyed, salt

from .conftest import event

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to act as other users")
NOBODY, OTHER, SHARED_GROUP = 65534, 65533, 65532


def as_user(uid: int, act: Callable[[], object]) -> str:
    """What `act` returns, or how it fails, when another user of the shared group does it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([SHARED_GROUP])
            os.setgid(uid)
            os.setuid(uid)
            said = str(act())
        except BaseException as error:  # noqa: BLE001 - the parent compares it
            said = str(error)
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as pipe:
        return pipe.read()


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that other users can reach."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def test_it_is_durable_and_wipes_what_is_deleted(db: Database) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1, "trusted_schema": 0}
    assert {name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted} == wanted
    assert db.conn.isolation_level is None
    assert db.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
    assert db.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    assert faults(db) == []


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_all_three_files_belong_to_us_and_our_group(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        db = connect(path)
        EventLog(db).append(event())
    finally:
        os.umask(before)
    files = [path, path.with_name("lintel.db-wal"), path.with_name("lintel.db-shm")]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o660] * 3
    db.close()


@ROOT_ONLY
def test_three_users_of_one_group_share_it(shared: Path) -> None:
    os.chown(shared, NOBODY, SHARED_GROUP)
    shared.chmod(0o2770)

    def write() -> int:
        os.umask(0o077)
        return EventLog(connect(shared / "lintel.db")).append(event()).seq

    assert [as_user(uid, write) for uid in (NOBODY, OTHER, NOBODY)] == ["1", "2", "3"]
    assert (shared / "lintel.db").stat().st_gid == SHARED_GROUP


@ROOT_ONLY
def test_a_stranger_is_told_which_group_to_join(shared: Path) -> None:
    connect(shared / "lintel.db").close()
    shared.chmod(0o711)
    opened = as_user(OTHER, lambda: connect(shared / "lintel.db"))
    assert "lintel.db cannot be opened" in opened
    assert "run as a user of group lintel" in opened
    made = as_user(OTHER, lambda: connect(shared / "new.db"))
    assert "new.db cannot be created: Permission denied; let group lintel write" in made


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere: No such file or directory; create that directory"):
        connect(tmp_path / "nowhere" / "lintel.db")


def test_a_newer_database_is_left_alone(path: Path) -> None:
    connect(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"version 99 is newer than this program's \d+; install the newer lintel"):
        connect(path)
    assert path.read_bytes() == before


def test_another_programs_database_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE recipes (name TEXT)")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"another program's database; move it away, or set paths\.state"):
        connect(path)
    assert path.read_bytes() == before


def test_an_older_database_is_brought_forward(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(path) as db:
        EventLog(db).append(event())
    monkeypatch.setattr(
        database, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (x INTEGER); INSERT INTO later VALUES (7)")
    )
    for _ in range(2):
        with connect(path) as db:
            assert db.execute("SELECT x FROM later").fetchall() == [(7,)]
            assert db.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS) + 1
            assert EventLog(db).head()[0] == 1


def test_a_step_that_fails_leaves_the_old_version_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(path).close()
    monkeypatch.setattr(database, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (x INTEGER); NONSENSE"))
    with pytest.raises(StoreError, match="syntax error"):
        connect(path)
    monkeypatch.setattr(database, "MIGRATIONS", MIGRATIONS)
    with connect(path) as db:
        assert "later" not in db.table_names()
        assert EventLog(db).append(event()).seq == 1


def test_a_disk_turned_read_only_is_named(tmp_path: Path) -> None:
    """As a worn card does to itself."""
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path], capture_output=True, check=False).returncode:
        pytest.skip("needs root and the right to mount a tmpfs")
    try:
        db = connect(tmp_path / "lintel.db")
        EventLog(db).append(event())
        db.close()
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        for name in ("lintel.db", "new.db"):
            with pytest.raises(StoreError, match=r"ead-only.*replace it, or try: mount -o remount,rw") as caught:
                connect(tmp_path / name)
            assert caught.value.errno == errno.EROFS
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


@pytest.mark.parametrize("content", [b"not a database, but long enough to be looked at " * 100, os.urandom(8192)])
def test_garbage_is_called_damaged(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"it is damaged: .*restore a backup") as caught:
        connect(path)
    assert caught.value.errno == errno.EUCLEAN
    assert path.read_bytes() == content


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9])
def test_a_truncated_file_is_called_damaged(path: Path, keep: float) -> None:
    with connect(path) as db:
        EventLog(db).append_many([event(detail={"n": n}) for n in range(500)])
        truncate_log(db)
    size = path.stat().st_size
    os.truncate(path, int(size * keep) // 4096 * 4096)
    with pytest.raises(StoreError, match="it is damaged"):  # noqa: PT012 - whichever step meets the missing page
        db = connect(path)
        EventLog(db).append(event())
        if found := faults(db):
            raise StoreError(f"it is damaged: {found[0]}")


def test_a_flipped_page_is_found_by_the_check(path: Path) -> None:
    with connect(path) as db:
        EventLog(db).append_many([event(detail={"n": n}) for n in range(500)])
        truncate_log(db)
    content = bytearray(path.read_bytes())
    content[-4096:-2048] = os.urandom(2048)
    path.write_bytes(content)
    with connect(path) as db:
        assert faults(db) or not EventLog(db).verify_chain().holds


def test_a_lock_held_too_long_names_the_remedy(path: Path, db: Database) -> None:
    impatient = connect(path, busy_seconds=0.1)
    with transaction(db), pytest.raises(StoreError, match=rf"keeps it locked; find it with: fuser {path}") as caught:
        EventLog(impatient).append(event())
    assert caught.value.errno == errno.EBUSY
    assert EventLog(impatient).append(event()).seq == 1


def test_a_transaction_is_all_or_nothing_and_joins_the_one_around_it(db: Database, log: EventLog) -> None:
    with pytest.raises(RuntimeError), transaction(db):  # noqa: PT012 - the whole block is what fails
        log.append(event())
        with transaction(db):
            log.append(event())
        raise RuntimeError
    assert log.head()[0] == 0
    assert log.append(event()).seq == 1
    assert not db.conn.in_transaction


def test_readers_see_that_another_connection_wrote(path: Path, db: Database) -> None:
    other = connect(path)
    seen = data_version(db)
    EventLog(db).append(event())
    assert data_version(db) == seen, "one's own writes do not count"
    EventLog(other).append(event())
    assert data_version(db) != seen
    assert roster_version(db) == 0
    other.close()


def test_a_connection_belongs_to_its_thread(db: Database) -> None:
    caught: list[Exception] = []

    def use() -> None:
        try:
            db.execute("SELECT 1")
        except sqlite3.ProgrammingError as error:
            caught.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert caught


def test_services_that_start_together_make_one_database(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from appliance.store.database import connect, meta;"
        "sys.stdin.read(1); print(meta(connect(Path(sys.argv[1])), 'pin_salt').hex())"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("x")
        child.stdin.flush()
    salts = {child.communicate()[0].strip() for child in children}
    assert len(salts) == 1
    assert len(salts.pop()) == 32


def test_what_it_does_not_know_about_itself(db: Database) -> None:
    with pytest.raises(KeyError):
        meta(db, "nothing")


def test_a_value_the_database_lost_is_a_store_error_with_a_remedy(db: Database) -> None:
    db.execute("UPDATE meta SET value = x'00' WHERE key = 'roster_version'")
    with pytest.raises(StoreError, match=r"roster_version .*backup"):
        roster_version(db)
    db.execute("DELETE FROM meta")
    with pytest.raises(StoreError, match=r"roster_version .*backup"):
        roster_version(db)
    with pytest.raises(StoreError, match=r"site_salt .*backup"):
        salt(db, "site_salt")
    assert not keyed(db)
