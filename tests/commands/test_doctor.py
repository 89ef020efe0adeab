"""`lintel doctor`: what it finds on machines that are well, and on machines that are not."""

import argparse
import dataclasses
import json
import os
import shutil
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from appliance.commands import checks, doctor, gpiolines, wiring
from appliance.commands.finding import Finding, broken, fail, ok, warn
from appliance.config import embedded
from appliance.errors import KeyFileError
from appliance.settings import CameraConfig, KeypadConfig, MqttConfig, PathsConfig, PinsConfig, SiteConfig
from appliance.store import database as store
from appliance.store import sealing
from appliance.system.keys import DeviceKey
from appliance.system.status import StatusFile
from appliance.vision import models as vision_models

REAL = PinsConfig()


def one(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


def publish(run: Path, name: str, **status: object) -> None:
    (run / name).mkdir(parents=True, exist_ok=True)
    file = StatusFile(run / name / "status.json")
    file.publish(status)
    file.close()


# The report as a whole


def test_a_program_gets_one_object(tmp_path, capsys):
    config = dataclasses.replace(embedded(), paths=PathsConfig(state=str(tmp_path), run=str(tmp_path)))
    code = doctor.run(argparse.Namespace(json=True, config_files=[]), config)
    told = json.loads(capsys.readouterr().out)
    assert code == (0 if told["ok"] else 1)
    assert told["ok"] == all(check["status"] != "fail" for check in told["checks"])
    names = [check["name"] for check in told["checks"]]
    assert names == [
        "settings", "models", "clock", "disk", "key", "database", "rules", "lock", "keypad", "camera", "broker",
        "door", "vision", "net",
    ]  # fmt: skip
    for check in told["checks"]:
        assert check.keys() == {"name", "status", "detail", "remedy"}
        assert (check["status"] == "ok") == (check["remedy"] == "")


def test_a_person_gets_lines_that_fit_a_ladder():
    assert doctor.line(ok("disk", "room")) == "ok    disk      room"
    assert doctor.line(warn("lock", "simulated", "wire it")).splitlines()[1].endswith("-> wire it")


@pytest.mark.parametrize(
    ("findings", "last"),
    [
        ([ok("a", "")], "All well."),
        ([ok("a", ""), warn("b", "", "x")], "It will run. Look at: b."),
        ([fail("a", "", "x"), warn("b", "", "x"), fail("c", "", "x")], "Not fit yet: a, c."),
    ],
)
def test_the_verdict_names_what_to_look_at(findings, last):
    assert doctor.summary(findings).strip() == last


def test_an_error_is_split_into_what_and_what_to_do():
    finding = broken("key", KeyFileError("k has mode 0666; which is open; run: chmod 0640 k"))
    assert (finding.detail, finding.remedy) == ("k has mode 0666; which is open", "run: chmod 0640 k")
    assert broken("key", KeyFileError("gone")).detail == "gone"


# The machine


def test_the_models_of_this_checkout_are_right():
    finding = one(checks.models(""))
    assert finding.status == "ok"
    assert "5 models" in finding.detail


def test_a_changed_model_is_found(tmp_path):
    shutil.copytree(vision_models.models_dir(), tmp_path / "models", ignore=shutil.ignore_patterns("build"))
    with (tmp_path / "models/liveness.tflite").open("r+b") as file:
        file.seek(5000)
        file.write(b"\xff\x00\xff")
    finding = one(checks.models(str(tmp_path / "models")))
    assert finding.status == "fail"
    assert "liveness" in finding.detail
    assert finding.remedy


def test_no_models_at_all(tmp_path):
    assert one(checks.models(str(tmp_path))).status == "fail"


def test_the_clock_says_how_far_it_can_be_believed():
    finding = one(checks.clock())
    assert finding.status in ("ok", "warn")
    assert "UTC" in finding.detail


def test_a_folder_that_can_be_written_is_timed(tmp_path):
    finding = one(checks.disk(tmp_path, installed=True))
    assert finding.status in ("ok", "warn")
    assert "a durable write takes" in finding.detail
    assert not list(tmp_path.iterdir())


def test_a_missing_state_folder_matters_only_once_installed(tmp_path):
    assert one(checks.disk(tmp_path / "none", installed=True)).status == "fail"
    assert one(checks.disk(tmp_path / "none", installed=False)).status == "ok"


def test_a_full_disk_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "FREE_LEAST", 1 << 60)
    assert "make room" in one(checks.disk(tmp_path, installed=True)).remedy


@pytest.fixture
def unsealed(monkeypatch, tmp_path):
    """A machine with neither a TPM nor a sealed key."""
    monkeypatch.setattr(checks, "TPM", tmp_path / "no-tpm")
    monkeypatch.setattr(checks, "SEALED", tmp_path / "no-credential")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def test_a_key_file_is_fine_where_there_is_nothing_better(tmp_path, unsealed):
    DeviceKey.load(tmp_path, create=True)
    finding = one(checks.key(tmp_path, installed=True))
    assert finding.status == "ok"
    assert "mode 0600" in finding.detail


def test_a_key_file_beside_a_tpm_should_be_sealed(tmp_path, unsealed, monkeypatch):
    DeviceKey.load(tmp_path, create=True)
    monkeypatch.setattr(checks, "TPM", tmp_path)
    finding = one(checks.key(tmp_path, installed=True))
    assert (finding.status, finding.remedy) == ("warn", "deploy/install.sh --seal")


def test_a_key_open_to_others_fails_with_the_command_that_closes_it(tmp_path, unsealed):
    DeviceKey.load(tmp_path, create=True)
    (tmp_path / "device.key").chmod(0o644)
    finding = one(checks.key(tmp_path, installed=True))
    assert finding.status == "fail"
    assert "chmod 0640" in finding.remedy


def test_a_missing_key_matters_only_once_installed(tmp_path, unsealed):
    assert one(checks.key(tmp_path, installed=True)).status == "fail"
    assert one(checks.key(tmp_path, installed=False)).status == "ok"
    assert not (tmp_path / "device.key").exists()


def test_a_sealed_key_opens_for_services_only(tmp_path, unsealed, monkeypatch):
    sealed = tmp_path / "lintel.device-key"
    sealed.touch()
    monkeypatch.setattr(checks, "SEALED", sealed)
    assert "only root" in one(checks.key(tmp_path, installed=True)).detail
    credential = tmp_path / "device-key"
    credential.write_bytes(bytes(32))
    credential.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert one(checks.key(tmp_path, installed=True)).detail == "sealed to this machine"


@pytest.fixture
def state(tmp_path, unsealed):
    """A state folder with a database and its key."""
    key = DeviceKey.load(tmp_path, create=True)
    db = store.connect(tmp_path / store.FILE)
    sealing.fit(db, key)
    db.close()
    return tmp_path


def test_a_sound_database_with_its_key(state):
    finding = one(checks.database(state))
    assert finding.status == "ok"
    assert "the key fits" in finding.detail


def test_a_database_with_another_devices_key(state):
    (state / "device.key").unlink()
    DeviceKey.load(state, create=True)
    finding = one(checks.database(state))
    assert finding.status == "fail"
    assert "does not fit" in finding.detail


def test_a_damaged_database(state):
    (state / store.FILE).write_bytes(b"not a database, " * 1000)
    finding = one(checks.database(state))
    assert finding.status == "fail"
    assert finding.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_anybody_else_is_sent_to_sudo(unsealed):
    with tempfile.TemporaryDirectory(prefix="lintel-") as folder:  # pytest's own are closed to others on the way there
        Path(folder).chmod(0o755)
        state = Path(folder) / "state"
        state.mkdir(mode=0o770)
        DeviceKey.load(state, create=True)
        store.connect(state / store.FILE).close()
        out, into = os.pipe()
        if (child := os.fork()) == 0:  # pragma: no cover
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                findings = [*checks.disk(state, True), *checks.key(state, True), *checks.database(state)]
                os.write(into, "\n".join(f"{f.status} {f.remedy}" for f in findings).encode())
            finally:
                os._exit(0)
        os.close(into)
        os.waitpid(child, 0)
        assert os.read(out, 4096).decode().splitlines() == [f"fail {checks.AS_ROOT}"] * 3


def test_no_database_yet(tmp_path):
    assert one(checks.database(tmp_path)).status == "ok"
    (tmp_path / store.FILE).touch()  # as systemd-tmpfiles leaves it
    assert one(checks.database(tmp_path)).status == "ok"
    assert (tmp_path / store.FILE).stat().st_size == 0


def test_silence_of_a_service_fails_on_a_door_and_not_on_a_laptop(tmp_path):
    assert {finding.status for finding in checks.services(tmp_path, installed=True)} == {"fail"}
    assert {finding.status for finding in checks.services(tmp_path, installed=False)} == {"ok"}


def test_running_services_tell_their_own_state(tmp_path):
    publish(tmp_path, "door", state="LOCKED", vision="ok")
    publish(tmp_path, "vision", camera="ok", stage="idle", fps=29.5)
    publish(tmp_path, "net", mqtt="off", outbox=0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "door/doorline.sock"))
        door, vision, net = checks.services(tmp_path, installed=True)
        line.setblocking(False)
        with pytest.raises(BlockingIOError):
            line.recv(1)  # looking is not talking
    assert (door.detail, vision.detail) == ("runs: state LOCKED, vision ok", "runs: camera ok, stage idle, fps 29.5")
    assert {door.status, vision.status, net.status} == {"ok"}


def test_a_door_that_does_not_listen_fails(tmp_path):
    publish(tmp_path, "door", state="LOCKED")
    socket_left = tmp_path / "door/doorline.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(socket_left))
    assert socket_left.exists()
    assert next(checks.services(tmp_path, installed=True)).status == "fail"


@pytest.mark.parametrize("at", ["0", "1e12", '"soon"', "null"])
def test_a_status_from_another_time_is_no_sign_of_life(tmp_path, at):
    for name in ("door", "vision"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "status.json").write_text(f'{{"at": {at}, "state": "LOCKED"}}')
    assert next(checks.services(tmp_path, installed=True)).status == "fail"
    assert wiring.fresh(tmp_path, "vision") is None


def test_a_hung_daemon_is_told_from_one_that_ended(tmp_path):
    (tmp_path / "door").mkdir()
    for pid, words in ((os.getpid(), "hangs: silent"), (2**22 + 1, "not running"), ('"1"', "not running")):
        (tmp_path / "door/status.json").write_text(f'{{"at": {time.monotonic() - 60}, "pid": {pid}}}')
        assert words in next(checks.services(tmp_path, installed=True)).detail


# What hangs on it


def test_a_simulated_lock_is_a_warning(tmp_path):
    assert one(wiring.door(PinsConfig(driver="mock"), tmp_path)).status == "warn"


@pytest.mark.skipif(bool(list(Path("/dev").glob("gpiochip*"))), reason="this machine has GPIO")
def test_no_header_fails(tmp_path):
    assert "no GPIO header" in one(wiring.door(REAL, tmp_path)).detail


@pytest.fixture
def header(monkeypatch):
    """A header whose relay line stands as the test says. The ioctl needs a chip: see tests/slow."""

    def stands(*, used: bool, output: bool, consumer: bytes = b"") -> None:
        flags = used | output << 3
        raw = struct.pack("=32s32sIIQ176s", b"GPIO17", consumer, 17, 0, flags, b"")
        monkeypatch.setattr(gpiolines, "header_chip", lambda: Path("/dev/gpiochip0"))
        monkeypatch.setattr(gpiolines, "line", lambda _chip, _number: gpiolines.parse(raw))

    return stands


def test_a_free_relay_line(tmp_path, header):
    header(used=False, output=False)
    assert one(wiring.door(REAL, tmp_path)).detail == "line 17 of gpiochip0: free"


def test_a_relay_line_that_another_program_holds(tmp_path, header):
    header(used=True, output=True, consumer=b"heating")
    assert "heating" in one(wiring.door(REAL, tmp_path)).detail


def test_a_relay_line_that_the_door_holds(tmp_path, header):
    publish(tmp_path, "door", state="LOCKED")
    header(used=True, output=True, consumer=b"lg")
    assert one(wiring.door(REAL, tmp_path)).detail.endswith("held by the door")
    header(used=False, output=False)
    assert one(wiring.door(REAL, tmp_path)).status == "fail"


def test_no_exit_button_is_said_aloud(tmp_path, header):
    header(used=False, output=False)
    _, button = wiring.door(dataclasses.replace(REAL, rex=-1), tmp_path)
    assert (button.name, button.status) == ("exit", "warn")


BOOT = (Path(__file__).parents[2] / "firmware_config/pi4.config.txt").read_text()


@pytest.mark.parametrize(
    ("text", "pins", "status", "words"),
    [
        (BOOT, REAL, "ok", "gpio=17=op,dl, strict_gpiod"),
        (BOOT, dataclasses.replace(REAL, relay=12), "fail", "does not name line 12"),
        (BOOT, dataclasses.replace(REAL, relay_active_high=False), "fail", "has gpio=17=op,dl"),
        (BOOT.replace("op,dl", "op,dh"), dataclasses.replace(REAL, relay_active_high=False), "ok", "gpio=17=op,dh"),
        (BOOT.replace("dtparam=strict_gpiod", ""), REAL, "fail", "strict_gpiod"),
        (BOOT.replace("gpio=17", "#gpio=17"), REAL, "fail", "does not name line 17"),
        ("", REAL, "fail", "does not name line 17"),
    ],
)
def test_boot_lines_must_hold_the_relay_that_the_settings_name(tmp_path, text, pins, status, words):
    path = tmp_path / "config.txt"
    path.write_text(text)
    finding = one(wiring.boot_lines(pins, path))
    assert finding.status == status
    assert words in finding.detail


def test_boot_lines_of_a_machine_without_any(tmp_path):
    assert not list(wiring.boot_lines(REAL, tmp_path / "none"))
    (tmp_path / "config.txt").touch()
    assert not list(wiring.boot_lines(PinsConfig(driver="mock"), tmp_path / "config.txt"))


def test_keypads(tmp_path, monkeypatch):
    device = tmp_path / "usb-event-kbd"
    config = KeypadConfig(source="evdev", device=str(device))
    assert one(wiring.keypad(KeypadConfig())).status == "ok"
    assert one(wiring.keypad(KeypadConfig(source="terminal"))).status == "warn"
    assert "plug it in" in one(wiring.keypad(config)).remedy
    device.touch()
    monkeypatch.setitem(sys.modules, "evdev", None)
    missing = one(wiring.keypad(config))
    assert (missing.status, "evdev" in missing.detail) == ("fail", True)
    assert "deploy/install.sh" in missing.remedy
    monkeypatch.setitem(sys.modules, "evdev", ModuleType("evdev"))
    assert one(wiring.keypad(config)).status == "ok"
    if os.geteuid():
        device.chmod(0)
        assert one(wiring.keypad(config)).status == "fail"


def test_a_camera_that_vision_holds_is_not_opened(tmp_path):
    config = CameraConfig(source="v4l2", device="/dev/none")
    publish(tmp_path, "vision", camera="ok", fps=30.0)
    assert one(wiring.camera(config, tmp_path)).detail == "in use by vision, 30 frames a second"
    publish(tmp_path, "vision", camera="black", fps=0)
    assert one(wiring.camera(config, tmp_path)).status == "fail"


def test_a_missing_camera_fails_with_a_remedy(tmp_path):
    finding = one(wiring.camera(CameraConfig(source="v4l2", device="/dev/video99"), tmp_path))
    assert finding.status == "fail"
    assert finding.remedy


def test_a_simulated_camera_gives_a_frame_and_a_warning(tmp_path):
    finding = one(wiring.camera(CameraConfig(source="visitors"), tmp_path))
    assert finding.status == "warn"
    assert "640x480" in finding.detail


def test_a_broker_may_be_off_or_away(tmp_path):
    site = SiteConfig()
    assert one(wiring.broker(MqttConfig(), site, tmp_path)).status == "ok"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        config = MqttConfig(host="127.0.0.1", port=closed.getsockname()[1], tls=False)
        finding = one(wiring.broker(config, site, tmp_path))
    assert finding.status == "fail"
    assert "mqtt.host" in finding.remedy
    publish(tmp_path, "net", mqtt="online", outbox=2)
    assert one(wiring.broker(config, site, tmp_path)).detail.endswith("online, 2 events to deliver")
