"""The whole appliance on a whole machine: fresh Debian, install.sh for real, systemd as process 1.

Only the hardware is missing: the camera's visitors and the door's lines are simulated.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lintel-tests"
PACKAGES = "systemd,systemd-sysv,dbus,udev,python3,python3-venv,ca-certificates"
DAEMONS = ("door", "vision", "net")
# A container has no clock of its own, so asking for it is closed unless said otherwise.
PARTS = ("appliance", "models", "firmware_config", "systemd", "deploy", "tests/deploy")
FILES = ("pyproject.toml", "README.md", "LICENSE", "NOTICE")
NSPAWN = [
    "systemd-nspawn",
    "--quiet",
    "--register=no",
    "--keep-unit",
    "--system-call-filter=@clock",
]
BOOT = """[Unit]
Requires=basic.target systemd-journald.service
After=basic.target systemd-journald.service
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /src/tests/deploy/inside.py /root/facts.json
ExecStopPost=/usr/bin/systemctl exit 0
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a machine"),
    pytest.mark.skipif(not shutil.which("mmdebstrap"), reason="mmdebstrap is not installed"),
    pytest.mark.skipif(not shutil.which("systemd-nspawn"), reason="systemd-nspawn is not installed"),
]


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root with Lintel installed."""
    base = CACHE / f"{request.param}.tar"
    if not base.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = base.with_suffix(".new.tar")
        run("mmdebstrap", "--quiet", "--variant=apt", f"--include={PACKAGES}", request.param, unfinished)
        unfinished.replace(base)
    root = tmp_path_factory.mktemp(request.param)
    run("tar", "-C", root, "-xf", base)
    # The host's own settings for pip and certificates, where it has any.
    for name in ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt", "/etc/hosts"):
        if Path(name).exists():
            shutil.copy(name, root / name[1:])
    for name in PARTS:
        shutil.copytree(ROOT / name, root / "src" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, root / "src")
    (root / "etc/systemd/system/facts.service").write_text(BOOT)
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def installed(machine: Path) -> tuple[str, str]:
    """What install.sh said the first and the second time."""
    first, second = (inside(machine, "/src/deploy/install.sh", "--board", "debian") for _ in range(2))
    return first, second


@pytest.fixture(scope="module")
def facts(machine: Path, installed: tuple[str, str]) -> dict[str, Any]:
    """What tests/deploy/inside.py saw on the booted machine."""
    boot = [*NSPAWN, "--boot", "--private-network", "-D", machine, "systemd.unit=facts.service", "quiet"]
    # A /run of its own: systemd-nspawn keeps its locks there.
    command = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs run /run && exec "$@"', "sh", *boot]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
    result = machine / "root/facts.json"
    assert result.exists(), done.stdout[-4000:]
    found: dict[str, Any] = json.loads(result.read_text())
    print(found["journal"])
    assert "broke" not in found, found["broke"]
    return found


def run(*command: str | Path) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def inside(root: Path, *command: str) -> str:
    certificates = "--setenv=PIP_CERT=/etc/ssl/certs/ca-certificates.crt"
    return run(*NSPAWN, "-D", root, "--resolv-conf=copy-host", "--pipe", certificates, *command)


def failures(doctor: dict[str, Any]) -> list[str]:
    return [f"{check['name']}: {check['detail']}" for check in doctor["checks"] if check["status"] == "fail"]


def test_installing_twice_builds_once(installed: tuple[str, str], machine: Path) -> None:
    first, second = installed
    assert "Python environment:" in first
    assert "Python environment:" not in second
    assert "New device key" not in second
    assert len(list((machine / "opt/lintel-releases").iterdir())) == 1


def test_a_usb_keypad_and_an_osdp_line_need_nothing_more(installed: tuple[str, str], machine: Path) -> None:
    words = "import evdev, osdp; evdev.ecodes.KEY_1, osdp.LibFlag.EnforceSecure"
    inside(machine, "/opt/lintel/bin/python", "-c", words)


def test_all_three_start_under_their_own_users_and_doctor_agrees(facts: dict[str, Any]) -> None:
    started = facts["starts"]
    assert started["users"] == {name: f"lintel-{name}:lintel" for name in DAEMONS}
    assert failures(started["doctor"]) == []


@pytest.mark.parametrize("name", DAEMONS)
def test_the_sandbox_is_as_the_unit_says(facts: dict[str, Any], name: str) -> None:
    probe = facts["starts"]["probes"][name]
    assert int(probe["capabilities"], 16) == 0
    assert (probe["no_new_privileges"], probe["seccomp"]) == ("1", "2")
    assert probe["network"] is (name != "net")
    # Real time for the door alone, where this kernel gives it to services at all.
    assert probe["scheduling"] in ({os.SCHED_OTHER, os.SCHED_RR} if name == "door" else {os.SCHED_OTHER})
    assert "ro" in probe["flags"]["/"]
    assert "ro" in probe["flags"]["/run"]
    for place in ("/var/lib/lintel", f"/run/lintel/{name}"):
        assert {"rw", "noexec"} <= set(probe["flags"][place])


def test_a_frozen_door_is_killed_put_to_rest_and_started_again(facts: dict[str, Any]) -> None:
    freeze = facts["survives_a_freeze"]
    assert freeze["restarts"] == 1
    assert freeze["seconds"] < 15
    assert "code=exited" in freeze["rest"]
    assert "status=0" in freeze["rest"]


@pytest.mark.parametrize("name", ["vision", "net"])
def test_a_frozen_neighbour_is_killed_and_started_again(facts: dict[str, Any], name: str) -> None:
    other = facts["survives_a_freeze"]["others"][name]
    assert other["told"], "systemd did not say that the watchdog ended it"
    assert other["door"], "the door's process was replaced"
    assert other["seconds"] < 30


def test_the_screens_unit_waits_to_be_enabled(facts: dict[str, Any]) -> None:
    screen = facts["shows_a_screen"]
    assert (screen["enabled"], screen["state"]) == ("disabled", "loaded")
    assert all("/usr/bin/cog" in line for line in screen["verify"].splitlines())  # which is not installed there
    assert "OK" in screen["security"]


def test_the_door_outlives_everything_else(facts: dict[str, Any]) -> None:
    alone = facts["outlives_the_others"]
    assert alone["same"], "the door's process was replaced"
    assert alone["oldest"] < 2, "the door was silent"
    assert alone["vision_restarts"] >= 3
    assert alone["alone"]["lock"] == "secure"


def test_root_and_the_services_share_the_database(facts: dict[str, Any]) -> None:
    shared = facts["takes_an_administrator"]
    assert failures(shared["doctor"]) == []
    assert shared["modes"]["lintel.db"] == "0o660"
    assert shared["modes"]["device.key"] == "0o640"


def test_a_sealed_key_opens_for_the_services_and_for_root(facts: dict[str, Any]) -> None:
    sealed = facts["seals_its_key"]
    assert sealed["file"] is False
    assert failures(sealed["doctor"]) == []
    details = {check["name"]: check["detail"] for check in sealed["doctor"]["checks"]}
    assert details["key"] == "sealed to this machine"
    assert "the key fits" in details["database"]


def test_uninstalling_leaves_people_and_nothing_else(facts: dict[str, Any]) -> None:
    removed = facts["is_removed"]
    assert removed["left"] == []
    assert removed["opt"] == []
    assert "lintel.db" in removed["state"]
