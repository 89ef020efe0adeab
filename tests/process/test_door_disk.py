"""The real door process on a disk that was full or write-protected before it started."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from appliance.settings import PinsConfig
from appliance.store.ballast import FILE as BALLAST
from appliance.store.ballast import Ballast
from tests.beds.door import DoorChild, eventually


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """16 MB of tmpfs of its own."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("needs root and the right to mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def child(tmp_path: Path, state: Path) -> Iterator[DoorChild]:
    child = DoorChild(tmp_path / "d", state=state, pins=PinsConfig(driver="mock"))
    yield child
    child.close()


def fill(disk: Path) -> None:
    with (disk / "filler").open("ab", buffering=0) as file:
        for size in (1 << 20, 4096):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


def test_started_on_a_full_disk_it_lets_people_in_and_records_it(child: DoorChild, state: Path) -> None:
    pid, _ = child.enrol()
    assert Ballast(state / BALLAST).keep()
    fill(state)
    child.start()
    child.sender.send(child.match(pid))
    child.await_release()
    eventually(lambda: "granted" in child.whys(), 10, "the record")
    assert "disk_full" in child.whys()
    assert not (state / BALLAST).exists()
    assert child.status["store"] == "ok"


def test_started_on_a_write_protected_disk_the_way_out_works_and_is_recorded_later(
    child: DoorChild, state: Path
) -> None:
    pid, _ = child.enrol()
    subprocess.run(["mount", "-o", "remount,ro", state], check=True)
    child.spawn()
    eventually(lambda: child.status and child.status["store"] == "failed", 20, "the store is missed")
    child.type("r")
    child.await_release(10)
    assert "mounted read-only" in child.log
    subprocess.run(["mount", "-o", "remount,rw", state], check=True)
    eventually(lambda: child.status["roster"] is not None, 20, "the people")
    child.await_rest(20)
    child.sender.send(child.match(pid))
    child.await_release(10)
    eventually(lambda: {"granted", "unlocked"} <= set(child.whys()), 10, "the record")
    assert next(event.by for event in child.events() if event.why == "unlocked") == "rex"
