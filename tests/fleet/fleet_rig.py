"""A door with a real store and an uplink in a thread of its own, for a test beside a real broker."""

import random
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from beds.broker import SITE, wait_for

from appliance.facts import Event, EventType
from appliance.fleet.broker import Broker
from appliance.fleet.discovery import announcement
from appliance.fleet.outbox import Backoff, Outbox
from appliance.fleet.topics import Names
from appliance.fleet.uplink import Uplink
from appliance.settings import MqttConfig, SiteConfig
from appliance.store.database import connect
from appliance.store.events import EventLog
from appliance.system.clock import now

DOOR_STATUS: dict[str, Any] = {
    "state": "LOCKED",
    "lock": "secure",
    "contact": "closed",
    "vision": "ok",
    "keypad": "ok",
    "simulated": True,
    "last": {"person": "must not be told"},
}


@dataclass
class Door:
    """An uplink in a thread, as the net daemon runs it."""

    folder: Path
    config: MqttConfig
    name: str = "door-1"
    rate: float = 1e9
    status: dict[str, Any] = field(default_factory=lambda: dict(DOOR_STATUS))
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.log = EventLog(connect(self.folder / "lintel.db"))
        self.site = SiteConfig(site=SITE, door=self.name)
        self.names = Names(SITE, self.name)
        self.stop = threading.Event()
        self.uplink = Uplink(
            Broker(self.config, self.name),
            self.site,
            clock=now,
            read_door=lambda: {"at": now().mono, **self.status},
            read_figures=lambda: {"load_1m": 0.5},
            version="0.0",
            outbox=Outbox(rate=self.rate),
            backoff=Backoff(random.Random(1).random),
            announce=announcement(self.names, "0.0", True),
        )
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.uplink.run(lambda: EventLog(connect(self.folder / "lintel.db")), self.stop)
        except BaseException as failure:
            self.failure = failure
            raise

    def start(self) -> "Door":
        self.thread.start()
        return self

    def write(self, count: int, kind: EventType = EventType.ACCESS, why: str = "granted") -> set[object]:
        stored = self.log.append_many([Event(kind, why, now(), detail={"n": n}) for n in range(count)])
        return {event.id for event in stored}

    def wait_online(self) -> None:
        wait_for(lambda: self.uplink.online, 15, "the door is online")

    def wait_settled(self, seconds: float = 30) -> None:
        wait_for(lambda: self.log.count_unsettled() == 0, seconds, "all events are settled")

    def close(self) -> None:
        self.stop.set()
        if self.thread.ident:
            self.thread.join(15)
