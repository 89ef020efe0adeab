from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random

import cv2
import numpy as np
import pytest

from appliance.facts import Challenge, Frame, Match, Pixels, Surround
from appliance.settings import LivenessConfig, RecognitionConfig
from appliance.vision import quality
from appliance.vision.bench import Bench
from appliance.vision.chain import Chain, Glimpse
from appliance.vision.gallery import Gallery
from appliance.vision.models import Model
from appliance.vision.quality import Hint
from appliance.vision.stages import Stages, VisionModels

from .scenes import Cutout, compose, frame, portrait, sway, with_mask

Scene = Callable[[int], Pixels]
Head = Callable[[Glimpse, float], float]
DWELL = 5
"""Frames at 30 a second that `dwell_seconds` takes."""


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


def test_a_resident_is_recognised_within_a_third_of_a_second(chain: Chain, standing: list[Pixels]) -> None:
    index, match = first_match(play(chain, standing[:12]))
    assert match.person == "resident"
    assert match.score > match.threshold
    assert match.liveness.live
    assert match.votes >= 3
    assert match.since == pytest.approx(100 + DWELL / 30)
    assert match.taken_at == pytest.approx(100 + index / 30)
    assert match.taken_at <= 100.34
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
    assert calls["mesh"] == 3 + 3, "three while it dwells"
    assert calls["detector"] <= 2


def test_bystanders_are_never_meshed_or_embedded(
    chain: Chain, models: VisionModels, enrolled: Gallery, standing: list[Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Cutout.of(models.stages, portrait("biden.jpg"), 90)
    scenes = [compose(small, 540, 150, background=pixels) for pixels in standing[:12]]
    alone = Chain(models, enrolled, RecognitionConfig(), LivenessConfig())
    with counted(monkeypatch) as with_bystander:
        glimpses = play(chain, scenes[: DWELL + 5])
    with counted(monkeypatch) as without:
        play(alone, standing[: DWELL + 5])
    assert glimpses[0].faces == 2
    assert with_bystander == without
    assert first_match(glimpses)[1].person == "resident"


@contextmanager
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Where across the frame each embedded face stood, in pixels."""
    places: list[float] = []
    aligned, embed = Bench.aligned, Bench.embed

    def aligning(self: Bench, pixels: Pixels, mesh: np.ndarray):
        self.where = float(mesh[:, 0].mean())
        return aligned(self, pixels, mesh)

    def embedding(self: Bench, crop: Pixels):
        places.append(self.where)
        return embed(self, crop)

    with monkeypatch.context() as patch:
        patch.setattr(Bench, "aligned", aligning)
        patch.setattr(Bench, "embed", embedding)
        yield places


@pytest.fixture(scope="session")
def two(models: VisionModels, stranger: Cutout, background: Pixels) -> list[Pixels]:
    """The resident on the left and a little nearer, a stranger on the right; both stay."""
    left = Cutout.of(models.stages, portrait("obama.jpg"), 175)
    return [
        compose(
            stranger, 490 + sway(index) - 320, background=compose(left, sway(index, 8) - 170, background=background)
        )
        for index in range(38)
    ]


def test_of_two_at_the_door_each_is_decided_upon_once_and_only_the_one_who_is_asked_is_embedded(
    chain: Chain, two: list[Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    with asked(monkeypatch) as places:
        glimpses = []
        at_decision = []
        for index in range(90):
            glimpses.append(chain.step(frame(index, two[index % 38])))
            if glimpses[-1].match:
                at_decision.append(len(places))
    decisions = [(index, glimpse.match.person) for index, glimpse in enumerate(glimpses) if glimpse.match]
    assert [person for _, person in decisions] == ["resident", None]
    assert decisions[1][0] - decisions[0][0] <= 30, "the second does not wait for the first one's rest"
    assert all(place < 320 for place in places[: at_decision[0]])
    assert all(place > 320 for place in places[at_decision[0] : at_decision[1]])


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
    assert calls["embedder"] <= 8 + 4, "two votes, and a look every second whether it is still the same face"


def test_the_next_in_line_does_not_wait_for_the_first_ones_rest(
    chain: Chain, standing: list[Pixels], stranger: Cutout, background: Pixels
) -> None:
    glimpses = play(chain, standing[:12])
    assert first_match(glimpses)[1].person == "resident"
    aside = [compose(stranger, 520 + index / 2, 300, background=background) for index in range(20)]
    _, match = first_match(play(chain, aside, start=12))
    assert match.person is None


def test_a_swapped_face_inherits_neither_votes_nor_liveness(
    chain: Chain, standing: list[Pixels], stranger_standing: list[Pixels]
) -> None:
    """The resident for three frames of the vote, then another head in the very same place."""
    scenes = standing[: DWELL + 3] + stranger_standing[DWELL + 3 : 30]
    _, match = first_match(play(chain, scenes))
    assert match.person is None
    assert match.since >= 100 + (DWELL + 3) / 30 - 1e-6


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_print_of_the_resident_swapped_in_after_a_living_face_does_not_open(
    chain: Chain, standing: list[Pixels], stranger_standing: list[Pixels], at: int
) -> None:
    """Frames of the living stranger must not vouch for the face that is shown after them."""
    scenes = stranger_standing[: DWELL + at] + standing[DWELL + at : 30]
    _, match = first_match(play(chain, scenes))
    assert match.since >= 100 + (DWELL + at) / 30 - 1e-6


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
    play(chain, standing[: DWELL + 4])
    chain.set_gallery(Gallery.empty(chain.model))
    _, match = first_match(play(chain, standing[DWELL + 4 : 25], start=DWELL + 4))
    assert match.person is None


def test_the_threshold_follows_the_gallery(chain: Chain, enrolled: Gallery) -> None:
    small = chain.threshold
    rows = np.random.default_rng(0).normal(size=(500, 160)).astype(np.float32)
    chain.set_gallery(Gallery.of([str(index) for index in range(500)], rows, chain.model))
    assert chain.threshold > small + 0.1


def test_templates_of_another_model_open_nothing(models: VisionModels, standing: list[Pixels]) -> None:
    pixels = portrait("obama2.jpg")
    face = models.stages.meshed(pixels, models.stages.detector.find(pixels, expected=True)[0])
    assert face is not None
    rows = models.stages.template(pixels, face)[1][None]
    foreign = Gallery.of(["resident"], rows, "sha256:ffffffffffff")
    chain = Chain(models, foreign, RecognitionConfig(), LivenessConfig())
    _, match = first_match(play(chain, standing[:20]))
    assert match.person is None


def test_a_blurred_face_is_told_to_hold_still_and_not_judged(chain: Chain, standing: list[Pixels]) -> None:
    blurred = [cv2.GaussianBlur(pixels, (0, 0), 6) for pixels in standing[:12]]
    glimpses = play(chain, blurred)
    assert {glimpse.hint for glimpse in glimpses} == {Hint.HOLD_STILL}
    assert not any(glimpse.match for glimpse in glimpses)


def test_a_masked_face_is_asked_to_lower_the_mask_and_is_no_attack(
    stages: Stages, chain: Chain, standing: list[Pixels]
) -> None:
    masked = []
    for pixels in standing[:20]:
        face = stages.meshed(pixels, stages.detector.find(pixels, expected=True)[0])
        assert face is not None
        masked.append(with_mask(pixels, face.mesh))
    glimpses = play(chain, masked)
    assert {glimpse.hint for glimpse in glimpses} == {Hint.LOWER_MASK}
    assert not any(glimpse.match for glimpse in glimpses)


def test_a_glimpse_says_where_the_face_is(chain: Chain, standing: list[Pixels]) -> None:
    glimpse = play(chain, standing[: DWELL + 3])[-1]
    assert glimpse.stage == "checking"
    assert glimpse.face is not None
    x, y, width, height = glimpse.face
    assert 0 < x < x + width < 1
    assert 0 < y < y + height < 1
    assert glimpse.threshold == chain.threshold
    assert {"detect", "mesh", "align", "liveness", "embed", "match"} <= set(glimpse.stages_ms)


def test_whoever_only_passes_by_is_not_embedded(
    chain: Chain, standing: list[Pixels], background: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counted(monkeypatch) as calls:
        glimpses = play(chain, standing[:DWELL] + [background] * 30)
    assert calls["embedder"] == calls["liveness"] == 0
    assert calls["mesh"] > 0
    assert not any(glimpse.match for glimpse in glimpses)


def test_dwell_is_a_setting(models: VisionModels, enrolled: Gallery, standing: list[Pixels]) -> None:
    chain = Chain(models, enrolled, RecognitionConfig(dwell_seconds=1.0), LivenessConfig())
    index, _ = first_match(play(chain, standing))
    assert 33 <= index <= 36


def test_a_head_that_is_turned_further_than_the_site_allows_is_not_asked(
    models: VisionModels, enrolled: Gallery, standing: list[Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = Chain(models, enrolled, RecognitionConfig(gaze_degrees=8), LivenessConfig())
    pose = quality.pose
    monkeypatch.setattr(quality, "pose", lambda mesh: replace(pose(mesh), yaw=9.0))
    with counted(monkeypatch) as calls:
        glimpses = play(chain, standing[:30])
    assert calls["embedder"] == 0
    assert {glimpse.hint for glimpse in glimpses} == {Hint.LOOK_STRAIGHT}


def slowly(
    chain: Chain, scenes: list[Pixels], seconds: float, start: float = 100.0, rate: float = 10.0
) -> list[Glimpse]:
    count = int(seconds * rate)
    return [chain.step(Frame(index, start + index / rate, scenes[index % len(scenes)])) for index in range(count)]


def test_a_poster_does_not_fill_the_record(
    models: VisionModels, enrolled: Gallery, stranger: Cutout, background: Pixels
) -> None:
    """It is asked at once, after 4 s, and each time after twice as long; a look that misses it changes nothing."""
    chain = Chain(models, enrolled, RecognitionConfig(rest_longest_seconds=16), LivenessConfig())
    poster = [compose(stranger, 320 + shift, background=background) for shift in (0.0, 0.4, 0.2)]
    glimpses = (
        slowly(chain, poster, 17) + slowly(chain, [background], 1.5, start=117) + slowly(chain, poster, 16, start=118.5)
    )
    times = [glimpse.match.taken_at for glimpse in glimpses if glimpse.match]
    gaps = np.diff([100, *times])
    assert len(times) == 4
    assert gaps[1:] == pytest.approx([5, 9, 17], abs=1.3)


def test_a_new_face_in_the_place_of_one_that_rests_is_asked_at_once(
    models: VisionModels, enrolled: Gallery, standing: list[Pixels], stranger_standing: list[Pixels]
) -> None:
    chain = Chain(models, enrolled, RecognitionConfig(rest_seconds=30), LivenessConfig())
    before = slowly(chain, stranger_standing, 3)
    assert [glimpse.match.person for glimpse in before if glimpse.match] == [None]
    after = slowly(chain, standing, 3, start=103)
    assert [glimpse.match.person for glimpse in after if glimpse.match] == ["resident"]
    assert next(glimpse.match.taken_at for glimpse in after if glimpse.match) <= 105.6


def turning(
    monkeypatch: pytest.MonkeyPatch,
    chain: Chain,
    scenes: list[Pixels],
    head: Callable[[Glimpse, float], float],
    frames: int,
) -> list[Glimpse]:
    """Plays a head whose yaw is what `head` makes of the last glimpse; landmarks, liveness and templates are real."""
    pose, yaw, glimpses = quality.pose, 0.0, []
    monkeypatch.setattr(quality, "pose", lambda mesh: replace(pose(mesh), yaw=yaw))
    for index in range(frames):
        glimpses.append(chain.step(frame(index, scenes[index % len(scenes)])))
        yaw = head(glimpses[-1], index / 30)
        if glimpses[-1].match:
            break
    return glimpses


def obedient() -> Head:
    state = {"yaw": 0.0, "since": 0.0, "n": 0}

    def head(glimpse: Glimpse, at: float) -> float:
        prompt, wanted = glimpse.challenge, 0.0
        if prompt is not None:
            if prompt.n != state["n"]:
                state["n"], state["since"] = prompt.n, at
            if at - state["since"] > 0.6:
                wanted = 35.0 if prompt.turn == "left" else -35.0
        state["yaw"] += float(np.clip(wanted - state["yaw"], -3, 3))
        return state["yaw"]

    return head


@pytest.mark.parametrize("level", ["high", "strict"])
def test_a_head_that_turns_as_asked_proves_the_level(
    models: VisionModels, enrolled: Gallery, standing: list[Pixels], monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    chain = Chain(models, enrolled, RecognitionConfig(), LivenessConfig(level=level), lambda: Random(3))
    glimpses = turning(monkeypatch, chain, standing, obedient(), 600)
    match = glimpses[-1].match
    assert match is not None
    assert match.person == "resident"
    assert match.liveness.live
    assert (match.liveness.challenge, match.liveness.level) == (Challenge.PASSED, level)
    assert match.liveness.surround is Surround.STILL
    assert match.liveness.turns == max(glimpse.challenge.of for glimpse in glimpses if glimpse.challenge)
    assert match.since < 100.4 < match.taken_at


def test_a_head_that_does_not_turn_is_refused_in_time(
    models: VisionModels, enrolled: Gallery, standing: list[Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = Chain(models, enrolled, RecognitionConfig(), LivenessConfig(level="high"), lambda: Random(3))
    glimpses = turning(monkeypatch, chain, standing, lambda glimpse, at: 0.0, 300)
    match = glimpses[-1].match
    assert match is not None
    assert not match.liveness.live
    assert (match.liveness.challenge, match.liveness.objection) == (Challenge.FAILED, "challenge")
    assert any(glimpse.challenge for glimpse in glimpses)


@pytest.mark.parametrize("level", ["high", "strict"])
@pytest.mark.parametrize("turned_only", [False, True])
def test_another_head_cannot_turn_for_the_one_that_was_seen(
    models: VisionModels,
    enrolled: Gallery,
    standing: list[Pixels],
    stranger_standing: list[Pixels],
    monkeypatch: pytest.MonkeyPatch,
    level: str,
    turned_only: bool,
) -> None:
    """A picture wins the first look, the attacker's own head answers the prompts, the picture is shown again."""
    chain = Chain(models, enrolled, RecognitionConfig(), LivenessConfig(level=level), lambda: Random(3))
    scenes, head, state = list(standing), obedient(), {"prompted": False, "yaw": 0.0}

    def swapping(glimpse: Glimpse | None, at: float) -> float:
        asked = glimpse is not None and glimpse.challenge is not None
        state["prompted"] = state["prompted"] or asked
        state["yaw"] = head(glimpse, at)
        away = abs(state["yaw"]) > 10 if turned_only else state["prompted"]
        scenes[:] = stranger_standing if away else standing
        return state["yaw"]

    glimpses = turning(monkeypatch, chain, scenes, swapping, 900)
    match = glimpses[-1].match
    assert match is not None
    assert match.liveness.challenge is Challenge.FAILED
    assert match.liveness.live is False


def test_another_face_after_the_turns_has_to_turn_its_own_head(
    models: VisionModels,
    enrolled: Gallery,
    standing: list[Pixels],
    stranger_standing: list[Pixels],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stranger answers the prompts, then the resident's face takes the very same place."""
    chain = Chain(models, enrolled, RecognitionConfig(), LivenessConfig(level="high"), lambda: Random(3))
    scenes = list(stranger_standing)
    head = obedient()

    def swapping(glimpse: Glimpse, at: float) -> float:
        visit = chain._visit
        if visit is not None and visit.before is not None:
            scenes[:] = standing
        return head(glimpse, at) if scenes[0] is not standing[0] else 0.0

    glimpses = turning(monkeypatch, chain, scenes, swapping, 700)
    assert scenes[0] is standing[0]
    assert not any(glimpse.match and glimpse.match.person and glimpse.match.liveness.live for glimpse in glimpses)
    assert glimpses[-1].match is not None
    assert glimpses[-1].match.liveness.challenge is Challenge.FAILED
