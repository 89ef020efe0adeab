"""A disk that is really full: a small tmpfs, filled to the last block."""

import errno
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from appliance.errors import StoreError
from appliance.facts import EventType
from appliance.store.ballast import BYTES, FILE, Ballast
from appliance.store.database import FILE as DATABASE
from appliance.store.database import connect, faults, transaction
from appliance.store.events import EventLog

from .conftest import event

MEGABYTE = 1024 * 1024


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """12 MB of tmpfs of its own."""
    with tempfile.TemporaryDirectory() as name:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", name], capture_output=True, check=False
        )
        if mounted.returncode:
            pytest.skip("needs root and the right to mount a tmpfs")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "-l", name], check=True)


def fill(disk: Path) -> Path:
    """Take every free byte."""
    path = disk / "filler"
    with path.open("ab", buffering=0) as file:
        for size in (MEGABYTE, 4096, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    return path


def test_it_takes_real_space_and_gives_it_back(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / FILE)
    assert not ballast.held
    assert not ballast.release()
    assert ballast.keep()
    assert ballast.keep()
    assert (tmp_path / FILE).stat().st_blocks * 512 >= BYTES
    assert os.listdir(tmp_path) == [FILE]
    assert ballast.release()
    assert not ballast.held
    assert not Ballast(tmp_path / "nowhere" / FILE).keep()


def test_on_a_full_disk_the_door_goes_on_recording(small_disk: Path) -> None:
    ballast = Ballast(small_disk / FILE)
    assert ballast.keep()
    db = connect(small_disk / DATABASE)
    log = EventLog(db, "boot", ballast=ballast)
    log.append(event())
    filler = fill(small_disk)

    recorded = 0
    with suppress(StoreError):
        while recorded < 20_000:
            log.append(event(detail={"n": recorded}))
            recorded += 1
    assert recorded >= 2000, "what docs/store.md promises"
    print(f"{recorded} events after the disk was full")
    assert not ballast.held
    warnings = [e for e in log.after(0, 30_000) if e.why == "disk_full"]
    assert [e.type for e in warnings] == [EventType.SYS]

    before = log.head()
    with pytest.raises(StoreError, match=r"the disk is full .* free some space") as caught:  # noqa: PT012 - until full
        for _ in range(5000):
            log.append(event())
    assert caught.value.errno == errno.ENOSPC
    assert log.head()[0] >= before[0], "reading still works"
    assert not ballast.keep(), "no room for it"

    filler.unlink()
    assert log.append(event()).seq == log.head()[0]
    assert log.verify_chain().holds
    assert faults(db) == []
    db.close()


def test_a_full_disk_undoes_the_whole_transaction_around_it(small_disk: Path) -> None:
    ballast = Ballast(small_disk / FILE)
    ballast.keep()
    with connect(small_disk / DATABASE) as db:
        log = EventLog(db, "boot", ballast=ballast)
        log.append(event())
        fill(small_disk)
        with pytest.raises(StoreError) as caught, transaction(db):  # noqa: PT012 - until full
            for n in range(5000):
                log.append(event(detail={"n": n}))
        assert caught.value.errno == errno.ENOSPC
        assert log.head()[0] == 1
        assert ballast.held, "the reserve is for the door's own lines"
        assert log.append(event()).seq == 2


def test_a_database_cannot_be_made_on_a_full_disk(small_disk: Path) -> None:
    fill(small_disk)
    with pytest.raises(StoreError, match="the disk is full") as caught:
        connect(small_disk / DATABASE)
    assert caught.value.errno == errno.ENOSPC
