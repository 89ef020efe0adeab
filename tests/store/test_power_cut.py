"""Power cuts: whatever was not synced may be lost, torn or reordered; what the journal called durable may not.

The door's journal runs with the net process's duties beside it on a disk that notes what it does; then the
power is cut at random places in that life, and each disk that could have come of it is opened.
"""

import random
import shutil
from pathlib import Path

import pytest

from appliance.door import memory
from appliance.door.memory import Memory
from appliance.door.pinhash import PinHash
from tests.beds import journal_life

powercut = pytest.importorskip("tests.beds.powercut", reason="needs apsw, to watch SQLite's writes and syncs")

EVENTS = 160
"""A life."""


def recorded(place: Path, seed: int, monkeypatch: pytest.MonkeyPatch, synchronous: str = "FULL"):
    """The trace of one life: an older database brought forward, events, duties beside them."""
    place.mkdir()

    def connect(path: Path, busy_seconds: float = 5.0):
        return powercut.connect(path, busy_seconds, synchronous)

    with powercut.watched() as trace, monkeypatch.context() as patch:
        patch.setattr(memory, "connect", connect)
        if seed % 2:
            journal_life.older_database(place, connect, trace.ack)
        journal_life.live(
            place,
            100,
            EVENTS,
            trace.ack,
            connect=connect,
            open_store=lambda: Memory(place, PinHash()),
            dice=random.Random(seed),
        )
    assert sum(len(told) for _, told in trace.acks) > EVENTS / 2, "the journal had time to work"
    return trace


def tally(trace, count: int, seed: int, folder: Path) -> tuple[int, int, int]:
    """Over `count` cuts: acknowledged events, lost ones, and databases that were damaged."""
    acknowledged = lost = corrupt = 0
    for number, (_, disk, told) in enumerate(powercut.cuts(trace, count, random.Random(seed))):
        place = folder / f"cut{number}"
        powercut.lay(disk, place)
        acks = [ack for some in told for ack in some]
        wrong, gone = journal_life.faults_of(place, acks)
        acknowledged, lost, corrupt = acknowledged + len(acks), lost + gone, corrupt + bool(wrong)
        shutil.rmtree(place)
    return acknowledged, lost, corrupt


def survive(lives: int, cuts: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    total = [0, 0, 0]
    for seed in range(lives):
        trace = recorded(folder / f"life{seed}", seed, monkeypatch)
        syncs = [step[1] for step in trace.steps if step[0] == "sync"]
        assert syncs.count("lintel.db") >= 3, "checkpoints took place"
        found = tally(trace, cuts // lives, seed, folder)
        total = [before + more for before, more in zip(total, found, strict=True)]
    print(f"{cuts} power cuts: {total[0]} acknowledgements checked, {total[1]} lost, {total[2]} databases damaged")
    assert total[0] > cuts * EVENTS / 4
    assert total[1:] == [0, 0]


def test_a_power_cut_at_any_moment_loses_nothing_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    survive(4, 100, tmp_path, monkeypatch)


@pytest.mark.slow
def test_a_thousand_power_cuts_lose_nothing_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    survive(20, 1000, tmp_path, monkeypatch)


def test_without_syncs_events_are_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above can fail: the same cuts on a disk that only pretends to sync the log."""
    trace = recorded(tmp_path / "life", 1, monkeypatch)
    _, lost, corrupt = tally(trace.without("sync", "-wal"), 25, 1, tmp_path)
    print(f"25 power cuts without syncs of the log: {lost} lost, {corrupt} damaged")
    assert lost > 5


@pytest.mark.parametrize("synchronous", ["OFF", "NORMAL"])
def test_with_a_laxer_setting_events_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synchronous: str
) -> None:
    trace = recorded(tmp_path / "life", 0, monkeypatch, synchronous)
    _, lost, corrupt = tally(trace, 25, 1, tmp_path)
    print(f"25 power cuts at synchronous={synchronous}: {lost} lost, {corrupt} damaged")
    assert lost > 5
