"""One picture -> one template by the product's own stages, as a data set means it: the main face."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Any

from appliance.errors import ImageError
from appliance.evaluate.notebook import Notebook, key_of, packed, unpacked
from appliance.facts import Face, Vector
from appliance.vision.picture import LOCAL, read_picture
from appliance.vision.stages import Stages

log = logging.getLogger(__name__)

CENTRAL = 0.25
"""Share of the picture's size away from the middle at which a face counts for 1/e of its area."""
MOST_NAMED = 100
"""Of the pictures that gave no template, those that the result names; the log names all."""
CORRUPT, NO_FACE = "corrupt", "no_face"


@dataclass(frozen=True, slots=True, eq=False)
class Acquired:
    """What became of every picture."""

    templates: Mapping[Path, Vector | None]
    """None: a failure to acquire."""
    failures: Mapping[Path, str]
    """Why, of those: CORRUPT or NO_FACE."""

    def summary(self, images: Path) -> dict[str, Any]:
        """Counts and names, for the printed result."""
        corrupt, faceless = (
            [within(path, images) for path, why in self.failures.items() if why == kind] for kind in (CORRUPT, NO_FACE)
        )
        return {
            "failures_to_acquire": len(self.failures),
            "corrupt": len(corrupt),
            "corrupt_files": corrupt[:MOST_NAMED],
            "no_face_files": faceless[:MOST_NAMED],
        }


def within(path: Path, images: Path) -> str:
    """How results name a picture: below the folder of pictures, where it is."""
    return str(path.relative_to(images)) if path.is_relative_to(images) else str(path)


def main_face(faces: Sequence[Face], width: int, height: int) -> Face | None:
    """The face that a portrait is of, bystanders or not: large and in the middle."""

    def weight(face: Face) -> float:
        aside = (face.x + face.width / 2) / width - 0.5
        below = (face.y + face.height / 2) / height - 0.5
        return face.width * face.height * exp(-(aside**2 + below**2) / CENTRAL**2)

    return max(faces, key=weight, default=None)


def template_of(stages: Stages, path: Path) -> tuple[Vector | None, str]:
    """(160,) float32 of the main face; or None, a failure to acquire, and why. No quality gate applies."""
    try:
        pixels = read_picture(path, LOCAL)
    except ImageError as error:
        log.warning("not acquired: %s", error)
        return None, CORRUPT
    height, width = pixels.shape[:2]
    face = main_face(stages.detector.find(pixels, expected=True), width, height)
    meshed = stages.meshed(pixels, face) if face else None
    if meshed is None:
        log.warning("not acquired: %s: no face found", path)
        return None, NO_FACE
    return stages.template(pixels, meshed)[1], ""


def templates_of(
    stages: Stages,
    paths: Iterable[Path],
    progress: Callable[[int, int], None] = lambda done, total: None,
    notebook: Notebook | None = None,
) -> Acquired:
    """Each distinct picture once, or as the notebook has it. `progress(done, total)` is called after each.

    Raises DatasetError: the notebook holds what is no template of this model.
    """
    distinct, book = sorted(set(paths)), notebook or Notebook()
    templates: dict[Path, Vector | None] = {}
    failures: dict[Path, str] = {}
    for done, path in enumerate(distinct, 1):
        key = key_of([path])
        kept = book.get(key)
        if kept is None:
            template, why = template_of(stages, path)
            book.put(key, [packed(template), why])
        else:
            template, why = unpacked(kept[0]), str(kept[1])
        templates[path] = template
        if template is None:
            failures[path] = why
        progress(done, len(distinct))
    return Acquired(templates, failures)
