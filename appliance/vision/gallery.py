"""Who is enrolled, as one float32 matrix or, once they are many, an index; exact cosine, best per person. Pure.

Score of a person = the best of their templates against the probe. Templates carry their model's id;
another model's probe matches nobody.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log10
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from appliance.facts import TEMPLATE_DIMENSIONS, Vector

if TYPE_CHECKING:
    from appliance.vision.index import Index

INDEXED_FROM = 10_000
"""Templates from which on an index is faster than scoring each (bench/search.py): below it a scan takes 0.3 ms."""

FUSED_SHIFT = 0.02
"""Cosine added to single-picture thresholds, since fusing frames raises impostors' scores too: 0.017 at
FMR 1e-4 for three different LFW pictures of a person fused (docs/evaluation.md); frames of one visit differ less."""
FLOOR_FMR = 1e-4
"""However few are enrolled, no threshold is laxer than this rate of false matches per comparison: below it
twins and relatives, and the conditions a public data set lacks, outweigh what the table promises."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """The person nearest to a probe. No judgement yet."""

    person: str | None
    """None where nobody is enrolled for this model."""
    score: float
    """Cosine to that person's best template, -1 to 1; -1 for nobody."""
    margin: float
    """Score minus the second person's; `score` itself if there is no second."""


NOBODY = Candidate(None, -1.0, 0.0)


class Gallery:
    """Who is enrolled, for one model. Build by `of`; one thread at a time."""

    def __init__(self, owners: Sequence[str], rows: Vector, model: str) -> None:
        """`rows`: of length 1 each."""
        self.model = model
        self._rows: Vector = np.empty((0, TEMPLATE_DIMENSIONS), np.float32)
        self._starts = np.empty(0, np.intp)
        self._index: Index | None = None
        self._people: list[str] = []
        self._numbers: dict[str, int] = {}
        self._arrange(owners, rows)

    @classmethod
    def of(cls, owners: Sequence[str], vectors: Vector, model: str) -> Self:
        """`owners`: the person of each row; `vectors`: (n, 160) float32, brought to length 1 here.

        Raises ValueError: shapes disagree, a row is not finite or has no length.
        """
        return cls(owners, _unit(vectors, len(owners)), model)

    @classmethod
    def empty(cls, model: str = "") -> Self:
        """Nobody is enrolled."""
        return cls.of((), np.empty((0, TEMPLATE_DIMENSIONS), np.float32), model)

    def __len__(self) -> int:
        """Templates."""
        return len(self._index) if self._index is not None else len(self._rows)

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody who has a template, each once."""
        return tuple(self._numbers)

    def replace(self, person: str, vectors: Vector) -> None:
        """That person has these templates from now on, (k, 160) float32; none: they match no more.

        Raises ValueError as `of`; then nothing has changed.
        """
        rows = _unit(vectors, len(vectors))
        if self._index is None:
            keep = np.repeat(np.array([name != person for name in self._people], dtype=bool), self._counts())
            owners = [name for name, count in zip(self._people, self._counts(), strict=True) for _ in range(count)]
            kept = [owner for owner in owners if owner != person]
            self._arrange([*kept, *[person] * len(rows)], np.concatenate([self._rows[keep], rows]))
            return
        if person not in self._numbers:
            if not len(rows):
                return
            self._people.append(person)
            self._numbers[person] = len(self._people) - 1
        self._index.replace(self._numbers[person], rows)
        if not len(rows):
            del self._numbers[person]  # the number is not given again: a list of names grows by one per change at most

    def best(self, probe: Vector, model: str) -> Candidate:
        """Nearest person to `probe` ((160,) float32 of length 1, made by `model`)."""
        return self.best_of_each(probe[None], model)[0]

    def best_of_each(self, probes: Vector, model: str) -> list[Candidate]:
        """The same for each row of `probes` (k, 160); in a small gallery the rows share one pass over it."""
        if not self._numbers or model != self.model:
            return [NOBODY] * len(probes)
        if self._index is not None:
            return [self._searched(probe) for probe in probes]
        scores = np.maximum.reduceat(self._rows @ probes.T, self._starts, axis=0)
        return [self._candidate(column) for column in np.ascontiguousarray(scores.T)]

    def _searched(self, probe: Vector) -> Candidate:
        """By the index."""
        if self._index is None or not np.isfinite(probe).all():
            return NOBODY
        two = self._index.best_two(probe)
        if two.first < 0:
            return NOBODY
        margin = two.score - two.second_score if two.second >= 0 else two.score
        return Candidate(self._people[two.first], two.score, margin)

    def _candidate(self, scores: Vector) -> Candidate:
        """From one score for each person."""
        first = int(np.argmax(scores))
        score = float(scores[first])
        if not score >= -1.001:  # also a probe that is not finite
            return NOBODY
        if len(scores) == 1:
            return Candidate(self._people[0], score, score)
        scores[first] = -np.inf
        return Candidate(self._people[first], score, score - float(scores.max()))

    def _arrange(self, owners: Sequence[str], rows: Vector) -> None:
        """Rows by owner, as one matrix, or as an index once they are many."""
        order = sorted(range(len(owners)), key=owners.__getitem__)
        people, self._starts = _runs([owners[index] for index in order])
        self._people = list(people)
        self._numbers = {person: number for number, person in enumerate(people)}
        if len(rows) < INDEXED_FROM:
            self._rows = np.ascontiguousarray(rows[order], dtype=np.float32)
            return
        # Loaded only here: a small gallery needs neither its code nor its memory.
        from appliance.vision.index import Index  # noqa: PLC0415

        numbers = np.fromiter((self._numbers[owner] for owner in owners), np.int32, len(owners))
        self._rows, self._index = np.empty((0, TEMPLATE_DIMENSIONS), np.float32), Index(rows, numbers)

    def _counts(self) -> NDArray[np.intp]:
        return np.diff([*self._starts, len(self._rows)])


def _unit(vectors: Vector, count: int) -> Vector:
    """Rows of length 1. Raises ValueError."""
    if vectors.shape != (count, TEMPLATE_DIMENSIONS):
        raise ValueError(f"vectors are {vectors.shape}: must be ({count}, {TEMPLATE_DIMENSIONS})")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths) & (lengths > 0)):
        raise ValueError("a template is zero or not finite: remove that enrolment and enrol anew")
    return np.asarray(vectors / lengths, dtype=np.float32)


def _runs(owners: Iterable[str]) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Sorted owners -> each once, and the row where each begins."""
    people: list[str] = []
    starts: list[int] = []
    for row, owner in enumerate(owners):
        if not people or people[-1] != owner:
            people.append(owner)
            starts.append(row)
    return tuple(people), np.array(starts, dtype=np.intp)


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


def threshold(table: Sequence[tuple[float, float]], templates: int, target_fpir: float) -> float:
    """Cosine above which a match counts, so that a stranger matches anyone at most at `target_fpir`.

    A stranger is compared with every template, so each comparison may err at target_fpir / templates
    (the union bound: never more, whatever the templates have in common). The table is read linearly in
    log FMR and continued along its last step, which is stricter than the tail of a normal law. FUSED_SHIFT is in it.
    """
    fmr = min(FLOOR_FMR, target_fpir / max(templates, 1))
    wanted = log10(fmr)
    points = [(log10(rate), cosine) for rate, cosine in table]
    # The first step that reaches down to `wanted`; past the end the last one.
    step = next((i for i in range(1, len(points)) if points[i][0] <= wanted), len(points) - 1)
    (x0, y0), (x1, y1) = points[step - 1], points[step]
    return y0 + (y1 - y0) * (wanted - x0) / (x1 - x0) + FUSED_SHIFT
