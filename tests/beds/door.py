"""`lintel door` as a child, on recording pins: someone to enrol, keys to type, datagrams to send, edges to read."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from appliance.config import Config, dump
from appliance.facts import LivenessVerdict, Match, Surround
from appliance.settings import DoorConfig, KeypadConfig, PathsConfig, PinsConfig
from appliance.store.chain import StoredEvent
from appliance.store.consent import given
from appliance.store.database import FILE, connect
from appliance.store.enrolments import add_templates
from appliance.store.events import EventLog
from appliance.store.people import People
from appliance.system.clock import now
from appliance.system.doorline import DoorlineSender
from appliance.system.keys import DeviceKey
from appliance.system.manifest import embedder_id, folder
from appliance.system.status import read_status

MODEL = embedder_id(folder(""))


def eventually(check: Callable[[], object], seconds: float = 5.0, what: str = ""):
    """The first true answer of `check`. Fails after `seconds`."""
    end = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {what or check}"
        time.sleep(0.002)
    return value


class DoorChild:
    """One door in a folder of its own."""

    def __init__(self, base: Path, *, pins: PinsConfig | None = None, state: Path | None = None) -> None:
        base.mkdir(exist_ok=True)
        self.folder, self.state = base, state or base / "state"
        self.config = Config(
            paths=PathsConfig(state=str(self.state), run=str(base / "run")),
            door=DoorConfig(unlock_seconds=3.0),
            pins=pins or PinsConfig(driver="mock"),
            keypad=KeypadConfig(source="terminal"),
        )
        self.file = base / "lintel.toml"
        self.prefix: list[str] = []
        """Command put before the door's own."""
        self.process: subprocess.Popen[bytes] | None = None
        self.sender = DoorlineSender(self.socket)
        self.log_file = (base / "log").open("ab")

    @property
    def socket(self) -> Path:
        return self.folder / "run" / "door" / "doorline.sock"

    def enrol(self) -> tuple[str, str]:
        """Somebody with a face and a PIN: (pid, digits)."""
        self.state.mkdir(exist_ok=True)
        db = connect(self.state / FILE)
        keys = DeviceKey.load(self.state, create=True)
        people = People(db, keys, now=now)
        pid = people.add("Ada", by="test", consent=given(now().utc, "test")).pid
        add_templates(db, keys, pid, np.eye(1, 160, dtype="f4"), MODEL, by="test", now=now)
        digits = people.set_pin(pid, by="test")
        db.close()
        return pid, digits

    def start(self, **environment: str) -> "DoorChild":
        """Start it, and wait until its socket is there and the people are loaded, if they can be."""
        self.spawn(**environment)
        eventually(lambda: self.status and self.status["roster"] is not None, 15, "roster")
        eventually(self.socket.exists, what="doorline")
        return self

    def spawn(self, **environment: str) -> "DoorChild":
        """Start it, and wait for nothing."""
        self.file.write_text(dump(self.config))
        self.process = subprocess.Popen(
            [*self.prefix, sys.executable, "-m", "appliance", "--config", str(self.file), "door"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self.log_file,
            env=os.environ | environment,
        )
        return self

    @property
    def status(self) -> dict | None:
        status = read_status(self.folder / "run" / "door" / "status.json")
        return status if status and self.process and status["pid"] == self.process.pid else None

    @property
    def edges(self) -> list[tuple[float, bool]]:
        """What the relay did: (monotonic seconds, energised)."""
        return [(at, on) for at, on in (self.status or {}).get("edges", [])]

    @property
    def released(self) -> bool:
        return bool(self.edges) and self.edges[-1][1]

    def await_release(self, seconds: float = 3.0) -> float:
        """When the relay was energised last."""
        eventually(lambda: self.released, seconds, "release")
        return self.edges[-1][0]

    def await_rest(self, seconds: float = 6.0) -> None:
        eventually(lambda: self.edges and not self.released, seconds, "rest")

    def pass_through(self) -> None:
        """Open the released door by hand and shut it, which locks it at once."""
        self.type("oo")
        self.await_rest()

    def type(self, keys: str) -> None:
        assert self.process
        assert self.process.stdin
        self.process.stdin.write(keys.encode())
        self.process.stdin.flush()

    def match(self, pid: str, **changes: object) -> Match:
        at = time.monotonic()
        live = LivenessVerdict(True, 0.95, 5, Surround.STILL)
        return replace(Match(pid, 0.8, 0.45, 0.3, live, 3, at, at, MODEL, 30.0), **changes)

    def events(self) -> list[StoredEvent]:
        """What the door recorded, oldest first; what the enrolment recorded is left out."""
        db = connect(self.state / FILE)
        try:
            return [event for event in EventLog(db).after(0, 10_000) if event.type != "audit"]
        finally:
            db.close()

    def whys(self) -> list[str]:
        return [event.why for event in self.events()]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(how)
        code = self.process.wait(8)
        assert self.process.stdin
        self.process.stdin.close()
        self.process = None
        return code

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        self.log_file.close()
        self.sender.close()
