"""Frames from files: a folder of pictures or a video. For demos, tests and evaluation."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import cv2

from appliance.camera.pace import Pace
from appliance.errors import CameraError
from appliance.facts import Frame, Pixels

log = logging.getLogger(__name__)

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
PICTURE_RATE = 30.0
LARGEST_BYTES = 20_000_000
LARGEST_PIXELS = 25_000_000


class Folder:
    """The pictures of a folder in the order of their names, each one frame."""

    def __init__(self, path: Path, rate: float = PICTURE_RATE, realtime: bool = True, loop: bool = False) -> None:
        """Raises CameraError: no such folder, or no pictures in it."""
        self._path = path
        self._rate = rate
        self._loop = loop
        self._pace = Pace(rate, realtime)
        try:
            self._files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES)
        except OSError as error:
            raise CameraError(f"picture folder {path}: {error.strerror}; name a folder that can be read") from None
        if not self._files:
            raise CameraError(f"picture folder {path} holds no {', '.join(sorted(PICTURES))}; put some there")

    def frames(self) -> Iterator[Frame]:
        """A picture that cannot be read is named in the log and left out. Raises CameraError if none can."""
        start, shown = time.monotonic(), 0
        for tick in self._pace.ticks():
            if tick >= len(self._files) and (not self._loop or not shown):
                break
            pixels = self._read(self._files[tick % len(self._files)])
            if pixels is not None:
                shown += 1
                # As fast as possible, time still goes at the rate of the recording.
                yield Frame(tick, start + tick / self._rate if not self._pace.realtime else time.monotonic(), pixels)
        if not shown and not self._pace.stopped:
            raise CameraError(f"picture folder {self._path}: none of {len(self._files)} pictures can be read")

    def _read(self, file: Path) -> Pixels | None:
        try:
            if file.stat().st_size > LARGEST_BYTES:
                log.warning("picture %s left out: larger than %d MB", file, LARGEST_BYTES // 10**6)
                return None
            pixels: Pixels | None = cv2.imread(str(file), cv2.IMREAD_COLOR)
        except (OSError, cv2.error):  # cv2.error: more pixels than OpenCV decodes
            pixels = None
        if pixels is None:
            log.warning("picture %s left out: not a picture, or damaged", file)
        elif pixels.shape[0] * pixels.shape[1] > LARGEST_PIXELS:
            log.warning("picture %s left out: more than %d megapixels", file, LARGEST_PIXELS // 10**6)
            return None
        return pixels

    def close(self) -> None:
        """End the frames."""
        self._pace.stop()


class Video:
    """A video file at its own rate."""

    def __init__(self, path: Path, realtime: bool = True, loop: bool = False) -> None:
        """Raises CameraError: missing, or not a video."""
        self._path = path
        self._loop = loop
        if not path.is_file():
            raise CameraError(f"video {path} does not exist; name a video file or a folder of pictures")
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened() or not self._capture.grab():
            self._capture.release()
            raise CameraError(f"video {path} cannot be decoded; convert it to MP4 (H.264)")
        self._rewind()
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self._rate = rate if 1 <= rate <= 240 else PICTURE_RATE
        self._pace = Pace(self._rate, realtime)

    def frames(self) -> Iterator[Frame]:
        """In real time, frames that were not taken in time are skipped."""
        start, position = time.monotonic(), 0
        for tick in self._pace.ticks():
            while position < tick and self._grab():
                position += 1
            if not self._grab():
                return
            position += 1
            there, pixels = self._capture.retrieve()
            if there:
                yield Frame(tick, start + tick / self._rate if not self._pace.realtime else time.monotonic(), pixels)

    def _grab(self) -> bool:
        if self._capture.grab():
            return True
        if not self._loop:
            return False
        self._rewind()
        return bool(self._capture.grab())

    def _rewind(self) -> None:
        self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)

    def close(self) -> None:
        """End the frames. The file is closed with the object, since `frames` may be reading it now."""
        self._pace.stop()
