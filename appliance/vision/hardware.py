"""Layers of liveness that hardware already on the door can give; each abstains where it is absent. Pure.

Tested on synthetic frames and metadata alone: no figure here was measured on a real lens or lamp.
"""

from dataclasses import dataclass, field
from math import isfinite, radians, tan
from statistics import median

import cv2
import numpy as np

from appliance.facts import Evidence, Face, Frame, Pixels

VIEW_DEGREES = 66.0
"""Horizontal angle of view of Raspberry Pi's Camera Module 3 (its data sheet). Other lenses report no dioptres here."""
LEAST_DIOPTRES = 0.7
"""Beyond 1.4 m one step of the lens is too many centimetres."""
LEAST_CM, MOST_CM = 10.0, 24.0
"""Width of a detector's box of a living head, with room for an error of the lens; a face on a telephone has 4 to 7."""
LEAST_FRAMES = 3
LEAST_GAIN, MOST_GAIN = 0.06, 3.0
"""Share by which the lamp must brighten skin at arm's length. A screen emits: it hardly changes."""
LEAST_RELIEF = 0.02
"""Spread of that share over the face's nine parts: a nose is nearer to the lamp than an ear, a sheet is flat."""
SAMPLE = 48


def width_cm(face_px: float, frame_px: int, dioptres: float | None) -> float | None:
    """How wide something is that fills `face_px` of `frame_px` pixels and is in focus; None where nobody can tell."""
    if dioptres is None or not isfinite(dioptres) or not dioptres >= LEAST_DIOPTRES or frame_px <= 0:
        return None
    focal_px = frame_px / 2 / tan(radians(VIEW_DEGREES / 2))
    return face_px / focal_px * 100 / dioptres


@dataclass(slots=True)
class HardwareLayers:
    """Of one visit: takes every frame in which the face was found."""

    _widths: list[float] = field(default_factory=list)
    _gains: list[float] = field(default_factory=list)
    _reliefs: list[float] = field(default_factory=list)
    _before: tuple[bool, Pixels] | None = None

    def add(self, frame: Frame, face: Face) -> None:
        """Costs nothing for a frame without metadata."""
        width = width_cm(face.width, frame.pixels.shape[1], frame.lens_dioptres)
        if width is not None:
            self._widths.append(width)
        if frame.lit is None:
            self._before = None
            return
        sample = _sample(frame.pixels, face)
        if sample is None:
            return
        if self._before is not None and self._before[0] is not frame.lit:
            lit, unlit = (sample, self._before[1]) if frame.lit else (self._before[1], sample)
            gain, relief = compare(lit, unlit)
            self._gains.append(gain)
            self._reliefs.append(relief)
        self._before = (frame.lit, sample)

    @property
    def width(self) -> float | None:
        """Median width of the face in cm."""
        return median(self._widths) if len(self._widths) >= LEAST_FRAMES else None

    @property
    def gain(self) -> float | None:
        """Median share by which the lamp brightens it."""
        return median(self._gains) if len(self._gains) >= LEAST_FRAMES else None

    @property
    def size(self) -> Evidence:
        """Whether it is as wide as a head."""
        if self.width is None:
            return Evidence.ABSTAINS
        return Evidence.FOR if LEAST_CM <= self.width <= MOST_CM else Evidence.AGAINST

    @property
    def light(self) -> Evidence:
        """Whether the lamp lights it as it lights a head: brighter, and not evenly."""
        if self.gain is None:
            return Evidence.ABSTAINS
        solid = LEAST_GAIN <= self.gain <= MOST_GAIN and median(self._reliefs) >= LEAST_RELIEF
        return Evidence.FOR if solid else Evidence.AGAINST


def compare(lit: Pixels, unlit: Pixels) -> tuple[float, float]:
    """Gain of the whole, and the spread of the gains of its nine parts; two grey pictures of one size."""
    parts = [cv2.resize(one, (3, 3), interpolation=cv2.INTER_AREA).astype(np.float64) + 1.0 for one in (lit, unlit)]
    gains = parts[0] / parts[1] - 1
    return float(parts[0].sum() / parts[1].sum() - 1), float(gains.std())


def _sample(pixels: Pixels, face: Face) -> Pixels | None:
    """The middle of the face, small and grey; None outside the frame."""
    height, width = pixels.shape[:2]
    left, top = max(0, int(face.x + 0.15 * face.width)), max(0, int(face.y + 0.15 * face.height))
    right, bottom = min(width, int(face.x + 0.85 * face.width)), min(height, int(face.y + 0.85 * face.height))
    if right - left < SAMPLE // 2 or bottom - top < SAMPLE // 2:
        return None
    small = cv2.resize(pixels[top:bottom, left:right], (SAMPLE, SAMPLE), interpolation=cv2.INTER_AREA)
    grey: Pixels = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    return grey
