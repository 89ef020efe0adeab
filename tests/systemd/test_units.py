"""The units as systemd itself reads them, and as the rest of the product needs them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.settings import PathsConfig, WebConfig
from appliance.system.priority import REALTIME

UNITS = Path(__file__).parents[2] / "systemd"
NAMES = ("door", "vision", "net")
needs_analyze = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


def unit(name: str) -> dict[str, list[str]]:
    """Every `key` of a unit, with all its values in order."""
    found: dict[str, list[str]] = {}
    for line in (UNITS / f"lintel-{name}.service").read_text().splitlines():
        if match := re.fullmatch(r"(\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


@needs_analyze
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    """`verify` exits 0 even on keys it does not know, so silence is what counts."""
    program = tmp_path / "lintel"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copies = []
    for name in (*NAMES, "screen"):
        copies.append(tmp_path / f"lintel-{name}.service")
        text = (UNITS / copies[-1].name).read_text()
        text = re.sub(r"^Documentation=.*$", "", text, flags=re.M)  # only there once installed
        copies[-1].write_text(re.sub(r"/opt/lintel/bin/(lintel|python)|/usr/bin/cog", str(program), text))
    done = subprocess.run(["systemd-analyze", "verify", *copies], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_analyze
@pytest.mark.parametrize("name", [*NAMES, "screen"])
def test_exposure_stays_low(name: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", UNITS / f"lintel-{name}.service"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )
    score = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert score, done.stdout
    assert float(score[1]) < 2.0


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_runs_its_own_daemon_as_its_own_user(name: str) -> None:
    keys = unit(name)
    assert keys["ExecStart"] == [f"/opt/lintel/bin/lintel {name}"]
    assert keys["User"] == [f"lintel-{name}"]
    assert keys["Group"] == ["lintel"]
    assert keys["Type"] == ["notify"]
    assert keys["NotifyAccess"] == ["main"]


@pytest.mark.parametrize("name", NAMES)
def test_a_failing_daemon_is_restarted_for_ever(name: str) -> None:
    keys = unit(name)
    assert keys["Restart"] == ["always"]
    assert keys["StartLimitIntervalSec"] == ["0"]
    assert keys["WatchdogSec"]
    # By default a hung process would be given 90 s to die of the watchdog's signal.
    assert int(keys["TimeoutAbortSec"][0]) <= 5


@pytest.mark.parametrize("name", NAMES)
def test_no_unit_can_pull_another_down(name: str) -> None:
    assert not unit(name).keys() & {"Requires", "Requisite", "BindsTo", "PartOf", "Conflicts", "Upholds"}


def test_the_door_waits_for_nothing() -> None:
    assert not unit("door").keys() & {"After", "Wants"}


def test_the_door_is_killed_last_and_returns_the_relay() -> None:
    scores = {name: int(unit(name)["OOMScoreAdjust"][0]) for name in NAMES}
    assert scores["door"] < 0 < min(scores["vision"], scores["net"])
    assert unit("door")["ExecStopPost"] == ["-/opt/lintel/bin/lintel door --rest"]


def test_the_screen_reaches_the_page_and_nothing_else() -> None:
    keys = unit("screen")
    assert keys["Environment"][0] == f"LINTEL_SCREEN=http://127.0.0.1:{WebConfig().port}"
    assert keys["ExecStart"][0].split()[-1] == "${LINTEL_SCREEN}/door"
    assert (keys["IPAddressDeny"], keys["IPAddressAllow"]) == (["any"], ["localhost"])
    assert keys["DynamicUser"] == ["yes"]
    assert "lintel" not in keys["SupplementaryGroups"][0]
    assert set(keys["InaccessiblePaths"][0].split()) == {"-/var/lib/lintel", "-/etc/lintel", "-/run/lintel"}
    assert (keys["Restart"], keys["StartLimitIntervalSec"]) == (["always"], ["0"])
    assert not keys.keys() & {"Requires", "BindsTo", "PartOf", "Wants"}


def test_the_door_alone_may_run_in_real_time() -> None:
    keys = unit("door")
    assert int(keys["LimitRTPRIO"][0]) == REALTIME
    assert "sched_setscheduler" in keys["SystemCallFilter"]
    assert "RestrictRealtime" not in keys
    assert "CPUSchedulingPolicy" not in keys  # a kernel that refuses it would stop the start
    assert all(unit(name)["RestrictRealtime"] == ["yes"] for name in ("vision", "net"))


@pytest.mark.parametrize("name", ["door", "vision"])
def test_door_and_vision_have_no_network(name: str) -> None:
    keys = unit(name)
    assert keys["PrivateNetwork"] == ["yes"]
    assert "AF_INET" not in keys["RestrictAddressFamilies"][0]


def test_the_doorline_sees_true_users() -> None:
    """In a user namespace of its own the door would read every sender as nobody."""
    assert "PrivateUsers" not in unit("door")


def test_only_the_part_with_a_network_has_no_device() -> None:
    assert unit("net")["PrivateDevices"] == ["yes"]
    assert unit("door")["DeviceAllow"] == ["char-gpiochip rw", "char-input rw"]
    assert all(keys["DevicePolicy"] == ["closed"] for keys in map(unit, NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_folders_are_those_of_the_settings(name: str) -> None:
    keys, paths = unit(name), PathsConfig()
    assert f"/run/{keys['RuntimeDirectory'][0]}" == f"{paths.run}/{name}"
    assert keys["ReadWritePaths"][0].removeprefix("-") == paths.state
    assert keys["UMask"] == ["0007"]  # the group shares the doorline's socket and the database
    assert keys["ProtectSystem"] == ["strict"]


@pytest.mark.parametrize("name", NAMES)
def test_no_core_file_can_hold_faces_or_keys(name: str) -> None:
    assert unit(name)["LimitCORE"] == ["0"]


@pytest.mark.parametrize("name", NAMES)
def test_the_clock_may_be_asked_but_not_set(name: str) -> None:
    keys = unit(name)
    assert "ProtectClock" not in keys
    assert keys["CapabilityBoundingSet"] == [""]
    assert "adjtimex clock_adjtime" in keys["SystemCallFilter"]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_runs_from_where_it_may_write(name: str) -> None:
    keys = unit(name)
    assert {"/var/lib/lintel", "/tmp", "/var/tmp", "/dev/shm", f"%t/lintel/{name}"} == set(
        keys["NoExecPaths"][0].split()
    )
    # ProtectProc= and ProtectControlGroups= undo ProtectSystem=strict for /run in systemd 252.
    assert keys["ReadOnlyPaths"] == ["/run"]
