"""The models folder: golden vectors on both runtimes, and refusal of anything the manifest does not say."""

import gc
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import ModelError
from appliance.vision import models

REPOSITORY = Path(__file__).resolve().parents[2]
MODELS = REPOSITORY / "models"
SLOTS = ["detector", "detector_near", "mesh", "embedder", "liveness"]
FORBIDDEN = ("age", "gender", "expression", "emotion")


@pytest.fixture
def folder(tmp_path):
    """A models folder of one's own, to damage."""
    for name in ("manifest.toml", "detector-short-range.tflite", "embedder.tflite"):
        shutil.copyfile(MODELS / name, tmp_path / name)
    return tmp_path


def edit(folder, old, new):
    path = folder / "manifest.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("slot", SLOTS)
def test_this_runtime_agrees_with_the_golden_vectors(slot):
    model = models.load(slot)

    assert models.golden_agreement(model, MODELS) > models.GOLDEN_COSINE


def test_another_model_in_the_slot_does_not_agree(folder):
    shutil.copytree(MODELS / "golden", folder / "golden")
    model = models.load("embedder", folder)
    model.input[...] = 0
    rows = {key: np.roll(value, 1) for key, value in models.golden_outputs(model).items()}
    np.savez(folder / "golden" / "embedder.npz", **rows)

    assert models.golden_agreement(model, folder) < models.GOLDEN_COSINE


def test_the_manifest_has_the_slots_and_no_model_of_age_gender_or_expression():
    slots = models.Manifest.read(MODELS / "manifest.toml").slots

    assert list(slots) == SLOTS
    files = {slot.file for slot in slots.values()}
    assert files == {path.name for path in MODELS.glob("*.tflite")}
    assert not [name for name in files for word in FORBIDDEN if word in name]


def test_every_slot_has_its_card_licences_and_size():
    for slot in tomllib.loads((MODELS / "manifest.toml").read_text()).values():
        assert (MODELS / slot["file"]).stat().st_size == slot["bytes"]
        assert (MODELS / slot["card"]).is_file()
        assert all((MODELS / text).is_file() for text in slot["licence_files"])
        assert {"registry", "package", "version", "path", "sha256"} == slot["source"].keys()


@pytest.mark.parametrize("slot", SLOTS)
def test_writing_into_the_input_equals_copying_in(slot):
    model = models.load(slot)
    pictures = models.golden_inputs(model.slot)
    copied = model(pictures["face"])
    model(pictures["waves"])
    gc.collect()

    model.input[...] = pictures["face"]

    for mine, theirs in zip(model.invoke(), copied, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_copy_outlives_the_next_call_and_a_view_the_model():
    model = models.load("detector_near")
    pictures = models.golden_inputs(model.slot)
    first = model(pictures["face"])
    kept = [output.copy() for output in first]
    view = model.invoke()[1]
    expected = view.copy()
    model(pictures["noise"])
    model(pictures["face"])
    del model
    gc.collect()

    np.testing.assert_array_equal(view, expected)
    for output, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(output, copy)


def test_outputs_have_the_manifests_shapes():
    model = models.load("detector")

    outputs = model(np.zeros((192, 192, 3), np.float32))

    assert [output.shape for output in outputs] == [(1, 2304, 16), (1, 2304, 1)]
    assert all(output.dtype == np.float32 for output in outputs)


def test_the_runtime_has_a_name_and_a_version():
    name, version = models.load("detector_near").runtime.split()

    assert name in ("ai-edge-litert", "tflite-runtime")
    assert version[0].isdigit()


def test_loading_is_silent():
    code = "from appliance.vision import models; models.load('detector_near')"

    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)

    assert run.stdout + run.stderr == ""


def test_a_changed_byte_is_refused(folder):
    path = folder / "embedder.tflite"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(ModelError, match=r"embedder\.tflite: sha256 is .* \[embedder\] says .*make models"):
        models.load("embedder", folder)


def test_a_truncated_file_is_refused(folder):
    path = folder / "embedder.tflite"
    path.write_bytes(path.read_bytes()[:1000])

    with pytest.raises(ModelError, match=r"\(1000 bytes\)"):
        models.load("embedder", folder)


def test_a_missing_file_is_refused(folder):
    with pytest.raises(ModelError, match=r"mesh\.tflite: No such file .*make models"):
        models.load("mesh", folder)


def test_a_file_that_is_no_model_is_refused_even_with_the_right_hash(folder):
    content = b"\x1c\x00\x00\x00TFL3" + bytes(200)
    old = hashlib.sha256((folder / "embedder.tflite").read_bytes()).hexdigest()
    (folder / "embedder.tflite").write_bytes(content)
    edit(folder, old, hashlib.sha256(content).hexdigest())

    with pytest.raises(ModelError, match=r"embedder\.tflite"):
        models.load("embedder", folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("shape = [1, 160]", "shape = [1, 512]", r"output is .*\(1, 160\).* says .*\(1, 512\)"),
        ("shape = [1, 112, 112, 3]", "shape = [1, 96, 96, 3]", r"input is .*112.* says .*96"),
        ('name = "template", shape = [1, 160], dtype = "float32"', 'name = "template", shape = [1]', "dtype"),
        ('shape = [1, 160], dtype = "float32"', 'shape = [1, 160], dtype = "int8"', "dtype int8"),
        ('id = "mobilefacenet-160"\n', "", r"\[embedder\] lacks the key id"),
        ('id = "mobilefacenet-160"', "idd = 1", r"\[embedder\] unknown key idd"),
        ("divide = 128.0", 'divide = "a"', r"\[embedder\] has a value of a wrong kind"),
        ("[embedder]", "[[embedder]]", r"\[embedder\] is no table"),
        ("[embedder]", "[embedder", "not valid TOML"),
        ("[embedder]", "[other]", r"no slot \[embedder\]: it has detector"),
    ],
)
def test_a_wrong_manifest_is_refused(folder, old, new, message):
    edit(folder, old, new)

    with pytest.raises(ModelError, match=message):
        models.load("embedder", folder)


def test_a_folder_without_manifest_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"manifest\.toml: No such file"):
        models.load("embedder", tmp_path)


def test_an_installed_folder_is_found(tmp_path, monkeypatch):
    installed = tmp_path / "share" / "lintel" / "models"
    installed.mkdir(parents=True)
    monkeypatch.setattr(models, "__file__", str(tmp_path / "site" / "appliance" / "vision" / "models.py"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))

    with pytest.raises(ModelError, match="no models"):
        models.models_dir()
    (installed / "manifest.toml").write_text("")

    assert models.models_dir() == installed


def test_without_a_runtime_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(models, "RUNTIME", "")

    with pytest.raises(ModelError, match="pip install ai-edge-litert"):
        models.load("detector_near")


def tflite_python():
    """An interpreter with tflite-runtime 2.14 and numpy 1, in an environment kept between runs."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip("tflite-runtime 2.14 has wheels for Python 3.11 at most")
    requirements = MODELS / "build" / "tflite-runtime.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    venv = cache / "lintel" / "venvs" / f"tflite-{digest}"
    python = venv / "bin" / "python"
    if not (venv / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(requirements)]
        run = subprocess.run(pip, capture_output=True, text=True, timeout=150, check=False)
        if run.returncode:
            pytest.skip(f"pip cannot install tflite-runtime: {run.stderr.strip()[-200:]}")
        (venv / "complete").touch()
    return python


def test_tflite_runtime_agrees_with_the_golden_vectors():
    code = """
import json, cv2
from appliance.vision import models
folder = models.models_dir()
loaded = [models.load(name) for name in models.Manifest.read(folder / "manifest.toml").slots]
agreement = {model.slot.name: models.golden_agreement(model, folder) for model in loaded}
print(json.dumps({"runtime": loaded[0].runtime, "cv2": cv2.__version__, "agreement": agreement}))
"""
    command = [str(tflite_python()), "-c", code]

    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)

    report = json.loads(run.stdout)
    assert report["runtime"] == "tflite-runtime 2.14.0"
    assert report["cv2"].startswith("4.11")
    assert list(report["agreement"]) == SLOTS
    assert min(report["agreement"].values()) > models.GOLDEN_COSINE
