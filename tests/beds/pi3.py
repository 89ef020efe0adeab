"""An emulated Raspberry Pi 3B (QEMU, TCG): Debian's arm64 kernel with the SoC's own pin driver, and unmodified
gpiozero and lgpio on it. The relay's level is read back from the SoC's register, behind Linux's back.

Packages are fetched for arm64 beside this machine's own and kept in a cache; nothing is installed.
"""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lintel-tests" / "pi3"
PACKAGES = (
    "busybox-static", "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libc6", "zlib1g",
    "libexpat1", "libffi8",
)  # fmt: skip
WHEELS = ("lgpio==0.2.2.0", "gpiozero==2.0.1.post3", "colorzero==2.0")
REVISION = "a02082"
"""Of a Pi 3B; the boot firmware, which QEMU has not, tells it to Linux on a real one."""
BEGIN, END = "### begin", "### end"
INIT = f"""#!/bin/busybox sh
/bin/busybox --install -s /usr/bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
cd /tmp
echo "{BEGIN}"
PYTHONPATH=/wheels:/product /usr/bin/python3.11 -B /script.py
echo "{END} $?"
sleep 1000
"""


def missing() -> str:
    """Why the bed cannot be laid here; empty if it can."""
    tools = ("qemu-system-aarch64", "busybox", "apt-get", "dpkg-deb", "fdtput")
    lacking = [tool for tool in tools if not shutil.which(tool)]
    return f"not installed: {', '.join(lacking)}" if lacking else ""


def run(script: str, product: Path, work: Path, seconds: float = 240) -> str:
    """Boot, run the Python script with `product` (a checkout) on its path, and return what it printed."""
    kernel, tree, base = _parts()
    (work / "product").mkdir(parents=True)
    shutil.copytree(product / "appliance", work / "product/appliance", ignore=shutil.ignore_patterns("__pycache__"))
    (work / "script.py").write_text(script)
    initrd = work.with_suffix(".cpio")
    initrd.write_bytes(base.read_bytes() + _cpio(work))  # the kernel unpacks one archive after the other
    machine = ["-M", "raspi3b", "-kernel", kernel, "-dtb", tree, "-initrd", initrd]
    console = ["-nographic", "-no-reboot", "-monitor", "none", "-serial", "null", "-serial", "stdio"]
    words = ["-append", "console=ttyS1,115200 quiet rdinit=/init panic=-1 iomem=relaxed"]
    command = ["qemu-system-aarch64", *machine, *console, *words]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as qemu:
        # This kernel cannot switch the emulated board off.
        alarm = threading.Timer(seconds, qemu.kill)
        alarm.start()
        said = ""
        for line in qemu.stdout or ():
            said += line
            if line.startswith(END) or "Kernel panic" in line:
                break
        alarm.cancel()
        qemu.kill()
    if BEGIN not in said or END not in said:
        raise RuntimeError(f"the machine did not come up: {said[-3000:]}")
    return said.split(BEGIN, 1)[1].split(END, 1)[0].strip()


def _parts() -> tuple[Path, Path, Path]:
    """Kernel, device tree and the archive of Debian's part, from the cache or fetched."""
    kernel, tree, base = (CACHE / name for name in ("kernel", "pi3.dtb", "base.cpio"))
    if not all(path.exists() for path in (kernel, tree, base)):
        shutil.rmtree(CACHE, ignore_errors=True)
        root = CACHE / "root"
        root.mkdir(parents=True)
        _fetch(CACHE / "debs")
        _unpack(CACHE / "debs", root)
        _pip(root / "wheels")
        (root / "init").write_text(INIT)
        (root / "init").chmod(0o755)
        for name in ("proc", "sys", "dev", "tmp"):
            (root / name).mkdir(exist_ok=True)
        _kernel(CACHE / "debs", kernel, tree)
        base.write_bytes(_cpio(root))
    return kernel, tree, base


def _fetch(folder: Path) -> None:
    """Packages of arm64, by an apt that knows no other."""
    state = folder / "apt"
    (state / "lists/partial").mkdir(parents=True)
    (state / "cache/archives/partial").mkdir(parents=True)
    (state / "status").touch()
    options = [
        "APT::Architecture=arm64", "APT::Architectures=arm64", "APT::Sandbox::User=root",
        f"Dir::State::lists={state}/lists", f"Dir::State::status={state}/status", f"Dir::Cache={state}/cache",
    ]  # fmt: skip
    flags = [word for option in options for word in ("-o", option)]
    _do("apt-get", *flags, "update", "-qq")
    depends = _do("apt-cache", *flags, "depends", "linux-image-arm64")
    kernel = next(line.split()[1] for line in depends.splitlines() if "Depends: linux-image-" in line)
    _do("apt-get", *flags, "download", "-qq", kernel, *PACKAGES, cwd=folder)


def _unpack(debs: Path, root: Path) -> None:
    for deb in debs.glob("*.deb"):
        if not deb.name.startswith("linux-image"):
            _do("dpkg-deb", "-x", deb, root)
    for name in (
        "usr/share",
        "usr/lib/python3.11/pydoc_data",
        "usr/lib/python3.11/test",
        "usr/lib/python3.11/ensurepip",
    ):
        shutil.rmtree(root / name, ignore_errors=True)


def _pip(folder: Path) -> None:
    target = ["--platform", "manylinux_2_34_aarch64", "--platform", "manylinux2014_aarch64", "--python-version", "3.11"]
    _do(
        sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary=:all:", *target, "-t", folder, *WHEELS
    )


def _kernel(debs: Path, kernel: Path, tree: Path) -> None:
    parts = CACHE / "kernel-parts"
    _do("dpkg-deb", "-x", next(debs.glob("linux-image-*.deb")), parts)
    shutil.copy(next(parts.glob("boot/vmlinuz-*")), kernel)
    shutil.copy(next(parts.glob("usr/lib/linux-image-*/broadcom/bcm2837-rpi-3-b.dtb")), tree)
    shutil.rmtree(parts)
    _do("fdtput", "-p", "-t", "x", tree, "/system", "linux,revision", REVISION)


def _cpio(folder: Path) -> bytes:
    names = "\n".join(str(path.relative_to(folder)) for path in sorted(folder.rglob("*"))).encode()
    return subprocess.run(
        ["busybox", "cpio", "-o", "-H", "newc"], cwd=folder, input=names, capture_output=True, check=True
    ).stdout


def _do(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} gave {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout
