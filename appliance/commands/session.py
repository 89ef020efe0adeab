"""One run of the appliance as its terminal sees it: the daemons, what they report, what happened."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from appliance.commands.simulation import Typist
from appliance.commands.supervisor import LogTail, Supervisor
from appliance.config import Config
from appliance.store.database import FILE, connect
from appliance.store.events import EventLog
from appliance.system.status import read_status

DAEMONS = ("door", "vision", "net")
STALE_SECONDS = 5.0
EVENTS_KEPT = 100_000

Status = Mapping[str, Any]


class Session:
    """Starts the daemons, reads their statuses, types the simulated PIN, and tells what came of it."""

    def __init__(self, config: Config, file: Path, pin: str | None, *, echo_log: bool) -> None:
        self.config = config
        self.pin = pin
        self.log = LogTail(echo_log)
        self.supervisor = Supervisor(file, self.log.add, DAEMONS, Path(config.paths.run))
        self._typist = Typist(pin, self.supervisor.type_keys) if pin else None
        self._db = connect(Path(config.paths.state, FILE))
        self._record = EventLog(self._db)
        newest = self._record.latest(1)
        self._first = newest[-1].seq if newest else 0
        self.statuses: dict[str, Status | None] = dict.fromkeys(DAEMONS)

    @property
    def url(self) -> str:
        """Address of the page."""
        host = f"[{self.config.web.host}]" if ":" in self.config.web.host else self.config.web.host
        port = (self.statuses["net"] or {}).get("port") or self.config.web.port
        return f"http://{host}:{port}/"

    @property
    def simulated(self) -> list[str]:
        """What is not real in this run, in plain words."""
        words = []
        if self.config.camera.source == "visitors":
            words.append("visitors")
        elif self.config.camera.source == "replay":
            words.append("camera (files)")
        if self.config.pins.driver == "mock":
            words.append("lock, button and door")
        if self.pin is not None:
            words.append(f"a resident with PIN {self.pin}")
        return words

    def start(self) -> None:
        """Start the daemons, the door first."""
        self.supervisor.start()

    def tick(self, now: float) -> None:
        """Restart what died, read the statuses, press the key that is due."""
        self.supervisor.tick(now)
        for name in DAEMONS:
            self.statuses[name] = self._fresh(name, now)
        if self._typist:
            self._typist.tick(now, (self.statuses["vision"] or {}).get("scene"))

    def up(self) -> bool:
        """True once every daemon reports."""
        return not self.missing()

    def missing(self) -> list[str]:
        """Daemons that do not report."""
        return [name for name in DAEMONS if self.statuses[name] is None]

    def events(self, newest: int = EVENTS_KEPT) -> Sequence[dict[str, Any]]:
        """What was recorded since the start, oldest first, at most the `newest`."""
        return [asdict(row) for row in self._record.latest(newest) if row.seq > self._first]

    def wire_events(self, newest: int) -> list[dict[str, Any]]:
        """The newest events as the broker and the page get them."""
        return [row.wire(self.config.site) for row in self._record.latest(newest)]

    def peak_mb(self) -> dict[str, float]:
        """Each daemon's largest resident memory, MB."""
        return {name: child.peak_mb for name, child in self.supervisor.children.items()}

    def stop(self) -> None:
        """End the daemons. May be called twice."""
        self.supervisor.stop()

    def _fresh(self, name: str, now: float) -> Status | None:
        """The daemon's status, if it is from the process that runs now and not left behind."""
        status = read_status(Path(self.config.paths.run, name, "status.json"))
        if status is None or status.get("pid") != self.supervisor.children[name].pid:
            return None
        return status if now - float(status.get("at", 0)) < STALE_SECONDS or name == "door" else None
