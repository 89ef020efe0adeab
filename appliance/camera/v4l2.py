"""A USB camera, through OpenCV's V4L2 capture."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2

from appliance.errors import CameraError
from appliance.facts import Frame


class UsbCamera:
    """One V4L2 device. The driver's queue holds one frame, so that the latest is what is read."""

    def __init__(self, device: Path, width: int, height: int, rate: float) -> None:
        """Raises CameraError: missing, no permission, busy, or not a camera."""
        self._device = device
        _check(device)
        self._capture = cv2.VideoCapture(str(device), cv2.CAP_V4L2)
        self._stop = threading.Event()
        if not self._capture.isOpened():
            raise CameraError(f"camera {device} cannot be opened; another program may hold it, or it is no camera")
        # Compressed frames fit USB 2 at 30 a second; raw ones of this size do not.
        self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        self._capture.set(cv2.CAP_PROP_FPS, rate)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def frames(self) -> Iterator[Frame]:
        """As the camera delivers them. Raises CameraError when it is unplugged."""
        seq = 0
        try:
            while not self._stop.is_set():
                there, pixels = self._capture.read()
                if not there:
                    raise CameraError(f"camera {self._device} stopped sending; check its cable and power")
                yield Frame(seq, time.monotonic(), pixels)
                seq += 1
        finally:
            self._capture.release()

    def close(self) -> None:
        """End the frames; the device is given back by the thread that reads it."""
        self._stop.set()


def _check(device: Path) -> None:
    if not device.exists():
        found = sorted(str(path) for path in Path("/dev").glob("video*"))
        there = f"this machine has {', '.join(found)}" if found else "this machine has no /dev/video*"
        raise CameraError(f"camera {device} does not exist; {there}: plug one in or set camera.device")
    if not os.access(device, os.R_OK | os.W_OK):
        raise CameraError(f"camera {device}: no permission; add this user to the group video and log in again")
    if not device.is_char_device():
        raise CameraError(f"camera {device} is not a device; set camera.device to /dev/videoN, or use --camera FILE")
