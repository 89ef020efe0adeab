"""How alike strangers are, past where there are pairs to count: the tail of impostor scores. Pure, numpy alone.

Scores above a high one follow a generalised Pareto law (Pickands 1975). Its scale and shape come from
probability-weighted moments (Hosking and Wallis 1987). Cosines end at 1, so the shape is held to at most 0, an
exponential tail: a positive one is noise, or two records of one person. Pairs that share a person are not
independent, so the intervals are by a bootstrap over people: pairs of one person with themselves are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Self

import numpy as np
from numpy.typing import NDArray

from appliance.facts import Vector

Numbers = NDArray[np.float64]

LEAST_PEOPLE = 50
"""With 50 of LFW's people, 150 times, the upper bound was below the cosine that all 1,793 have at FMR 1e-3, 1e-4 and
1e-5 in 4, 3 and 1 % of the trials: 2.5 % is meant. With 30 people it was in 4, 8 and 7 %."""
MOST_PEOPLE = 2000
"""More are drawn from: two million pairs are plenty."""
SHARE, LARGEST_SHARE, EXCEEDANCES = 0.01, 0.1, 100
"""The tail is the highest 1 % of the pairs; in a small gallery as many as give 100, at most a tenth."""
LEAST_SHAPE = -0.3
"""No lighter a tail than this is believed: it would end the law just above the highest score."""
RESAMPLES = 200
RESERVE = 4
"""Times the tail: some of a resample's tail lies below the sample's."""
NEXT_TO_ZERO = 1e-6


@dataclass(frozen=True, slots=True)
class Tail:
    """The law of scores above `start`, which a share of all pairs exceed."""

    start: float
    scale: float
    shape: float
    share: float

    def cosine_at(self, fmr: float) -> float:
        """The cosine that strangers reach at this rate, for rates of at most `share`."""
        ratio = self.share / fmr
        if self.shape > -NEXT_TO_ZERO:
            return self.start + self.scale * log(ratio)
        return self.start + self.scale / self.shape * (float(ratio**self.shape) - 1)

    def fmr_at(self, cosine: float) -> float:
        """The rate at which strangers reach this cosine, which is at least `start`."""
        above = max(0.0, cosine - self.start) / self.scale
        if self.shape > -NEXT_TO_ZERO:
            return self.share * exp(-above)
        return self.share * float(max(0.0, 1 + self.shape * above) ** (-1 / self.shape))


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The tail of a gallery, and of its resamples."""

    tail: Tail
    resampled: tuple[Tail, ...]
    people: int
    pairs: int
    nearest: tuple[tuple[int, int, float], ...]
    """The pairs most alike: two rows and their cosine. Two records of one person, twins, or chance."""

    @classmethod
    def of(cls, means: Vector, seed: int = 0) -> Self:
        """`means`: a row a person, (n, 160) float32 of length 1. Raises ValueError for fewer than LEAST_PEOPLE."""
        if len(means) < LEAST_PEOPLE:
            raise ValueError(f"{len(means)} people: at least {LEAST_PEOPLE} are needed")
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.permutation(len(means))[:MOST_PEOPLE])
        size = len(chosen)
        pairs = size * (size - 1) // 2
        share = min(LARGEST_SHARE, max(SHARE, EXCEEDANCES / pairs))
        scores, first, second = _highest(means[chosen], int(pairs * share * RESERVE))
        ones = np.ones(len(scores))
        resampled = []
        for _ in range(RESAMPLES):
            times = np.bincount(rng.integers(0, size, size), minlength=size).astype(float)
            total = (times.sum() ** 2 - (times**2).sum()) / 2
            resampled.append(fit(scores, times[first] * times[second], total, share))
        nearest = tuple((int(chosen[first[k]]), int(chosen[second[k]]), float(scores[k])) for k in range(5))
        return cls(fit(scores, ones, pairs, share), tuple(resampled), size, pairs, nearest)

    def cosine_at(self, fmr: float) -> tuple[float, float, float]:
        """Best estimate, and the ends of the 95 % interval."""
        return self._interval(self.tail.cosine_at(fmr), [one.cosine_at(fmr) for one in self.resampled])

    def fmr_at(self, cosine: float) -> tuple[float, float, float]:
        """The same for the rate at a cosine."""
        return self._interval(self.tail.fmr_at(cosine), [one.fmr_at(cosine) for one in self.resampled])

    def _interval(self, best: float, found: Sequence[float]) -> tuple[float, float, float]:
        # One of the resamples, not between two: then the rate at the cosine at a rate is that rate again.
        low, high = np.quantile(found, [0.025, 0.975], method="nearest")
        return best, min(best, float(low)), max(best, float(high))


def fit(scores: Numbers, weights: Numbers, total: float, share: float) -> Tail:
    """The law of the highest `share` of pairs. `scores`: the highest, falling; `weights`: how often each counts;
    `total`: the weight of all pairs."""
    counted = np.cumsum(weights)
    end = min(int(np.searchsorted(counted, share * total)) + 1, len(scores) - 1)
    start, weight = float(scores[end]), float(counted[end - 1])
    excess, weights = (scores[:end] - start)[::-1], weights[:end][::-1]
    below = (np.cumsum(weights) - weights / 2) / weight
    mean = float(np.sum(weights * excess) / weight)
    moment = float(np.sum(weights * (1 - below) * excess) / weight)
    apart = mean - 2 * moment
    shape = 2 - mean / apart if apart > 0 else 0.0
    shape = min(0.0, max(LEAST_SHAPE, shape))
    return Tail(start, max(mean * (1 - shape), 1e-9), shape, weight / total)


def fpir(fmr: float, people: int) -> float:
    """Chance that a stranger matches anyone of so many, each at this rate."""
    return float(-np.expm1(people * np.log1p(-min(fmr, 1.0 - 1e-12))))


def _highest(means: Vector, count: int) -> tuple[Numbers, NDArray[np.intp], NDArray[np.intp]]:
    """The highest cosines between two people, falling, and the rows of each pair."""
    first, second = np.triu_indices(len(means), 1)
    scores = (means @ means.T)[first, second]
    kept = np.argsort(-scores, kind="stable")[: max(count, 10)]
    return scores[kept].astype(np.float64), first[kept], second[kept]
