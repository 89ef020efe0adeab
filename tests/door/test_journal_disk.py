"""The real journal on a real store, on disks that are full, write-protected or failing."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from appliance.door import journal as journals
from appliance.door import memory
from appliance.door.inbox import StoreState, Written
from appliance.door.journal import Journal
from appliance.door.memory import Memory
from appliance.door.pinhash import PinHash
from appliance.errors import StoreError
from appliance.facts import Event, EventType, Moment
from appliance.store.ballast import FILE as BALLAST
from appliance.store.ballast import Ballast
from appliance.store.chain import StoredEvent
from appliance.store.database import FILE, connect, faults
from appliance.store.events import EventLog
from tests.fakes import RecordingPost, eventually

NOW = Moment(1000.0, 1_790_000_000.0)


def mount(folder: Path, options: str) -> None:
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("needs root and the right to mount a tmpfs")


@pytest.fixture
def disk() -> Iterator[Path]:
    """12 MB of tmpfs of its own."""
    with tempfile.TemporaryDirectory() as name:
        mount(Path(name), "size=12m")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "-l", name], check=True)


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> RecordingPost:
    monkeypatch.setattr(journals, "RETRY_SECONDS", 0.1)
    return RecordingPost()


def journal_on(state: Path, post: RecordingPost) -> Journal:
    journal = Journal(lambda: Memory(state, PinHash()), post, lambda: NOW)
    journal.start()
    return journal


def event(n: int, **detail: object) -> Event:
    return Event(EventType.ACCESS, "granted", NOW, by="face", detail={"n": n, **detail})


def fill(disk: Path) -> Path:
    path = disk / "filler"
    with path.open("ab", buffering=0) as file:
        for size in (1 << 20, 4096):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    return path


def kept(state: Path) -> list[StoredEvent]:
    """What stands in the record; sound, or the test ends here."""
    with connect(state / FILE) as db:
        assert faults(db) == []
        log = EventLog(db)
        assert log.verify_chain().holds
        return log.after(0, 100_000)


def state_of(post: RecordingPost) -> str:
    return [said.state for said in post.of(StoreState)][-1] if post.of(StoreState) else ""


def test_a_start_on_a_full_disk_gives_up_the_ballast(disk: Path, post: RecordingPost) -> None:
    connect(disk / FILE).close()
    assert Ballast(disk / BALLAST).keep()
    fill(disk)
    with pytest.raises(StoreError, match="the disk is full"):
        connect(disk / FILE)
    journal = journal_on(disk, post)
    journal.put(event(1), ticket=1)
    assert eventually(lambda: post.of(Written))[0].durable
    journal.close()
    assert not (disk / BALLAST).exists()
    assert [row.why for row in kept(disk)] == ["disk_full", "granted"]


def test_a_full_disk_without_ballast_keeps_the_queue_and_counts_the_rest(
    disk: Path, post: RecordingPost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "ROOM", 500)
    connect(disk / FILE).close()
    filler = fill(disk)
    journal = journal_on(disk, post)
    for n in range(800):
        journal.put(event(n), ticket=n)
    eventually(lambda: state_of(post) == "failed")
    eventually(lambda: sum(len(said.tickets) for said in post.of(Written)) >= 500)
    assert not any(said.durable for said in post.of(Written))
    assert journal.waiting == 500
    filler.unlink()
    eventually(lambda: journal.waiting == 0, 10)
    assert eventually(lambda: state_of(post) == "ok")
    journal.close()
    rows = kept(disk)
    assert [row.detail["n"] for row in rows if row.why == "granted"] == list(range(300, 800))
    assert all(row.detail["late"] for row in rows if row.why == "granted")
    assert [row.detail for row in rows if row.why == "events_lost"] == [{"count": 300}]


def test_a_write_protected_disk_keeps_the_queue(
    disk: Path, post: RecordingPost, caplog: pytest.LogCaptureFixture
) -> None:
    connect(disk / FILE).close()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    journal = journal_on(disk, post)
    for n in range(50):
        journal.put(event(n), ticket=n)
    eventually(lambda: sum(len(said.tickets) for said in post.of(Written)) == 50)
    assert not any(said.durable for said in post.of(Written))
    assert "mounted read-only" in caplog.text
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    eventually(lambda: journal.waiting == 0, 10)
    journal.close()
    assert [row.detail["n"] for row in kept(disk)] == list(range(50))


def test_a_disk_that_fails_and_recovers_loses_nothing(
    tmp_path: Path, post: RecordingPost, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    powercut = pytest.importorskip("tests.beds.powercut", reason="needs apsw, to let SQLite's writes fail")
    monkeypatch.setattr(memory, "connect", powercut.connect)
    with powercut.watched() as disk:
        journal = journal_on(tmp_path, post)
        for n in range(60):
            disk.failing = n % 20 >= 10
            journal.put(event(n), ticket=n)
            answered = eventually(lambda wanted=n + 1: sum(len(said.tickets) for said in post.of(Written)) >= wanted)
            assert answered, f"event {n} is answered, disk failing or not"
        disk.failing = False
        eventually(lambda: journal.waiting == 0, 10)
        assert not journal.waiting
        journal.close()
    assert "check the disk" in caplog.text
    rows = kept(tmp_path)
    assert [row.detail["n"] for row in rows] == list(range(60))
    assert {row.detail["n"] for row in rows if "late" in row.detail} >= set(range(10, 20))


@pytest.mark.parametrize(
    "bad",
    [
        event(1, x=object()),
        event(1, x=b"bytes"),
        event(1, x="y" * 3000),
        event(1, x=float("nan")),
        event(1, x="\ud800"),
        Event(EventType.ACCESS, "granted", Moment(1.0, float("nan"))),
        Event(EventType.ACCESS, "granted", Moment(1.0, 1e15)),
        Event(EventType.ACCESS, "granted", NOW, person=7),  # type: ignore[arg-type]
        Event(EventType.ACCESS, "granted", NOW, person="\udcff"),
        Event("pio", "granted", NOW),  # type: ignore[arg-type]
    ],
)
def test_an_event_that_no_store_takes_is_named_and_holds_up_nobody(
    tmp_path: Path, post: RecordingPost, bad: Event, caplog: pytest.LogCaptureFixture
) -> None:
    journal = journal_on(tmp_path, post)
    for n, each in enumerate((event(0), bad, event(2))):
        journal.put(each, ticket=n)
    eventually(lambda: sum(len(said.tickets) for said in post.of(Written)) == 3)
    assert all(said.durable for said in post.of(Written))
    journal.close()
    rows = kept(tmp_path)
    assert [row.why for row in rows] == ["granted", "event_unwritable", "granted"]
    assert rows[1].detail["type"] == str(bad.type)
    assert rows[1].detail["why"] == "granted"
    assert "cannot be written" in caplog.text
