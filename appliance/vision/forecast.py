"""How often will this door miss a person who enrolled with these pictures? Pure.

The pictures of a person resemble each other by a mean cosine r. A new picture then resembles the mean of k of them by
r * sqrt(k / (1 + (k - 1) * r)), give or take SPREAD; below the site's threshold it is missed. What few pictures
say of r is drawn towards what is usual, by how unsure it is (empirical Bayes). The constants are those of the 60
people of LFW's folds 1 to 3 with six pictures or more, press photographs over years; docs/evaluation.md holds
forecast against outcome. A door fuses several frames of one visit, so a forecast for one picture is a cautious one.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

from appliance.facts import Vector

USUAL = 0.667
"""Mean of r over people."""
BETWEEN = 0.085
"""Its standard deviation between people."""
PAIR = 0.092
"""Standard deviation of one pair's cosine about r."""
PAIRS_POWER = 0.35
"""The mean of n pairs, which share pictures, is surer by n to this only."""
SPREAD = {1: 0.092, 2: 0.078, 3: 0.072}
SPREAD_OF_MORE = 0.069
"""Standard deviation of a new picture's cosine to the mean of so many."""
HIGH = 0.02
"""FNMR from which more pictures are advised."""
SAME = 0.95
"""Cosine from which two pictures say the same: of 3,005 pairs of a person in LFW one reaches it."""
_STEP = 0.01
_Z90 = 1.645


@dataclass(frozen=True, slots=True)
class Forecast:
    """Share of pictures, each judged alone, by which this person would be missed: FNMR, 0 to 1."""

    fnmr: float
    low: float
    """Where r is uncommonly high for these pictures (one in twenty)."""
    high: float
    """Where it is uncommonly low."""
    likeness: float | None
    """Mean cosine of the pictures to each other; None for a single one."""
    threshold: float
    pictures: int

    @property
    def poor(self) -> bool:
        """More pictures should be taken."""
        return self.fnmr > HIGH


def forecast(templates: Vector, threshold: float) -> Forecast:
    """`templates`: (k, 160) float32 of length 1, one person's; `threshold`: cosine at this gallery's size.

    Raises ValueError: no template, or one that is not finite.
    """
    count = len(templates)
    if not count or not np.isfinite(templates).all():
        raise ValueError("a forecast needs at least one finite template")
    seen = likeness(templates)
    r, doubt = _believed(seen, count)
    spread = SPREAD.get(count, SPREAD_OF_MORE)
    slope = (_reached(r + _STEP, count) - _reached(r - _STEP, count)) / (2 * _STEP)
    missed = NormalDist(_reached(r, count), sqrt(spread**2 + (slope * doubt) ** 2)).cdf(threshold)
    low, high = (NormalDist(_reached(r + z * doubt, count), spread).cdf(threshold) for z in (_Z90, -_Z90))
    return Forecast(missed, low, high, seen, threshold, count)


def likeness(templates: Vector) -> float | None:
    """Mean cosine over all pairs; None for fewer than two."""
    pairs = _pairs(templates)
    return float(pairs.mean()) if len(pairs) else None


def repeats(templates: Vector) -> int:
    """How many pictures show nothing that one before them does not."""
    table = np.tril(templates @ templates.T, -1)
    return int((table.max(axis=1, initial=-1.0) >= SAME).sum())


def _pairs(templates: Vector) -> Vector:
    table: Vector = templates @ templates.T
    found: Vector = table[np.triu_indices(len(templates), 1)]
    return found


def _believed(seen: float | None, count: int) -> tuple[float, float]:
    """r and its standard deviation, by the pictures and by what is usual."""
    if seen is None:
        return USUAL, BETWEEN
    error = PAIR / (count * (count - 1) / 2) ** PAIRS_POWER
    weight = BETWEEN**2 / (BETWEEN**2 + error**2)
    return weight * seen + (1 - weight) * USUAL, BETWEEN * sqrt(1 - weight)


def _reached(r: float, count: int) -> float:
    """Expected cosine of a new picture to the mean of `count`."""
    r = min(max(r, 0.0), 1.0)
    return r * sqrt(count / (1 + (count - 1) * r))
