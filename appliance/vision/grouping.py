"""Which of these faces are one person's? Grouping without names, by average linkage. Pure.

Two groups join while the mean cosine over all pairs between them is the highest and at least the
threshold. A chain of look-alikes therefore does not pull strangers into one group, as single
linkage would.
"""

import numpy as np

from appliance.facts import TEMPLATE_DIMENSIONS, Vector

MOST = 4000
"""Faces at once: the table of all pairs then takes 64 MB."""


def groups(templates: Vector, threshold: float) -> list[list[int]]:
    """Indices of the rows of `templates` ((n, 160) float32) by person, the largest group first.

    `threshold`: mean cosine, -1 to 1, as for verification at the FMR wanted. Raises ValueError: another shape, too
    many, a row that is not finite or has no length.
    """
    if templates.ndim != 2 or templates.shape[1] != TEMPLATE_DIMENSIONS or len(templates) > MOST:
        raise ValueError(f"templates are {templates.shape}: must be (n, {TEMPLATE_DIMENSIONS}), {MOST} at most")
    lengths = np.linalg.norm(templates, axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths) & (lengths > 0)):
        raise ValueError("a template is zero or not finite: leave that face out")
    if not len(templates):
        return []
    members = [[row] for row in range(len(templates))]
    linkage = _Linkage(np.asarray(templates / lengths, dtype=np.float32))
    while (pair := linkage.nearest(threshold)) is not None:
        first, second = pair
        members[first] += members[second]
        members[second] = []
        linkage.join(first, second)
    return sorted((sorted(rows) for rows in members if rows), key=lambda rows: (-len(rows), rows[0]))


class _Linkage:
    """Mean cosines between groups. That is the product of the means of their rows, so sums are all it keeps."""

    def __init__(self, rows: Vector) -> None:
        self._sums, self._sizes = rows.copy(), np.ones(len(rows), np.float32)
        self._table = rows @ rows.T
        np.fill_diagonal(self._table, -np.inf)
        self._best = self._table.argmax(axis=1)
        self._likeness = self._table.max(axis=1)

    def nearest(self, threshold: float) -> tuple[int, int] | None:
        """The two groups most alike, if they are alike enough."""
        first = int(self._likeness.argmax())
        return (first, int(self._best[first])) if self._likeness[first] >= threshold else None

    def join(self, first: int, second: int) -> None:
        """Make one of two."""
        self._sums[first] += self._sums[second]
        self._sizes[first] += self._sizes[second]
        self._sizes[second] = 0
        gone = self._sizes == 0
        means = (self._sums @ self._sums[first]) / np.maximum(self._sizes * self._sizes[first], 1)
        means[gone] = means[first] = -np.inf
        self._table[first, :] = self._table[:, first] = means
        self._table[second, :] = self._table[:, second] = -np.inf
        # Only whose nearest was one of the two, or is now the joined one, can have another nearest.
        stale = np.flatnonzero((self._best == first) | (self._best == second))
        self._best[stale] = self._table[stale].argmax(axis=1)
        self._best[first] = int(means.argmax())
        self._best[means > self._likeness] = first
        changed = np.append(stale, [first, second])
        self._likeness[changed] = self._table[changed, self._best[changed]]
        self._likeness = np.maximum(self._likeness, means, out=self._likeness, where=~gone)
