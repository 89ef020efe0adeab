"""A USB camera, through OpenCV's V4L2 capture."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2

from appliance.errors import CameraError
from appliance.facts import Frame

QUEUE = 4
"""Buffers that OpenCV asks of a driver; most keep two or more even when asked for one."""

WAITED_SECONDS = 0.002
"""Taking a frame that is there already lasts less."""


class UsbCamera:
    """One V4L2 device. What waited in the driver's queue while nobody took it is thrown away, undecoded."""

    def __init__(self, device: Path, width: int, height: int, rate: float) -> None:
        """Raises CameraError: missing, no permission, busy, or not a camera."""
        self._device = device
        _check(device)
        self._capture = cv2.VideoCapture(str(device), cv2.CAP_V4L2)
        self._stop = threading.Event()
        self._fresh_seconds = 1.5 / rate
        if not self._capture.isOpened():
            raise CameraError(f"camera {device} cannot be opened; another program may hold it, or it is no camera")
        # Compressed frames fit USB 2 at 30 a second; raw ones of this size do not.
        self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        self._capture.set(cv2.CAP_PROP_FPS, rate)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def frames(self) -> Iterator[Frame]:
        """The latest the camera has. Raises CameraError when it is unplugged."""
        seq = -1
        try:
            while not self._stop.is_set():
                dropped = self._grab()
                taken_at = self._taken_at()
                there, pixels = self._capture.retrieve()
                if not there:
                    raise self._stopped()
                seq += 1 + dropped
                yield Frame(seq, taken_at, pixels)
        finally:
            self._capture.release()

    def _grab(self) -> int:
        """Take the newest frame out of the driver's queue; returns how many older ones went before it."""
        dropped = 0
        while True:
            asked_at = time.monotonic()
            if not self._capture.grab():
                raise self._stopped()
            now = time.monotonic()
            # A frame that had to be waited for is the newest, however long the camera took to send it.
            waited = now - asked_at > WAITED_SECONDS
            if waited or now - self._taken_at() < self._fresh_seconds or dropped == QUEUE:
                return dropped
            dropped += 1

    def _taken_at(self) -> float:
        """When the driver took the frame just grabbed: it stamps by the monotonic clock. Now, if it does not."""
        now = time.monotonic()
        stamp = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        return stamp if 0 < stamp <= now else now

    def _stopped(self) -> CameraError:
        return CameraError(f"camera {self._device} stopped sending; check its cable and power")

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
