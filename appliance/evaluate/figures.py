"""Error rates from scores (ISO/IEC 19795-1 and 30107-3 words). Pure.

A score is a similarity: a pair or probe is accepted at threshold t if score >= t. Failures to acquire
enter as FAILED, which no threshold accepts.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Marks = NDArray[np.bool_]

FAILED = -2.0
"""Below every cosine."""
Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Folds:
    """Accuracy by cross-validation: each fold judged at the threshold that is best on the others."""

    accuracy: float
    std: float
    by_fold: tuple[float, ...]


def cross_validated(scores: Scores, same: Marks, folds: NDArray[np.intp]) -> Folds:
    """LFW's protocol. With a single fold there is nothing to choose on but itself."""
    names = np.unique(folds)
    found = []
    for name in names:
        held = folds == name
        rest = ~held if len(names) > 1 else held
        cut = best_threshold(scores[rest], same[rest])
        found.append(float(np.mean((scores[held] >= cut) == same[held])))
    return Folds(float(np.mean(found)), float(np.std(found)), tuple(found))


def best_threshold(scores: Scores, same: Marks) -> float:
    """The threshold with the highest accuracy, in the middle between two scores: the lowest of equals."""
    order = np.argsort(scores, kind="stable")
    ranked, hits = scores[order], same[order]
    # Accepting from position i on is right for the genuine pairs above and the impostors below it.
    genuine_above = np.concatenate([np.cumsum(hits[::-1])[::-1], [0]])
    impostors_below = np.concatenate([[0], np.cumsum(~hits)])
    possible = np.concatenate([[True], ranked[1:] > ranked[:-1], [True]])
    right = np.where(possible, genuine_above + impostors_below, -1)
    at = int(np.argmax(right))
    if at == 0:
        return float(ranked[0])
    if at == len(ranked):
        return float(np.nextafter(ranked[-1], np.inf))
    return float((ranked[at - 1] + ranked[at]) / 2)


def error_rates(genuine: Scores, impostor: Scores) -> tuple[Scores, Scores, Scores]:
    """Thresholds (ascending, every distinct score and one above all), FMR and FNMR at each."""
    scores = np.unique(np.concatenate([genuine, impostor]))
    cuts = np.append(scores, np.nextafter(scores[-1], np.inf))
    fmr = 1 - np.searchsorted(np.sort(impostor), cuts, side="left") / max(len(impostor), 1)
    fnmr = np.searchsorted(np.sort(genuine), cuts, side="left") / max(len(genuine), 1)
    return cuts, fmr, fnmr


def equal_error_rate(genuine: Scores, impostor: Scores) -> float:
    """Where FMR and FNMR cross: their mean where they are nearest."""
    _, fmr, fnmr = error_rates(genuine, impostor)
    at = int(np.argmin(np.abs(fmr - fnmr)))
    return float((fmr[at] + fnmr[at]) / 2)


def threshold_at(genuine: Scores, impostor: Scores, target_fmr: float) -> float:
    """The lowest threshold whose FMR is at most `target_fmr`."""
    cuts, fmr, _ = error_rates(genuine, impostor)
    return float(cuts[int(np.argmax(fmr <= target_fmr))])


def accepted(scores: Scores, cut: float) -> float:
    """Share of scores at or above a threshold; 0 of none."""
    return float(np.mean(scores >= cut)) if len(scores) else 0.0


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """95 % interval of a rate (Wilson 1927); with no hits the rule of three bounds it from above."""
    if trials == 0:
        return 0.0, 1.0
    if hits == 0:
        return 0.0, min(1.0, 3 / trials)
    rate, square = hits / trials, Z95**2
    middle = (rate + square / (2 * trials)) / (1 + square / trials)
    reach = Z95 * sqrt(rate * (1 - rate) / trials + square / (4 * trials**2)) / (1 + square / trials)
    return max(0.0, middle - reach), min(1.0, middle + reach)
