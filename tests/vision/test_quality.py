import cv2
import numpy as np
import pytest

from appliance.facts import Face, Pixels
from appliance.vision import quality
from appliance.vision.quality import Hint
from appliance.vision.stages import Stages

from .scenes import portrait, with_mask


def look(stages: Stages, name: str = "obama.jpg"):
    pixels = portrait(name)
    face = stages.meshed(pixels, stages.detector.find(pixels)[0])
    assert face is not None
    return face, stages.aligned(pixels, face), pixels.shape[:2]


@pytest.mark.parametrize("name", ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "astronaut.jpg"])
def test_portraits_pass_every_gate(stages: Stages, name: str) -> None:
    face, crop, size = look(stages, name)
    assert quality.place_hint(face, size, 80) is None
    assert quality.pose_hint(quality.pose(face.mesh)) is None
    assert quality.light_hint(quality.light(crop)) is None


def test_far_and_cut_off_faces(stages: Stages) -> None:
    face, _, size = look(stages)
    assert quality.place_hint(face, size, face.width + 1) is Hint.COME_CLOSER
    assert quality.place_hint(face, (size[0], int(face.x + face.width / 2)), 80) is Hint.STEP_BACK


@pytest.mark.parametrize(("axis", "field"), [(1, "yaw"), (0, "pitch"), (2, "roll")])
def test_a_turned_head_is_not_frontal(stages: Stages, axis: int, field: str) -> None:
    face, _, _ = look(stages)
    straight = quality.pose(face.mesh)
    turned = face.mesh - face.mesh.mean(axis=0)
    c, s = np.cos(np.radians(35)), np.sin(np.radians(35))
    a, b = [(1, 2), (2, 0), (0, 1)][axis]
    turn = np.eye(3)
    turn[a, a], turn[b, b], turn[a, b], turn[b, a] = c, c, -s, s
    found = quality.pose((turned @ turn.T).astype(np.float32))
    assert abs(getattr(found, field) - getattr(straight, field)) == pytest.approx(35, abs=6)
    assert quality.pose_hint(found) is Hint.LOOK_STRAIGHT


def test_light_and_sharpness(stages: Stages) -> None:
    _, crop, _ = look(stages)
    assert quality.light_hint(quality.light(cv2.GaussianBlur(crop, (0, 0), 2.5))) is Hint.HOLD_STILL
    assert quality.light_hint(quality.light((crop * 0.12).astype(np.uint8))) is Hint.MORE_LIGHT
    assert (
        quality.light_hint(quality.light(np.clip(crop.astype(int) + 160, 0, 255).astype(np.uint8))) is Hint.LESS_LIGHT
    )
    assert quality.light_hint(quality.light(np.full_like(crop, 120))) is Hint.MORE_LIGHT


def test_sharpness_does_not_depend_on_the_light(stages: Stages) -> None:
    _, crop, _ = look(stages)
    bright, dim = quality.light(crop), quality.light((crop * 0.5).astype(np.uint8))
    assert dim.sharpness == pytest.approx(bright.sharpness, rel=0.15)


def fingers(pixels: Pixels, face: Face) -> Pixels:
    """Four fingers in the face's own colour, across the mouth."""
    painted, (x, y) = pixels.copy(), face.mesh[13, :2]
    skin = pixels[int(face.mesh[118, 1]), int(face.mesh[118, 0])].astype(float)
    for row in range(4):
        for wide, shade in ((0.11, 0.6), (0.085, 0.85), (0.05, 1.0)):
            at = int(y + (row - 1.5) * 0.1 * face.width)
            ends = (int(x - face.width), at), (int(x + 0.3 * face.width), at)
            colour = [int(min(255, value * shade)) for value in skin]
            cv2.line(painted, *ends, colour, max(2, int(wide * face.width)), cv2.LINE_AA)
    return painted


def cover_hint(stages: Stages, pixels: Pixels) -> Hint | None:
    face = stages.meshed(pixels, stages.detector.find(pixels, expected=True)[0])
    assert face is not None
    return quality.covered_hint(stages.landmarker.certainty, stages.aligned(pixels, face))


@pytest.mark.parametrize("name", ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "astronaut.jpg"])
def test_a_mask_is_seen_and_a_bare_face_is_not_taken_for_one(stages: Stages, name: str) -> None:
    pixels = portrait(name)
    face, _, _ = look(stages, name)
    assert cover_hint(stages, pixels) is None
    assert cover_hint(stages, with_mask(pixels, face.mesh)) is Hint.LOWER_MASK


@pytest.mark.parametrize("name", ["obama.jpg", "astronaut.jpg"])
def test_a_hand_before_the_mouth_is_told_apart_from_a_mask(stages: Stages, name: str) -> None:
    face, _, _ = look(stages, name)
    assert cover_hint(stages, fingers(portrait(name), face)) is Hint.UNCOVER_FACE
