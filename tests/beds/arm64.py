"""64-bit ARM on another machine: Debian's packages and the appliance's pinned wheels laid out beside the system's
own, in a cache; and an interpreter of that set under qemu-user. Nothing is installed, nothing registered.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from appliance.config import dump
from tests.beds.door import DoorChild

REPOSITORY = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lintel-tests"
PYTHON = ("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libc6", "zlib1g", "libexpat1")
"""The interpreter of Raspberry Pi OS 12, and what it is linked with."""
EXTENSIONS = ("libffi8", "libssl3", "libsqlite3-0", "libstdc++6", "libgcc-s1")
"""What the standard library's modules and the wheels load."""
PACKAGES = (*PYTHON, *EXTENSIONS, "libbz2-1.0", "liblzma5", "libuuid1", "libatomic1", "libcrypt1", "media-types")
RUNTIME = REPOSITORY / "deploy/requirements/runtime.txt"
QEMU = "qemu-aarch64-static"
TAGS = ("_2_34", "_2_31", "_2_28", "_2_27", "_2_26", "_2_24", "_2_17", "2014")
"""glibc versions of the wheels; Debian 12 has 2.36."""
CPU = "".join(
    f"processor\t: {core}\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\n"
    "CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd03\nCPU revision\t: 4\n\n"
    for core in range(4)
)
"""A Pi 3's. XNNPACK reads it, and dies of the other architecture's."""


def missing() -> str:
    """Why the bed cannot be laid here; empty if it can."""
    lacking = [tool for tool in (QEMU, "apt-get", "apt-cache", "dpkg-deb") if not shutil.which(tool)]
    if lacking:
        return f"not installed: {', '.join(lacking)}"
    if sys.version_info[:2] != (3, 11):
        return "pip evaluates the pins' conditions for its own Python, and the emulated one is 3.11"
    return ""


def root() -> Path:
    """The set, from the cache or fetched: 340 MB. Raises RuntimeError: a package or wheel cannot be had."""
    folder = CACHE / f"arm64-{digest(*PACKAGES, RUNTIME.read_text())}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        fetch(folder / "debs", PACKAGES)
        unpack(folder / "debs", folder)
        install(folder / "site", "--require-hashes", "-r", str(RUNTIME))
        (folder / "proc").mkdir()
        (folder / "proc/cpuinfo").write_text(CPU)
        (folder / "complete").touch()
    return folder


def command(*words: str) -> list[str]:
    """The emulated interpreter with these arguments."""
    return [QEMU, "-L", str(root()), str(root() / "usr/bin/python3.11"), "-B", *words]


def environment() -> dict[str, str]:
    """Where it finds the wheels and this checkout."""
    return {"PYTHONPATH": f"{root() / 'site'}:{REPOSITORY}"}


def run(script: str, seconds: float = 600) -> str:
    """What the Python script printed. Raises RuntimeError with its errors."""
    done = subprocess.run(
        command("-c", script),
        env=os.environ | environment(),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout


class ArmDoor(DoorChild):
    """The door daemon in the emulated interpreter; everything else in this one."""

    def spawn(self, **more: str) -> "ArmDoor":
        self.file.write_text(dump(self.config))
        self.process = subprocess.Popen(
            command("-m", "appliance", "--config", str(self.file), "door"),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self.log_file,
            env=os.environ | environment() | more,
        )
        return self


def digest(*words: str) -> str:
    """A name for what is made of these."""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:12]


def fetch(folder: Path, packages: Sequence[str], kernel: bool = False) -> None:
    """Packages of arm64, and the newest kernel's if wanted, by an apt that knows no other architecture."""
    state = folder / "apt"
    (state / "lists/partial").mkdir(parents=True)
    (state / "cache/archives/partial").mkdir(parents=True)
    (state / "status").touch()
    options = [
        "APT::Architecture=arm64", "APT::Architectures=arm64", "APT::Sandbox::User=root",
        f"Dir::State::lists={state}/lists", f"Dir::State::status={state}/status", f"Dir::Cache={state}/cache",
    ]  # fmt: skip
    flags = [word for option in options for word in ("-o", option)]
    do("apt-get", *flags, "update", "-qq")
    names = list(packages)
    if kernel:
        depends = do("apt-cache", *flags, "depends", "linux-image-arm64")
        names.append(next(line.split()[1] for line in depends.splitlines() if "Depends: linux-image-" in line))
    do("apt-get", *flags, "download", "-qq", *names, cwd=folder)


def unpack(debs: Path, folder: Path) -> None:
    """All but kernels."""
    for deb in debs.glob("*.deb"):
        if not deb.name.startswith("linux-image"):
            do("dpkg-deb", "-x", deb, folder)


def install(folder: Path, *what: str) -> None:
    """Wheels of arm64 and Python 3.11; pip itself runs here."""
    platforms = [word for tag in TAGS for word in ("--platform", f"manylinux{tag}_aarch64")]
    target = [*platforms, "--python-version", "3.11", "--implementation", "cp", "-t", str(folder)]
    do(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary=:all:", *target, *what)


def do(*words: str | Path, cwd: Path | None = None) -> str:
    """What the command printed. Raises RuntimeError with its errors."""
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{words[0]} gave {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout
