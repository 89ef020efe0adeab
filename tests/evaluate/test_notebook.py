"""A run that is killed goes on where it was, with the same result; what it kept is believed only if it fits."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from appliance.__main__ import main
from appliance.errors import DatasetError
from appliance.evaluate.notebook import NAME, Notebook, key_of, packed, unpacked
from appliance.evaluate.provenance import model_hashes

DATA = Path(__file__).parents[1] / "data"
MODELS = {"embedder": "a" * 64}


def template(seed: int = 0) -> np.ndarray:
    row = np.random.default_rng(seed).normal(size=160).astype(np.float32)
    return row / np.float32(np.linalg.norm(row))


def test_it_gives_back_what_was_put_there_exactly(tmp_path: Path) -> None:
    path = tmp_path / "book"
    book = Notebook.open(path, MODELS, strict=True)
    book.put("a", [packed(template()), ""])
    book.put("b", [None, "no_face"])
    book.close(keep=True)
    again = Notebook.open(path, MODELS, strict=True)
    assert np.array_equal(unpacked(again.get("a")[0]), template())
    assert again.get("b") == [None, "no_face"]
    assert again.get("c") is None
    assert path.stat().st_mode & 0o777 == 0o600
    again.close(keep=False)
    assert not path.exists()


def test_a_line_cut_short_is_dropped_and_written_over(tmp_path: Path) -> None:
    path = tmp_path / "book"
    book = Notebook.open(path, MODELS, strict=True)
    for key in ("a", "b"):
        book.put(key, [packed(template()), ""])
    book.close(keep=True)
    whole = path.read_bytes()
    for cut in (len(whole) - 1, len(whole) - 300, len(whole) // 2, 30, 5):
        path.write_bytes(whole[:cut])
        book = Notebook.open(path, MODELS, strict=True)
        assert book.get("b") is None
        book.put("b", [packed(template()), ""])
        book.put("a", [packed(template()), ""])
        book.close(keep=True)
        assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_other_models_are_refused_by_name_or_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "book"
    book = Notebook.open(path, MODELS, strict=True)
    book.put("a", 1)
    book.close(keep=True)
    other = MODELS | {"embedder": "b" * 64}
    with pytest.raises(DatasetError, match=r"another model \(embedder differ\)"):
        Notebook.open(path, other, strict=True)
    anew = Notebook.open(path, other, strict=False)
    assert anew.get("a") is None
    anew.close(keep=True)
    assert Notebook.open(path, other, strict=True).get("a") is None


def test_two_runs_do_not_share_a_file(tmp_path: Path) -> None:
    book = Notebook.open(tmp_path / "book", MODELS, strict=True)
    with pytest.raises(DatasetError, match="another run"):
        Notebook.open(tmp_path / "book", MODELS, strict=True)
    book.close(keep=True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A" * 2732, "2049 bytes"),
        (packed(np.zeros(160, np.float32)), "length 1"),
        (packed(np.full(160, np.nan, np.float32)), "length 1"),
        ("*", "damaged"),
        (7, "damaged"),
    ],
)
def test_a_template_that_is_none_of_this_model_is_refused(text: str, reason: str) -> None:
    with pytest.raises(DatasetError, match=reason):
        unpacked(text)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "book").write_text('{"models":{}}\nnonsense\n')
    with pytest.raises(DatasetError, match="book:2: damaged"):
        Notebook.open(tmp_path / "book", {}, strict=True)


def test_a_file_that_changed_is_another(tmp_path: Path) -> None:
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"one")
    before = key_of([picture])
    assert key_of([picture]) == before
    os.utime(picture, (1, 1))
    assert key_of([picture]) != before


def faces(folder: Path, copies: int) -> Path:
    for person, names in {"o": ["obama", "obama2", "obama3"], "b": ["biden"], "c": ["astronaut"]}.items():
        (folder / person).mkdir(parents=True)
        for name in names:
            for number in range(copies):
                (folder / person / f"{name}-{number}.jpg").write_bytes((DATA / f"{name}.jpg").read_bytes())
    (folder / "o" / "zz-broken.jpg").write_bytes(b"\xff\xd8\xff")
    return folder


def test_a_run_that_is_killed_goes_on_with_the_same_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, report, config = faces(tmp_path / "people", 4), tmp_path / "report", tmp_path / "lintel.toml"
    config.write_text("")
    words = ["--config", str(config), "evaluate", "identification", "--images", str(images), "--enrol", "5"]
    assert main(words) == 0
    straight = json.loads(capsys.readouterr().out.splitlines()[-1])
    book = report / NAME
    child = subprocess.Popen(
        [sys.executable, "-m", "appliance", *words, "--report", str(report)], stdout=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not (book.exists() and book.read_bytes().count(b"\n") > 4) and time.monotonic() < until:
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    out, _ = child.communicate()
    assert out == ""
    kept = book.read_bytes().count(b"\n")
    assert kept > 4
    assert main([*words, "--report", str(report)]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out.splitlines()[-1]) == straight
    assert not book.exists(), "templates of pictures do not stay behind"
    assert straight["corrupt"] == 1
    assert straight["corrupt_files"] == ["o/zz-broken.jpg"]
    assert json.loads((report / "result.json").read_text()) == straight


def test_what_was_kept_is_not_worked_out_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, config, book = faces(tmp_path / "people", 1), tmp_path / "lintel.toml", tmp_path / "book"
    config.write_text("")
    words = ["--config", str(config), "evaluate", "identification", "--images", str(images), "--resume", str(book)]
    assert main([*words, "--keep"]) == 0
    known = capsys.readouterr().out
    text = book.read_text()
    assert text.count("\n") == 1 + 6, "the pictures that take part, and the line of models"
    astronaut = next(line for line in text.splitlines() if "astronaut" in line)
    obama = next(line for line in text.splitlines() if "obama-0.jpg" in line)
    swapped = json.loads(astronaut) | {"value": json.loads(obama)["value"]}
    book.write_text(text.replace(astronaut, json.dumps(swapped)))
    assert main([*words, "--keep"]) == 0
    forged = json.loads(capsys.readouterr().out)
    assert forged["worst"]["highest_strangers"][0]["probe"] == "c/astronaut-0.jpg"
    assert forged["worst"]["highest_strangers"][0]["score"] > 0.99
    assert json.loads(known)["worst"]["highest_strangers"][0]["score"] < 0.5
    first, *rest = text.splitlines()
    wrong = json.loads(first)
    wrong["models"]["embedder"] = "0" * 64
    book.write_text("\n".join([json.dumps(wrong), *rest]) + "\n")
    assert main(words) == 2
    assert re.search(r"another model \(embedder differ\)", capsys.readouterr().err)


def test_a_liveness_run_goes_on_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, listed, book = tmp_path / "lintel.toml", tmp_path / "list.csv", tmp_path / "book"
    config.write_text("")
    rows = ["obama.jpg,live,,", "obama3.jpg,attack,print,p", "biden.jpg,attack,print,p"]
    listed.write_text("\n".join(["path,label,attack,group", *rows]) + "\n")
    words = ["--config", str(config), "evaluate", "liveness", str(listed), "--images", str(DATA), "--resume", str(book)]
    assert main([*words, "--keep"]) == 0
    first = capsys.readouterr().out
    text = book.read_text()
    book.write_text("\n".join(text.splitlines()[:2]) + "\n")  # killed after the first sequence
    assert main([*words, "--keep"]) == 0
    assert capsys.readouterr().out == first
    forged = [json.loads(line) for line in book.read_text().splitlines()]
    forged[1]["value"][1] = [0.0]
    book.write_text("".join(json.dumps(line) + "\n" for line in forged))
    assert main(words) == 0
    assert json.loads(first)["bpcer"] == 0.0
    assert json.loads(capsys.readouterr().out)["bpcer"] == 1.0, "what was kept is used"
    assert not book.exists()


def test_models_are_named_by_their_hash() -> None:
    hashes = model_hashes(None)
    assert set(hashes) >= {"detector", "mesh", "embedder", "liveness"}
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in hashes.values())
