"""Exact search among very many templates, in a fraction of the time of scoring each of them.

Two steps. All templates are scanned as 128 bytes each: 127 coordinates along the gallery's own
principal axes and the length of what those leave out, all rounded to 8 bits. The product of two
such rows, plus what rounding can have cost, is never less than their cosine (Cauchy-Schwarz), so
it is an upper bound. Then the nearest by that bound are scored exactly, and more of them until
none that was left out can be better than the second-best person found.

faiss does the scan; nothing else imports it, and a small gallery never loads it.
"""

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from appliance.facts import TEMPLATE_DIMENSIONS, Vector

BYTES = 128
"""A row of the scan. More bytes are slower to read, fewer leave a wider bound: 112 take as long as 128 and leave
three times as many templates to score (bench/search.py)."""
AXES = BYTES - 1
FIRST_LOOK = 128
"""Templates scored exactly in the first round; each further round takes four times as many."""
SAMPLE = 20_000
"""Rows that the principal axes are computed from."""
LARGEST_CODE = 127
HEADROOM = 1.1
"""The scale leaves room for a later template with a coordinate larger than any seen when the index was made."""
BLOCK = 16_384
NOBODY = -1


@dataclass(frozen=True, slots=True)
class Two:
    """The best person and the next one, by number; NOBODY where there is none."""

    first: int
    score: float
    """Cosine, -1 to 1; -1 for nobody."""
    second: int
    second_score: float


class Index:
    """Templates of length 1 with their owners' numbers. One thread at a time."""

    def __init__(self, rows: Vector, owners: NDArray[np.int32]) -> None:
        """`rows`: (n, 160) float32 of length 1; `owners`: (n,) int32, 0 or more. Neither is kept."""
        faiss.omp_set_num_threads(1)
        self._axes = _principal_axes(rows)
        self._used = len(rows)
        self._rows = rows @ self._axes
        self._owners = np.ascontiguousarray(owners, dtype=np.int32)
        self._free: list[int] = []
        largest = max(float(np.abs(self._rows[:, :AXES]).max(initial=0.0)), self._rest(self._rows).max(initial=0.0))
        self._scale = LARGEST_CODE / max(float(largest) * HEADROOM, 1e-6)
        self._error = self._longest = 0.0
        self._index = faiss.IndexScalarQuantizer(
            BYTES, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
        )
        for begin in range(0, len(rows), BLOCK):
            self._index.add(self._coded(self._rows[begin : begin + BLOCK]))

    def __len__(self) -> int:
        """Templates."""
        return self._used - len(self._free)

    def replace(self, owner: int, rows: Vector) -> None:
        """Take that owner's templates out and put these in, (k, 160) float32 of length 1; k may be 0."""
        old = np.flatnonzero(self._owners[: self._used] == owner).tolist()
        self._owners[old] = NOBODY
        self._free += old
        for row in rows @ self._axes:
            self._put(row, owner)

    def best_two(self, probe: Vector) -> Two:
        """The two people nearest to `probe`, (160,) float32 of length 1: exact."""
        turned = probe @ self._axes
        codes, scale, slack = self._asked(turned)
        count = min(FIRST_LOOK, self._used)
        while True:
            bounds, found = self._index.search(codes, count)
            two = self._scored(turned, found[0])
            beyond = float(bounds[0, -1]) / scale + slack
            if count >= self._used or (two.second != NOBODY and two.second_score >= beyond):
                return two
            count = min(4 * count, self._used)

    def _scored(self, turned: Vector, found: NDArray[np.int64]) -> Two:
        """From exact scores of these rows."""
        owners = self._owners[found]
        scores = np.where(owners == NOBODY, np.float32(-2), self._rows[found] @ turned)
        first = int(np.argmax(scores))
        if owners[first] == NOBODY:
            return Two(NOBODY, -1.0, NOBODY, -1.0)
        others = np.where(owners == owners[first], np.float32(-2), scores)
        second = int(np.argmax(others))
        if others[second] < -1.5:  # everybody else is nobody
            return Two(int(owners[first]), float(scores[first]), NOBODY, -1.0)
        return Two(int(owners[first]), float(scores[first]), int(owners[second]), float(others[second]))

    def _asked(self, turned: Vector) -> tuple[NDArray[np.float32], float, float]:
        """The probe as a row of codes, what to divide products by, and how far a bound may fall short."""
        row = np.append(turned[:AXES], np.linalg.norm(turned[AXES:]))
        scale = LARGEST_CODE / max(float(np.abs(row).max()), 1e-6)
        codes = np.rint(row * scale).astype(np.float32)
        lost = float(np.linalg.norm(row - codes / scale))
        slack = lost * self._longest + self._error * float(np.linalg.norm(row)) + 1e-6
        return codes[None], scale * self._scale, slack

    def _coded(self, turned: Vector) -> NDArray[np.float32]:
        """Codes of rows along the axes, (n, 128); remembers what rounding cost at worst."""
        plain = np.column_stack([turned[:, :AXES], self._rest(turned)])
        codes: NDArray[np.float32] = np.rint(plain * self._scale).clip(-LARGEST_CODE, LARGEST_CODE).astype(np.float32)
        rounded = codes / self._scale
        self._error = max(self._error, float(np.linalg.norm(plain - rounded, axis=1).max(initial=0.0)))
        self._longest = max(self._longest, float(np.linalg.norm(rounded, axis=1).max(initial=0.0)))
        return codes

    def _put(self, turned: Vector, owner: int) -> None:
        """Into a free place, else at the end; room at the end grows by an eighth at a time."""
        codes = self._coded(turned[None])
        if self._free:
            place = self._free.pop()
            stored: Any = faiss.rev_swig_ptr(self._index.codes.data(), self._used * BYTES)
            stored.reshape(-1, BYTES)[place] = self._index.sa_encode(codes)[0]
        else:
            place = self._used
            if place == len(self._rows):
                more = max(64, place // 8)
                self._rows = np.concatenate([self._rows, np.zeros((more, TEMPLATE_DIMENSIONS), np.float32)])
                self._owners = np.concatenate([self._owners, np.full(more, NOBODY, np.int32)])
            self._index.add(codes)
            self._used += 1
        self._rows[place], self._owners[place] = turned, owner

    @staticmethod
    def _rest(turned: Vector) -> NDArray[np.float32]:
        return np.asarray(np.linalg.norm(turned[:, AXES:], axis=1), dtype=np.float32)


def _principal_axes(rows: Vector) -> NDArray[np.float32]:
    """(160, 160) orthogonal, the direction with most energy first."""
    some = rows[:: max(1, len(rows) // SAMPLE)].astype(np.float64)
    _, axes = np.linalg.eigh(some.T @ some)
    return np.ascontiguousarray(axes[:, ::-1], dtype=np.float32)
