from math import cos, pi, sin

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.facts import Pixels, Vector
from appliance.vision.align import CROP, TEMPLATE, Roi, crop, face_of_mesh, fit, interocular
from appliance.vision.stages import Stages

from .scenes import portrait


def mesh_like(scale: float, angle: float, x: float, y: float) -> Vector:
    """A mesh whose 14 points are the template's, turned, scaled and moved."""
    mesh = np.zeros((468, 3), np.float32)
    turned = (TEMPLATE[:, 1] + 1j * TEMPLATE[:, 2]) * scale * complex(cos(angle), sin(angle)) + complex(x, y)
    mesh[TEMPLATE[:, 0].astype(int), 0] = turned.real
    mesh[TEMPLATE[:, 0].astype(int), 1] = turned.imag
    return mesh


@given(st.floats(0.2, 8), st.floats(-pi, pi), st.floats(-500, 500), st.floats(-500, 500))
def test_any_turned_scaled_and_moved_template_is_laid_back_on_itself(a: float, b: float, c: float, d: float) -> None:
    mesh = mesh_like(a, b, c, d)
    to_crop = fit(mesh)
    ids = TEMPLATE[:, 0].astype(int)
    laid = mesh[ids, :2] @ to_crop[:, :2].T + to_crop[:, 2]
    assert np.abs(laid - TEMPLATE[:, 1:3]).max() < 0.01


def test_a_point_that_varies_much_between_people_pulls_little() -> None:
    steady, loose = np.argmin(TEMPLATE[:, 3]), np.argmax(TEMPLATE[:, 3])
    moved = []
    for point in (steady, loose):
        mesh = mesh_like(1, 0, 0, 0)
        mesh[int(TEMPLATE[point, 0]), 0] += 10
        moved.append(abs(fit(mesh)[0, 2]) + abs(fit(mesh)[1, 2]))
    assert moved[1] < 0.5 * moved[0]


def test_coinciding_landmarks_are_an_error() -> None:
    with pytest.raises(ValueError, match="coincide"):
        fit(np.ones((468, 3), np.float32))


def template(stages: Stages, pixels: Pixels) -> Vector:
    face = stages.meshed(pixels, stages.detector.find(pixels, expected=True)[0])
    assert face is not None
    return stages.template(pixels, face)[1]


@pytest.mark.parametrize("degrees", [-25, 25])
def test_a_tilted_head_gives_the_same_template(stages: Stages, degrees: float) -> None:
    pixels = portrait("obama.jpg")
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    turned = cv2.warpAffine(pixels, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    assert float(template(stages, pixels) @ template(stages, turned)) > 0.9


def test_a_large_picture_gives_the_template_of_a_small_one(stages: Stages) -> None:
    pixels = portrait("obama.jpg")
    face = stages.detector.find(pixels)[0]
    small, large = (
        cv2.resize(
            pixels, None, fx=px / face.width, fy=px / face.width, interpolation=cv2.INTER_AREA if px < 300 else 2
        )
        for px in (130, 700)
    )
    assert float(template(stages, small) @ template(stages, large)) > 0.85


@settings(max_examples=40)
@given(st.floats(0.1, 0.45), st.floats(-0.5, 0.5))
def test_shrinking_before_the_warp_moves_nothing(scale: float, angle: float) -> None:
    """A smooth ramp survives any sampling: the crop must read the same coordinates with and without shrinking."""
    y, x = np.mgrid[0:900, 0:900].astype(np.float32)
    ramp = np.stack([x / 4, y / 4, np.zeros_like(x)], axis=-1).astype(np.uint8)
    mesh = mesh_like(1 / scale, angle, 150, 100)
    straight = cv2.warpAffine(ramp, fit(mesh), (CROP, CROP), flags=cv2.INTER_LINEAR).astype(int)
    shrunk = crop(ramp, mesh).astype(int)
    # Near the picture's edge both fade to black, but not over the same pixels.
    middle = np.zeros((900, 900), np.uint8)
    middle[30:-30, 30:-30] = 255
    inside = cv2.warpAffine(middle, fit(mesh), (CROP, CROP)) == 255
    assert np.abs(straight - shrunk)[inside].max(initial=0) <= 2


def test_following_by_landmarks_alone_finds_the_same_landmarks(stages: Stages) -> None:
    pixels = portrait("obama3.jpg")
    face = stages.meshed(pixels, stages.detector.find(pixels)[0])
    assert face is not None
    assert face.mesh is not None
    again = stages.landmarker.find(pixels, Roi.of_mesh(face.mesh))
    assert again is not None
    off = np.linalg.norm(again[:, :2] - face.mesh[:, :2], axis=1) / interocular(face.mesh)
    assert off.mean() < 0.05
    followed = face_of_mesh(again, face.score)
    assert followed.width == pytest.approx(face.width, rel=0.2)


def test_no_face_has_no_landmarks(stages: Stages) -> None:
    assert stages.landmarker.find(np.full((480, 640, 3), 127, np.uint8), Roi(320, 240, 200, 0.0)) is None
