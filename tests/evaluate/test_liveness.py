import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.__main__ import main
from appliance.errors import DatasetError
from appliance.evaluate.liveness import read_manifest

DATA = Path(__file__).parents[1] / "data"
PAD = Path(__file__).parents[3] / "shared" / "data" / "pad-dev"
HEADER = "path,label,attack,group"
needs_pad = pytest.mark.skipif(not PAD.is_dir(), reason=f"no sequences at {PAD}")


def manifest(tmp_path: Path, rows: list[str]) -> Path:
    path = tmp_path / "list.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def result(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, rows: list[str], images: Path, *more: str, toml: str = ""
):
    config = tmp_path / "lintel.toml"
    config.write_text(toml)
    words = ["--config", config, "evaluate", "liveness", manifest(tmp_path, rows), "--images", images, *more]
    assert main([str(word) for word in words]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_corrupt_picture_is_counted_and_named_and_the_rest_is_judged(capsys, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes((DATA / "obama.jpg").read_bytes())
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8 no picture")
    cv2.imwrite(str(tmp_path / "blank.png"), np.full((300, 300, 3), 120, np.uint8))
    found = result(
        capsys, tmp_path, ["a.jpg,live,,g", "b.jpg,live,,g", "blank.png,live,,h", "b.jpg,attack,x,i"], tmp_path
    )
    assert (found["groups"], found["live"], found["attacks"]) == (3, 2, 1)
    assert found["corrupt"] == 2
    assert all("b.jpg" in name for name in found["corrupt_files"])
    assert found["failures_to_acquire"] == 2
    assert found["bpcer"] == 0.5, "a living face that is not found is turned away"
    assert found["apcer"] == 0.0


def test_the_level_is_asked_of_recordings_too(capsys, tmp_path: Path) -> None:
    rows = ["obama.jpg,live,,"]
    assert result(capsys, tmp_path, rows, DATA)["bpcer"] == 0.0
    strict = result(capsys, tmp_path, rows, DATA, toml='[liveness]\nlevel = "strict"\n')
    assert (strict["bpcer"], strict["level"], strict["abstained"]) == (1.0, "strict", 1)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["obama.jpg,real,,g"], ":2: label = 'real'"),
        (["obama.jpg,live,,g", "none.jpg,live,,g"], ":3: path: "),
        (["obama.jpg,live,,g", "biden.jpg,attack,print,g"], ":3: label = 'attack'"),
        (["obama.jpg,attack,print,g", "biden.jpg,attack,screen,g"], ":3: attack = 'screen'"),
    ],
)
def test_a_wrong_row_is_named_by_line_and_column(tmp_path: Path, rows: list[str], words: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read_manifest(manifest(tmp_path, rows), DATA)
    assert words in str(caught.value)


@needs_pad
def test_prints_before_a_fixed_camera_are_told_from_people_each_time_alike(capsys, tmp_path: Path) -> None:
    """Three sequences of each kind; all of them with `lintel evaluate liveness` (docs/evaluation.md)."""
    rows = [
        f"{path.relative_to(PAD)},{label},{kind},{folder.name}{label}"
        for kind, label in (("live", "live"), ("print", "attack"))
        for folder in sorted((PAD / kind).iterdir())[:3]
        for path in sorted(folder.glob("*.jpg"))[:10]
    ]
    found = result(capsys, tmp_path, rows, PAD)
    assert found["bpcer"] == found["apcer"] == 0.0
    again = result(capsys, tmp_path, rows, PAD)
    assert again == found
    held = result(capsys, tmp_path, rows, PAD, "--hand-held")
    assert held["hand_held"]
    assert held["abstained"] == held["groups"]
