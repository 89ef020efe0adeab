"""The highest of many scores, of which there may be more than memory holds. Pure."""

import numpy as np

from appliance.evaluate.figures import FAILED, Scores

BATCH = 1_000_000


class Highest:
    """Takes all scores of a kind and keeps as many as thresholds up to some rate need."""

    def __init__(self, total: int, rate: float) -> None:
        """`total`: how many there will be; `rate`: the highest that `cut` is asked for."""
        self.total = total
        self._keep = int(total * rate) + 1
        self._kept: list[Scores] = []
        self._held = 0

    def add(self, scores: Scores) -> None:
        """Some more, in any order."""
        self._kept.append(scores)
        self._held += len(scores)
        if self._held > self._keep + BATCH:
            self._shrink()

    def cut(self, rate: float) -> float:
        """The lowest threshold at which at most this share of all is accepted."""
        self._shrink()
        scores = self._kept[0] if self._kept else np.empty(0)
        at = int(self.total * rate)
        return float(np.nextafter(scores[at], np.inf)) if at < len(scores) else FAILED

    def _shrink(self) -> None:
        if self._kept:
            everything = np.concatenate(self._kept)
            self._kept = [np.sort(everything)[::-1][: self._keep].copy()]
            self._held = len(self._kept[0])
