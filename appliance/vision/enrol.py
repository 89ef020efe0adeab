"""A picture -> a template worth keeping, or the reason why not and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import EnrolmentError
from appliance.facts import Face, Pixels, Vector
from appliance.vision import quality
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
}


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


def enrol_file(stages: Stages, path: Path, limits: Limits = LOCAL) -> Shot:
    """From a file. Raises ImageError (unreadable) or EnrolmentError (no template can come of it)."""
    return enrol_pixels(stages, read_picture(path, limits), str(path))


def enrol_bytes(stages: Stages, data: bytes, name: str = "picture", limits: Limits = UPLOAD) -> Shot:
    """From an upload. Raises as enrol_file."""
    return enrol_pixels(stages, decode_picture(data, name, limits), name)


def enrol_pixels(stages: Stages, pixels: Pixels, name: str = "picture") -> Shot:
    """From (h, w, 3) uint8 BGR. Raises EnrolmentError."""
    face = stages.meshed(pixels, _only(stages.detector.find(pixels, expected=True), name))
    if face is None or face.mesh is None:
        raise EnrolmentError(f"{name}: no clear face: use a picture from the front, without a mask")
    hint = quality.place_hint(face, pixels.shape[:2], LEAST_FACE_PX) or quality.pose_hint(quality.pose(face.mesh))
    if hint is None:
        crop, template = stages.template(pixels, face)
        hint = quality.light_hint(quality.light(crop))
        if hint is None:
            return Shot(template, stages.embedder.id, face, crop)
    raise EnrolmentError(f"{name}: {_REMEDIES[hint]}")


def _only(faces: Sequence[Face], name: str) -> Face:
    """The one face meant, largest first in `faces`."""
    if not faces:
        raise EnrolmentError(f"{name}: no face found: use a picture from the front, in even light")
    first, *others = faces
    if any(other.width >= RIVAL * first.width for other in others):
        raise EnrolmentError(f"{name}: several faces: cut the picture so that only one person is on it")
    if first.width < LEAST_FACE_PX:
        raise EnrolmentError(
            f"{name}: the face is {first.width:.0f} pixels wide, at least {LEAST_FACE_PX} are needed: "
            "use a larger picture or go closer"
        )
    return first
