"""What the vision process tells others, and where its gallery comes from."""

import logging
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from appliance.camera.watch import WatchedCamera
from appliance.config import Config, digest
from appliance.errors import ModelError, StoreError
from appliance.facts import Alive, Event, EventType, PassShown
from appliance.settings import CameraConfig
from appliance.store.database import FILE, connect
from appliance.store.events import EventLog
from appliance.system import clock, notify
from appliance.system.doorline import DoorlineSender
from appliance.system.status import StatusFile
from appliance.vision.chain import Glimpse, VisionModels

log = logging.getLogger(__name__)

ALIVE_SECONDS = 1.0
STATUS_SECONDS = 0.1
RETRY_SECONDS = 10.0


class Reporter:
    """Matches and heartbeats to the door, a status for the page, a word to the watchdog."""

    def __init__(self, doorline: DoorlineSender, status: StatusFile, config: Config) -> None:
        self._doorline = doorline
        self._status = status
        self._config = config
        self._alive_at = self._status_at = self._since = 0.0
        self._frames = 0
        self._rate = 0.0
        self._ready = False

    def saw(self, glimpse: Glimpse, now: float, camera: WatchedCamera) -> None:
        """One frame was looked at. `now` in monotonic seconds."""
        if glimpse.match is not None and not self._doorline.send(glimpse.match):
            log.warning("the door did not take a match: it is not running, or restarting")
        if glimpse.passing is not None and not self._doorline.send(glimpse.passing):
            log.warning("the door was not told of who else passed: it is not running, or restarting")
        self._frames += 1
        if not self._ready:
            self._ready = True
            self._since = now
            notify.ready("watching")
        if now - self._alive_at >= ALIVE_SECONDS:
            self.beat("ok" if camera.condition == "ok" else "blind", now)
        if glimpse.match is not None or now - self._status_at >= STATUS_SECONDS:
            self._status_at = now
            self._status.publish(self._shown(glimpse) | self._camera(camera))

    def showed(self, shown: PassShown) -> None:
        """Somebody held up what calls itself a visitor's pass."""
        if not self._doorline.send(shown):
            log.warning("the door did not take a pass: it is not running, or restarting")

    def face_off(self, why: str) -> None:
        """The models cannot be trusted: nobody is recognised until they can. PIN and the way out go on."""
        now = time.monotonic()
        if not self._ready:
            self._ready = True
            notify.ready("face recognition is off")
        self.beat("face_off", now)
        self._status.publish(
            {"camera": "off", "fps": 0.0, "faces": 0, "stage": "face_off", "error": why} | self._fixed()
        )

    def blind(self, fault: str) -> None:
        """The camera failed and this process is about to end. Recorded, so that somebody comes to look."""
        self.beat("blind", time.monotonic())
        self._status.publish({"camera": fault, "fps": 0.0, "faces": 0, "stage": "idle"} | self._fixed())
        try:
            record = EventLog(connect(Path(self._config.paths.state, FILE)), config=digest(self._config))
            record.append(Event(EventType.SYS, "camera_lost", clock.now(), by="vision", detail={"fault": fault}))
        except StoreError as error:
            log.error("the camera's fault could not be recorded: %s", error)

    def beat(self, detail: str, now: float) -> None:
        """One heartbeat to door and watchdog."""
        self._rate = self._frames / max(now - self._since, 0.2) if self._since else 0.0
        self._frames, self._since = 0, now
        self._alive_at = now
        self._doorline.send(Alive("vision", now, detail))
        notify.watchdog()

    def _camera(self, camera: WatchedCamera) -> dict[str, Any]:
        return {"camera": camera.condition, "fps": round(self._rate, 1), "scene": camera.scene}

    def _shown(self, glimpse: Glimpse) -> dict[str, Any]:
        liveness = glimpse.liveness
        return {
            "faces": glimpse.faces,
            "stage": glimpse.stage,
            "hint": glimpse.hint,
            "face": glimpse.face,
            "score": _rounded(glimpse.score),
            "threshold": _rounded(glimpse.threshold),
            "passive": _rounded(liveness.passive) if liveness else None,
            "surround": liveness.surround if liveness else None,
            "votes": glimpse.votes,
            "person": glimpse.person,
            "challenge": asdict(glimpse.challenge) if glimpse.challenge else None,
            "objection": liveness.objection if liveness else None,
            "stages_ms": {stage: round(ms, 2) for stage, ms in glimpse.stages_ms.items()},
        } | self._fixed()

    def _fixed(self) -> dict[str, Any]:
        return {"simulated": self._config.camera.source in ("visitors", "replay")}


def load_models(config: Config, reporter: Reporter, stop: threading.Event) -> VisionModels | None:
    """The models, once they are whole; meanwhile says so. None: told to stop first."""
    directory = Path(config.paths.models) if config.paths.models else None
    try_at, said = 0.0, ""
    while not stop.is_set():
        if time.monotonic() >= try_at:
            try:
                return VisionModels.load(directory, config.recognition.threads)
            except ModelError as error:
                try_at = time.monotonic() + RETRY_SECONDS
                if str(error) != said:
                    log.error("face recognition is off: %s", error)
                said = str(error)
        reporter.face_off(said)
        stop.wait(ALIVE_SECONDS)
    return None


def camera_name(config: CameraConfig) -> str:
    """How messages name the camera."""
    return {"v4l2": config.device, "replay": config.path, "picamera2": f"number {config.number}"}.get(
        config.source, config.source
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)
