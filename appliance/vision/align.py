"""Face -> 468 landmarks -> the 112x112 crop that the embedder was trained on.

The landmark model is MediaPipe's face mesh (Kartynnik et al. 2019, arXiv:1907.06724). The crop is the
similarity (Umeyama 1991) that lays 14 of its points on TEMPLATE with the least squared error, each
point weighted by how little it varies between people.
"""

from dataclasses import dataclass, replace
from math import atan2, cos, hypot, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.facts import Face, Pixels, Vector
from appliance.vision.feed import Feed
from appliance.vision.models import Model

CROP = 112
ROI_SCALE = 1.5
BOX_OF_HULL = 1.0
"""The detector's box is as wide as the longer side of the landmarks' (LFW: median 1.005, 1st to 99th percentile
0.92 to 1.08)."""
RIGHT_EYE, LEFT_EYE = (33, 133), (263, 362)
"""Mesh points: outer and inner corner of the person's right and left eye."""

# Mesh id, x, y in the crop (px), variance (px^2): means over LFW people outside the verification protocol.
# Corners of the eyes (4), tip and bridge of the nose, corners of the mouth (2), lips (2), nostrils (2), chin.
TEMPLATE = np.array(
    [
        (33, 29.948, 52.405, 8.082),
        (133, 45.582, 53.157, 2.1),
        (362, 64.744, 53.037, 1.972),
        (263, 80.404, 52.081, 7.794),
        (1, 55.338, 74.887, 18.496),
        (168, 55.075, 50.053, 1.78),
        (61, 40.377, 90.316, 8.404),
        (291, 71.014, 90.165, 8.628),
        (0, 55.563, 86.387, 5.136),
        (17, 55.724, 98.497, 4.873),
        (98, 45.6, 77.111, 1.876),
        (327, 65.328, 76.993, 2.005),
        (152, 56.037, 115.577, 4.88),
        (6, 55.123, 54.484, 3.246),
    ]
)
_IDS = TEMPLATE[:, 0].astype(np.intp)
_WEIGHTS = 1 / TEMPLATE[:, 3]

Affine = NDArray[np.float64]
"""(2, 3): maps frame pixels to crop pixels."""


@dataclass(frozen=True, slots=True)
class Roi:
    """A rotated square of the frame that the landmark model looks at."""

    x: float
    y: float
    """Its middle, in frame pixels."""
    side: float
    angle: float
    """Radians by which the eye line is turned, clockwise as seen on the picture."""

    @classmethod
    def of_face(cls, face: Face) -> "Roi":
        """Around a detector's box, upright along the line between the eyes."""
        right, left = face.keypoints[0], face.keypoints[1]
        side = ROI_SCALE * max(face.width, face.height)
        return cls(face.x + face.width / 2, face.y + face.height / 2, side, _angle(right, left))

    @classmethod
    def of_mesh(cls, mesh: Vector) -> "Roi":
        """Around the landmarks of the frame before, which spares the detector while a face is followed."""
        angle = _angle(mesh[33], mesh[263])
        turn = np.array([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]])
        upright = mesh[:, :2] @ turn
        low, high = upright.min(axis=0), upright.max(axis=0)
        x, y = turn @ ((low + high) / 2)
        return cls(float(x), float(y), ROI_SCALE * float((high - low).max()), angle)

    def to_crop(self, size: int) -> Affine:
        """The transform of this square onto (0, 0) to (size, size)."""
        return similarity(size / self.side, -self.angle, (self.x, self.y), (size / 2, size / 2))


class Landmarker:
    """Runs the mesh model on one face of a frame. Buffers are reused: not for two threads at a time."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._feed = Feed(model)
        self._crop = np.empty((self._feed.height, self._feed.width, 3), np.uint8)
        score = model.slot.thresholds["score"]
        self._least_logit = float(np.log(score / (1 - score)))
        self.certainty = float("-inf")
        """Logit that the last look was at a whole face; falls where something covers it (`quality.covered_hint`)."""

    def find(self, pixels: Pixels, roi: Roi) -> Vector | None:
        """(468, 3) float32 in frame pixels, or None where the model sees no face in `roi`."""
        size = self._feed.width
        to_crop = roi.to_crop(size)
        cv2.warpAffine(pixels, to_crop, (size, size), dst=self._crop, flags=cv2.INTER_LINEAR)
        self._feed(self._crop)
        landmarks, logit = self._model.invoke()
        self.certainty = float(logit.flat[0])
        if not self.certainty >= self._least_logit:
            return None
        points = landmarks.reshape(468, 3)
        mesh = np.empty((468, 3), np.float32)
        back = cv2.invertAffineTransform(to_crop)
        mesh[:, :2] = points[:, :2] @ back[:, :2].T + back[:, 2]
        mesh[:, 2] = points[:, 2] * (roi.side / size)
        return mesh


def with_mesh(face: Face, mesh: Vector) -> Face:
    """The same face, landmarks known."""
    return replace(face, mesh=mesh)


def face_of_mesh(mesh: Vector, score: float) -> Face:
    """A face followed by its landmarks alone; its box is made as wide and square as the detector's."""
    low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
    side = BOX_OF_HULL * float((high - low).max())
    x, y = ((low + high) / 2 - side / 2).tolist()
    right, left = mesh[RIGHT_EYE, :2].mean(axis=0), mesh[LEFT_EYE, :2].mean(axis=0)
    points = np.stack([right, left, mesh[1, :2], mesh[13, :2], mesh[234, :2], mesh[454, :2]])
    return Face(x, y, side, side, score, points, mesh)


def interocular(mesh: Vector) -> float:
    """Pixels between the middles of the eyes, each the middle of its corners."""
    right, left = mesh[RIGHT_EYE, :2].mean(axis=0), mesh[LEFT_EYE, :2].mean(axis=0)
    return float(hypot(*(left - right)))


def similarity(scale: float, angle: float, source: tuple[float, float], target: tuple[float, float]) -> Affine:
    """Turn by `angle` and scale about `source`, which lands on `target`."""
    a, b = scale * cos(angle), scale * sin(angle)
    return np.array(
        [
            [a, -b, target[0] - a * source[0] + b * source[1]],
            [b, a, target[1] - b * source[0] - a * source[1]],
        ]
    )


def fit(mesh: Vector) -> Affine:
    """The similarity from frame to crop with the least weighted squared error on TEMPLATE's points.

    In the plane Umeyama's solution is one complex division: target = a * source + b. Raises ValueError
    for points that all coincide.
    """
    source = mesh[_IDS, 0] + 1j * mesh[_IDS, 1].astype(np.float64)
    target = TEMPLATE[:, 1] + 1j * TEMPLATE[:, 2]
    middle, goal = np.average(source, weights=_WEIGHTS), np.average(target, weights=_WEIGHTS)
    spread = source - middle
    size = np.sum(_WEIGHTS * np.abs(spread) ** 2)
    if not size > 0:
        raise ValueError("landmarks coincide: no face to align")
    a = np.sum(_WEIGHTS * spread.conj() * (target - goal)) / size
    b = goal - a * middle
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def crop(pixels: Pixels, mesh: Vector, out: Pixels | None = None) -> Pixels:
    """(112, 112, 3) uint8 BGR; black where the face reaches out of the frame. `out` is filled if given."""
    to_crop = fit(mesh)
    scale = hypot(to_crop[0, 0], to_crop[1, 0])
    if scale < 0.5:
        pixels, to_crop = _shrunk(pixels, to_crop, int(1 / scale))
    aligned: Pixels = cv2.warpAffine(pixels, to_crop, (CROP, CROP), dst=out, flags=cv2.INTER_LINEAR)
    return aligned


def _shrunk(pixels: Pixels, to_crop: Affine, factor: int) -> tuple[Pixels, Affine]:
    """The face's part of the frame, smaller by a whole factor: bilinear sampling alone would alias."""
    corners = np.array([(0, 0), (CROP, 0), (0, CROP), (CROP, CROP)])
    back = cv2.invertAffineTransform(to_crop)
    reach = corners @ back[:, :2].T + back[:, 2]
    height, width = pixels.shape[:2]
    # Two small pixels more on each side, between which the crop's edge is interpolated.
    low, high = reach.min(axis=0) - 2 * factor, reach.max(axis=0) + 2 * factor
    left, top = np.clip(np.floor(low).astype(int), 0, (width - 1, height - 1))
    right, bottom = np.clip(np.ceil(high).astype(int), (left + 1, top + 1), (width, height))
    across, down = max(1, (right - left) // factor), max(1, (bottom - top) // factor)
    small = cv2.resize(pixels[top:bottom, left:right], (across, down), interpolation=cv2.INTER_AREA)
    # Where the part's size is no multiple of the factor, x and y shrink by slightly different amounts.
    grow = np.array([(right - left) / across, (bottom - top) / down])
    moved = to_crop.copy()
    moved[:, :2] *= grow
    moved[:, 2] += to_crop[:, :2] @ ((grow - 1) / 2 + (left, top))
    return small, moved


def _angle(right_eye: Vector, left_eye: Vector) -> float:
    return atan2(float(left_eye[1] - right_eye[1]), float(left_eye[0] - right_eye[0]))
