"""`lintel doctor` on the machine itself: models, clock, disk, key, database, services."""

import errno
import math
import os
import shutil
import socket
import stat
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from appliance import config as settings
from appliance.commands.finding import Finding, broken, fail, ok, warn
from appliance.errors import KeyFileError, LintelError, ModelError, StoreError
from appliance.facts import ClockQuality
from appliance.store import database as store
from appliance.store import sealing
from appliance.system import clock as clocks
from appliance.system.keys import CREDENTIAL, FILE, DeviceKey
from appliance.system.status import read_status
from appliance.vision import models as vision_models

MEBIBYTE = 1024 * 1024
FREE_LEAST = 64 * MEBIBYTE
FREE_GOOD = 512 * MEBIBYTE
FSYNC_SLOW_MS = 100.0
"""The door drives its relay after this, even if the event is not on disk yet."""
SILENT_SECONDS = 5.0
"""Daemons publish their status at least once a second."""
TPM = Path("/dev/tpmrm0")
SEALED = Path("/etc/credstore.encrypted/lintel.device-key")
"""Made by `deploy/install.sh --seal`."""
DAEMONS = ("door", "vision", "net")
AS_ROOT = "run it as root: sudo lintel doctor"


def settings_in_use(installed: bool) -> Iterator[Finding]:
    """Which settings these are. That they load was checked before."""
    if not installed:
        yield warn(
            "settings",
            "no settings file: everything is simulated",
            f"on a real door write {settings.SITE_FILE} (deploy/install.sh makes one)",
        )
    else:
        yield ok("settings", "valid")


def models(folder: str) -> Iterator[Finding]:
    """Every model is the one of the manifest, and computes here what it computed where it was made."""
    try:
        directory = Path(folder) if folder else vision_models.models_dir()
        slots = vision_models.Manifest.read(directory / "manifest.toml").slots
        for name in slots:
            model = vision_models.load(name, directory)
            agreement = vision_models.golden_agreement(model, directory)
            if agreement < vision_models.GOLDEN_COSINE:
                raise ModelError(f"{name} gives other numbers on this processor (cosine {agreement:.4f}); report it")
        yield ok("models", f"{len(slots)} models, {vision_models.runtime()}, checksums and outputs right")
    except LintelError as error:
        yield broken("models", error)


UNCLOCKED = {
    "deny": "people with limited hours stay out",
    "two_factor": "people with limited hours need two factors",
}


def clock(policy: str = "deny") -> Iterator[Finding]:
    """Schedules, records and certificates lean on it. `policy`: `access.clock_unknown`."""
    now = clocks.now()
    told = datetime.fromtimestamp(now.utc, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if now.utc < clocks.EARLIEST_UTC:
        yield fail("clock", f"{told} cannot be right", "connect a time server (NTP), or fit a clock with a battery")
    elif now.quality is ClockQuality.SYNCED:
        yield ok("clock", f"{told}, synchronised")
    elif now.quality is ClockQuality.HOLDOVER:
        yield warn("clock", f"{told}, set at boot, no time server since", "let it reach a time server (NTP)")
    else:
        yield warn(
            "clock",
            f"{told}, not set since boot: {UNCLOCKED[policy]}",
            "let it reach a time server (NTP), or fit a clock with a battery",
        )


def disk(state: Path, installed: bool) -> Iterator[Finding]:
    """Room, and how long a durable write takes."""
    if not state.is_dir():
        if not installed:
            yield ok("disk", f"{state} is made by the first `lintel run`")
            return
        yield fail("disk", f"{state} does not exist", "run deploy/install.sh, or set paths.state")
        return
    free = shutil.disk_usage(state).free
    room = f"{free // MEBIBYTE} MiB free in {state}"
    if free < FREE_LEAST:
        yield fail("disk", room, "make room: the record needs it")
        return
    try:
        took = fsync_ms(state)
    except OSError as error:
        remedy = AS_ROOT if error.errno == errno.EACCES else "look at `dmesg`: the disk"
        yield fail("disk", f"{state} cannot be written: {error.strerror}", remedy)
        return
    told = f"{room}, a durable write takes {took:.0f} ms"
    if took > FSYNC_SLOW_MS:
        yield warn("disk", told, "use an industrial SD card or an SSD: events may be recorded after the door opened")
    elif free < FREE_GOOD:
        yield warn("disk", told, "make room soon")
    else:
        yield ok("disk", told)


def fsync_ms(folder: Path) -> float:
    """Median milliseconds of a small durable write. Raises OSError."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(9):
            started = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def key(state: Path, installed: bool) -> Iterator[Finding]:
    """The device key is there, whole, and closed to others."""
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    if not given and seen(SEALED):
        yield warn("key", "sealed to this machine; only root may open it", AS_ROOT)
        return
    if not installed and not seen(state / FILE):
        yield ok("key", "made by the first `lintel run`")
        return
    try:
        DeviceKey.load(state)
    except KeyFileError as error:
        # For other users a sealed key, too, looks as if it were not there.
        yield fail("key", "only root and the services may read it", AS_ROOT) if closed(state) else broken("key", error)
        return
    if given and seen(Path(given, CREDENTIAL)):
        yield ok("key", "sealed to this machine")
        return
    mode = stat.S_IMODE((state / FILE).stat().st_mode)
    if TPM.exists():
        yield warn("key", f"a file, mode {mode:04o}: a thief of the disk has it", "deploy/install.sh --seal")
    else:
        yield ok("key", f"a file, mode {mode:04o}; no TPM here, so a thief of the board has it")


def closed(folder: Path) -> bool:
    """Whether the folder is there and this user may not look into it."""
    return folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK)


def seen(path: Path) -> bool:
    """Whether this user sees such a file; unlike Path.exists it does not raise where it may not look."""
    return os.path.exists(path)


def database(state: Path) -> Iterator[Finding]:
    """It opens, is sound, and the key is its own."""
    path = state / store.FILE
    if closed(state):
        yield fail("database", "only root and the services may read it", AS_ROOT)
        return
    if not seen(path) or not path.stat().st_size:
        yield ok("database", "none yet; the first service makes it")
        return
    try:
        db = store.connect(path)
        try:
            if faults := store.faults(db):
                raise StoreError(f"{path} is damaged: {faults[0]}; restore it and device.key from one backup")
            version = store.roster_version(db)
            sealing.fit(db, DeviceKey.load(state))
        finally:
            db.close()
        yield ok("database", f"{path.stat().st_size // 1024} KiB, sound, the key fits, {version} changes to people")
    except LintelError as error:
        yield broken("database", error)


def services(run: Path, installed: bool) -> Iterator[Finding]:
    """Each daemon spoke lately, and the door listens."""
    for name in DAEMONS:
        status, age = heard(run, name)
        if status is None or (age > SILENT_SECONDS and not exists(status.get("pid"))):
            yield _not_running(name, installed)
        elif age > SILENT_SECONDS:
            yield fail(name, f"hangs: silent for {age:.0f} s", f"journalctl -u lintel-{name} -n 50")
        elif name == "door" and not listens(run / "door" / "doorline.sock"):
            yield fail(name, "runs, but does not hear the other services", "sudo systemctl restart lintel-door")
        else:
            yield ok(name, _told(name, status))


def heard(run: Path, name: str) -> tuple[dict[str, Any] | None, float]:
    """A daemon's last status and its age in seconds. None and infinity for one that is not of this boot."""
    status = read_status(run / name / "status.json")
    at = status.get("at") if status else None
    age = time.monotonic() - at if isinstance(at, (int, float)) else math.inf
    return (status, age) if 0 <= age < math.inf else (None, math.inf)


def exists(pid: object) -> bool:
    """Whether there is such a process."""
    return type(pid) is int and Path(f"/proc/{pid}").exists()


def _not_running(name: str, installed: bool) -> Finding:
    if installed:
        return fail(name, "not running", f"sudo systemctl start lintel-{name}; journalctl -u lintel-{name} -n 50")
    return ok(name, "not running; `lintel run` starts it")


def _told(name: str, status: Mapping[str, object]) -> str:
    """The daemon's own words."""
    keys = {"door": ("state", "vision"), "vision": ("camera", "stage", "fps"), "net": ("mqtt", "outbox")}[name]
    return "runs: " + ", ".join(f"{key} {status[key]}" for key in keys if key in status)


def listens(path: Path) -> bool:
    """Whether a process has that datagram socket open. Sends nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        try:
            line.connect(str(path))
        except OSError:
            return False
    return True
