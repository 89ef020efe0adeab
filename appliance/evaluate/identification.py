"""1:N, open set: is this anyone enrolled, and who? FNIR at a given FPIR over folders of people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from appliance.errors import DatasetError
from appliance.evaluate import figures
from appliance.evaluate.dataset import pictures_in
from appliance.evaluate.figures import FAILED, Scores
from appliance.facts import Vector
from appliance.vision.gallery import Gallery

TARGET_FPIRS = (0.01, 0.001)


@dataclass(frozen=True, slots=True)
class Roles:
    """Who is enrolled with which pictures, and which pictures ask."""

    enrolled: tuple[tuple[str, tuple[Path, ...]], ...]
    mated: tuple[tuple[str, Path], ...]
    """Probes of enrolled people."""
    strangers: tuple[Path, ...]
    """One probe of everybody else."""

    @property
    def paths(self) -> list[Path]:
        """All pictures that take part."""
        known = [path for _, paths in self.enrolled for path in paths]
        return [*known, *(path for _, path in self.mated), *self.strangers]


@dataclass(frozen=True, slots=True, eq=False)
class Identification:
    """Scores of mated probes to their own person, where that was the nearest, and of strangers to anyone."""

    mated: Scores
    strangers: Scores
    summary: dict[str, Any]


def roles(images: Path, enrol: int) -> Roles:
    """A folder per person: who has more than `enrol` pictures is enrolled with the first ones, the others are
    strangers with their first. Raises DatasetError."""
    if not images.is_dir():
        raise DatasetError(f"{images}: not a folder: name one that holds a folder for each person")
    people = [(folder.name, pictures_in(folder)) for folder in sorted(images.iterdir()) if folder.is_dir()]
    known = [(name, paths) for name, paths in people if len(paths) > enrol]
    strangers = [paths[0] for _, paths in people if 0 < len(paths) <= enrol]
    if not known or not strangers:
        raise DatasetError(
            f"{images}: needs people with more than {enrol} pictures and people with at most {enrol}; "
            f"there are {len(known)} and {len(strangers)}: change --enrol or add pictures"
        )
    return Roles(
        enrolled=tuple((name, tuple(paths[:enrol])) for name, paths in known),
        mated=tuple((name, path) for name, paths in known for path in paths[enrol:]),
        strangers=tuple(strangers),
    )


def identify(cast: Roles, templates: Mapping[Path, Vector | None], model: str) -> Identification:
    """Search every probe, by the gallery that the door matches against. A failure to acquire names nobody."""
    gallery = _gallery(cast.enrolled, templates, model)
    mated = np.array([_score(gallery, templates[path], name) for name, path in cast.mated])
    strangers = np.array([_score(gallery, templates[path], None) for path in cast.strangers])
    cuts = {f"{fpir:g}": figures.threshold_at(mated, strangers, fpir) for fpir in TARGET_FPIRS}
    misses = {fpir: int(np.sum(mated < cut)) for fpir, cut in cuts.items()}
    summary = {
        "gallery": len(gallery),
        "pictures_each": len(cast.enrolled[0][1]),
        "probes": len(mated),
        "strangers": len(strangers),
        "rank1": figures.accepted(mated, -1.0),
        "fnir_at_fpir": {fpir: count / len(mated) for fpir, count in misses.items()},
        "fnir_95": {fpir: figures.wilson(count, len(mated)) for fpir, count in misses.items()},
        "threshold": cuts[f"{TARGET_FPIRS[0]:g}"],
        "thresholds": cuts,
        "failures_to_acquire": sum(template is None for template in templates.values()),
        "model": model,
    }
    return Identification(mated, strangers, summary)


def _gallery(
    enrolled: Sequence[tuple[str, tuple[Path, ...]]], templates: Mapping[Path, Vector | None], model: str
) -> Gallery:
    owners, rows = [], []
    for name, paths in enrolled:
        found = [template for path in paths if (template := templates[path]) is not None]
        owners += [name] * len(found)
        rows += found
    if not rows:
        raise DatasetError("no picture of anyone to enrol shows a face: check the pictures")
    return Gallery.of(owners, np.stack(rows), model)


def _score(gallery: Gallery, template: Vector | None, name: str | None) -> float:
    """Score of the nearest person; FAILED where a probe of `name` is nearer to somebody else."""
    if template is None:
        return FAILED
    candidate = gallery.best(template, gallery.model)
    return candidate.score if name is None or candidate.person == name else FAILED
