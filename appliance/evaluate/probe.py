"""One picture -> one template by the product's own stages, as a data set means it: the main face."""

import logging
from collections.abc import Callable, Iterable, Sequence
from math import exp
from pathlib import Path

from appliance.errors import ImageError
from appliance.facts import Face, Vector
from appliance.vision.picture import LOCAL, read_picture
from appliance.vision.stages import Stages

log = logging.getLogger(__name__)

CENTRAL = 0.25
"""Share of the picture's size away from the middle at which a face counts for 1/e of its area."""


def main_face(faces: Sequence[Face], width: int, height: int) -> Face | None:
    """The face that a portrait is of, bystanders or not: large and in the middle."""

    def weight(face: Face) -> float:
        aside = (face.x + face.width / 2) / width - 0.5
        below = (face.y + face.height / 2) / height - 0.5
        return face.width * face.height * exp(-(aside**2 + below**2) / CENTRAL**2)

    return max(faces, key=weight, default=None)


def template_of(stages: Stages, path: Path) -> Vector | None:
    """(160,) float32 of the main face; None is a failure to acquire. No quality gate applies."""
    try:
        pixels = read_picture(path, LOCAL)
    except ImageError as error:
        log.warning("not acquired: %s", error)
        return None
    height, width = pixels.shape[:2]
    face = main_face(stages.detector.find(pixels, expected=True), width, height)
    meshed = stages.meshed(pixels, face) if face else None
    if meshed is None:
        log.warning("not acquired: %s: no face found", path)
        return None
    return stages.template(pixels, meshed)[1]


def templates_of(
    stages: Stages, paths: Iterable[Path], progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[Path, Vector | None]:
    """Each distinct picture once. `progress(done, total)` is called after each."""
    distinct = sorted(set(paths))
    found = {}
    for done, path in enumerate(distinct, 1):
        found[path] = template_of(stages, path)
        progress(done, len(distinct))
    return found
