"""A small guest with a kernel of its own and `vivid`, the kernel's model of a V4L2 camera.

Debian's kernel package is fetched and unpacked, never installed. The guest sees this machine's files read-only and
runs one Python script in them. Needs root, qemu-system-x86 and busybox-static.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = ("virtio_pci", "9pnet_virtio", "9p", "vivid")
MARK = "guest says: "
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
modprobe -a virtio_pci 9pnet_virtio 9p
mkdir /host
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=262144 host /host
modprobe vivid n_devs=1 node_types=0x1
mount --bind /proc /host/proc
mount --bind /sys /host/sys
mount --bind /dev /host/dev
export PYTHONPATH={root} PYTHONDONTWRITEBYTECODE=1
chroot /host {python} {script} 2>&1
echo "guest ends with $?"
poweroff -f
"""


def skip_reason() -> str | None:
    """Why the guest cannot be had here."""
    if os.geteuid() != 0:
        return "the V4L2 guest needs root: it shares this machine's files"
    for tool in ("qemu-system-x86_64", "busybox", "apt-get", "dpkg"):
        if shutil.which(tool) is None:
            return f"the V4L2 guest needs {tool}: tests/packages-slow.txt"
    return None


def run(script: Path, seconds: float = 300) -> dict:
    """What `script` printed in the guest behind MARK, one JSON object."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lintel" / "beds" / "camera-guest"
    kernel = _kernel(cache)
    command = [
        # Emulated, 40 s a run: hardware acceleration is often forbidden or broken where tests run.
        *("nice", "qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", "max", "-m", "1024"),
        *("-nographic", "-no-reboot", "-nic", "none", "-kernel", str(next(kernel.glob("boot/vmlinuz-*")))),
        *("-initrd", str(_initramfs(cache, kernel, script)), "-append", "console=ttyS0 quiet panic=-1 mitigations=off"),
        "-virtfs",
        "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
    ]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )
    told = [line.split(MARK, 1)[1] for line in done.stdout.splitlines() if MARK in line]
    assert told, done.stdout[-3000:] + done.stderr[-1000:]
    return json.loads(told[-1])


def _kernel(cache: Path) -> Path:
    """The unpacked kernel package with an index of its modules."""
    unpacked = cache / "kernel"
    if (unpacked / "complete").exists():
        return unpacked
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    depends = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], capture_output=True, text=True, check=False)
    found = re.search(r"linux-image-[\w.+-]+-amd64$", depends.stdout, re.MULTILINE)
    if not found:
        pytest.skip("apt knows no linux-image-amd64")
    fetched = subprocess.run(["apt-get", "download", "-q", found[0]], cwd=cache, capture_output=True, check=False)
    if fetched.returncode != 0:
        pytest.skip(f"{found[0]} cannot be fetched")
    package = next(cache.glob("*.deb"))
    subprocess.run(["dpkg", "-x", package, unpacked], check=True)
    package.unlink()
    version = next(unpacked.glob("lib/modules/*")).name
    subprocess.run(["busybox", "depmod", "-b", unpacked, version], check=True)
    (unpacked / "complete").touch()
    return unpacked


def _initramfs(cache: Path, kernel: Path, script: Path) -> Path:
    """busybox, the modules that are needed, and INIT."""
    tree = cache / "initramfs"
    shutil.rmtree(tree, ignore_errors=True)
    for folder in ("bin", "proc", "sys", "dev"):
        (tree / folder).mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), tree / "bin" / "busybox")
    modules = next(kernel.glob("lib/modules/*"))
    target = tree / modules.relative_to(kernel)
    lines = (modules / "modules.dep").read_text().splitlines()
    for module in {path for line in lines for path in _needed(line)}:
        (target / module).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(modules / module, target / module)
    shutil.copy(modules / "modules.dep", target)
    init = tree / "init"
    init.write_text(INIT.format(root=ROOT, python=sys.executable, script=script))
    init.chmod(0o755)
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    packed = subprocess.run(
        ["busybox", "cpio", "-o", "-H", "newc"], cwd=tree, input=names.encode(), capture_output=True, check=True
    )
    image = cache / "initramfs.cpio"
    image.write_bytes(packed.stdout)
    return image


def _needed(line: str) -> list[str]:
    """A module's path and its dependencies', if it is one of MODULES; modules.dep lists all of them."""
    module, _, dependencies = line.partition(":")
    return [module, *dependencies.split()] if Path(module).stem in MODULES else []
