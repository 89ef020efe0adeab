"""Is the camera really sending pictures? Stalled, black, frozen and wrong-sized frames end the process.

A capture can hang for good inside a driver, where no exception reaches it. So the frames are taken
in a thread of their own; whoever waits for them waits no longer than a stall may last.
"""

import logging
import threading
import time
from collections.abc import Iterator

import numpy as np

from appliance.camera.source import Camera
from appliance.errors import CameraError
from appliance.facts import Frame, Pixels

log = logging.getLogger(__name__)

BLACK_MEAN = 6.0
BLACK_SPREAD = 4.0
"""Grey levels: a lens cap or a dead sensor gives 0 to 4; a dark room with gain turned up gives more, and noise."""
FAULT_SECONDS = 2.0
"""Black or frozen for this long is told; a hand over the lens for a moment is not."""
BLACK_SECONDS = 1800.0
"""A picture that was black from the start ends the frames only after this long: a lobby with its lights off looks
like a lens cap. One that goes black ends them after FAULT_SECONDS, since a fresh start may wake the sensor."""
FIRST_SECONDS = 15.0
"""A camera may take this long to start."""
CLOSE_SECONDS = 1.0
SAMPLE = 24
"""Every 24th pixel each way: 540 samples of a 640 x 480 frame."""


class Watch:
    """Judges frames one by one. Pure but for what it remembers."""

    def __init__(self, width: int, height: int, *, any_size: bool = False) -> None:
        """`any_size`: for files, whose pictures are as large as they are, and may show the same for long."""
        self._shape = None if any_size else (height, width, 3)
        self._sample: Pixels | None = None
        self._changed_at: float | None = None
        self._began_at: float | None = None
        self._seen_at: float | None = None
        self.black = False
        """Nothing has been seen for FAULT_SECONDS: a lens cap, a dead sensor, or night."""

    def fault(self, frame: Frame) -> str | None:
        """`wrong_size`, `black`, `frozen`, or None. `frame.taken_at` is the clock."""
        pixels = frame.pixels
        if (self._shape and pixels.shape != self._shape) or pixels.dtype != np.uint8:
            return "wrong_size"
        sample = pixels[::SAMPLE, ::SAMPLE].copy()
        at = frame.taken_at
        if self._sample is None or not np.array_equal(sample, self._sample):
            self._sample, self._changed_at = sample, at
        if self._began_at is None:
            self._began_at = at
        if float(sample.mean()) > BLACK_MEAN or float(sample.std()) > BLACK_SPREAD:
            self._seen_at = at
        unseen = at - (self._began_at if self._seen_at is None else self._seen_at)
        self.black = unseen >= FAULT_SECONDS
        if unseen >= (BLACK_SECONDS if self._seen_at is None else FAULT_SECONDS):
            return "black"
        # A black picture may well be the same each time: with the gain low, what noise there is rounds to nothing.
        still = self._changed_at is not None and at - self._changed_at >= FAULT_SECONDS
        return "frozen" if still and self._shape and not unseen else None


_REMEDIES = {
    "wrong_size": "sends frames of another size than asked for; set camera.width and camera.height to what it sends",
    "black": "sends black frames; take off the lens cap, check the light and the cable",
    "frozen": "sends the same frame again and again; check its cable and power",
    "stalled": "sends nothing; check its cable and power",
}


def explain(fault: str, name: str) -> CameraError:
    """The error for a fault. Its `args[0]` is the message; `fault` goes into the record of events."""
    return CameraError(f"camera {name} {_REMEDIES[fault]}")


class WatchedCamera:
    """A camera whose frames are judged, and whose silence is noticed. The latest frame wins."""

    def __init__(
        self, camera: Camera, name: str, width: int, height: int, stall_seconds: float, *, any_size: bool = False
    ) -> None:
        self._camera = camera
        self._name = name
        self._watch = Watch(width, height, any_size=any_size)
        self._stall_seconds = stall_seconds
        self.fault = "ok"
        """What ended the frames: `stalled`, `black`, `frozen`, `wrong_size`, or still `ok`."""
        self._thread = threading.Thread(target=self._take, name="camera", daemon=True)
        self._fresh = threading.Condition()
        self._frame: Frame | None = None
        self._ended: BaseException | None = None

    def frames(self) -> Iterator[Frame]:
        """Judged frames. Raises CameraError, with `fault` set, when they cannot be believed any more."""
        self._thread.start()
        patience = max(FIRST_SECONDS, self._stall_seconds)
        while True:
            frame = self._wait(patience)
            if frame is None:
                return
            patience = self._stall_seconds
            fault = self._watch.fault(frame)
            if fault is not None:
                self._fail(fault)
            yield frame

    @property
    def condition(self) -> str:
        """For the status, now: `ok`, `black` while frames go on, or what ended them."""
        return "black" if self.fault == "ok" and self._watch.black else self.fault

    @property
    def scene(self) -> str | None:
        """What a simulated source shows now; None for a real one."""
        scene: str | None = getattr(self._camera, "scene", None)
        return scene

    def close(self) -> bool:
        """End the frames, and wait a moment for the capture to end. True: it did.

        False: it hangs, and the process should end at once, since a thread inside a driver does not survive
        the interpreter's own clearing up.
        """
        self._camera.close()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)
        return not self._thread.is_alive()

    def _take(self) -> None:
        """The camera's own thread."""
        # Whatever else may end this thread, a defect of a driver's binding say, is in the log with its traceback.
        ended: BaseException = explain("stalled", self._name)
        try:
            for frame in self._camera.frames():
                with self._fresh:
                    self._frame = frame
                    self._fresh.notify()
            ended = StopIteration()
        except (CameraError, OSError) as error:
            ended = error
        finally:
            with self._fresh:
                self._ended = ended
                self._fresh.notify()

    def _wait(self, seconds: float) -> Frame | None:
        """The next frame; None at the end of a file. Raises CameraError."""
        until = time.monotonic() + seconds
        with self._fresh:
            while self._frame is None and self._ended is None:
                left = until - time.monotonic()
                if left <= 0:
                    self._fail("stalled")
                self._fresh.wait(left)
            frame, self._frame = self._frame, None
        if frame is None and not isinstance(self._ended, StopIteration):
            self.fault = "stalled"
            raise self._ended if isinstance(self._ended, CameraError) else explain("stalled", self._name)
        return frame

    def _fail(self, fault: str) -> None:
        self.fault = fault
        raise explain(fault, self._name)
