import json
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from appliance.__main__ import main
from appliance.errors import DatasetError
from appliance.evaluate import identification, verification
from appliance.evaluate.dataset import Pair, read_pairs
from appliance.evaluate.highest import Highest
from appliance.evaluate.liveness import read_manifest
from appliance.evaluate.probe import main_face
from appliance.facts import Face

DATA = Path(__file__).parents[1] / "data"
LFW = Path(__file__).parents[3] / "shared" / "data" / "lfw-dev"
needs_lfw = pytest.mark.skipif(not LFW.is_dir(), reason=f"no LFW pictures at {LFW}")

PAIRS = [
    ("obama.jpg", "obama2.jpg", 1),
    ("obama.jpg", "obama3.jpg", 1),
    ("obama2.jpg", "obama3.jpg", 1),
    ("obama.jpg", "biden.jpg", 0),
    ("obama2.jpg", "astronaut.jpg", 0),
    ("biden.jpg", "astronaut.jpg", 0),
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "lintel.toml"
    path.write_text("")
    return path


def run(capsys: pytest.CaptureFixture[str], config: Path, *words: str | Path) -> tuple[int, str, str]:
    code = main(["--config", str(config), "evaluate", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


def listed(tmp_path: Path, lines: list[str]) -> Path:
    path = tmp_path / "list.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_verification_prints_one_object_and_writes_a_report(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    pairs = listed(tmp_path, ["a,b,same,fold,group", *(f"{a},{b},{s},{n % 2},x" for n, (a, b, s) in enumerate(PAIRS))])
    report = tmp_path / "report"
    code, out, _ = run(capsys, config, "verification", pairs, "--images", DATA, "--report", report)
    result = json.loads(out.splitlines()[-1])
    assert code == 0
    assert out.count("\n") == 1
    assert result["pairs"] == 6
    assert result["accuracy"] == 1.0
    assert result["accuracy_std"] == 0.0
    assert result["eer"] == 0.0
    assert result["tar_at_fmr"] == {"0.01": 1.0, "0.001": 1.0}
    assert 0.1 < result["thresholds"]["0.001"] < 0.8
    assert result["failures_to_acquire"] == 0
    assert result["model"].startswith("sha256:")
    assert result["groups"]["x"]["genuine"] == 3
    assert json.loads((report / "result.json").read_text())["pairs"] == 6
    assert len((report / "scores.csv").read_text().splitlines()) == 7
    page = (report / "index.html").read_text()
    for plot in page.split("<svg")[1:]:
        ElementTree.fromstring("<svg" + plot.split("</svg>")[0] + "</svg>")
    assert page.count("<svg") == 2
    assert "By group" in page
    assert "Highest impostors" in page
    assert result["worst"]["lowest_genuine"][0]["a"] in {name for pair in PAIRS for name in pair[:2]}
    assert result["worst"]["highest_impostors"][0]["score"] == max(
        float(line.split(",")[3]) for line in (report / "scores.csv").read_text().splitlines()[1:] if ",0," in line
    )
    assert set(result["models"]) >= {"detector", "embedder"}
    assert result["machine"]["architecture"]
    assert not (report / "unfinished.jsonl").exists()


def test_a_picture_without_a_face_counts_as_a_non_match(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, config: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in ("obama.jpg", "obama2.jpg", "biden.jpg"):
        (images / name).write_bytes((DATA / name).read_bytes())
    cv2.imwrite(str(images / "plain.jpg"), np.full((200, 200, 3), 127, np.uint8))
    (images / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    lines = ["a,b,same", "obama.jpg,obama2.jpg,1", "obama.jpg,plain.jpg,1", "obama.jpg,biden.jpg,0",
             "broken.jpg,biden.jpg,0"]  # fmt: skip
    code, out, _ = run(capsys, config, "verification", listed(tmp_path, lines), "--images", images)
    result = json.loads(out)
    assert code == 0
    assert result["failures_to_acquire"] == 2
    assert result["tar_at_fmr"]["0.01"] == 0.5
    assert "plain.jpg: no face found" in caplog.text


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["a,b"], "list.csv:1: .*same is missing"),
        (["a,b,same", "obama.jpg,nobody.jpg,1"], r"list.csv:2: column b: .*nobody.jpg does not exist"),
        (["a,b,same", "obama.jpg,biden.jpg,maybe"], "list.csv:2: column same .*must be 1 or 0"),
        (["a,b,same", "obama.jpg,biden.jpg"], "as many fields"),
        (["a,b,same", "obama.jpg,biden.jpg,0"], "both kinds"),
        (["a,b,same,fold", "obama.jpg,obama2.jpg,1,0", "obama.jpg,biden.jpg,0,"], "some rows have a fold"),
    ],
)
def test_a_bad_list_is_refused_with_the_line(tmp_path: Path, lines: list[str], reason: str) -> None:
    with pytest.raises(DatasetError, match=reason):
        read_pairs(listed(tmp_path, lines), DATA)


def test_a_missing_list_ends_with_2(capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path) -> None:
    code, out, err = run(capsys, config, "verification", tmp_path / "none.csv", "--images", DATA)
    assert (code, out) == (2, "")
    assert "none.csv" in err


def test_a_report_folder_that_cannot_be_made_is_known_at_once(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = run(capsys, config, "verification", tmp_path / "none.csv", "--images", DATA, "--report",
                       tmp_path / "file" / "report")  # fmt: skip
    assert code == 2
    assert "--report" in err


def test_without_a_fold_column_ten_folds_are_dealt() -> None:
    pairs = [Pair(Path("a"), Path("b"), index % 2 == 0, "", "") for index in range(40)]
    numbers = verification.fold_numbers(pairs)
    assert sorted(set(numbers)) == list(range(10))
    for fold in range(10):
        kinds = [pair.same for pair, number in zip(pairs, numbers, strict=True) if number == fold]
        assert kinds.count(True) == kinds.count(False) == 2


def face(x: float, y: float, width: float) -> Face:
    return Face(x, y, width, width, 0.9, np.zeros((6, 2), np.float32))


def test_the_face_meant_is_large_and_in_the_middle() -> None:
    middle, aside, tiny = face(70, 70, 110), face(0, 60, 120), face(110, 110, 30)
    assert main_face([aside, middle, tiny], 250, 250) is middle
    assert main_face([], 250, 250) is None


def test_identification_prints_one_object(capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path) -> None:
    for person, names in {"o": ["obama", "obama2", "obama3"], "b": ["biden"], "c": ["astronaut"]}.items():
        (tmp_path / "people" / person).mkdir(parents=True)
        for name in names:
            (tmp_path / "people" / person / f"{name}.jpg").write_bytes((DATA / f"{name}.jpg").read_bytes())
    code, out, _ = run(capsys, config, "identification", "--images", tmp_path / "people")
    result = json.loads(out)
    assert code == 0
    assert (result["gallery"], result["probes"], result["strangers"]) == (1, 2, 2)
    assert result["fnir_at_fpir"]["0.01"] == 0.0
    assert result["rank1"] == 1.0


def test_several_pictures_are_enrolled_and_fused_by_seed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    centres, model = rng.normal(size=(6, 160)), "m"
    templates: dict[Path, np.ndarray | None] = {}
    for person, centre in enumerate(centres):
        (tmp_path / str(person)).mkdir()
        for number in range(7 if person < 4 else 2):
            path = tmp_path / str(person) / f"{number}.jpg"
            path.write_bytes(b"")
            row = (centre + rng.normal(size=160)).astype(np.float32)
            templates[path] = row / np.float32(np.linalg.norm(row))
    cast = identification.draw(tmp_path, 3, 2)
    assert [(name, len(paths)) for name, paths in cast.mated] == [(str(n), 2) for n in range(4) for _ in range(2)]
    assert [len(paths) for _, paths in cast.enrolled] == [3] * 4
    assert [len(paths) for paths in cast.strangers] == [2, 2]
    assert len(set(cast.paths)) == len(cast.paths) == 4 * 7 + 4, "no picture has two roles"
    one, same, other = (identification.draw(tmp_path, 3, 2, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one == same != other
    found = [identification.identify(draw, templates, model) for draw in (cast, one)]
    summary = identification.sum_up([cast, one], found)
    assert (summary["genuine"], summary["impostor"], summary["draws"]) == (8, 8 * 3 + 2 * 4, 2)
    assert summary["fnmr_at_fmr"] == {"0.001": 0.0, "0.0001": 0.0}
    assert summary["rank1"] == 1.0
    for path in cast.mated[0][1]:
        templates[path] = None
    lost = identification.identify(cast, templates, model)
    assert identification.sum_up([cast], [lost])["fnmr_at_fmr"]["0.0001"] == 1 / 8
    assert identification.worst(cast, lost, tmp_path)["lowest_genuine"][0]["nearest"] is None


def test_the_highest_of_many_give_the_same_threshold_as_all() -> None:
    scores = np.random.default_rng(3).random(5000).round(3)
    few = Highest(len(scores), 0.01)
    for part in np.split(scores, 50):
        few.add(part)
        few._shrink()
    for rate in (0.01, 0.001, 0.0):
        cut = few.cut(rate)
        assert np.mean(scores >= cut) <= rate
        assert np.mean(scores >= np.nextafter(cut, 0)) > rate


def test_identification_needs_enrolled_people_and_strangers(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="change --enrol"):
        identification.draw(tmp_path, 1)


def test_liveness_of_pictures_and_a_sequence(capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path) -> None:
    lines = ["path,label,attack,group", "obama.jpg,live,,", "biden.jpg,live,,", "obama3.jpg,attack,print,p",
             "obama3.jpg,attack,print,p"]  # fmt: skip
    report = tmp_path / "report"
    code, out, _ = run(capsys, config, "liveness", listed(tmp_path, lines), "--images", DATA, "--report", report)
    result = json.loads(out)
    assert code == 0
    assert (result["groups"], result["live"], result["attacks"]) == (3, 2, 1)
    assert result["bpcer"] == 0.0
    assert result["apcer_by_attack"] == {"print": result["apcer"]} == {"print": 1.0}, (
        "a clean picture scores live: it is no attack to this network"
    )
    assert (report / "index.html").stat().st_size > 500


def test_a_video_is_a_sequence(capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path) -> None:
    picture = cv2.imread(str(DATA / "obama.jpg"))
    video = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, picture.shape[1::-1])
    for _ in range(6):
        video.write(picture)
    video.release()
    (tmp_path / "no.avi").write_text("no video")
    lines = ["path,label,attack,group", "v.avi,attack,replay,"]
    code, out, _ = run(capsys, config, "liveness", listed(tmp_path, lines), "--images", tmp_path)
    assert code == 0
    assert json.loads(out)["attacks_by_kind"] == {"replay": 1}
    assert json.loads(out)["failures_to_acquire"] == 0
    code, _, err = run(capsys, config, "liveness", listed(tmp_path, [lines[0], "no.avi,live,,"]), "--images", tmp_path)
    assert code == 2
    assert "no.avi" in err


def test_a_presentation_has_one_label(tmp_path: Path) -> None:
    lines = ["path,label,attack,group", "obama.jpg,live,,g", "biden.jpg,attack,print,g"]
    with pytest.raises(DatasetError, match="mixes labels"):
        read_manifest(listed(tmp_path, lines), DATA)
    with pytest.raises(DatasetError, match="must be live or attack"):
        read_manifest(listed(tmp_path, ["path,label,attack,group", "obama.jpg,real,,g"]), DATA)


def test_bench_prints_one_object(capsys: pytest.CaptureFixture[str], config: Path) -> None:
    code = main(["--config", str(config), "bench", "--seconds", "0.2"])
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert code == 0
    assert set(result["stages"]) >= {"detect", "mesh", "align", "embed", "liveness", "match"}
    assert 0 < result["chain_ms_median"] <= result["chain_ms_p99"]
    assert 0 < result["idle_core_fraction"] < 0.15
    assert result["decision"]["granted"] == result["decision"]["of"] > 0
    assert result["frames_per_second"] > 0
    assert result["cpu_ms_per_frame"] > 0
    assert set(result["followed"]) >= {"checking", "resting"}
    assert sum(one["frames"] for one in result["followed"].values()) == 195
    assert result["runtime"]
    assert result["threads"] == 1


@needs_lfw
def test_accuracy_on_a_part_of_lfw(capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path) -> None:
    """120 of the 1,800 pairs; the whole list takes a minute: `lintel evaluate verification`."""
    header, *rows = (LFW / "pairs.csv").read_text().splitlines()
    some = listed(tmp_path, [header, *rows[:: len(rows) // 120]])
    code, out, _ = run(capsys, config, "verification", some, "--images", LFW)
    result = json.loads(out)
    assert code == 0
    assert result["pairs"] >= 120
    assert result["accuracy"] >= 0.98
    assert result["failures_to_acquire"] == 0
