"""A picture -> a template worth keeping, or the reason why not and what to do about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from appliance.errors import EnrolmentError
from appliance.facts import Face, Pixels, Vector
from appliance.vision import quality
from appliance.vision.components import Component, components, enrol_hint
from appliance.vision.picture import LOCAL, UPLOAD, Limits, decode_picture, read_picture
from appliance.vision.quality import Hint
from appliance.vision.stages import Stages

LEAST_FACE_PX = 80
"""Narrower faces blur when they are aligned to 112 px; at the door 130 px are asked for."""
RIVAL = 0.5
"""A second face at least this share of the first one's width leaves open who is meant."""

_REMEDIES = {
    Hint.STEP_BACK: "the face reaches out of the picture: use one that shows the whole head",
    Hint.LOOK_STRAIGHT: "the face is turned away: use one that looks straight into the camera",
    Hint.HOLD_STILL: "the face is blurred: use a sharp picture",
    Hint.MORE_LIGHT: "the face is too dark or too flat: use one taken in even, brighter light",
    Hint.LESS_LIGHT: "the face is overexposed: use one taken in softer light",
    Hint.LOWER_MASK: "a mask covers the face: use one without it",
    Hint.UNCOVER_FACE: "something covers the face, a hand, hair or dark glasses perhaps: use one that shows all of it",
}

_TURNS = (
    (cv2.ROTATE_180, "is upside down"),
    (cv2.ROTATE_90_CLOCKWISE, "lies on its side"),
    (cv2.ROTATE_90_COUNTERCLOCKWISE, "lies on its side"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One accepted picture."""

    template: Vector
    """(160,) float32 of length 1."""
    model: str
    """The embedder's id; the template means nothing to another."""
    face: Face
    crop: Pixels
    """(112, 112, 3) uint8 BGR."""
    quality: Mapping[str, Component]
    """By ISO/IEC 29794-5's names (`components`)."""


def enrol_file(stages: Stages, path: Path, limits: Limits = LOCAL) -> Shot:
    """From a file. Raises ImageError (unreadable) or EnrolmentError (no template can come of it)."""
    return enrol_pixels(stages, read_picture(path, limits), str(path))


def enrol_bytes(stages: Stages, data: bytes, name: str = "picture", limits: Limits = UPLOAD) -> Shot:
    """From an upload. Raises as enrol_file."""
    return enrol_pixels(stages, decode_picture(data, name, limits), name)


def enrol_pixels(stages: Stages, pixels: Pixels, name: str = "picture") -> Shot:
    """From (h, w, 3) uint8 BGR. Raises EnrolmentError."""
    try:
        return _shot(stages, pixels, name)
    except _TurnedError as error:
        lies = _lies(stages, pixels)
        raise EnrolmentError(f"{name}: the picture {lies}: turn it upright" if lies else str(error)) from None


class _TurnedError(EnrolmentError):
    """No face from the front: the picture may lie another way up."""


def _shot(stages: Stages, pixels: Pixels, name: str) -> Shot:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or min(pixels.shape) < 1:
        raise EnrolmentError(
            f"{name}: {pixels.dtype} of {pixels.shape} are no picture: give (height, width, 3) of 8 bits, blue first"
        )
    face = stages.meshed(pixels, _only(stages.detector.find(pixels, expected=True), name))
    if face is None or face.mesh is None:
        raise _TurnedError(f"{name}: no clear face: use a picture from the front, without a mask")
    hint = quality.place_hint(face, pixels.shape[:2], LEAST_FACE_PX) or quality.pose_hint(quality.pose(face.mesh))
    if hint is None:
        certainty = stages.landmarker.certainty
        crop, template = stages.template(pixels, face)
        hint = enrol_hint(crop, certainty)
        if hint is None:
            return Shot(template, stages.embedder.id, face, crop, components(face, crop, certainty))
    raise (_TurnedError if hint is Hint.LOOK_STRAIGHT else EnrolmentError)(f"{name}: {_REMEDIES[hint]}")


def _lies(stages: Stages, pixels: Pixels) -> str:
    """How the picture lies, if it shows a face from the front another way up; empty if not."""
    for code, lies in _TURNS:
        turned = cv2.rotate(pixels, code)
        faces = stages.detector.find(turned, expected=True)
        face = stages.meshed(turned, faces[0]) if faces else None
        if face is not None and face.mesh is not None and quality.pose(face.mesh).frontal:
            return lies
    return ""


def _only(faces: Sequence[Face], name: str) -> Face:
    """The one face meant, largest first in `faces`."""
    if not faces:
        raise _TurnedError(f"{name}: no face found: use a picture from the front, in even light")
    first, *others = faces
    if any(other.width >= RIVAL * first.width for other in others):
        raise EnrolmentError(f"{name}: several faces: cut the picture so that only one person is on it")
    if first.width < LEAST_FACE_PX:
        raise EnrolmentError(
            f"{name}: the face is {first.width:.0f} pixels wide, at least {LEAST_FACE_PX} are needed: "
            "use a larger picture or go closer"
        )
    return first
