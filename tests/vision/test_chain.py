from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy as np
import pytest

from appliance.facts import Frame, Match, Pixels, Surround
from appliance.settings import LivenessConfig, RecognitionConfig
from appliance.vision.chain import Chain, Glimpse
from appliance.vision.gallery import Gallery
from appliance.vision.models import Model
from appliance.vision.quality import Hint
from appliance.vision.stages import VisionModels

from .scenes import Cutout, compose, frame, portrait, sway

Scene = Callable[[int], Pixels]


@pytest.fixture
def chain(models: VisionModels, enrolled: Gallery) -> Chain:
    return Chain(models, enrolled, RecognitionConfig(), LivenessConfig())


@pytest.fixture(scope="session")
def standing(resident: Cutout, background: Pixels) -> list[Pixels]:
    return [compose(resident, sway(index, 15), background=background) for index in range(45)]


@pytest.fixture(scope="session")
def stranger_standing(stranger: Cutout, background: Pixels) -> list[Pixels]:
    return [compose(stranger, sway(index, 15), background=background) for index in range(45)]


def play(chain: Chain, scenes: list[Pixels], start: int = 0) -> list[Glimpse]:
    return [chain.step(frame(start + index, pixels)) for index, pixels in enumerate(scenes)]


def first_match(glimpses: list[Glimpse]) -> tuple[int, Match]:
    return next((index, glimpse.match) for index, glimpse in enumerate(glimpses) if glimpse.match)


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often each model runs; they run for real."""
    calls: Counter[str] = Counter()
    invoke = Model.invoke

    def counting(self: Model):
        calls[self.slot.name] += 1
        return invoke(self)

    with monkeypatch.context() as patch:
        patch.setattr(Model, "invoke", counting)
        yield calls


def test_a_resident_is_recognised_within_a_quarter_of_a_second(chain: Chain, standing: list[Pixels]) -> None:
    index, match = first_match(play(chain, standing[:12]))
    assert match.person == "resident"
    assert match.score > match.threshold
    assert match.liveness.live
    assert match.votes >= 3
    assert match.since == pytest.approx(100.0)
    assert match.taken_at == pytest.approx(100 + index / 30)
    assert match.taken_at - match.since <= 0.3
    assert match.model == chain.model
    assert match.compute_ms > 10


def test_a_stranger_is_concluded_as_unknown(chain: Chain, stranger_standing: list[Pixels]) -> None:
    _, match = first_match(play(chain, stranger_standing[:12]))
    assert match.person is None
    assert match.score < match.threshold
    assert match.liveness.live


def test_a_photo_that_is_moved_is_an_attack(chain: Chain, resident: Cutout, background: Pixels) -> None:
    photo = resident.photo()
    glimpses = play(chain, [compose(photo, 260 + 3 * index, background=background) for index in range(30)])
    _, match = first_match(glimpses)
    assert not match.liveness.live
    assert match.liveness.surround is Surround.MOVES
    assert not any(glimpse.match and glimpse.match.liveness.live for glimpse in glimpses)


def test_an_empty_doorway_runs_the_detector_alone_and_seldom(
    chain: Chain, background: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counted(monkeypatch) as calls:
        glimpses = play(chain, [background] * 60)
    stride = RecognitionConfig().idle_stride
    assert calls["detector"] == 60 / stride
    assert 0 < calls["detector_near"] <= 60 / stride / 4
    assert set(calls) == {"detector", "detector_near"}
    assert {glimpse.stage for glimpse in glimpses} == {"idle"}


def test_someone_far_away_costs_the_detector_alone(
    chain: Chain, models: VisionModels, background: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = Cutout.of(models.stages, portrait("obama.jpg"), 85)
    with counted(monkeypatch) as calls:
        glimpses = play(chain, [compose(far, sway(index), background=background) for index in range(15)])
    assert set(calls) == {"detector"}
    assert glimpses[-1].stage == "far"
    assert glimpses[-1].hint is Hint.COME_CLOSER
    assert glimpses[-1].faces == 1


def test_a_face_just_too_far_is_asked_closer_and_never_judged(
    chain: Chain, models: VisionModels, background: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    almost = Cutout.of(models.stages, portrait("obama.jpg"), 118)
    with counted(monkeypatch) as calls:
        glimpses = play(chain, [compose(almost, sway(index), background=background) for index in range(20)])
    assert calls["liveness"] == calls["embedder"] == 0
    assert {glimpse.hint for glimpse in glimpses} == {Hint.COME_CLOSER}


def test_a_decision_runs_each_model_no_more_than_the_vote_needs(
    chain: Chain, standing: list[Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    with counted(monkeypatch) as calls:
        for index, pixels in enumerate(standing):
            if chain.step(frame(index, pixels)).match:
                break
    assert calls["embedder"] == 3
    assert calls["liveness"] == 5
    assert calls["mesh"] == 3
    assert calls["detector"] <= 2


def test_bystanders_are_never_meshed_or_embedded(
    chain: Chain, models: VisionModels, standing: list[Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Cutout.of(models.stages, portrait("biden.jpg"), 90)
    scenes = [compose(small, 540, 150, background=pixels) for pixels in standing[:12]]
    alone = Chain(models, chain._gallery, RecognitionConfig(), LivenessConfig())
    with counted(monkeypatch) as with_bystander:
        glimpses = play(chain, scenes[:5])
    with counted(monkeypatch) as without:
        play(alone, standing[:5])
    assert glimpses[0].faces == 2
    assert with_bystander == without
    assert first_match(glimpses)[1].person == "resident"


def test_two_at_the_door_are_asked_to_come_one_by_one(
    chain: Chain, stranger: Cutout, models: VisionModels, background: Pixels
) -> None:
    left = Cutout.of(models.stages, portrait("obama.jpg"), 160)
    both = compose(stranger, 490, background=compose(left, 150, background=background))
    glimpses = play(chain, [both] * 20)
    assert {glimpse.hint for glimpse in glimpses} == {Hint.ONE_PERSON}
    assert not any(glimpse.match for glimpse in glimpses)


def test_whoever_steps_in_front_is_the_one_who_asks(
    chain: Chain, standing: list[Pixels], models: VisionModels, background: Pixels
) -> None:
    near = Cutout.of(models.stages, portrait("biden.jpg"), 230)
    left = Cutout.of(models.stages, portrait("obama.jpg"), 150)
    alone = [compose(left, 130 + index, background=background) for index in range(3)]
    behind = [compose(left, 130 + index, background=background) for index in range(3, 25)]
    both = [compose(near, 460 + 3 * np.sin(index), 250, pixels) for index, pixels in enumerate(behind)]
    index, match = first_match(play(chain, alone + both))
    assert match.person is None
    assert match.since >= 100 + 3 / 30
    assert index >= 3 + 5


def test_after_a_decision_the_face_rests_then_is_asked_again(
    chain: Chain, standing: list[Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = [standing[index % 45] for index in range(150)]
    with counted(monkeypatch) as calls:
        glimpses = play(chain, scenes)
    concluded = [index for index, glimpse in enumerate(glimpses) if glimpse.match]
    assert len(concluded) == 2
    assert (concluded[1] - concluded[0]) / 30 >= RecognitionConfig().rest_seconds
    resting = glimpses[concluded[0] + 1 : concluded[0] + 100]
    assert {glimpse.stage for glimpse in resting} == {"resting"}
    assert calls["embedder"] <= 8


def test_the_next_in_line_does_not_wait_for_the_first_ones_rest(
    chain: Chain, standing: list[Pixels], stranger: Cutout, background: Pixels
) -> None:
    glimpses = play(chain, standing[:10])
    assert first_match(glimpses)[1].person == "resident"
    aside = [compose(stranger, 520 + index / 2, 300, background=background) for index in range(20)]
    _, match = first_match(play(chain, aside, start=10))
    assert match.person is None


def test_a_swapped_face_inherits_neither_votes_nor_liveness(
    chain: Chain, standing: list[Pixels], stranger_standing: list[Pixels]
) -> None:
    """The resident for three frames, then another head in the very same place."""
    scenes = standing[:3] + stranger_standing[3:25]
    _, match = first_match(play(chain, scenes))
    assert match.person is None
    assert match.since >= 100 + 3 / 30 - 1e-6


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_print_of_the_resident_swapped_in_after_a_living_face_does_not_open(
    chain: Chain, standing: list[Pixels], stranger_standing: list[Pixels], at: int
) -> None:
    """Frames of the living stranger must not vouch for the face that is shown after them."""
    scenes = stranger_standing[:at] + standing[at:25]
    _, match = first_match(play(chain, scenes))
    assert match.since >= 100 + at / 30 - 1e-6


def test_a_gap_in_the_frames_starts_anew(chain: Chain, standing: list[Pixels]) -> None:
    for index in range(3):
        chain.step(frame(index, standing[index]))
    later = [replace(frame(index, standing[index]), taken_at=101 + index / 30) for index in range(3, 20)]
    match = next(glimpse.match for glimpse in map(chain.step, later) if glimpse.match)
    assert match.since >= 101


def test_a_frozen_clock_never_concludes(chain: Chain, standing: list[Pixels]) -> None:
    glimpses = [chain.step(Frame(index, 100.0, standing[index])) for index in range(20)]
    assert not any(glimpse.match for glimpse in glimpses)


def test_a_reloaded_gallery_counts_from_the_next_frame(chain: Chain, standing: list[Pixels]) -> None:
    play(chain, standing[:4])
    chain.set_gallery(Gallery.empty(chain.model))
    _, match = first_match(play(chain, standing[4:20], start=4))
    assert match.person is None


def test_the_threshold_follows_the_gallery(chain: Chain, enrolled: Gallery) -> None:
    small = chain.threshold
    rows = np.random.default_rng(0).normal(size=(500, 160)).astype(np.float32)
    chain.set_gallery(Gallery.of([str(index) for index in range(500)], rows, chain.model))
    assert chain.threshold > small + 0.1


def test_templates_of_another_model_open_nothing(
    models: VisionModels, standing: list[Pixels], enrolled: Gallery
) -> None:
    foreign = Gallery.of(["resident"] * 2, enrolled._rows, "sha256:ffffffffffff")
    chain = Chain(models, foreign, RecognitionConfig(), LivenessConfig())
    _, match = first_match(play(chain, standing[:20]))
    assert match.person is None


def test_a_blurred_face_is_told_to_hold_still_and_not_judged(chain: Chain, standing: list[Pixels]) -> None:
    blurred = [cv2.GaussianBlur(pixels, (0, 0), 6) for pixels in standing[:12]]
    glimpses = play(chain, blurred)
    assert {glimpse.hint for glimpse in glimpses} == {Hint.HOLD_STILL}
    assert not any(glimpse.match for glimpse in glimpses)


def test_a_glimpse_says_where_the_face_is(chain: Chain, standing: list[Pixels]) -> None:
    glimpse = play(chain, standing[:3])[-1]
    assert glimpse.stage == "checking"
    assert glimpse.face is not None
    x, y, width, height = glimpse.face
    assert 0 < x < x + width < 1
    assert 0 < y < y + height < 1
    assert glimpse.threshold == chain.threshold
    assert {"detect", "mesh", "align", "liveness", "embed", "match"} <= set(glimpse.stages_ms)
