from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.facts import TEMPLATE_DIMENSIONS
from appliance.vision.gallery import FLOOR_FMR, FUSED_SHIFT, Gallery, fmr_table, threshold

MODEL = "sha256:0123456789ab"
TABLE = ((1e-3, 0.34), (1e-4, 0.41), (1e-5, 0.48))


def vectors(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, TEMPLATE_DIMENSIONS)).astype(np.float32)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def expected(owners: list[str], rows: np.ndarray, probe: np.ndarray) -> dict[str, float]:
    """Cosine to the mean of each person's templates, the plain way."""
    found = {}
    for person in set(owners):
        mean = unit(rows)[[owner == person for owner in owners]].sum(axis=0)
        found[person] = float(unit(mean) @ probe)
    return found


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40), st.integers(0, 1000))
def test_the_best_is_what_a_plain_search_finds(owners: list[str], seed: int) -> None:
    rows, probe = vectors(len(owners), seed), unit(vectors(1, seed + 1))[0]
    gallery = Gallery.of(owners, rows, MODEL)
    found, by_person = gallery.best(probe, MODEL), expected(owners, rows, probe)
    first, *others = sorted(by_person.values(), reverse=True)
    assert found.score == pytest.approx(first, abs=1e-5)
    assert by_person[found.person or ""] == pytest.approx(first, abs=1e-5)
    assert found.margin == pytest.approx(first - others[0] if others else first, abs=1e-5)
    for person, score in by_person.items():
        assert gallery.score(probe, person, MODEL) == pytest.approx(score, abs=1e-5)
    similar = gallery.similar(probe, 3, MODEL)
    assert [score for _, score in similar] == pytest.approx([first, *others][:3], abs=1e-5)
    assert all(by_person[person] == pytest.approx(score, abs=1e-5) for person, score in similar)


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=20), st.integers(1, 6))
def test_several_probes_at_once_find_what_each_finds_alone(owners: list[str], count: int) -> None:
    gallery, probes = Gallery.of(owners, vectors(len(owners)), MODEL), unit(vectors(count, 5))
    for probe, found in zip(probes, gallery.best_of_each(probes, MODEL), strict=True):
        alone = gallery.best(probe, MODEL)
        assert found.person == alone.person
        assert (found.score, found.margin) == (
            pytest.approx(alone.score, abs=1e-5),
            pytest.approx(alone.margin, abs=1e-5),
        )


@given(st.permutations(range(12)))
def test_the_order_of_enrolment_does_not_matter(order: list[int]) -> None:
    owners, rows, probe = list("aabbbccccddd"), vectors(12), unit(vectors(1, 9))[0]
    shuffled = Gallery.of([owners[i] for i in order], rows[order], MODEL).best(probe, MODEL)
    straight = Gallery.of(owners, rows, MODEL).best(probe, MODEL)
    assert shuffled.person == straight.person
    assert shuffled.score == pytest.approx(straight.score, abs=1e-6)


def test_everyone_finds_themselves() -> None:
    rows = vectors(50)
    owners = [f"{index % 20:02d}" for index in range(50)]
    gallery = Gallery.of(owners, rows * 7, MODEL)
    for owner, row in zip(owners, unit(rows), strict=True):
        found = gallery.best(row, MODEL)
        assert found.person == owner
        assert found.score > 0.4


def test_templates_of_another_model_never_match() -> None:
    rows = vectors(3)
    assert Gallery.of(list("abc"), rows, MODEL).best(unit(rows)[0], "sha256:ffffffffffff").person is None


def test_nobody_enrolled_is_nobody() -> None:
    assert Gallery.empty(MODEL).best(unit(vectors(1))[0], MODEL).person is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_probe_that_is_no_number_matches_nobody(value: float) -> None:
    probe = np.full(TEMPLATE_DIMENSIONS, value, np.float32)
    with np.errstate(invalid="ignore"):
        found = Gallery.of(list("ab"), vectors(2), MODEL).best(probe, MODEL)
    assert found.person is None or not np.isfinite(found.score)
    assert not found.score >= 0.3 or found.person is None


@pytest.mark.parametrize("row", [np.zeros(TEMPLATE_DIMENSIONS), np.full(TEMPLATE_DIMENSIONS, np.nan)])
def test_templates_without_direction_are_refused(row: np.ndarray) -> None:
    rows = vectors(2)
    rows[1] = row
    with pytest.raises(ValueError, match="enrol anew"):
        Gallery.of(["a", "b"], rows, MODEL)


def test_vectors_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="must be"):
        Gallery.of(["a"], np.ones((1, 512), np.float32), MODEL)
    with pytest.raises(ValueError, match="must be"):
        Gallery.of(["a", "b"], vectors(1), MODEL)


NONE = np.empty((0, TEMPLATE_DIMENSIONS), np.float32)


def test_leaving_a_person_out() -> None:
    rows = vectors(5)
    gallery = Gallery.of(list("abcab"), rows, MODEL)
    gallery.replace("a", NONE)
    assert sorted(gallery.people) == ["b", "c"]
    assert len(gallery) == 2
    assert gallery.best(unit(rows)[0], MODEL).person != "a"
    alone = Gallery.of(["a"], rows[:1], MODEL)
    alone.replace("a", NONE)
    assert len(alone) == 0
    assert alone.best(unit(rows)[0], MODEL).person is None


def same(found: Gallery, wanted: Gallery, probes: np.ndarray) -> None:
    """Both name the same people with the same scores."""
    for one, other in zip(found.best_of_each(probes, MODEL), wanted.best_of_each(probes, MODEL), strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-5)
        assert one.margin == pytest.approx(other.margin, abs=2e-5)
        if other.margin > 1e-4:
            assert one.person == other.person


def alike(count: int, each: int, seed: int) -> np.ndarray:
    """Templates as an embedder makes them: energy falls along the axes, and one person's lie close together."""
    rng = np.random.default_rng(seed)
    fall = np.exp(-np.arange(TEMPLATE_DIMENSIONS) / 60)
    people = np.repeat(rng.normal(size=(count, TEMPLATE_DIMENSIONS)), each, axis=0)
    return ((people + 0.7 * rng.normal(size=people.shape)) * fall).astype(np.float32)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=25), st.integers(0, 99))
def test_a_gallery_changed_in_place_is_the_one_built_anew(changes: list[tuple[int, int]], seed: int) -> None:
    rows, owners = alike(10, 2, seed), [str(index // 2) for index in range(20)]
    held = {owner: rows[[2 * int(owner), 2 * int(owner) + 1]] for owner in owners}
    gallery = Gallery.of(owners, rows, MODEL)
    for step, (owner, count) in enumerate(changes):
        held[str(owner)] = alike(count, 1, 100 + step) if count else NONE
        gallery.replace(str(owner), held[str(owner)])
    kept = [(owner, row) for owner, some in held.items() for row in some]
    anew = Gallery.of([o for o, _ in kept], np.array([r for _, r in kept], np.float32).reshape(-1, 160), MODEL)
    probes = unit(np.concatenate([alike(10, 1, seed), vectors(4, seed)]))
    assert len(gallery) == len(anew)
    assert sorted(gallery.people) == sorted(anew.people)
    same(gallery, anew, probes)


def test_a_bad_template_changes_nothing() -> None:
    rows = alike(1, 1, 0)
    gallery = Gallery.of(["a"], rows, MODEL)
    with pytest.raises(ValueError, match="zero or not finite"):
        gallery.replace("a", np.full((1, TEMPLATE_DIMENSIONS), np.nan, np.float32))
    assert gallery.best(unit(rows)[0], MODEL).person == "a"


def test_templates_that_cancel_out_leave_the_first() -> None:
    row = unit(vectors(1))
    gallery = Gallery.of(["a", "a"], np.concatenate([row, -row]), MODEL)
    assert gallery.best(row[0], MODEL).score == pytest.approx(1, abs=1e-5)


def test_nobody_is_verified_or_similar_who_is_not_there() -> None:
    gallery, probe = Gallery.of(["a"], vectors(1), MODEL), unit(vectors(1))[0]
    assert gallery.score(probe, "b", MODEL) == -1
    assert gallery.score(probe, "a", "sha256:ffffffffffff") == -1
    assert gallery.similar(probe, 5, "sha256:ffffffffffff") == []
    assert gallery.similar(probe, 0, MODEL) == []
    assert gallery.similar(probe * np.nan, 1, MODEL) == []
    assert [person for person, _ in gallery.similar(probe, 9, MODEL)] == ["a"]


@given(st.integers(1, 200_000), st.floats(1e-6, 1e-2))
def test_the_threshold_rises_with_the_gallery_and_is_never_under_the_floor(count: int, fpir: float) -> None:
    cut = threshold(TABLE, count, fpir)
    floor = 0.41 + FUSED_SHIFT
    assert cut >= floor - 1e-9
    assert threshold(TABLE, count + 1, fpir) >= cut
    assert threshold(TABLE, count, fpir / 10) >= cut
    assert cut < 1.1


def test_the_threshold_meets_the_table_at_its_points_and_goes_on_past_its_end() -> None:
    assert threshold(TABLE, 1, FLOOR_FMR) == pytest.approx(0.41 + FUSED_SHIFT)
    assert threshold(TABLE, 10, 1e-4) == pytest.approx(0.48 + FUSED_SHIFT)
    assert threshold(TABLE, 100, 1e-4) == pytest.approx(0.55 + FUSED_SHIFT)
    half = threshold(TABLE, 1, 10**-4.5)
    assert half == pytest.approx(0.445 + FUSED_SHIFT)


def test_a_stranger_matches_at_most_at_the_target_when_comparisons_err_as_the_table_says() -> None:
    """Union bound: n comparisons at fmr(threshold) each stay within the target."""
    for count in (1, 7, 300, 5000):
        cut = threshold(TABLE, count, 1e-4) - FUSED_SHIFT
        fmr = 10 ** (-4 - (cut - 0.41) / 0.07)
        assert count * fmr <= 1e-4 * 1.001


def test_the_manifest_s_table_is_sorted_and_checked() -> None:
    table = fmr_table({"fmr_1e-5": 0.48, "fmr_1e-3": 0.34, "live": 0.7, "fmr_1e-4": 0.41})
    assert table == TABLE
    assert all(a[0] > b[0] for a, b in pairwise(table))
    for bad in ({"fmr_1e-4": 0.41}, {"fmr_1e-4": 0.5, "fmr_1e-5": 0.4}, {"fmr_2": 0.1, "fmr_1e-5": 0.4}):
        with pytest.raises(ValueError, match="cosine rising"):
            fmr_table(bad)
