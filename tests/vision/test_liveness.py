from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.facts import Pixels, Surround
from appliance.vision.liveness import SurroundMotion, context, ring
from appliance.vision.stages import Stages, VisionModels

from .scenes import Cutout, compose, portrait, sway

PAD = Path(__file__).parents[3] / "shared" / "data" / "pad-dev"
needs_pad = pytest.mark.skipif(not PAD.is_dir(), reason=f"no presentation attack data at {PAD}")


def box_mesh(left: float, top: float, width: float, height: float) -> np.ndarray:
    mesh = np.zeros((468, 3), np.float32)
    mesh[:, :2] = (left + width / 2, top + height / 2)
    mesh[0, :2], mesh[1, :2] = (left, top), (left + width, top + height)
    return mesh


@given(st.floats(-100, 600), st.floats(-100, 450), st.floats(2, 900), st.floats(2, 900))
def test_the_context_lies_inside_the_frame_whatever_the_face(left: float, top: float, w: float, h: float) -> None:
    x0, y0, x1, y1 = context(box_mesh(left, top, w, h), 480, 640)
    assert 0 <= x0 < x1 <= 640
    assert 0 <= y0 < y1 <= 480


def test_the_context_is_shifted_not_cut_at_the_frames_edge() -> None:
    inside = context(box_mesh(280, 200, 80, 100), 480, 640)
    corner = context(box_mesh(0, 0, 80, 100), 480, 640)
    assert (inside[2] - inside[0], inside[3] - inside[1]) == (
        pytest.approx(corner[2] - corner[0], abs=1),
        pytest.approx(corner[3] - corner[1], abs=1),
    )
    assert corner[:2] == (0, 0)
    assert inside[2] - inside[0] == pytest.approx(2.7 * 1.113 * 80, abs=2)


@pytest.mark.parametrize("name", ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "astronaut.jpg"])
def test_portraits_score_live(models: VisionModels, name: str) -> None:
    pixels = portrait(name)
    face = models.stages.meshed(pixels, models.stages.detector.find(pixels)[0])
    assert face is not None
    assert face.mesh is not None
    assert models.passive.score(pixels, face.mesh) > 0.9


def test_the_channel_order_matters_to_the_network(models: VisionModels) -> None:
    """The scores are of BGR: a swap in the feed would show here."""
    pixels = portrait("biden.jpg")
    face = models.stages.meshed(pixels, models.stages.detector.find(pixels)[0])
    assert face is not None
    assert face.mesh is not None
    swapped = np.ascontiguousarray(pixels[..., ::-1])
    assert models.passive.score(swapped, face.mesh) < models.passive.score(pixels, face.mesh) - 0.001


def watch(stages: Stages, scene: Callable[[int], Pixels], frames: int = 15) -> Surround:
    motion = SurroundMotion()
    for index in range(frames):
        pixels = scene(index)
        face = stages.meshed(pixels, stages.detector.find(pixels, expected=True)[0])
        assert face is not None
        assert face.mesh is not None
        motion.add(pixels, face.mesh)
    return motion.verdict


def test_a_person_moves_before_a_still_wall(stages: Stages, resident: Cutout, background: Pixels) -> None:
    assert watch(stages, lambda index: compose(resident, sway(index, 15), background=background)) is Surround.STILL


def test_a_photo_moves_with_its_surround(stages: Stages, resident: Cutout, background: Pixels) -> None:
    photo = resident.photo()
    assert watch(stages, lambda index: compose(photo, 280 + 2 * index, background=background)) is Surround.MOVES


def test_a_photo_brought_nearer_moves_with_its_surround(stages: Stages, background: Pixels) -> None:
    photos = [Cutout.of(stages, portrait("obama.jpg"), 150 + 3 * step).photo() for step in range(12)]
    assert watch(stages, lambda index: compose(photos[index], 320, background=background), 12) is Surround.MOVES


def test_without_motion_there_is_no_evidence(stages: Stages, resident: Cutout, background: Pixels) -> None:
    rng = np.random.default_rng(3)

    def noisy(_: int) -> Pixels:
        scene = compose(resident, 320, background=background)
        return np.clip(scene + rng.normal(0, 2, scene.shape), 0, 255).astype(np.uint8)

    assert watch(stages, noisy, 10) is Surround.ABSTAINS


def test_a_plain_wall_gives_no_evidence(stages: Stages, resident: Cutout) -> None:
    plain = np.full((480, 640, 3), 128, np.uint8)
    verdict = watch(stages, lambda index: compose(resident, sway(index, 15), background=plain))
    assert verdict is not Surround.MOVES


def test_the_ring_leaves_out_head_and_shoulders() -> None:
    mask = ring(box_mesh(280, 180, 80, 100), 480, 640)
    assert mask[230, 320] == 0
    assert mask[230, 320 + 75] == 255
    assert mask[400, 320] == 0
    assert mask[100, 320] == 255


@needs_pad
def test_printed_photos_and_people_of_the_development_set(models: VisionModels) -> None:
    """Every second sequence: no print passes both layers, no living person fails either."""
    outcomes: Counter[str] = Counter()
    for kind in ("live", "print"):
        for folder in sorted((PAD / kind).iterdir())[::2]:
            passives, motion = [], SurroundMotion()
            for path in sorted(folder.iterdir())[::2]:
                pixels = cv2.imread(str(path))
                faces = models.stages.detector.find(pixels, expected=True)
                face = models.stages.meshed(pixels, faces[0]) if faces else None
                if face is None or face.mesh is None:
                    continue
                passives.append(models.passive.score(pixels, face.mesh))
                motion.add(pixels, face.mesh)
            outcomes[f"{kind} passive {np.median(passives) >= 0.7}"] += 1
            outcomes[f"{kind} {motion.verdict}"] += 1
    assert outcomes["live passive True"] == 7
    assert outcomes["print passive False"] == 7
    assert outcomes["live moves"] == 0
    assert outcomes["print moves"] >= 5, outcomes
