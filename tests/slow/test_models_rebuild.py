"""The committed models can be rebuilt from their packages. Minutes, and about 1 GB of cache."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_a_rebuild_agrees_with_the_golden_vectors(tmp_path):
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the converter, TensorFlow 2.15, needs Python 3.11")
    if shutil.which("npm") is None:
        pytest.skip("npm is needed to fetch a package")
    for part in ("appliance", "models"):
        shutil.copytree(REPOSITORY / part, tmp_path / part)
    for model in (tmp_path / "models").glob("*.tflite"):
        model.unlink()

    run = subprocess.run(
        [str(tmp_path / "models" / "build" / "build.sh")],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("cosine with golden outputs") == 5
    names = {path.name for path in (REPOSITORY / "models").glob("*.tflite")}
    assert {path.name for path in (tmp_path / "models").glob("*.tflite")} == names
