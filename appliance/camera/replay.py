"""Frames from files: a folder of pictures or a video. For demos, tests and evaluation."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from appliance.camera.pace import Pace
from appliance.errors import CameraError, ImageError
from appliance.facts import Frame, Pixels

log = logging.getLogger(__name__)

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
PICTURE_RATE = 30.0
LARGEST_BYTES = 20_000_000
LARGEST_PIXELS = 25_000_000
JPEG_START, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
JPEG_TAIL = 65536
"""Bytes at the end in which its marker must be: cameras pad a file, and a thumbnail at its start has one too."""


class Folder:
    """The pictures of a folder in the order of their names, each one frame."""

    def __init__(self, path: Path, rate: float = PICTURE_RATE, realtime: bool = True, loop: bool = False) -> None:
        """Raises CameraError: no such folder, or no pictures in it."""
        self._path = path
        self._rate = rate
        self._loop = loop
        self._pace = Pace(rate, realtime)
        try:
            found = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES)
        except OSError as error:
            raise CameraError(f"picture folder {path}: {error.strerror}; name a folder that can be read") from None
        self._files = [file for file in found if file.is_file()]  # a named pipe would hang whoever reads it
        self._refused: set[Path] = set()
        if not self._files:
            raise CameraError(f"picture folder {path} holds no {', '.join(sorted(PICTURES))}; put some there")

    def frames(self) -> Iterator[Frame]:
        """A picture that cannot be read is named in the log, once, and left out. Raises CameraError if none can."""
        start = time.monotonic()
        for tick in self._pace.ticks():
            if tick >= len(self._files) and not self._loop:
                return
            pixels = self._read(self._files[tick % len(self._files)])
            if pixels is not None:
                # As fast as possible, time still goes at the rate of the recording.
                yield Frame(tick, start + tick / self._rate if not self._pace.realtime else time.monotonic(), pixels)
            elif len(self._refused) == len(self._files):
                raise CameraError(
                    f"picture folder {self._path}: none of {len(self._files)} pictures can be read; replace them"
                )

    def _read(self, file: Path) -> Pixels | None:
        if file in self._refused:
            return None
        try:
            return _decoded(file)
        except ImageError as error:
            self._refused.add(file)
            log.warning("picture %s left out: %s", file, error)
            return None

    def close(self) -> None:
        """End the frames."""
        self._pace.stop()


def _decoded(file: Path) -> Pixels:
    """(h, w, 3) uint8 BGR. Raises ImageError, which does not name the file."""
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise ImageError(f"larger than {LARGEST_BYTES // 10**6} MB")
        data = file.read_bytes()
        # OpenCV fills up what is missing of a JPEG with grey; only the marker at its end tells a whole one.
        if data.startswith(JPEG_START) and JPEG_END not in data[-JPEG_TAIL:]:
            raise ImageError("cut short; copy it again")
        pixels: Pixels | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except OSError as error:
        raise ImageError(f"{error.strerror}") from None
    except cv2.error:  # more pixels than OpenCV decodes
        pixels = None
    if pixels is None:
        raise ImageError("not a picture, or damaged")
    if pixels.shape[0] * pixels.shape[1] > LARGEST_PIXELS:
        raise ImageError(f"more than {LARGEST_PIXELS // 10**6} megapixels")
    return pixels


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
