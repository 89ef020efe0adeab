"""Users, folders and modes, made by systemd's own tools in a folder of the test's."""

import multiprocessing
import os
import shutil
import sqlite3
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from appliance.settings import PathsConfig

UNITS = Path(__file__).parents[2] / "systemd"
USERS = ("lintel-door", "lintel-vision", "lintel-net")
pytestmark = [
    pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="systemd-sysusers is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files away"),
]


@pytest.fixture
def root() -> Iterator[Path]:
    """A root of its own: both tools then take users from there, not from this machine."""
    with tempfile.TemporaryDirectory(prefix="lintel-") as folder:  # pytest's own is closed to other users
        root = Path(folder)
        root.chmod(0o755)
        (root / "etc").mkdir()
        run("systemd-sysusers", f"--root={root}", UNITS / "lintel.sysusers")
        run("systemd-tmpfiles", f"--root={root}", "--create", UNITS / "lintel.tmpfiles")
        yield root


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)


def ids(root: Path) -> dict[str, tuple[int, int]]:
    rows = (line.split(":") for line in (root / "etc/passwd").read_text().splitlines())
    return {row[0]: (int(row[2]), int(row[3])) for row in rows}


def test_three_users_share_one_group(root: Path) -> None:
    people = ids(root)
    assert people.keys() == set(USERS)
    assert len({uid for uid, _ in people.values()}) == 3
    assert len({gid for _, gid in people.values()}) == 1
    shells = {line.rsplit(":", 1)[1] for line in (root / "etc/passwd").read_text().splitlines()}
    assert shells == {"/usr/sbin/nologin"}


def test_the_state_folder_belongs_to_the_group_alone(root: Path) -> None:
    state = root / PathsConfig().state[1:]
    found = state.stat()
    assert found.st_uid == 0
    assert stat.S_IMODE(found.st_mode) == 0o2770
    assert found.st_gid == ids(root)["lintel-door"][1]
    assert stat.S_IMODE((state / "lintel.db").stat().st_mode) == 0o660


def test_running_twice_changes_nothing(root: Path) -> None:
    database = root / "var/lib/lintel/lintel.db"
    with sqlite3.connect(database) as db:
        db.execute("create table kept (x)")
    before = database.read_bytes()
    run("systemd-tmpfiles", f"--root={root}", "--create", UNITS / "lintel.tmpfiles")
    assert database.read_bytes() == before


def test_all_three_write_the_same_database_at_once(root: Path) -> None:
    """In every order of first opener, since SQLite's -wal and -shm take the first one's user."""
    people = ids(root)
    database = root / "var/lib/lintel/lintel.db"
    fork = multiprocessing.get_context("fork")  # the interpreter itself may lie where those users cannot go
    for turn in range(3):
        writers, done = [], fork.Event()
        for name in USERS[turn:] + USERS[:turn]:
            written = fork.Event()
            writers.append(fork.Process(target=write_as, args=(database, name, people[name], written, done)))
            writers[-1].start()
            assert written.wait(20), f"{name} could not write in turn {turn}"
        done.set()
        for writer in writers:
            writer.join(20)
    with sqlite3.connect(database) as db:
        assert db.execute("select who, count(*) from t group by who").fetchall() == [
            (name, 3) for name in sorted(USERS)
        ]


def write_as(database: Path, name: str, user: tuple[int, int], written: Event, done: Event) -> None:
    """Write a row as that user; then hold the database open, so that -wal and -shm stay its own."""
    os.umask(0o007)
    os.setgroups([])
    os.setgid(user[1])
    os.setuid(user[0])
    db = sqlite3.connect(database)
    db.execute("pragma journal_mode=wal")
    db.execute("create table if not exists t (who)")
    db.execute("insert into t values (?)", (name,))
    db.commit()
    written.set()
    done.wait(20)
