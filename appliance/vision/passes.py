"""Visitors' passes in the picture: QR codes of the right kind, looked for now and then while no face is near.

A look takes some 20 ms of a desktop's core on an ordinary scene and ten times that on noise, so
looks are spaced to take DUTY of the time at most, whatever the scene.
"""

import logging
from time import perf_counter

import cv2

from appliance.access.passes import from_text
from appliance.facts import Frame, PassShown, Pixels

log = logging.getLogger(__name__)

STAGES = frozenset({"idle", "far", "resting"})
"""Stages of the chain in which nobody's face is being looked at."""
DUTY = 0.1
WIDEST = 640
"""Larger frames are shrunk to this width: a pass held to the lens stays large enough."""
GONE_SECONDS = 3.0
"""A pass is told of again once it was out of sight for this long."""


class PassReader:
    """Looks at frames in order. One thread."""

    def __init__(self, stride: int) -> None:
        self._stride = stride
        self._detector = cv2.QRCodeDetector()
        self._unlooked = 0
        self._next_at = self._seen_at = float("-inf")
        self._seen = b""

    def look(self, frame: Frame, stage: str) -> PassShown | None:
        """A pass in `frame` that was not there before; `stage` is the chain's for that frame."""
        self._unlooked += 1
        if stage not in STAGES or self._unlooked < self._stride or frame.taken_at < self._next_at:
            return None
        self._unlooked = 0
        began = perf_counter()
        token = from_text(self._text(frame.pixels))
        self._next_at = frame.taken_at + (perf_counter() - began) / DUTY
        if token is None:
            return None
        again = token == self._seen and frame.taken_at - self._seen_at < GONE_SECONDS
        self._seen, self._seen_at = token, frame.taken_at
        return None if again else PassShown(token, frame.taken_at)

    def _text(self, pixels: Pixels) -> str:
        """The first QR code's text, or nothing."""
        height, width = pixels.shape[:2]
        if width > WIDEST:
            pixels = cv2.resize(pixels, (WIDEST, height * WIDEST // width), interpolation=cv2.INTER_AREA)
        try:
            text = self._detector.detectAndDecode(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))[0]
        except (cv2.error, UnicodeDecodeError) as error:  # some pictures trip its own checks
            log.debug("a QR code could not be read: %s", error)
            return ""
        return str(text)
