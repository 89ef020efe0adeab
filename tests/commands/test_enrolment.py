"""Enrolling that works the first time, and renewing it, on a real store with the real models."""

import io
from pathlib import Path

import pytest

from appliance.commands.renewal import ANEW, OLD, TERM_YEARS, current_model, renewals
from appliance.config import Config
from appliance.store.calibration import Calibration, Point, save
from appliance.store.database import FILE, connect
from appliance.system.clock import now

from .test_people import ASTRONAUT, BIDEN, OBAMA, OBAMA2, OBAMA3, Shell

YEAR = 366 * 86400.0


@pytest.fixture
def lintel(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    config, state = tmp_path / "lintel.toml", tmp_path / "state"
    config.write_text(f'[paths]\nstate = "{state}"\nrun = "{tmp_path / "run"}"\n')
    return Shell(state, config, capsys)


def test_the_forecast_is_told_before_anybody_waits_at_the_door(lintel: Shell) -> None:
    said = lintel("people", "add", "Barack", OBAMA, OBAMA2, OBAMA3, "--consent")
    assert "expected to be missed at this door: " in said
    told = lintel.json("people", "add", "Joe", BIDEN, "--consent")["enrolment"]
    assert isinstance(told, dict)
    assert told["pictures"] == 1
    assert told["likeness"] is None
    assert told["fnmr"] > 0.02
    assert told["fnmr_90"][0] < told["fnmr"] < told["fnmr_90"][1]
    assert any("add photos" in line for line in told["advice"])


def test_the_forecast_goes_by_the_sites_own_calibration(lintel: Shell) -> None:
    usual = lintel.json("people", "add", "Joe", BIDEN, "--consent")["enrolment"]
    assert isinstance(usual, dict)
    model = current_model(Config())
    points = tuple(Point(fmr, cosine, cosine, cosine + 0.2) for fmr, cosine in ((1e-3, 0.5), (1e-4, 0.6), (1e-5, 0.7)))
    save(connect(lintel.state / FILE), Calibration(model, 1.8e9, 60, 1770, points), "cli", now)
    told = lintel.json("people", "add", "Barack", OBAMA, "--consent")["enrolment"]
    assert isinstance(told, dict)
    assert told["threshold"] > usual["threshold"] + 0.2
    assert told["fnmr"] > usual["fnmr"]


def test_a_photo_twice_is_told_to_show_nothing_new(lintel: Shell) -> None:
    told = lintel.json("people", "add", "Barack", OBAMA, OBAMA, "--consent")["enrolment"]
    assert isinstance(told, dict)
    assert any("1 of 2 photos show nothing new" in line for line in told["advice"])
    again = lintel.json("people", "enrol", "Barack", OBAMA2, "--consent")["enrolment"]
    assert isinstance(again, dict)
    assert again["pictures"] == 3


def test_a_stranger_is_not_added_to_somebody_who_is_enrolled(lintel: Shell) -> None:
    lintel("people", "add", "Barack", OBAMA, OBAMA2, "--consent")
    error = lintel("people", "enrol", "Barack", ASTRONAUT, code=2)
    assert "astronaut.jpg: does not look like the person" in error
    assert lintel.people().find("Barack").templates == 2


def test_replace_leaves_only_the_new_templates_and_says_so_in_the_record(lintel: Shell) -> None:
    lintel("people", "add", "Barack", OBAMA, OBAMA2, "--consent")
    said = lintel("people", "enrol", "Barack", OBAMA3, "--replace")
    assert "1 new templates" in said
    assert lintel.people().find("Barack").templates == 1
    rows = connect(lintel.state / FILE).execute("SELECT why FROM events ORDER BY seq").fetchall()
    assert [why for (why,) in rows][-2:] == ["templates_removed", "templates_added"]


def test_a_bad_photo_replaces_nothing(lintel: Shell, tmp_path: Path) -> None:
    lintel("people", "add", "Barack", OBAMA, OBAMA2, "--consent")
    lintel("people", "enrol", "Barack", tmp_path / "no.jpg", "--replace", code=2)
    assert lintel.people().find("Barack").templates == 2


def test_templates_of_another_model_and_old_ones_are_remarked(lintel: Shell) -> None:
    pid = str(lintel.json("people", "add", "Barack", OBAMA, "--consent")["pid"])
    db, model = connect(lintel.state / FILE), current_model(Config())
    assert model
    (made,) = db.execute("SELECT at FROM templates").fetchone()
    assert renewals(db, model, made) == {}
    assert renewals(db, model, made + TERM_YEARS * YEAR) == {pid: (OLD,)}
    assert renewals(db, "sha256:ffffffffffff", made) == {pid: (ANEW,)}
    assert renewals(db, None, made) == {}, "an unreadable manifest blames nobody"
    assert ANEW not in lintel("people", "list")
    db.execute("DELETE FROM templates")
    assert renewals(db, "sha256:ffffffffffff", made) == {}
