"""Faces without names, grouped by person."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.facts import TEMPLATE_DIMENSIONS
from appliance.vision.grouping import MOST, groups


def faces(people: int, each: int, seed: int, noise: float = 0.5) -> tuple[np.ndarray, list[int]]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(people, TEMPLATE_DIMENSIONS))
    owners = rng.permutation(np.repeat(np.arange(people), each))
    rows = centres[owners] + noise * rng.normal(size=(len(owners), TEMPLATE_DIMENSIONS))
    return rows.astype(np.float32), owners.tolist()


@pytest.mark.parametrize("each", [1, 2, 7])
def test_each_person_is_one_group(each: int) -> None:
    rows, owners = faces(12, each, each)
    found = groups(rows, 0.45)
    assert len(found) == 12
    assert all(len({owners[row] for row in group}) == 1 for group in found)
    assert sorted(row for group in found for row in group) == list(range(len(rows)))


def plain(rows: np.ndarray, threshold: float) -> list[list[int]]:
    """Average linkage by its definition."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    table, left = unit @ unit.T, [[row] for row in range(len(rows))]
    while len(left) > 1:
        pairs = [(float(np.mean(table[np.ix_(a, b)])), i, i + 1 + j)
                 for i, a in enumerate(left) for j, b in enumerate(left[i + 1 :])]  # fmt: skip
        score, i, j = max(pairs)
        if score < threshold:
            break
        left[i] = left[i] + left.pop(j)
    return sorted((sorted(group) for group in left), key=lambda group: (-len(group), group[0]))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 22), st.integers(0, 999), st.floats(0.0, 0.6))
def test_it_is_average_linkage(count: int, seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    rows = (rng.normal(size=(count, TEMPLATE_DIMENSIONS)) + 2 * rng.normal(size=(3, TEMPLATE_DIMENSIONS))[
        rng.integers(0, 3, count)]).astype(np.float32)  # fmt: skip
    assert groups(rows, threshold) == plain(rows, threshold)


def test_a_chain_of_look_alikes_is_not_one_person() -> None:
    angles = np.linspace(0, np.pi / 2, 8)
    rows = np.zeros((8, TEMPLATE_DIMENSIONS), np.float32)
    rows[:, 0], rows[:, 1] = np.cos(angles), np.sin(angles)
    assert max(len(group) for group in groups(rows, 0.95)) <= 4


def test_what_cannot_be_grouped_is_refused() -> None:
    assert groups(np.empty((0, TEMPLATE_DIMENSIONS), np.float32), 0.4) == []
    with pytest.raises(ValueError, match="must be"):
        groups(np.ones((2, 512), np.float32), 0.4)
    with pytest.raises(ValueError, match="at most"):
        groups(np.ones((MOST + 1, TEMPLATE_DIMENSIONS), np.float32), 0.4)
    for bad in (0.0, np.nan):
        with pytest.raises(ValueError, match="leave that face out"):
            groups(np.full((2, TEMPLATE_DIMENSIONS), bad, np.float32), 0.4)
