"""The Raspberry Pi camera, through Picamera2. The only file that imports it."""

import threading
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from picamera2 import MappedArray, Picamera2

from appliance.errors import CameraError
from appliance.facts import Frame, Pixels

BUFFERS = 4
"""Of libcamera's. One is being converted, one is complete, two are being filled."""


class PiCamera:
    """One libcamera camera. Frames are converted straight from the camera's memory into a picture of their own."""

    def __init__(
        self, number: int, width: int, height: int, rate: float, *, form: str = "NV12", picamera: Any = None
    ) -> None:
        """`form`: `NV12` or `RGB888`. `picamera`: one that is open already. Raises CameraError: no such camera."""
        self._form = form
        self._shape = (height, width)
        self._period_ns = int(1e9 / rate)
        self._stop = threading.Event()
        self._camera = picamera or _open(number)
        try:
            self._configure(rate)
            self._camera.start()
        except (RuntimeError, ValueError, KeyError) as error:
            self._camera.close()
            raise CameraError(
                f"camera {number} does not deliver {width} x {height} {form}: {error}; "
                "set camera.width, camera.height and camera.format to what `rpicam-hello --list-cameras` lists"
            ) from None

    def _configure(self, rate: float) -> None:
        height, width = self._shape
        self._camera.configure(
            self._camera.create_video_configuration(
                main={"size": (width, height), "format": self._form},
                buffer_count=BUFFERS,
                controls={"FrameRate": rate},
            )
        )
        # libcamera gives the nearest that the hardware can do; rows and planes would be taken for others.
        given = self._camera.camera_configuration()["main"]
        if tuple(given["size"]) != (width, height) or given["format"] != self._form:
            raise ValueError(f"it offers {given['size'][0]} x {given['size'][1]} {given['format']}")

    def frames(self) -> Iterator[Frame]:
        """The latest frame each time. Raises CameraError when libcamera gives up; may hang if it does."""
        first, seq = None, -1
        try:
            while not self._stop.is_set():
                # Nothing exposed before this call: at the door an old frame is worth nothing. A sensor runs free, so
                # this passes over every other frame; the chain on a board takes longer than two.
                request = self._camera.capture_request(flush=True)
                try:
                    taken_ns = int(request.get_metadata()["SensorTimestamp"])
                    pixels = self._copy(request)
                finally:
                    request.release()
                first = taken_ns if first is None else first
                seq = max(seq + 1, round((taken_ns - first) / self._period_ns))
                yield Frame(seq, taken_ns / 1e9, pixels)
        except KeyError as error:
            raise CameraError(f"the camera tells no {error} with its frames; set camera.source = v4l2 for it") from None
        except RuntimeError as error:
            raise CameraError(f"the camera stopped: {error}; check its ribbon cable") from None
        finally:
            self._camera.stop()
            self._camera.close()

    def close(self) -> None:
        """End the frames; the thread that takes them gives the camera back."""
        self._stop.set()

    def _copy(self, request: Any) -> Pixels:
        # A fresh array each: whoever holds the last frame may still be reading it. The allocator reuses the memory.
        into = np.empty((*self._shape, 3), np.uint8)
        with MappedArray(request, "main", write=False) as mapped:
            _convert(mapped.array, self._form, into)
        return into


def _convert(camera: Any, form: str, into: Pixels) -> None:
    """The camera's memory to (height, width, 3) BGR. No view of that memory may outlive this call: it is unmapped."""
    height, width = into.shape[:2]
    if form == "NV12":
        # Rows may be padded to the hardware's stride; the chroma plane follows the luma plane.
        chroma = camera[height : height * 3 // 2, :width].reshape(height // 2, width // 2, 2)
        cv2.cvtColorTwoPlane(camera[:height, :width], chroma, cv2.COLOR_YUV2BGR_NV12, dst=into)
    else:
        np.copyto(into, camera[:height, :width])  # libcamera's RGB888 is B, G, R in memory


def _open(number: int) -> Any:
    found = Picamera2.global_camera_info()
    if number >= len(found):
        raise CameraError(
            f"camera.number = {number}: libcamera sees {len(found)} cameras; "
            "check the ribbon cable, `camera_auto_detect=1` in config.txt, and `rpicam-hello --list-cameras`"
        )
    try:
        return Picamera2(number)
    except (RuntimeError, IndexError) as error:
        raise CameraError(f"camera {number} cannot be opened: {error}; another program may hold it") from None
