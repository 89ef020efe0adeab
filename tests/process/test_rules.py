"""The rules as they are set on the command line, at the real door: they take effect without a restart."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.__main__ import main
from appliance.access.schedule import DAYS
from appliance.store.chain import StoredEvent
from tests.beds.door import DoorChild, eventually

ROOT = os.getuid() == 0
# A clock that somebody vouches for: hours mean nothing without one. Seen by this child alone.
VOUCHED = (
    "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/timesync && touch /run/systemd/timesync/synchronized && "
    'exec "$@"'
)
IN_TIME = ["unshare", "-m", "sh", "-c", VOUCHED, "sh"]


class Site:
    """A door with somebody enrolled, and its command line."""

    def __init__(self, child: DoorChild, capture: pytest.CaptureFixture[str]) -> None:
        self.child, self._capture = child, capture
        self.pid, self.digits = child.enrol()
        child.spawn()  # writes the settings
        child.stop(signal.SIGKILL)
        self("people", "groups", "Ada", "staff")

    def __call__(self, *words: object, code: int = 0) -> str:
        self._capture.readouterr()
        assert main(["--config", str(self.child.file), *map(str, words)]) == code
        said = self._capture.readouterr()
        return said.out + said.err

    def change(self, *words: object) -> None:
        """Set a rule, and wait until the running door has it."""
        before = self.child.status["roster"]
        self(*words)
        eventually(lambda: self.child.status["roster"] > before, what="the door reads the change")

    def asks(self) -> StoredEvent:
        """Ada's face asks; what was decided."""
        before = len(self.decisions())
        self.child.sender.send(self.child.match(self.pid))
        eventually(lambda: len(self.decisions()) > before, what="a decision")
        return self.decisions()[-1]

    def decisions(self) -> list[StoredEvent]:
        return [event for event in self.child.events() if event.type in ("access", "pin", "spoof")]


@pytest.fixture
def make_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Site]]:
    children = []

    def make(*, in_time: bool = False) -> Site:
        child = DoorChild(tmp_path / "d")
        children.append(child)
        if in_time:
            if not ROOT or subprocess.run([*IN_TIME, "true"], check=False, capture_output=True).returncode:
                pytest.skip("needs the right to mount a tmpfs of its own")
            child.prefix = IN_TIME
        return Site(child, capsys)

    yield make
    for child in children:
        child.close()


def days(*ahead: int) -> str:
    """Names of days counted from today."""
    today = datetime.now(UTC)
    return ",".join(DAYS[(today + timedelta(days=count)).weekday()] for count in ahead)


def test_hours_refuse_outside_and_let_in_inside_as_soon_as_they_are_changed(make_site):
    site = make_site(in_time=True)
    site("rules", "schedule", "add", "office", f"{days(3)} 08:00-12:00")
    site("rules", "group", "set", "staff", "office")
    site.child.start()
    refused = site.asks()
    assert refused.why == "outside_hours"
    assert [on for _, on in site.child.edges] == [False]
    said = site("why", "--event", refused.seq)
    assert "Ada cannot enter" in said
    assert "off now: 'office'" in said
    site.change("rules", "schedule", "add", "office", f"{days(0, 1)} 00:00-24:00", "--replace")
    granted = site.asks()
    assert granted.why == "granted"
    site.child.await_release()
    assert "Ada can enter" in site("why", "--event", granted.seq)
    site.child.pass_through()
    site.change("rules", "block", "add", "Ada", "--reason", "stolen_pin")
    assert site.asks().why == "blocked"


def test_free_for_everybody_once_somebody_came_until_the_mode_ends(make_site):
    site = make_site(in_time=True)
    site("rules", "schedule", "add", "open day", f"{days(0, 1)} 00:00-24:00")
    site("rules", "mode", "set", "free", "--on", "open day")
    site.child.start()
    assert not site.child.released
    assert site.asks().why == "granted"
    site.child.await_release()
    time.sleep(3.5)  # unlock_seconds is 3
    assert site.child.released
    assert "whoever comes first" in site("rules", "mode", "list")
    site.change("rules", "mode", "remove", "--on", "open day")
    site.child.await_rest(2)


def test_face_and_pin_takes_both(make_site):
    site = make_site()
    site("rules", "mode", "set", "face_and_pin")
    site.child.start()
    assert site.asks().why == "second_factor"
    assert not site.child.released
    site.child.type(f"{site.digits}#")
    site.child.await_release()
    assert [event.why for event in site.decisions()] == ["second_factor", "granted"]


def test_a_lockdown_outlives_a_restart_and_shuts_nobody_in(make_site):
    site = make_site()
    assert "the door does not run" in site("lockdown", "on", "--reason", "drill", code=1)
    site.child.start()
    assert "lockdown is already on; the door has taken it" in site("lockdown", "on", "--reason", "drill")
    site.child.stop(signal.SIGKILL)
    site.child.start()
    told = json.loads(site("lockdown", "status", "--json"))
    assert (told["lockdown"], told["reason"], told["by"], told["door"]) == (True, "drill", "cli", "taken")
    assert site.asks().why == "lockdown"
    assert "the door refused: Door in lockdown" in site("unlock", "--reason", "parcel", code=1)
    assert [on for _, on in site.child.edges] == [False]
    assert "Ada cannot enter now: the door is in lockdown" in site("why", "Ada", code=1)
    site.child.type("r")
    site.child.await_release()
    # While somebody goes out it is a lockdown all the same.
    assert json.loads(site("lockdown", "status", "--json"))["door"] == "taken"
    site.child.pass_through()
    assert "lockdown is off; the door lets people in as usual" in site("lockdown", "off", "--reason", "over")
    assert site.asks().why == "granted"
    site.child.await_release()


def test_an_unlock_says_what_became_of_it(make_site):
    site = make_site()
    assert "the door does not run" in site("unlock", "--reason", "parcel", code=1)
    site.child.start()
    assert json.loads(site("unlock", "--reason", "parcel", "--json")) == {"unlocked": True, "why": "unlock"}
    assert site.child.released
    (granted,) = site.decisions()
    assert (granted.why, granted.by, granted.detail["admin"]) == ("granted", "admin", "cli")
    ordered = json.loads(site("events", "--type", "audit", "-n", "1", "--json"))
    assert (ordered["why"], ordered["detail"]["reason"]) == ("unlock_ordered", "parcel")
    assert ordered["detail"]["id"] == granted.detail["id"]
    assert "1 to 200 printable characters" in site("unlock", "--reason", " ", code=2)
