"""Uses of passes, counted on a real disk: never one too many, even if the process dies in between."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from sqlite_utils import Database

from appliance.access.passes import Pass, Standing
from appliance.errors import PassError, StoreError
from appliance.facts import Reason
from appliance.store.database import connect
from appliance.store.events import EventLog
from appliance.store.passes import Passbook
from appliance.store.people import People
from tests.store.conftest import START, Clock

ROOT = Path(__file__).parents[2]


@pytest.fixture
def book(db: Database, log: EventLog, clock: Clock) -> Passbook:
    return Passbook(db, log, clock)


@pytest.fixture
def issued(people: People, book: Passbook) -> Pass:
    pid = people.add("Vic", by="cli").pid
    given = Pass(str(uuid4()), pid, "hq", ("lobby",), int(START), int(START) + 3600, 2)
    book.issue(given, "cli")
    return given


def test_a_pass_opens_as_often_as_it_says(book: Passbook, issued: Pass) -> None:
    assert book.standing(issued.id) == Standing(0, False)
    assert [book.spend(issued.id) for _ in range(3)] == [None, None, Reason.USED_UP]
    assert book.standing(issued.id) == Standing(2, False)
    assert [entry.used for entry in book.list()] == [2]


def test_one_without_limit_is_counted_all_the_same(book: Passbook, issued: Pass) -> None:
    endless = replace(issued, id=str(uuid4()), doors=(), uses=0)
    book.issue(endless, "cli")
    assert [book.spend(endless.id) for _ in range(5)] == [None] * 5
    assert book.standing(endless.id) == Standing(5, False)


def test_a_revoked_one_and_one_that_is_not_known_open_nothing(book: Passbook, issued: Pass, log: EventLog) -> None:
    book.revoke(issued.id[:8], "cli")
    assert book.spend(issued.id) is Reason.REVOKED
    assert book.spend(str(uuid4())) is Reason.NOT_ENROLLED
    assert book.standing(str(uuid4())) is None
    assert sorted(event.why for event in log.latest(2)) == ["pass_issued", "pass_revoked"]
    with pytest.raises(PassError, match="no pass begins"):
        book.revoke("ffffffff-", "cli")
    with pytest.raises(PassError, match="no pass begins"):
        book.find("")


def test_erasing_the_visitor_erases_the_passes(book: Passbook, issued: Pass, people: People) -> None:
    people.remove(issued.person, "cli")
    assert book.list() == []
    assert book.spend(issued.id) is Reason.NOT_ENROLLED


def test_a_use_cannot_be_taken_back(db: Database, book: Passbook, issued: Pass) -> None:
    assert book.spend(issued.id) is None
    for change in ("used = 0", "uses = 9", "id = 'x'"):
        with pytest.raises(Exception, match="taken back"):
            db.execute(f"UPDATE passes SET {change}")
    assert book.standing(issued.id) == Standing(1, False)


def test_two_at_once_use_it_once_each(path: Path, book: Passbook, issued: Pass) -> None:
    """Eight connections at the same moment: two uses, no more."""
    said: list[Reason | None] = []
    start = threading.Barrier(8)

    def spend() -> None:
        own = connect(path)
        start.wait()
        said.append(Passbook(own).spend(issued.id))
        own.close()

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said, key=str) == [None] * 2 + [Reason.USED_UP] * 6


SPENDER = """
import os, signal, sys
from pathlib import Path
from appliance.store.database import connect
from appliance.store.passes import Passbook
said = Passbook(connect(Path(sys.argv[1]))).spend(sys.argv[2])
os.write(1, b"opened" if said is None else b"refused")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_right_after_does_not_give_a_use_back(path: Path, book: Passbook, issued: Pass) -> None:
    once = replace(issued, id=str(uuid4()), uses=1)
    book.issue(once, "cli")
    said = []
    for _ in range(3):
        child = subprocess.run(
            [sys.executable, "-c", SPENDER, str(path), once.id],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=False,
        )
        assert child.returncode == -signal.SIGKILL, child.stderr
        said.append(child.stdout)
    assert said == [b"opened", b"refused", b"refused"]


def test_a_broken_record_is_an_error_and_no_use(book: Passbook, issued: Pass, db: Database) -> None:
    db.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreError):
        book.spend(issued.id)
    db.execute("PRAGMA query_only = OFF")
    assert book.standing(issued.id) == Standing(0, False)
