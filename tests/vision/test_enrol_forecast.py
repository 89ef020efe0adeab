import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.facts import Vector
from appliance.vision.forecast import HIGH, forecast, likeness, repeats


def person(count: int, cosine: float, seed: int = 0) -> Vector:
    """Templates whose pairs have this cosine."""
    axes = np.linalg.qr(np.random.default_rng(seed).normal(size=(160, count + 1)))[0].T
    rows = np.sqrt(cosine) * axes[0] + np.sqrt(1 - cosine) * axes[1:]
    return rows.astype(np.float32)


def test_the_likeness_is_the_mean_cosine_of_pairs() -> None:
    assert likeness(person(4, 0.7)) == pytest.approx(0.7, abs=1e-5)
    assert likeness(person(1, 0.7)) is None


def test_more_pictures_a_higher_likeness_and_a_laxer_door_miss_less() -> None:
    one, three, five = (forecast(person(count, 0.7), 0.58).fnmr for count in (1, 3, 5))
    assert one > three > five
    assert forecast(person(3, 0.8), 0.58).fnmr < three < forecast(person(3, 0.55), 0.58).fnmr
    assert forecast(person(3, 0.7), 0.51).fnmr < three < forecast(person(3, 0.7), 0.65).fnmr
    assert forecast(person(5, 0.8), 0.51).poor is False
    assert forecast(person(1, 0.8), 0.51).poor is True


@given(st.integers(1, 8), st.floats(0, 1), st.floats(-1, 1))
def test_a_forecast_is_a_share_between_its_bounds(count: int, cosine: float, threshold: float) -> None:
    found = forecast(person(count, cosine), threshold)
    assert 0 <= found.low <= found.high <= 1
    assert 0 <= found.fnmr <= 1
    assert found.poor is (found.fnmr > HIGH)


def test_a_repeat_is_counted_once_each() -> None:
    rows = person(2, 0.7)
    assert repeats(rows) == 0
    assert repeats(np.vstack([rows, rows[:1], rows[:1]])) == 2
    assert repeats(rows[:1]) == 0


def test_no_template_or_a_broken_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        forecast(np.empty((0, 160), np.float32), 0.5)
    with pytest.raises(ValueError, match="finite"):
        forecast(np.full((2, 160), np.nan, np.float32), 0.5)
