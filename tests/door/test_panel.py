"""Another panel hears whom the door was opened for, and nothing else."""

from pathlib import Path

import pytest

from appliance.door.cards import send
from appliance.door.inbox import PanelMissed
from appliance.door.panel import Panel, Register, Way
from appliance.door.wiegand import Card, decode
from appliance.errors import LockError, StoreError
from appliance.facts import PinEntry
from appliance.store.database import FILE, connect
from appliance.store.people import People
from appliance.system.keys import DeviceKey
from tests.door.test_loop import DIGEST, PEOPLE, Bench
from tests.fakes import RecordingPost, eventually


class Line:
    """Remembers the bits."""

    def __init__(self, bit: int, told: list[int]) -> None:
        self.bit, self.told = bit, told

    def pulse(self, seconds: float) -> None:
        self.told.append(self.bit)


@pytest.fixture
def told() -> list[int]:
    return []


def wires(told: list[int]) -> Way:
    return lambda card, at: send(card, Line(0, told), Line(1, told))


def laid(told: list[int], open_register, post: RecordingPost | None = None) -> Panel:
    panel = Panel(open_register, [wires(told)], post or RecordingPost())
    panel.start()
    return panel


def test_the_number_of_who_was_let_in_is_sent(tmp_path: Path, told: list[int], caplog) -> None:
    def open_register() -> Register:
        db = connect(tmp_path / FILE)
        return Register(People(db, DeviceKey(b"k" * 32)), db.close)

    people = open_register().numbers
    ada, bob = people.add("Ada", by="cli").pid, people.add("Bob", by="cli").pid
    people.set_card(ada, "37:7:500000", "cli")
    assert people.card_of(ada) == "37:7:500000"
    assert people.card_of(bob) is None
    panel = laid(told, open_register)
    panel.granted(ada)
    assert eventually(lambda: len(told) == 37)
    assert decode(told) == Card(37, 7, 500_000)
    panel.granted(bob)
    assert eventually(lambda: "has no card" in caplog.text)
    people.remove(ada, "cli")
    panel.granted(ada)
    panel.close()
    assert len(told) == 37
    assert "500000" not in caplog.text


def test_a_broken_record_tells_nothing_and_breaks_nothing(told: list[int], caplog) -> None:
    def open_register() -> Register:
        raise StoreError("the disk is gone; look for it")

    post = RecordingPost()
    panel = laid(told, open_register, post)
    panel.granted("p")
    assert eventually(lambda: "the panel was not told" in caplog.text)
    assert eventually(lambda: post.items == [PanelMissed("record")])
    assert panel.is_alive()
    panel.close()
    assert told == []


def test_a_number_found_too_late_is_not_sent(told: list[int], monkeypatch, caplog) -> None:
    class Slow:
        def card_of(self, pid: str) -> str:
            return "26:1:1"

    monkeypatch.setattr("appliance.door.panel.LATEST_SECONDS", -1.0)
    panel = laid(told, lambda: Register(Slow(), lambda: None))
    panel.granted("p")
    panel.close()
    assert told == []
    assert "too late" in caplog.text


def test_the_loop_tells_after_the_drive_and_of_grants_only() -> None:
    bench, heard = Bench(PEOPLE), []
    bench.loop._granted = lambda pid: heard.append((pid, bench.released))
    bench.turn(PinEntry(b"x" * 32, "keypad", bench.now)).written()
    assert heard == []
    bench.turn(PinEntry(DIGEST, "keypad", bench.now))
    assert heard == []
    bench.written()
    assert heard == [("p", True)]


def test_too_many_are_counted_and_said_by_the_thread_alone(told: list[int], caplog) -> None:
    def open_register() -> Register:
        raise StoreError("the disk is gone; look for it")

    panel = Panel(open_register, [wires(told)], RecordingPost())
    for _ in range(10):
        panel.granted("p")
    assert caplog.text == ""
    panel.start()
    assert eventually(lambda: "not told of 2" in caplog.text)
    panel.close()


def test_a_way_that_fails_leaves_the_other_one_and_is_said(told: list[int]) -> None:
    class Numbers:
        def card_of(self, pid: str) -> str | None:
            return "26:1:1" if pid == "p" else None

    def broken(card: Card, at: float) -> None:
        raise LockError("out_d0: the line is gone; look for it")

    post = RecordingPost()
    panel = Panel(lambda: Register(Numbers(), lambda: None), [broken, wires(told)], post)
    panel.start()
    panel.granted("p")
    assert eventually(lambda: len(told) == 26)
    panel.granted("q")
    panel.close()
    assert post.items == [PanelMissed("line"), PanelMissed("no_card")]
