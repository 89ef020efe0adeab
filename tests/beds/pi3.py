"""An emulated Raspberry Pi 3B (QEMU, TCG): Debian's arm64 kernel with the SoC's own pin driver, and unmodified
gpiozero and lgpio on it. The relay's level is read back from the SoC's register, behind Linux's back.

Packages are fetched for arm64 beside this machine's own and kept in a cache; nothing is installed.
"""

import shutil
import subprocess
import threading
from pathlib import Path

from tests.beds import arm64

PACKAGES = ("busybox-static", *arm64.PYTHON, *arm64.EXTENSIONS)
WHEELS = (
    "lgpio==0.2.2.0", "gpiozero==2.0.1.post3", "colorzero==2.0", "numpy==2.4.6", "tzdata==2026.6",
    "cryptography==50.0.2", "cffi==2.1.1", "pycparser==3.12",
)  # fmt: skip
"""What the door needs of deploy/requirements, and its pin driver."""
CACHE = arm64.CACHE / f"pi3-{arm64.digest(*PACKAGES, *WHEELS)}"
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
        arm64.fetch(CACHE / "debs", PACKAGES, kernel=True)
        arm64.unpack(CACHE / "debs", root)
        arm64.install(root / "wheels", *WHEELS)
        _spare(root)
        (root / "init").write_text(INIT)
        (root / "init").chmod(0o755)
        for name in ("proc", "sys", "dev", "tmp"):
            (root / name).mkdir(exist_ok=True)
        _kernel(CACHE / "debs", kernel, tree)
        base.write_bytes(_cpio(root))
    return kernel, tree, base


def _spare(root: Path) -> None:
    """The board's memory holds all of it twice while it boots."""
    library = root / "usr/lib/python3.11"
    for folder in (root / "usr/share", library / "pydoc_data", library / "test", library / "ensurepip"):
        shutil.rmtree(folder, ignore_errors=True)
    for folder in (root / "wheels/numpy").rglob("tests"):
        shutil.rmtree(folder)


def _kernel(debs: Path, kernel: Path, tree: Path) -> None:
    parts = CACHE / "kernel-parts"
    arm64.do("dpkg-deb", "-x", next(debs.glob("linux-image-*.deb")), parts)
    shutil.copy(next(parts.glob("boot/vmlinuz-*")), kernel)
    shutil.copy(next(parts.glob("usr/lib/linux-image-*/broadcom/bcm2837-rpi-3-b.dtb")), tree)
    shutil.rmtree(parts)
    arm64.do("fdtput", "-p", "-t", "x", tree, "/system", "linux,revision", REVISION)


def _cpio(folder: Path) -> bytes:
    names = "\n".join(str(path.relative_to(folder)) for path in sorted(folder.rglob("*"))).encode()
    return subprocess.run(
        ["busybox", "cpio", "-o", "-H", "newc"], cwd=folder, input=names, capture_output=True, check=True
    ).stdout
