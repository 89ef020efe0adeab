import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.evaluate import figures
from appliance.evaluate.figures import FAILED

scores = st.lists(st.integers(-20, 20).map(lambda value: value / 20), min_size=1, max_size=30)


@given(scores, scores)
def test_error_rates_count_what_is_accepted(genuine: list[float], impostor: list[float]) -> None:
    g, i = np.array(genuine), np.array(impostor)
    for cut, fmr, fnmr in zip(*figures.error_rates(g, i), strict=True):
        assert fmr == pytest.approx(np.mean(i >= cut))
        assert fnmr == pytest.approx(np.mean(g < cut))


@given(scores, scores)
def test_the_best_threshold_cannot_be_beaten(genuine: list[float], impostor: list[float]) -> None:
    values = np.array(genuine + impostor)
    same = np.array([True] * len(genuine) + [False] * len(impostor))
    best = figures.best_threshold(values, same)
    reached = np.mean((values >= best) == same)
    for cut in [*values, *(values + 0.01), -3, 3]:
        assert reached >= np.mean((values >= cut) == same) - 1e-12


@given(scores, scores, st.floats(0, 1))
def test_the_threshold_at_an_fmr_keeps_it(genuine: list[float], impostor: list[float], target: float) -> None:
    g, i = np.array(genuine), np.array(impostor)
    cut = figures.threshold_at(g, i, target)
    assert np.mean(i >= cut) <= target + 1e-12
    lower = [value for value in np.concatenate([g, i]) if value < cut]
    if lower:
        assert np.mean(i >= max(lower)) > target


def test_perfect_separation() -> None:
    g, i = np.array([0.6, 0.7, 0.8]), np.array([0.0, 0.1, 0.2])
    assert figures.equal_error_rate(g, i) == 0
    assert figures.accepted(g, figures.threshold_at(g, i, 0.001)) == 1


def test_half_of_each_on_the_wrong_side() -> None:
    assert figures.equal_error_rate(np.array([0.1, 0.9]), np.array([0.1, 0.9])) == pytest.approx(0.5)


def test_a_failure_to_acquire_is_never_accepted() -> None:
    g, i = np.array([FAILED, 0.9]), np.array([0.1, 0.2])
    assert figures.accepted(g, figures.threshold_at(g, i, 0.5)) == 0.5


def test_each_fold_is_judged_by_the_others() -> None:
    """Fold 1 alone would choose a cut of 0.8; the others choose 0.5, at which it errs."""
    values = np.array([0.9, 0.7, 0.6, 0.4, 0.6, 0.4])
    same = np.array([True, False, True, False, True, False])
    found = figures.cross_validated(values, same, np.array([1, 1, 2, 2, 3, 3]))
    assert found.by_fold[0] == 0.5
    assert found.accuracy == pytest.approx(np.mean(found.by_fold))
    assert found.std == pytest.approx(np.std(found.by_fold))


def test_intervals() -> None:
    assert figures.wilson(0, 100) == (0, 0.03)
    assert figures.wilson(0, 0) == (0, 1)
    low, high = figures.wilson(50, 100)
    assert (low, high) == (pytest.approx(0.404, abs=0.001), pytest.approx(0.596, abs=0.001))
    assert figures.wilson(100, 100)[1] == pytest.approx(1)
