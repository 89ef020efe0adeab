"""1:1: are two pictures of the same person? FMR and FNMR over a list of pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from appliance.evaluate import figures
from appliance.evaluate.dataset import Pair
from appliance.evaluate.figures import FAILED, Marks, Scores
from appliance.evaluate.probe import within
from appliance.facts import Vector

TARGET_FMRS = (0.01, 0.001)
DEFAULT_FOLDS = 10
WORST = 10


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """Scores of a list of pairs, and what follows from them."""

    scores: Scores
    """(n,) cosine, or FAILED where one of the two was not acquired."""
    same: Marks
    folds: figures.Folds
    summary: dict[str, Any]
    """The printed result: JSON values only."""


def compare(pairs: Sequence[Pair], templates: Mapping[Path, Vector | None]) -> Verification:
    """Score every pair and sum up. A failure to acquire is a non-match."""
    scores = np.array([_score(templates[pair.a], templates[pair.b]) for pair in pairs])
    same = np.array([pair.same for pair in pairs])
    folds = figures.cross_validated(scores, same, fold_numbers(pairs))
    genuine, impostor = scores[same], scores[~same]
    cuts = {f"{fmr:g}": figures.threshold_at(genuine, impostor, fmr) for fmr in TARGET_FMRS}
    summary: dict[str, Any] = {
        "pairs": len(pairs),
        "genuine": len(genuine),
        "impostor": len(impostor),
        "images": len(templates),
        "accuracy": folds.accuracy,
        "accuracy_std": folds.std,
        "accuracy_95": figures.wilson(round(folds.accuracy * len(pairs)), len(pairs)),
        "folds": len(folds.by_fold),
        "eer": figures.equal_error_rate(genuine, impostor),
        "tar_at_fmr": {fmr: figures.accepted(genuine, cut) for fmr, cut in cuts.items()},
        "fnmr_95": {fmr: figures.wilson(int(np.sum(genuine < cut)), len(genuine)) for fmr, cut in cuts.items()},
        "thresholds": cuts,
    }
    if any(pair.group for pair in pairs):
        summary["groups"] = _by_group(pairs, scores, same, cuts["0.001"])
    return Verification(scores, same, folds, summary)


def worst(pairs: Sequence[Pair], scores: Scores, images: Path) -> dict[str, list[dict[str, Any]]]:
    """The pairs furthest on the wrong side, by name: a wrong label, a picture of two, or two who look alike."""
    order = np.argsort(scores, kind="stable")
    genuine = [at for at in order if pairs[at].same][:WORST]
    impostors = [at for at in order[::-1] if not pairs[at].same][:WORST]
    return {
        name: [
            {"a": within(pairs[at].a, images), "b": within(pairs[at].b, images), "score": float(scores[at])}
            for at in found
        ]
        for name, found in (("lowest_genuine", genuine), ("highest_impostors", impostors))
    }


def fold_numbers(pairs: Sequence[Pair]) -> Any:
    """(n,) fold of each pair: the list's own, else ten, dealt in turn to each kind so that all are alike."""
    if pairs[0].fold:
        _, numbers = np.unique([pair.fold for pair in pairs], return_inverse=True)
        return numbers
    numbers = np.zeros(len(pairs), dtype=np.intp)
    same = np.array([pair.same for pair in pairs])
    for kind in (same, ~same):
        numbers[kind] = np.arange(kind.sum()) % DEFAULT_FOLDS
    return numbers


def _score(a: Vector | None, b: Vector | None) -> float:
    return FAILED if a is None or b is None else float(a @ b)


def _by_group(pairs: Sequence[Pair], scores: Scores, same: Marks, cut: float) -> dict[str, Any]:
    """FMR and FNMR of each group at the one threshold that all share, with counts and 95 % intervals."""
    names = np.array([pair.group for pair in pairs])
    found = {}
    for name in sorted(set(names)):
        genuine, impostor = scores[same & (names == name)], scores[~same & (names == name)]
        misses, matches = int(np.sum(genuine < cut)), int(np.sum(impostor >= cut))
        found[str(name)] = {
            "genuine": len(genuine),
            "impostor": len(impostor),
            "fnmr": misses / len(genuine) if len(genuine) else None,
            "fnmr_95": figures.wilson(misses, len(genuine)),
            "fmr": matches / len(impostor) if len(impostor) else None,
            "fmr_95": figures.wilson(matches, len(impostor)),
        }
    return found
