"""1:N, open set: is this anyone enrolled, and who? FNIR at a given FPIR over folders of people.

And, from the same comparisons, 1:1 of several fused pictures against several enrolled ones: FNMR at a given FMR.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from appliance.errors import DatasetError
from appliance.evaluate import figures
from appliance.evaluate.dataset import pictures_in
from appliance.evaluate.figures import FAILED, Scores
from appliance.evaluate.highest import Highest
from appliance.evaluate.probe import within
from appliance.facts import Vector
from appliance.vision.gallery import Gallery
from appliance.vision.vote import fused

TARGET_FPIRS = (0.01, 0.001)
TARGET_FMRS = (0.001, 0.0001)
WORST = 10

Templates = Mapping[Path, Vector | None]
Pictures = tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Roles:
    """Who is enrolled with which pictures, and which pictures ask: several at a time are fused."""

    enrolled: tuple[tuple[str, Pictures], ...]
    mated: tuple[tuple[str, Pictures], ...]
    """Probes of enrolled people."""
    strangers: tuple[Pictures, ...]
    """One probe of everybody else; of fewer pictures where they have no more."""

    @property
    def paths(self) -> list[Path]:
        """All pictures that take part."""
        groups = [paths for _, paths in (*self.enrolled, *self.mated)] + list(self.strangers)
        return [path for paths in groups for path in paths]


@dataclass(frozen=True, slots=True, eq=False)
class Identification:
    """Scores of mated probes to their own person, where that was the nearest, and of strangers to anyone."""

    mated: Scores
    strangers: Scores
    genuine: Scores
    """Of mated probes to their own person, whoever was nearer."""
    nearest: tuple[str | None, ...]
    """Who was nearest to each mated probe, and then to each stranger."""
    impostors: Highest
    """Of probes to other people, whole probes alone."""
    people: int


def draw(images: Path, enrol: int, frames: int = 1, dice: np.random.Generator | None = None) -> Roles:
    """A folder per person: who has at least `enrol + frames` pictures is enrolled with the first ones, each `frames`
    of the others are a probe; the rest are strangers with their first. By name, or shuffled by `dice`.

    Raises DatasetError.
    """
    if not images.is_dir():
        raise DatasetError(f"{images}: not a folder: name one that holds a folder for each person")
    people = [(folder.name, pictures_in(folder)) for folder in sorted(images.iterdir()) if folder.is_dir()]
    if dice is not None:
        people = [(name, [paths[place] for place in dice.permutation(len(paths))]) for name, paths in people]
    known = [(name, paths) for name, paths in people if len(paths) >= enrol + frames]
    strangers = [tuple(paths[:frames]) for _, paths in people if 0 < len(paths) < enrol + frames]
    if not known or not strangers:
        raise DatasetError(
            f"{images}: needs people with more than {enrol + frames - 1} pictures and people with at most "
            f"{enrol + frames - 1}; there are {len(known)} and {len(strangers)}: change --enrol or add pictures"
        )
    return Roles(
        enrolled=tuple((name, tuple(paths[:enrol])) for name, paths in known),
        mated=tuple(
            (name, tuple(paths[at : at + frames]))
            for name, paths in known
            for at in range(enrol, len(paths) - frames + 1, frames)
        ),
        strangers=tuple(strangers),
    )


def identify(cast: Roles, templates: Templates, model: str) -> Identification:
    """Search every probe, by the gallery that the door matches against. A failure to acquire names nobody."""
    gallery = _gallery(cast.enrolled, templates, model)
    places = {person: place for place, person in enumerate(gallery.people)}
    whole = max(len(paths) for _, paths in cast.mated)
    total = len(cast.mated) * (len(gallery) - 1)
    total += sum(len(paths) == whole for paths in cast.strangers) * len(gallery)
    impostors = Highest(total, max(TARGET_FMRS))
    mated, genuine, strangers, nearest = [], [], [], []
    for name, paths in cast.mated:
        scores = _scores(gallery, paths, templates)
        own = places.get(name)
        first = int(scores.argmax())
        genuine.append(float(scores[own]) if own is not None else FAILED)
        mated.append(genuine[-1] if first == own else FAILED)
        nearest.append(gallery.people[first] if scores[first] > FAILED else None)
        impostors.add(np.delete(scores, own) if own is not None else scores)
    for paths in cast.strangers:
        scores = _scores(gallery, paths, templates)
        first = int(scores.argmax())
        strangers.append(float(scores[first]))
        nearest.append(gallery.people[first] if scores[first] > FAILED else None)
        if len(paths) == whole:
            impostors.add(scores)
    return Identification(
        np.array(mated), np.array(strangers), np.array(genuine), tuple(nearest), impostors, len(gallery)
    )


def sum_up(casts: Sequence[Roles], found: Sequence[Identification]) -> dict[str, Any]:
    """The printed result: means over the draws, with intervals as wide as those of one draw."""
    first, probes = found[0], len(found[0].mated)
    cuts = {f"{fpir:g}": [figures.threshold_at(one.mated, one.strangers, fpir) for one in found]
            for fpir in TARGET_FPIRS}  # fmt: skip
    misses = {
        fpir: _mean([int(np.sum(one.mated < cut)) for one, cut in zip(found, some, strict=True)])
        for fpir, some in cuts.items()
    }
    limits = {f"{fmr:g}": [one.impostors.cut(fmr) for one in found] for fmr in TARGET_FMRS}
    fails = {
        fmr: _mean([int(np.sum(one.genuine < cut)) for one, cut in zip(found, some, strict=True)])
        for fmr, some in limits.items()
    }
    summary: dict[str, Any] = {
        "gallery": first.people,
        "pictures_each": len(casts[0].enrolled[0][1]),
        "pictures_a_probe": len(casts[0].mated[0][1]),
        "probes": probes,
        "strangers": len(first.strangers),
        "draws": len(found),
        "rank1": _mean([figures.accepted(one.mated, -1.0) for one in found]),
        "fnir_at_fpir": {fpir: count / probes for fpir, count in misses.items()},
        "fnir_95": {fpir: figures.wilson(round(count), probes) for fpir, count in misses.items()},
        "threshold": _mean(cuts[f"{TARGET_FPIRS[0]:g}"]),
        "thresholds": {fpir: _mean(some) for fpir, some in cuts.items()},
        "genuine": probes,
        "impostor": first.impostors.total,
        "fnmr_at_fmr": {fmr: count / probes for fmr, count in fails.items()},
        "fnmr_95": {fmr: figures.wilson(round(count), probes) for fmr, count in fails.items()},
        "fnmr_thresholds": {fmr: _mean(some) for fmr, some in limits.items()},
    }
    if len(found) > 1:
        cut = cuts[f"{TARGET_FPIRS[0]:g}"]
        summary["fnir_by_draw"] = [float(np.mean(one.mated < at)) for one, at in zip(found, cut, strict=True)]
    return summary


def worst(cast: Roles, found: Identification, images: Path) -> dict[str, list[dict[str, Any]]]:
    """The probes furthest on the wrong side, by name: mated ones that score lowest, strangers that score highest."""
    low = np.argsort(found.mated, kind="stable")[:WORST]
    high = np.argsort(-found.strangers, kind="stable")[:WORST]
    return {
        "lowest_genuine": [
            {
                "probe": within(cast.mated[at][1][0], images),
                "person": cast.mated[at][0],
                "nearest": found.nearest[at],
                "score": float(found.genuine[at]),
            }
            for at in low
        ],
        "highest_strangers": [
            {
                "probe": within(cast.strangers[at][0], images),
                "nearest": found.nearest[len(found.mated) + at],
                "score": float(found.strangers[at]),
            }
            for at in high
        ],
    }


def _gallery(enrolled: Sequence[tuple[str, Pictures]], templates: Templates, model: str) -> Gallery:
    owners, rows = [], []
    for name, paths in enrolled:
        found = [template for path in paths if (template := templates[path]) is not None]
        owners += [name] * len(found)
        rows += found
    if not rows:
        raise DatasetError("no picture of anyone to enrol shows a face: check the pictures")
    return Gallery.of(owners, np.stack(rows), model)


def _scores(gallery: Gallery, paths: Pictures, templates: Templates) -> Scores:
    """Of the fused probe to everybody, (people,); FAILED throughout where no picture of it was acquired."""
    rows = [template for path in paths if (template := templates[path]) is not None]
    if not rows:
        return np.full(len(gallery), FAILED)
    return gallery.scores(fused(rows), gallery.model).astype(np.float64)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
