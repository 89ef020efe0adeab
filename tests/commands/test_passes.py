"""`lintel pass` on a real store, and the picture it draws in front of the reader."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.access.passes import Pass, from_text, read, to_text
from appliance.facts import Frame
from appliance.store.database import FILE, connect
from appliance.store.passes import Passbook
from appliance.system.keys import DeviceKey
from appliance.system.passkey import PassKey
from appliance.vision.passes import PassReader
from tests.commands.test_people import Shell, lintel

__all__ = ["lintel"]
DAYS = ("--from", "2027-01-31", "--until", "2027-02-01")


class Pen:
    """Stands in for the drawing package where the pictures are not what is asked about."""

    @staticmethod
    def make(text: str, **_: object) -> "Pen":
        pen = Pen()
        pen.text = text
        return pen

    def save(self, path: str, **_: object) -> None:
        Path(path).write_text(self.text)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.commands.passes._drawing", lambda: Pen)


def the_pass(lintel: Shell, text: str) -> Pass:
    token = from_text(text)
    assert token
    found = read(token, "site", "door", PassKey(DeviceKey.load(lintel.state)).verify)
    assert isinstance(found, Pass)
    return found


def test_a_pass_is_issued_listed_and_revoked(lintel: Shell, drawn: None, tmp_path: Path) -> None:
    out = tmp_path / "pass.png"
    issued = lintel.json("pass", "issue", "Vic Tor", *DAYS, "--uses", "3", "--out", out)
    assert issued["from"] == "2027-01-30T23:00:00Z"
    assert issued["until"] == "2027-02-01T23:00:00Z"
    assert out.stat().st_mode & 0o777 == 0o600
    given = the_pass(lintel, out.read_text())
    assert (given.id, given.person, given.uses, given.doors) == (issued["id"], issued["pid"], 3, ("door",))
    assert lintel.people().get(given.person).groups == {"visitors"}
    (listed,) = lintel.json("pass", "list")["passes"]
    assert (listed["name"], listed["used"], listed["revoked"]) == ("Vic Tor", 0, False)
    assert "Vic Tor" in lintel("pass", "list")
    assert lintel.json("pass", "revoke", given.id[:8])["revoked"] is True
    assert lintel.json("pass", "list")["passes"][0]["revoked"] is True
    assert Passbook(connect(lintel.state / FILE)).spend(given.id) == "revoked"


def test_a_time_of_day_and_every_door(lintel: Shell, drawn: None, tmp_path: Path) -> None:
    when = ("--from", "2027-01-31T14:00", "--until", "2027-01-31T15:30+00:00")
    args = ("pass", "issue", "Vic", *when, "--uses", "0", "--any-door", "--out", tmp_path / "a.svg")
    issued = lintel.json(*args)
    assert (issued["from"], issued["until"]) == ("2027-01-31T13:00:00Z", "2027-01-31T15:30:00Z")
    assert issued["doors"] == []
    assert lintel.json(*args)["pid"] == issued["pid"], "the same visitor comes again"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "2027-02-02", "--until", "2027-01-01"), "ends before it begins"),
        (("--until", "soon"), "not a time"),
        (("--until", "2027-01-01Tnoon"), "not a time"),
        ((*DAYS, "--uses", "2000"), "2000 uses"),
        ((*DAYS, "--any-door"), "exactly one door"),
        ((*DAYS, "--door", "a b"), "letters"),
        ((*DAYS, "--out", "pass.gif"), ".png or .svg"),
        ((*DAYS, "--out", "/nowhere/pass.png"), "cannot be written"),
    ],
)
def test_what_cannot_be_meant_issues_nothing(lintel: Shell, drawn: None, tmp_path: Path, words, said: str) -> None:
    assert said in lintel("pass", "issue", "Vic", "--out", tmp_path / "a.png", *words, code=2)
    assert lintel.json("pass", "list") == {"passes": []}
    assert lintel.people().list() == []


def test_without_the_drawing_package_it_says_so(lintel: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    assert "pip install segno" in lintel("pass", "issue", "Vic", *DAYS, "--out", tmp_path / "a.png", code=2)


def test_the_picture_is_read_by_the_camera(lintel: Shell, tmp_path: Path) -> None:
    pytest.importorskip("segno", reason="segno, which draws passes, is not installed")
    out = tmp_path / "pass.png"
    lintel("pass", "issue", "Vic", *DAYS, "--out", out)
    picture = cv2.imread(str(out))
    room = np.full((480, 640, 3), 120, np.uint8)
    room[80:400, 160:480] = cv2.resize(picture, (320, 320), interpolation=cv2.INTER_AREA)
    shown = PassReader(1).look(Frame(0, 5.0, room), "idle")
    assert shown is not None
    assert the_pass(lintel, to_text(shown.token)).uses == 1
