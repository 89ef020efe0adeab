"""The tail of impostor scores: against laws that are known, and against real faces where they are here."""

import numpy as np
import pytest

from appliance.evaluate.speed import invented, shots
from appliance.evaluate.tail import LEAST_PEOPLE, LEAST_SHAPE, Calibrated, Tail, fit, fpir


def drawn(shape: float, count: int = 20_000, seed: int = 1) -> np.ndarray:
    """Excesses over 0.3 of a generalised Pareto law with scale 0.05, falling."""
    u = np.random.default_rng(seed).random(count)
    excess = -0.05 * np.log(u) if shape == 0 else 0.05 / shape * (u**-shape - 1)
    return np.sort(0.3 + excess)[::-1]


@pytest.mark.parametrize("shape", [0.0, -0.1, -0.2])
def test_a_known_law_is_found(shape: float) -> None:
    scores = drawn(shape)
    found = fit(scores, np.ones(len(scores)), len(scores) * 20, 0.05)
    assert found.share == pytest.approx(0.05, rel=1e-3)
    assert found.shape == pytest.approx(shape, abs=0.03)
    assert found.scale == pytest.approx(0.05, rel=0.05)
    truth = Tail(0.3, 0.05, shape, 0.05)
    for fmr in (1e-3, 1e-4, 1e-5):
        assert found.cosine_at(fmr) == pytest.approx(truth.cosine_at(fmr), abs=0.02)


@pytest.mark.parametrize("shape", [0.0, -0.1, LEAST_SHAPE])
def test_cosine_and_rate_are_inverse_and_stricter_means_higher(shape: float) -> None:
    tail = Tail(0.3, 0.05, shape, 0.05)
    rates = [10.0**-power for power in range(2, 9)]
    cosines = [tail.cosine_at(rate) for rate in rates]
    assert cosines == sorted(cosines)
    assert [tail.fmr_at(cosine) for cosine in cosines] == pytest.approx(rates)


def test_a_tail_heavier_than_an_exponential_is_taken_as_one() -> None:
    scores = drawn(0.4)
    assert fit(scores, np.ones(len(scores)), len(scores) * 20, 0.05).shape == 0.0


def test_weights_count_as_repetition() -> None:
    scores = drawn(-0.1, 400)
    times = np.random.default_rng(2).integers(0, 3, len(scores)).astype(float)
    weighted = fit(scores, times, times.sum() * 20, 0.04)
    repeated = np.repeat(scores, times.astype(int))
    plain = fit(repeated, np.ones(len(repeated)), len(repeated) * 20, 0.04)
    assert weighted.start == pytest.approx(plain.start, abs=1e-3)
    assert weighted.cosine_at(1e-5) == pytest.approx(plain.cosine_at(1e-5), abs=0.01)


def test_the_same_seed_gives_the_same_and_bounds_hold_the_estimate() -> None:
    means = shots(invented(80, np.random.default_rng(4)), 1, np.random.default_rng(5))
    one, again, other = (Calibrated.of(means, seed) for seed in (7, 7, 8))
    assert one == again
    assert one.cosine_at(1e-5) != other.cosine_at(1e-5)
    for fmr in (1e-3, 1e-6):
        best, low, high = one.cosine_at(fmr)
        assert low <= best <= high
    assert one.pairs == 80 * 79 // 2


def test_the_upper_bound_covers_what_a_large_crowd_shows() -> None:
    """Forty sites of 60 people: at most three may be caught below the truth; 2.5 % of forty is one."""
    rng = np.random.default_rng(6)
    crowd = shots(invented(1500, rng), 1, rng)
    pairs = (crowd @ crowd.T)[np.triu_indices(len(crowd), 1)]
    truth = float(np.quantile(pairs, 1 - 1e-4))
    sites = [Calibrated.of(crowd[rng.choice(len(crowd), 60, replace=False)]) for _ in range(40)]
    assert sum(site.cosine_at(1e-4)[2] < truth for site in sites) <= 3
    assert sum(site.cosine_at(1e-4)[1] > truth for site in sites) <= 6
    assert np.mean([site.cosine_at(1e-4)[0] for site in sites]) == pytest.approx(truth, abs=0.03)


def test_too_few_people_are_refused() -> None:
    means = shots(invented(LEAST_PEOPLE - 1, np.random.default_rng(4)), 1, np.random.default_rng(5))
    with pytest.raises(ValueError, match=f"at least {LEAST_PEOPLE}"):
        Calibrated.of(means)


def test_one_person_twice_is_named_first() -> None:
    means = shots(invented(60, np.random.default_rng(4)), 1, np.random.default_rng(5))
    means[41] = means[17]
    assert Calibrated.of(means).nearest[0][:2] == (17, 41)


def test_who_is_not_drawn_does_not_count() -> None:
    """One resample in 1/e lacks any one person, and so looks the same whatever that person's face is."""
    means = shots(invented(60, np.random.default_rng(4)), 1, np.random.default_rng(5))
    other = means.copy()
    other[41] = means[17]
    pairs = zip(Calibrated.of(means).resampled, Calibrated.of(other).resampled, strict=True)
    assert np.mean([one.cosine_at(1e-5) == pytest.approx(two.cosine_at(1e-5)) for one, two in pairs]) > 0.3


def test_chance_over_a_gallery() -> None:
    assert fpir(0.0, 1000) == 0.0
    assert fpir(1e-6, 100) == pytest.approx(1e-4, rel=1e-3)
    assert fpir(0.5, 2) == pytest.approx(0.75)
