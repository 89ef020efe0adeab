from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.facts import TEMPLATE_DIMENSIONS, Match, Surround
from appliance.vision.gallery import Gallery
from appliance.vision.vote import (
    PATIENCE,
    STALE_SECONDS,
    SURROUND_SECONDS,
    Rules,
    Sighting,
    Vote,
    fused,
)

MODEL = "sha256:0123456789ab"
RULES = Rules(votes=3, window=5, margin=0.05, passive_threshold=0.7, passive_frames=5, surround=True)
STEP = 1 / 30
CUT = 0.45


def direction(seed: int) -> np.ndarray:
    row = np.random.default_rng(seed).normal(size=TEMPLATE_DIMENSIONS)
    return (row / np.linalg.norm(row)).astype(np.float32)


def near(base: np.ndarray, cosine: float, seed: int) -> np.ndarray:
    """A unit vector at that cosine from `base`."""
    other = direction(1000 + seed)
    other = other - (other @ base) * base
    other /= np.linalg.norm(other)
    return (cosine * base + np.sqrt(1 - cosine**2) * other).astype(np.float32)


ANNA, BERT = direction(1), direction(2)
GALLERY = Gallery.of(["anna", "bert"], np.stack([ANNA, BERT]), MODEL)


def play(
    templates: list[np.ndarray],
    passives: list[float],
    surround: Surround = Surround.STILL,
    rules: Rules = RULES,
    gallery: Gallery = GALLERY,
) -> tuple[Match | None, int]:
    """The chain's side of the vote: measures what it wants; until it concludes or the film ends."""
    vote = Vote(rules, MODEL, 10.0)
    for index, (template, passive) in enumerate(zip(templates, passives, strict=True)):
        at = 10.0 + index * STEP
        wanted = vote.wants(at, surround)
        seen = Sighting(at, passive if wanted.passive else None, surround, template if wanted.template else None)
        assert vote.continues(at, seen.template)
        match = vote.add(seen, gallery, CUT)
        if match is not None:
            return match, index
    return None, len(templates)


def film(base: np.ndarray, cosine: float = 0.8, count: int = 30) -> list[np.ndarray]:
    """Frames of one look: their shared view lies at `cosine` from `base`, each frame a little beside it."""
    view = near(base, cosine, 7)
    return [near(view, 0.95, index) for index in range(count)]


def test_a_resident_is_agreed_on_with_the_fifth_frame() -> None:
    match, index = play(film(ANNA), [0.99] * 30)
    assert match is not None
    assert (match.person, match.votes, index) == ("anna", 3, 4)
    assert match.liveness.live
    assert match.liveness.frames == 5
    assert (match.since, match.taken_at) == (10.0, pytest.approx(10 + 4 * STEP))
    assert match.score >= CUT
    assert match.margin == pytest.approx(
        match.score - float(BERT @ fused([film(ANNA)[i] for i in (0, 2, 4)])), abs=1e-4
    )


def test_a_stranger_is_concluded_as_unknown_when_the_window_is_full() -> None:
    match, index = play(film(direction(50)), [0.99] * 30)
    assert match is not None
    assert match.person is None
    assert match.liveness.live
    assert index < 2 * RULES.window


def test_a_print_is_concluded_as_an_attack() -> None:
    match, index = play(film(ANNA), [0.02] * 30)
    assert match is not None
    assert not match.liveness.live
    assert index + 1 == PATIENCE * RULES.passive_frames


def test_a_surround_that_moves_outweighs_a_perfect_passive_score() -> None:
    match, _ = play(film(ANNA), [0.999] * 30, Surround.MOVES)
    assert match is not None
    assert not match.liveness.live


def test_the_surround_has_no_say_where_the_camera_is_not_fixed() -> None:
    match, index = play(film(ANNA), [0.999] * 30, Surround.MOVES, rules=replace(RULES, surround=False))
    assert match is not None
    assert match.liveness.live
    assert index == 4


def test_without_motion_the_vote_waits_and_ends_on_a_fresh_template() -> None:
    match, index = play(film(ANNA), [0.99] * 30, Surround.ABSTAINS)
    assert match is not None
    assert match.person == "anna"
    assert match.votes == 4
    assert (index - 1) * STEP < SURROUND_SECONDS <= index * STEP + 1e-9
    assert match.liveness.frames == 5


def test_one_bad_moment_is_no_alarm() -> None:
    match, _ = play(film(ANNA), [0.1, 0.2, 0.99, 0.3, 0.99, 0.99, 0.99, 0.99, 0.99, 0.99])
    assert match is not None
    assert match.liveness.live
    assert match.liveness.frames == 7


def test_bad_frames_are_not_forgotten() -> None:
    """Not the best five frames in a row count, but all."""
    match, _ = play(film(ANNA), [0.0] * 5 + [0.99] * 5)
    assert match is not None
    assert not match.liveness.live


def test_a_score_just_under_the_threshold_is_nobody() -> None:
    """Single frames have some slack, the fused probe has none."""
    view = near(ANNA, CUT - 0.02, 7)
    match, _ = play([near(view, 0.99, index) for index in range(30)], [0.99] * 30)
    assert match is not None
    assert CUT - 0.04 < match.score < CUT
    assert match.person is None


def test_two_that_are_alike_are_nobody() -> None:
    twin = near(ANNA, 0.97, 3)
    gallery = Gallery.of(["anna", "twin"], np.stack([ANNA, twin]), MODEL)
    match, _ = play(film(ANNA), [0.99] * 30, gallery=gallery)
    assert match is not None
    assert match.person is None
    assert match.score >= CUT


def test_one_lucky_frame_does_not_open() -> None:
    view = near(ANNA, 0.25, 7)
    frames = [near(view, 0.9, index) for index in range(30)]
    frames[2] = near(ANNA, 0.75, 9)
    vote = Vote(RULES, MODEL, 0.0)
    outcomes = []
    for index, template in enumerate(frames[:10]):
        match = vote.add(Sighting(index * STEP, 0.99, Surround.STILL, template), GALLERY, CUT)
        outcomes.append(match)
        if match:
            break
    assert outcomes[-1] is not None
    assert outcomes[-1].person is None


def test_four_frames_are_not_live_however_good() -> None:
    vote = Vote(RULES, MODEL, 0.0)
    for index, template in enumerate(film(ANNA, count=5)):
        assert not vote.verdict.live
        vote.add(Sighting(index * STEP, 1.0, Surround.STILL, template), GALLERY, CUT)
    assert vote.verdict.live


def test_motion_that_comes_late_does_not_open_on_an_earlier_template() -> None:
    vote = Vote(RULES, MODEL, 0.0)
    frames = film(ANNA)
    for index in range(5):
        assert vote.add(Sighting(index * STEP, 1.0, Surround.ABSTAINS, frames[index]), GALLERY, CUT) is None
    assert vote.tally.agreed
    assert vote.waits_for_motion
    assert vote.add(Sighting(5 * STEP, 1.0, Surround.STILL, None), GALLERY, CUT) is None
    assert vote.wants(6 * STEP, Surround.STILL).template
    assert vote.add(Sighting(6 * STEP, None, Surround.STILL, frames[6]), GALLERY, CUT) is not None


def test_frames_that_are_weak_alone_do_not_vote_though_their_mean_is_strong() -> None:
    """One person enrolled: every frame is nearest to her."""
    gallery = Gallery.of(["anna"], ANNA[None], MODEL)
    vote = Vote(RULES, MODEL, 0.0)
    match = None
    for index in range(12):
        match = vote.add(Sighting(index * STEP, 1.0, Surround.STILL, near(ANNA, 0.3, index)), gallery, CUT)
        if match:
            break
    assert match is not None
    assert match.score >= CUT
    assert match.person is None


def test_another_face_does_not_continue_the_vote() -> None:
    vote = Vote(RULES, MODEL, 0.0)
    for index, template in enumerate(film(ANNA, count=4)):
        vote.add(Sighting(index * STEP, 0.99, Surround.STILL, template), GALLERY, CUT)
    assert vote.continues(4 * STEP, film(ANNA, count=5)[4])
    assert not vote.continues(4 * STEP, film(BERT)[0])


def test_old_evidence_and_time_running_backwards_do_not_continue_it() -> None:
    vote = Vote(RULES, MODEL, 5.0)
    vote.add(Sighting(5.0, 0.99, Surround.STILL, film(ANNA)[0]), GALLERY, CUT)
    assert vote.continues(5.0 + STALE_SECONDS, None)
    assert not vote.continues(5.01 + STALE_SECONDS, None)
    assert not vote.continues(4.99, None)


def test_a_person_erased_during_the_vote_is_not_named() -> None:
    vote = Vote(RULES, MODEL, 0.0)
    match = None
    for index, template in enumerate(film(ANNA)):
        gallery = GALLERY if index < 4 else Gallery.of(["bert"], BERT[None], MODEL)
        match = vote.add(Sighting(index * STEP, 0.99, Surround.STILL, template), gallery, CUT)
        if match:
            break
    assert match is not None
    assert match.person is None


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from(Surround), st.integers(0, 3), st.floats(-0.2, 1)),
        min_size=1,
        max_size=40,
    ),
    st.integers(2, 5),
    st.integers(5, 8),
)
def test_whatever_it_sees_a_grant_is_backed_by_enough_of_it(
    shots: list[tuple[float, Surround, int, float]], votes: int, frames: int
) -> None:
    rules = replace(RULES, votes=votes, passive_frames=frames)
    bases = [ANNA, BERT, direction(3), direction(4)]
    vote = Vote(rules, MODEL, 0.0)
    passives: list[float] = []
    for index, (passive, surround, who, cosine) in enumerate(shots):
        template = near(bases[who], cosine, index)
        wanted = vote.wants(index * STEP, surround)
        seen = Sighting(
            index * STEP, passive if wanted.passive else None, surround, template if wanted.template else None
        )
        if seen.passive is not None:
            passives.append(passive)
        match = vote.add(seen, GALLERY, CUT)
        if match is None:
            continue
        if match.liveness.live:
            assert len(passives) >= frames
            assert np.median(passives) >= rules.passive_threshold
            assert surround is not Surround.MOVES
        if match.person is not None:
            assert match.score >= CUT
            assert match.margin >= rules.margin
            assert match.votes >= votes
        if match.person is not None and match.liveness.live:
            assert seen.template is not None
        return


@given(st.lists(st.floats(0, 1), min_size=30, max_size=30), st.integers(0, 3), st.sampled_from(Surround))
def test_every_look_comes_to_a_conclusion(passives: list[float], who: int, surround: Surround) -> None:
    match, _ = play(film([ANNA, BERT, direction(3), direction(4)][who]), passives, surround)
    assert match is not None
