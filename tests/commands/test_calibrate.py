"""`lintel calibrate` on a store of invented people, and what the chain makes of it."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.__main__ import main
from appliance.config import Config, load
from appliance.daemons.enrolled import Enrolled
from appliance.errors import StoreError
from appliance.evaluate.speed import invented, shots
from appliance.store import calibration
from appliance.store.calibration import Calibration, Point
from appliance.store.consent import given
from appliance.store.database import FILE, connect, transaction
from appliance.store.enrolments import add_templates
from appliance.store.events import EventLog
from appliance.store.people import People
from appliance.system.clock import now
from appliance.system.keys import DeviceKey
from appliance.vision.gallery import FUSED_SHIFT, fmr_table, strictest, threshold
from appliance.vision.models import Manifest, models_dir

SLOT = Manifest.read(models_dir() / "manifest.toml").slots["embedder"]
MODEL = f"sha256:{SLOT.sha256[:12]}"
TABLE = fmr_table(SLOT.thresholds)


def site(tmp_path: Path, people: int, each: int = 3, model: str = MODEL, alike: float = 1.0) -> Path:
    """`alike`: how much a person's pictures differ, 1 as LFW's do."""
    settings = tmp_path / "lintel.toml"
    settings.write_text(f'[paths]\nstate = "{tmp_path}"\nrun = "{tmp_path}"\n')
    keys, db, rng = DeviceKey.load(tmp_path, create=True), connect(tmp_path / FILE), np.random.default_rng(0)
    log = EventLog(db)
    roster = People(db, keys, log, now)
    centres = invented(people, rng)
    means = centres / np.linalg.norm(centres, axis=1, keepdims=True)
    for mean, wild in zip(means, np.split(shots(centres, each, rng), people), strict=True):
        rows = mean + alike * (wild - mean)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        with transaction(db):
            pid = roster.add("Somebody", by="test", consent=given(time.time(), "test")).pid
            add_templates(db, keys, pid, rows, model, by="test", log=log, alike=())
    db.close()
    return settings


def calibrate(settings: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any], str]:
    code = main(["--config", str(settings), "calibrate", *words])
    out, err = capsys.readouterr()
    return code, json.loads(out.splitlines()[-1]) if out else {}, out + err


def config_of(settings: Path) -> Config:
    return load(settings)


def test_it_is_stored_and_the_door_takes_the_stricter_threshold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = site(tmp_path, 60, alike=0.15)
    enrolled = Enrolled(config_of(settings), MODEL)
    assert enrolled.fresh(0.0) is not None
    assert enrolled.site == ()
    code, dry, said = calibrate(settings, capsys, "--dry-run")
    assert (code, dry["stored"]) == (0, False)
    assert "A stranger gets in less than once in" in said
    assert enrolled.fresh(1.0) is None, "a dry run changes nothing"
    code, told, _ = calibrate(settings, capsys)
    assert {**told, "stored": False} == dry, "the same seed, the same figures"
    gallery = enrolled.fresh(2.0)
    assert gallery is not None, "the new threshold is taken over without a restart"
    found = strictest(TABLE, enrolled.site, len(gallery), 1e-4)
    assert found == pytest.approx(told["threshold"])
    assert found >= told["threshold_of_manifest"]
    assert told["fpir"]["low"] <= told["fpir"]["estimate"] <= told["fpir"]["high"] <= 1e-4 * 1.05
    assert told["own_pictures"]["counted"] == 180
    assert told["own_pictures"]["below_threshold"] == 0
    db = connect(tmp_path / FILE)
    assert EventLog(db).latest(1)[-1].why == "calibrated"
    code, told, _ = calibrate(settings, capsys, "--forget")
    assert told == {"forgotten": True}
    assert enrolled.fresh(3.0) is not None
    assert enrolled.site == ()
    assert calibrate(settings, capsys, "--forget")[1] == {"forgotten": False}


def test_a_threshold_that_turns_many_away_is_not_stored_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = site(tmp_path, 50, each=2, alike=3.0)
    code, told, said = calibrate(settings, capsys)
    assert (code, told["stored"], told["costly"]) == (1, False, True)
    assert "--even-so" in said
    assert calibration.load(connect(tmp_path / FILE), MODEL) is None
    code, told, _ = calibrate(settings, capsys, "--even-so")
    assert (code, told["stored"]) == (0, True)
    assert calibration.load(connect(tmp_path / FILE), MODEL) is not None


def test_few_people_keep_the_manifests_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = site(tmp_path, 49, each=1)
    code, _, said = calibrate(settings, capsys)
    assert code == 2
    assert "49 people" in said
    assert "needs 50" in said
    assert calibration.load(connect(tmp_path / FILE), MODEL) is None


def test_templates_of_another_model_say_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = calibrate(site(tmp_path, 50, each=1, model="sha256:000000000000"), capsys)
    assert code == 2
    assert "0 people" in said
    assert "50 with another one" in said


def kept(highs: Sequence[float] = (0.5, 0.6, 0.7), model: str = MODEL) -> Calibration:
    points = [Point(10.0 ** -(3 + n), high - 0.1, high - 0.2, high) for n, high in enumerate(highs)]
    return Calibration(model, 1.8e9, 60, 1770, tuple(points))


def test_it_is_no_longer_valid_once_the_model_changes(tmp_path: Path) -> None:
    db = connect(tmp_path / FILE)
    calibration.save(db, kept(), "test", now)
    assert calibration.load(db, MODEL) == kept()
    assert calibration.load(db, "sha256:000000000000") is None


@pytest.mark.parametrize(
    "row", ["", "[]", "{}", "7", '{"model": "m", "at": 0, "people": 1, "pairs": 1, "table": []}', b"\xff\xfe"]
)
def test_a_damaged_one_lets_nobody_be_matched(tmp_path: Path, row: str | bytes) -> None:
    settings = site(tmp_path, 2)
    db = connect(tmp_path / FILE)
    db.execute("INSERT INTO meta VALUES ('calibration', ?)", (row,))
    with pytest.raises(StoreError, match="lintel calibrate"):
        calibration.load(db, MODEL)
    gallery = Enrolled(config_of(settings), MODEL).fresh(0.0)
    assert gallery is not None
    assert len(gallery) == 0


def test_a_table_that_falls_is_damaged(tmp_path: Path) -> None:
    db = connect(tmp_path / FILE)
    calibration.save(db, kept((0.6, 0.5, 0.7)), "test", now)
    with pytest.raises(StoreError, match="damaged"):
        calibration.load(db, MODEL)


@pytest.mark.parametrize("people", [1, 10, 1000, 100_000])
def test_the_sites_table_makes_it_stricter_and_never_laxer(people: int) -> None:
    usual = threshold(TABLE, people, 1e-4)
    lax = tuple((fmr, cosine - 0.2) for fmr, cosine in TABLE)
    strict = tuple((fmr, cosine + 0.2) for fmr, cosine in TABLE)
    assert strictest(TABLE, (), people, 1e-4) == usual
    assert strictest(TABLE, lax, people, 1e-4) == usual
    assert strictest(TABLE, strict, people, 1e-4) == pytest.approx(usual + 0.2 - FUSED_SHIFT)
    assert strictest(TABLE, strict, people, 0.01) >= strict[1][1], "the floor holds for it too"
