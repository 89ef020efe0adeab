"""Is this face good enough to judge? Pure measures of a face and its crop, and the hint for the visitor."""

from dataclasses import dataclass
from enum import StrEnum
from math import atan2, degrees, hypot

import cv2
import numpy as np

from appliance.facts import Face, Pixels, Vector

MAX_YAW = 25.0
MAX_PITCH = 25.0
MAX_ROLL = 25.0
"""Degrees. LFW's press photographs lie within 31, 30 and 31 (1st to 99th percentile)."""
LEVEL_PITCH = 5.0
"""The mesh's pitch of a face that looks straight ahead: the median over LFW."""
LEAST_SHARPNESS = 0.012
"""LFW: 1st percentile 0.016, median 0.060; blurred by 2 px of the crop, 99th percentile 0.0095."""
DARKEST = 30.0
BRIGHTEST = 225.0
LEAST_CONTRAST = 12.0
"""Grey levels of 256: mean and standard deviation of the crop."""
LEAST_CERTAINTY = 15.0
"""The mesh's logit that it sees a whole face. LFW: median 39, 1st percentile 15.4, and whom that leaves below is turned
away, blurred or covered; of faces with a hand drawn before them 76 % lie below (docs/evaluation.md)."""
CLOTH_CERTAINTY = 28.0
MOUTH_EDGES = 0.65
"""Below both it is a mask: 98.2 % of drawn masks and 0.4 % of bare LFW faces. The latter are the lines across at the
mouth as `_mouth_edges` measures them; LFW: 1st percentile 0.70."""
_MOUTH = (slice(84, 98), slice(40, 72))
LEAST_INSIDE = 0.97
"""Share of landmarks that must lie inside the frame."""


class Hint(StrEnum):
    """What the visitor can do about it; stable words that the screen translates."""

    COME_CLOSER = "come_closer"
    STEP_BACK = "step_back"
    ONE_PERSON = "one_person"
    LOOK_STRAIGHT = "look_straight"
    HOLD_STILL = "hold_still"
    MORE_LIGHT = "more_light"
    LESS_LIGHT = "less_light"
    LOWER_MASK = "lower_mask"
    UNCOVER_FACE = "uncover_face"


@dataclass(frozen=True, slots=True)
class Pose:
    """How the head is turned, in degrees; all zero looks straight into the camera."""

    yaw: float
    pitch: float
    roll: float

    @property
    def frontal(self) -> bool:
        """Within the limits on every axis."""
        return abs(self.yaw) <= MAX_YAW and abs(self.pitch) <= MAX_PITCH and abs(self.roll) <= MAX_ROLL


@dataclass(frozen=True, slots=True)
class Light:
    """What the aligned crop shows."""

    brightness: float
    """Mean grey level, 0 to 255."""
    contrast: float
    """Standard deviation of the grey level."""
    sharpness: float
    """Variance of the Laplacian over the variance of the grey level: no unit, little moved by the light."""


def pose(mesh: Vector) -> Pose:
    """From the mesh's own depth: cheek to cheek (234, 454), brow to chin (10, 152), eye to eye (33, 263)."""
    across = mesh[454] - mesh[234]
    down = mesh[152] - mesh[10]
    eyes = mesh[263] - mesh[33]
    return Pose(
        yaw=degrees(atan2(across[2], hypot(across[0], across[1]))),
        pitch=degrees(atan2(down[2], hypot(down[0], down[1]))) - LEVEL_PITCH,
        roll=degrees(atan2(eyes[1], eyes[0])),
    )


def light(crop: Pixels) -> Light:
    """Measure the aligned crop, (112, 112, 3) uint8 BGR."""
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    mean, deviation = (float(value.item()) for value in cv2.meanStdDev(grey))
    _, edges = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    return Light(mean, deviation, float(edges.item()) ** 2 / max(deviation**2, 1.0))


def place_hint(face: Face, frame_size: tuple[int, int], near_px: float) -> Hint | None:
    """What is wrong with where the face is, if anything. `frame_size`: height and width, px."""
    if face.width < near_px:
        return Hint.COME_CLOSER
    if face.mesh is None:
        return None
    limit = np.array([frame_size[1], frame_size[0]])
    inside = np.all((face.mesh[:, :2] >= 0) & (face.mesh[:, :2] < limit), axis=1)
    return None if inside.mean() >= LEAST_INSIDE else Hint.STEP_BACK


def pose_hint(found: Pose) -> Hint | None:
    """What is wrong with how the head is turned, if anything."""
    return None if found.frontal else Hint.LOOK_STRAIGHT


def light_hint(found: Light, least_sharpness: float = LEAST_SHARPNESS) -> Hint | None:
    """What is wrong with the light or the sharpness, if anything."""
    if found.brightness < DARKEST or (found.contrast < LEAST_CONTRAST and found.brightness < BRIGHTEST):
        return Hint.MORE_LIGHT
    if found.brightness > BRIGHTEST:
        return Hint.LESS_LIGHT
    return None if found.sharpness >= least_sharpness else Hint.HOLD_STILL


def covered_hint(certainty: float, crop: Pixels, least: float = LEAST_CERTAINTY) -> Hint | None:
    """Whether a mask or something else covers the face. `certainty`: the mesh's logit (`Landmarker.certainty`).

    Ask after pose and light: a face that is turned far or blurred makes the mesh uncertain too.
    """
    if certainty < CLOTH_CERTAINTY and _mouth_edges(crop) < MOUTH_EDGES:
        return Hint.LOWER_MASK
    return None if certainty >= least else Hint.UNCOVER_FACE


def _mouth_edges(crop: Pixels) -> float:
    """Mean slope down the crop about the mouth, over the whole crop's deviation. Cloth has none of the lips' lines."""
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    slope = cv2.Sobel(grey[_MOUTH], cv2.CV_32F, 0, 1)
    return float(np.abs(slope).mean() / (grey.std() + 1))
