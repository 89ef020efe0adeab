"""The libcamera test bed: Picamera2 on libcamera's virtual camera, which plays JPEG files.

It needs a build of libcamera with the virtual pipeline (beside this repository, where development
machines have one), root (the build is made for /opt), Python 3.11 and gcc.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT.parent / "shared" / "testbeds" / "camera"
ARCHIVE = SOURCE / "libcamera-0.7.2-cp311-amd64-opt.tar.gz"
PREFIX = Path("/opt/libcamera")
PACKAGES = ("libyaml-0-2", "libyuv0", "libgnutls30", "libjpeg62-turbo", "libudev1", "libcap-dev", "gcc")
PICAMERA2 = "picamera2==0.3.38"


def skip_reason() -> str | None:
    """Why the bed cannot be had here."""
    if not ARCHIVE.exists():
        return "no libcamera test bed beside this repository"
    if sys.version_info[:2] != (3, 11):
        return "the libcamera test bed is built for Python 3.11"
    if os.geteuid() != 0:
        return "the libcamera test bed needs root: it is built for /opt"
    return None


def build() -> dict[str, str]:
    """Set the bed up once; returns the environment and, under `PYTHON`, the interpreter to run in it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lintel" / "beds" / "camera"
    cache.mkdir(parents=True, exist_ok=True)
    if not PREFIX.exists():
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall("/opt", filter="tar")
    _packages()
    shim = cache / "libdmabuf_shim.so"
    if not shim.exists():
        source = SOURCE / "dmabuf_shim.c"
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True)
    stubs = cache / "stubs"
    stubs.mkdir(exist_ok=True)
    shutil.copy(SOURCE / "pykms.py", stubs)
    python = _environment(cache)
    bindings = next(PREFIX.glob("lib/**/libcamera/_libcamera*.so")).parents[1]
    libraries = next(PREFIX.glob("lib/**/libcamera.so*")).parent
    return {
        "PYTHON": str(python),
        "PYTHONPATH": f"{ROOT}:{bindings}:{stubs}",
        "LD_LIBRARY_PATH": str(libraries),
        "LD_PRELOAD": str(shim),
        "LIBCAMERA_LOG_LEVELS": "*:ERROR",
        "PATH": os.environ["PATH"],
        "HOME": str(cache),
    }


def show(frames: Path) -> None:
    """Let the virtual camera play `0.jpg`, `1.jpg`, … of this folder."""
    target = PREFIX / "share/libcamera/pipeline/virtual/virtual.yaml"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text((SOURCE / "virtual.yaml").read_text().replace("/opt/cam/frames/", f"{frames}/"))


def _packages() -> None:
    missing = [
        name
        for name in PACKAGES
        if subprocess.run(["dpkg", "-s", name], capture_output=True, check=False).returncode != 0
    ]
    if missing:
        done = subprocess.run(["apt-get", "install", "-y", "-qq", *missing], capture_output=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"the libcamera test bed needs {', '.join(missing)}")


def _environment(cache: Path) -> Path:
    """A virtual environment with Picamera2 beside the appliance's own requirements."""
    pins = ROOT / "deploy" / "requirements" / "pi.txt"
    venv = cache / f"venv-{hashlib.sha256(pins.read_bytes()).hexdigest()[:12]}"
    python = venv / "bin" / "python"
    if (venv / "complete").exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
    done = subprocess.run(
        [python, "-m", "pip", "install", "-q", "--require-hashes", "-r", pins], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"{PICAMERA2} cannot be installed here: {done.stderr.decode()[-300:]}")
    (venv / "complete").touch()
    return python
