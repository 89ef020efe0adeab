"""Who is enrolled, as one float32 matrix; exact cosine to each person. Pure.

A person is matched by the mean of their templates, brought to length 1. Against the best of three
templates that cuts FNIR at FPIR 1 % from 1.6 to 1.1 %, and costs a third (docs/evaluation.md).
Templates carry their model's id; another model's probe matches nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log10
from typing import Self

import numpy as np
from numpy.typing import NDArray

from appliance.facts import TEMPLATE_DIMENSIONS, Vector

LEAST_SUM = 1e-3
FUSED_SHIFT = 0.03
"""Cosine added to single-picture thresholds, since fusing raises impostors' scores too: 0.028 at FMR 1e-4 for three
LFW pictures fused on either side (docs/evaluation.md); frames of one visit and one enrolment differ less."""
FLOOR_FMR = 1e-4
"""However few are enrolled, no threshold is laxer than this rate of false matches per comparison: below it
twins and relatives, and the conditions a public data set lacks, outweigh what the table promises."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """The person nearest to a probe. No judgement yet."""

    person: str | None
    """None where nobody is enrolled for this model."""
    score: float
    """Cosine to the mean of that person's templates, -1 to 1; -1 for nobody."""
    margin: float
    """Score minus the second person's; `score` itself if there is no second."""


NOBODY = Candidate(None, -1.0, 0.0)


class Gallery:
    """Who is enrolled, for one model. Build by `of`; one thread at a time."""

    def __init__(self, model: str) -> None:
        """Nobody yet."""
        self.model = model
        self._people: list[str] = []
        self._places: dict[str, int] = {}
        # A column a person: twice as fast to multiply by one probe as a row a person (bench/search.py).
        self._columns: Vector = np.empty((TEMPLATE_DIMENSIONS, 0), np.float32)
        self._scores: Vector = np.empty(0, np.float32)

    @classmethod
    def of(cls, owners: Sequence[str], vectors: Vector, model: str) -> Self:
        """`owners`: the person of each row; `vectors`: (n, 160) float32.

        Raises ValueError: shapes disagree, a row is not finite or has no length.
        """
        rows = _unit(vectors, len(owners))
        places: dict[str, int] = {}
        numbers = np.fromiter((places.setdefault(owner, len(places)) for owner in owners), np.intp, len(owners))
        if np.any(np.diff(numbers) < 0):  # a person's rows do not lie side by side
            order = np.argsort(numbers, kind="stable")
            numbers, rows = numbers[order], rows[order]
        made = cls(model)
        if places:
            made._room(len(places))
            made._columns[:] = _means(rows, np.flatnonzero(np.diff(numbers, prepend=-1))).T
        made._people, made._places = list(places), places
        return made

    @classmethod
    def empty(cls, model: str = "") -> Self:
        """Nobody is enrolled."""
        return cls(model)

    def __len__(self) -> int:
        """People."""
        return len(self._people)

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody who has a template, each once."""
        return tuple(self._people)

    def replace(self, person: str, vectors: Vector) -> None:
        """That person has these templates from now on, (k, 160) float32; none: they match no more.

        Takes microseconds, however many people there are. Raises ValueError as `of`; then nothing has changed.
        """
        rows = _unit(vectors, len(vectors))
        if len(rows):
            if person not in self._places:
                self._room(len(self._people) + 1)
                self._places[person] = len(self._people)
                self._people.append(person)
            self._columns[:, self._places[person]] = _means(rows, np.zeros(1, np.intp))[0]
        elif person in self._places:
            # The last one moves into the gap.
            place, last = self._places.pop(person), self._people.pop()
            if last != person:
                self._people[place], self._places[last] = last, place
                self._columns[:, place] = self._columns[:, len(self._people)]

    def best(self, probe: Vector, model: str) -> Candidate:
        """Nearest person to `probe` ((160,) float32 of length 1, made by `model`)."""
        if not self._people or model != self.model:
            return NOBODY
        # Over the spare columns too: a part of the matrix would be copied first, which takes four times as long.
        scores = np.dot(probe, self._columns, out=self._scores)[: len(self._people)]
        first = int(scores.argmax())
        score = float(scores[first])
        if not -1.001 <= score <= 1.001:  # also a probe that is not finite
            return NOBODY
        if len(scores) == 1:
            return Candidate(self._people[0], score, score)
        scores[first] = -np.inf
        return Candidate(self._people[first], score, score - float(scores.max()))

    def best_of_each(self, probes: Vector, model: str) -> list[Candidate]:
        """The same for each row of `probes` (k, 160). One after the other: faster than all at once for few."""
        return [self.best(probe, model) for probe in probes]

    def score(self, probe: Vector, person: str, model: str) -> float:
        """Verification, 1:1: cosine to that person alone; -1 if they have no template of that model."""
        place = self._places.get(person)
        return float(probe @ self._columns[:, place]) if place is not None and model == self.model else -1.0

    def scores(self, probe: Vector, model: str) -> Vector:
        """Cosine to everybody, (people,) float32 in the order of `people`; empty for another model's probe."""
        count = len(self._people) if model == self.model else 0
        return np.asarray(probe @ self._columns[:, :count], np.float32)

    def similar(self, probe: Vector, count: int, model: str) -> list[tuple[str, float]]:
        """The `count` nearest people with their cosines, the nearest first; no judgement."""
        if not self._people or model != self.model or count < 1 or not np.isfinite(probe).all():
            return []
        scores = (probe @ self._columns)[: len(self._people)]
        some = min(count, len(scores))
        nearest = np.argpartition(scores, -some)[-some:]
        return [(self._people[place], float(scores[place])) for place in nearest[np.argsort(-scores[nearest])]]

    def _room(self, people: int) -> None:
        """Make place for so many, and for an eighth more where somebody joins."""
        if people <= self._columns.shape[1]:
            return
        grown = people if not self._people else people + max(8, people // 8)
        columns = np.zeros((TEMPLATE_DIMENSIONS, grown), np.float32)
        columns[:, : self._columns.shape[1]] = self._columns
        self._columns, self._scores = columns, np.empty(columns.shape[1], np.float32)


def _unit(vectors: Vector, count: int) -> Vector:
    """Rows of length 1. Raises ValueError."""
    if vectors.shape != (count, TEMPLATE_DIMENSIONS):
        raise ValueError(f"vectors are {vectors.shape}: must be ({count}, {TEMPLATE_DIMENSIONS})")
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    if not np.all(np.isfinite(lengths) & (lengths > 0)):
        raise ValueError("a template is zero or not finite: remove that enrolment and enrol anew")
    return np.asarray(vectors / lengths, dtype=np.float32)


def _means(rows: Vector, starts: NDArray[np.intp]) -> Vector:
    """The direction between the rows of each run, of length 1: (runs, 160) float32."""
    sums = np.add.reduceat(rows, starts, axis=0)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    # Rows that cancel out point nowhere: no embedder makes them of one face. The first stands for all.
    return np.asarray(np.where(lengths > LEAST_SUM, sums / np.maximum(lengths, LEAST_SUM), rows[starts]), np.float32)


def fmr_table(thresholds: Mapping[str, float]) -> tuple[tuple[float, float], ...]:
    """The manifest's `fmr_1e-4 = 0.41` entries as (FMR, cosine), laxest first.

    Raises ValueError unless there are two and the cosine rises as the rate falls.
    """
    prefix = "fmr_"
    entries = [(float(key.removeprefix(prefix)), value) for key, value in thresholds.items() if key.startswith(prefix)]
    table = tuple(sorted(entries, reverse=True))
    cosines = [cosine for _, cosine in table]
    rising = all(low < high for low, high in pairwise(cosines))
    if len(table) < 2 or not rising or not all(0 < fmr < 1 for fmr, _ in table):
        raise ValueError(f"thresholds {dict(thresholds)}: need two fmr_… or more, cosine rising as the rate falls")
    return table


def threshold(table: Sequence[tuple[float, float]], people: int, target_fpir: float) -> float:
    """Cosine above which a match counts, so that a stranger matches anyone at most at `target_fpir`.

    A stranger is compared with everybody, so each comparison may err at target_fpir / people (the union
    bound: never more, whatever faces have in common). The table is read linearly in
    log FMR and continued along its last step, which is stricter than the tail of a normal law. FUSED_SHIFT is in it.
    """
    fmr = min(FLOOR_FMR, target_fpir / max(people, 1))
    wanted = log10(fmr)
    points = [(log10(rate), cosine) for rate, cosine in table]
    # The first step that reaches down to `wanted`; past the end the last one.
    step = next((i for i in range(1, len(points)) if points[i][0] <= wanted), len(points) - 1)
    (x0, y0), (x1, y1) = points[step - 1], points[step]
    return y0 + (y1 - y0) * (wanted - x0) / (x1 - x0) + FUSED_SHIFT


def strictest(
    table: Sequence[tuple[float, float]], site: Sequence[tuple[float, float]], people: int, target_fpir: float
) -> float:
    """`threshold`, and at least what the site's own calibration asks for at the same rate; `site` may be empty.

    `site` holds upper bounds between means of several templates, so FUSED_SHIFT is in them already.
    """
    usual = threshold(table, people, target_fpir)
    return max(usual, threshold(site, people, target_fpir) - FUSED_SHIFT) if site else usual
