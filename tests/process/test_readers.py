"""A card at the real door process, through an OSDP reader in a process of its own."""

import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from appliance.door.wiegand import Card
from appliance.settings import OsdpConfig
from appliance.store.database import FILE, connect
from appliance.store.people import People
from appliance.system.keys import DeviceKey
from tests.beds.door import DoorChild, eventually
from tests.door.test_osdp import KEY, OTHER, READER, packed

CARD = Card(26, 120, 4711)


@pytest.fixture
def laid(tmp_path):
    """A door with a card given out, and what starts a reader on its line."""
    pytest.importorskip("osdp_sys", reason="libosdp, which speaks OSDP, is not installed")
    far, near = os.openpty()
    file = tmp_path / "reader.key"
    file.write_text(KEY)
    file.chmod(0o600)
    child, readers = DoorChild(tmp_path / "d"), []
    child.config = replace(child.config, osdp=OsdpConfig(device=os.ttyname(near), key_file=str(file)))
    pid, _ = child.enrol()
    db = connect(child.state / FILE)
    People(db, DeviceKey.load(child.state)).set_card(pid, CARD.text, "test")
    db.close()

    def reader(key: str, *said: str) -> None:
        words = [sys.executable, str(READER), str(far), key]
        readers.append(subprocess.Popen(words, pass_fds=[far], stdin=subprocess.PIPE, text=True))
        readers[-1].stdin.write("".join(f"{line}\n" for line in said))
        readers[-1].stdin.flush()

    yield child, reader, pid
    child.close()
    for process in readers:
        process.kill()
        process.wait()
    os.close(far)
    os.close(near)


def test_a_card_opens_and_garbage_and_a_strangers_card_do_not(laid):
    child, reader, pid = laid
    child.start()
    reader(KEY, "card 26 00000000", f"card 26 {packed(Card(26, 1, 1))}", f"card 26 {packed(CARD)}")
    child.await_release(15)
    asked = [(event.why, event.by, event.person) for event in child.events() if event.type == "access"]
    assert asked == [("malformed", "card", None), ("unknown_card", "card", None), ("granted", "card", pid)]
    assert "4711" not in child.log


def test_a_reader_with_the_wrong_key_is_an_event_and_never_an_unlock(laid):
    child, reader, _ = laid
    child.start()
    reader(OTHER, f"card 26 {packed(CARD)}")
    eventually(lambda: "reader_unproven" in child.whys(), 15, "reader_unproven")
    time.sleep(1)
    assert not child.released
    assert [event.why for event in child.events() if event.type == "access"] == []
