"""install.sh and uninstall.sh for real, into a root of the test's own."""

import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance import config

ROOT = Path(__file__).parents[2]
BOARDS = ("pi.txt", "jetson.txt", "debian.txt")
STOCK = "# stock\ndtparam=audio=on\n\n[pi4]\narm_boost=1"  # no newline at the end, as editors leave it
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("systemd-sysusers"), reason="needs root and systemd's tools"
)


@pytest.fixture
def target() -> Iterator[Path]:
    """An empty root with the boot partition of a Raspberry Pi."""
    with tempfile.TemporaryDirectory(prefix="lintel-") as folder:
        (Path(folder) / "etc").mkdir()
        boot = Path(folder) / "boot/firmware/config.txt"
        boot.parent.mkdir(parents=True)
        boot.write_text(STOCK)
        yield Path(folder)


def script(name: str, *options: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "deploy" / name, *options], capture_output=True, text=True, check=False)


def install(target: Path, board: str = "pi4") -> str:
    done = script("install.sh", "--root", target, "--files-only", "--board", board)
    assert done.returncode == 0, done.stderr
    return done.stdout


def everything(folder: Path) -> dict[str, tuple[str, ...]]:
    """Each path below the folder: type and mode, owner, content."""
    found = {}
    for path in folder.rglob("*"):
        info = path.lstat()
        if path.is_symlink():
            content = str(path.readlink())
        else:
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(folder))] = (stat.filemode(info.st_mode), f"{info.st_uid}:{info.st_gid}", content)
    return found


@needs_root
def test_twice_gives_the_same_as_once(target: Path) -> None:
    install(target)
    once = everything(target)
    install(target)
    assert everything(target) == once


@needs_root
def test_what_is_installed_loads_and_is_enabled(target: Path) -> None:
    install(target)
    loaded = config.load(target / "etc/lintel/board.toml", target / "etc/lintel/lintel.toml")
    assert loaded.pins.driver == "gpiozero"
    for name in ("door", "vision", "net"):
        link = target / f"etc/systemd/system/multi-user.target.wants/lintel-{name}.service"
        assert link.readlink() == Path(f"/etc/systemd/system/lintel-{name}.service")


@needs_root
def test_the_device_key_is_made_once_and_for_the_group_only(target: Path) -> None:
    install(target)
    key = target / "var/lib/lintel/device.key"
    first, info = key.read_bytes(), key.stat()
    assert len(first) == 32
    assert (stat.S_IMODE(info.st_mode), info.st_uid) == (0o640, 0)
    assert info.st_gid == key.parent.stat().st_gid != 0
    install(target)
    assert key.read_bytes() == first


@needs_root
def test_a_database_without_its_key_gets_no_new_one(target: Path) -> None:
    install(target)
    (target / "var/lib/lintel/device.key").unlink()
    (target / "var/lib/lintel/lintel.db").write_bytes(b"SQLite format 3\0")
    done = script("install.sh", "--root", target, "--files-only", "--board", "pi4")
    assert done.returncode == 1
    assert "restore device.key from its backup" in done.stderr
    assert not (target / "var/lib/lintel/device.key").exists()


@needs_root
def test_what_the_site_changed_is_kept(target: Path) -> None:
    install(target)
    site, board = target / "etc/lintel/lintel.toml", target / "etc/lintel/board.toml"
    site.write_text("[site]\ndoor = 'mine'\n")
    board.write_text("[pins]\nrelay = 12\n")
    assert "board.toml.new" in install(target)
    assert site.read_text() == "[site]\ndoor = 'mine'\n"
    assert board.read_text() == "[pins]\nrelay = 12\n"
    assert (target / "etc/lintel/board.toml.new").read_bytes() == (ROOT / "firmware_config/pi4.toml").read_bytes()


@needs_root
def test_boot_lines_are_added_once_after_what_was_there(target: Path) -> None:
    boot = target / "boot/firmware/config.txt"
    assert "Reboot once" in install(target)
    text = boot.read_text()
    assert text.startswith(STOCK + "\n# BEGIN lintel\n[all]\n")
    assert text.count("gpio=17=op,dl\n") == 1
    assert (boot.parent / "config.txt.before-lintel").read_text() == STOCK
    assert "Reboot" not in install(target)
    boot.write_text(text.replace("gpio=17=op,dl", "gpio=18=op,dl"))  # an older version's lines
    install(target)
    assert boot.read_text() == text


@needs_root
def test_a_machine_that_is_no_pi_gets_no_boot_lines(target: Path) -> None:
    install(target, "debian")
    assert (target / "boot/firmware/config.txt").read_text() == STOCK
    assert not (target / "etc/systemd/system.conf.d").exists()


@needs_root
def test_uninstalling_keeps_the_state_and_purging_does_not(target: Path) -> None:
    before = set(everything(target))
    install(target)
    assert script("uninstall.sh", "--root", target).returncode == 0
    files = {path for path in everything(target) if (target / path).is_file()}
    assert "var/lib/lintel/device.key" in files
    assert (target / "boot/firmware/config.txt").read_text() == STOCK + "\n"
    assert not [path for path in files if path.startswith(("usr", "opt", "etc/systemd"))]
    assert script("uninstall.sh", "--root", target, "--purge").returncode == 0
    left = {path for path in set(everything(target)) - before if (target / path).is_file()}
    accounts = {"etc/passwd", "etc/passwd-", "etc/group", "etc/group-", "etc/shadow", "etc/shadow-", "etc/gshadow"}
    assert left - accounts <= {"etc/gshadow-", "etc/.pwd.lock", "boot/firmware/config.txt.before-lintel"}
    assert "lintel-" not in (target / "etc/passwd").read_text()


@pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="systemd-sysusers is not installed")
def test_a_dry_run_touches_nothing(target: Path) -> None:
    before = everything(target)
    done = script("install.sh", "--dry-run", "--root", target, "--files-only", "--board", "pi5")
    assert done.returncode == 0, done.stderr
    assert everything(target) == before
    assert "+ systemctl --quiet" in done.stdout


@pytest.mark.parametrize("board", ["pi4", "pi5", "jetson-orin-nano", "debian"])
def test_every_board_gets_what_a_usb_keypad_and_an_osdp_line_need(board: str) -> None:
    """Pinned with a hash; evdev has no wheels and is compiled."""
    done = script("install.sh", "--dry-run", "--board", board)
    assert done.returncode == 0, done.stderr
    (name,) = {word for word in done.stdout.split() if word.startswith(str(ROOT)) and word.endswith(BOARDS)}
    pins = Path(name).read_text()
    for package in ("evdev", "libosdp"):
        assert re.search(rf"^{package}==[\d.]+ \\\n    --hash=sha256:", pins, re.MULTILINE), package
    assert re.search(r"^    packages='.*\bgcc libc6-dev python3-dev\b", (ROOT / "deploy/install.sh").read_text(), re.M)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--bord", "pi4"], "unknown option --bord"),
        (["--dry-run", "--board", "toaster"], "--board toaster is unknown: pi4, pi5"),
        (["--dry-run", "--root", "/nowhere"], "--root needs --files-only"),
        (["--dry-run", "--root", "/nowhere", "--files-only", "--seal"], "--seal ties the key to a machine"),
    ],
)
def test_wrong_use_is_told_the_remedy(options: list[str], words: str) -> None:
    done = script("install.sh", *options)
    assert done.returncode == 1
    assert words in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="is root")
def test_it_wants_root() -> None:
    assert "run as root" in script("install.sh").stderr


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck_finds_nothing() -> None:
    scripts = [*(ROOT / "deploy").glob("*.sh"), *(ROOT / "systemd").glob("*.sh")]
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
