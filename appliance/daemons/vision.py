"""The vision process: camera to chain to doorline. No network, no GPIO."""

import logging
import os
import signal
import threading
import time
from pathlib import Path

import cv2

from appliance.camera.open import open_watched
from appliance.camera.watch import WatchedCamera
from appliance.config import Config
from appliance.daemons.enrolled import Enrolled
from appliance.daemons.eyes import Reporter, camera_name, load_models
from appliance.errors import CameraError
from appliance.system import notify
from appliance.system.doorline import DoorlineSender
from appliance.system.parent import end_with_supervisor
from appliance.system.status import StatusFile
from appliance.vision.chain import Chain
from appliance.vision.gallery import Gallery
from appliance.vision.passes import PassReader

log = logging.getLogger(__name__)

RELOAD_SECONDS = 0.5
"""How soon a new enrolment, or an erased one, is known here."""


def main(config: Config) -> int:
    """Watch until SIGTERM. Returns 1 when the camera cannot be believed: the service manager starts it anew."""
    end_with_supervisor()
    stop = threading.Event()
    for which in (signal.SIGTERM, signal.SIGINT):
        signal.signal(which, lambda *_: stop.set())
    cv2.setNumThreads(config.recognition.threads)
    run = Path(config.paths.run)
    status = StatusFile(run / "vision" / "status.json")
    reporter = Reporter(DoorlineSender(run / "door" / "doorline.sock"), status, config)
    try:
        if (models := load_models(config, reporter, stop)) is None:
            return 0
        return _watch(config, Chain(models, Gallery.empty(), config.recognition, config.liveness), reporter, stop)
    finally:
        notify.stopping()
        status.close()


def _watch(config: Config, chain: Chain, reporter: Reporter, stop: threading.Event) -> int:
    """Frame by frame, until told to stop or the camera fails."""
    enrolled = Enrolled(config, chain.model)
    passes = PassReader(config.passes.stride) if config.passes.camera else None
    camera: WatchedCamera | None = None
    try:
        camera = open_watched(config.camera, camera_name(config.camera))
        reload_at = 0.0
        for frame in camera.frames():
            if stop.is_set():
                return 0
            if frame.taken_at >= reload_at:
                reload_at = frame.taken_at + RELOAD_SECONDS
                if (gallery := enrolled.fresh(frame.taken_at)) is not None:
                    chain.set_gallery(gallery, enrolled.site)
            glimpse = chain.step(frame)
            reporter.saw(glimpse, time.monotonic(), camera)
            if passes is not None and (shown := passes.look(frame, glimpse.stage)) is not None:
                reporter.showed(shown)
    except CameraError as error:
        log.error("%s", error)
        reporter.blind(camera.fault if camera else "missing")
        return 1
    finally:
        if camera is not None and not camera.close():
            log.error("the camera's driver hangs; ending without it")
            os._exit(1)
    log.info("the frames have come to their end")
    return 0
