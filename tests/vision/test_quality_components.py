import cv2
import numpy as np
import pytest

from appliance.facts import Pixels
from appliance.vision.components import Component, components, enrol_hint
from appliance.vision.quality import Hint
from appliance.vision.stages import Stages

from .scenes import portrait, with_mask


def measured(stages: Stages, pixels: Pixels) -> dict[str, Component]:
    face = stages.meshed(pixels, stages.detector.find(pixels, expected=True)[0])
    assert face is not None
    return components(face, stages.aligned(pixels, face), stages.landmarker.certainty)


def crop_of(stages: Stages) -> Pixels:
    pixels = portrait("obama.jpg")
    face = stages.meshed(pixels, stages.detector.find(pixels)[0])
    assert face is not None
    return stages.aligned(pixels, face)


def test_a_good_portrait_is_good_in_every_component(stages: Stages) -> None:
    found = measured(stages, portrait("obama.jpg"))
    assert min(one.value for one in found.values()) >= 60, found


@pytest.mark.parametrize(
    ("worse", "name"),
    [
        (lambda pixels: cv2.GaussianBlur(pixels, (0, 0), 5), "Sharpness"),
        (lambda pixels: (pixels * 0.15).astype(np.uint8), "UnderExposurePrevention"),
        (lambda pixels: np.clip(pixels.astype(int) + 130, 0, 255).astype(np.uint8), "OverExposurePrevention"),
        (lambda pixels: (pixels // 4 + 90).astype(np.uint8), "DynamicRange"),
        (lambda pixels: cv2.resize(pixels, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA), "HeadSize"),
        (lambda pixels: cv2.resize(pixels, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA), "InterEyeDistance"),
    ],
)
def test_what_is_worse_shows_in_its_component(stages: Stages, worse, name: str) -> None:
    pixels = portrait("obama.jpg")
    good, bad = measured(stages, pixels)[name], measured(stages, worse(pixels))[name]
    assert bad.value <= good.value - 20, (good, bad)


def test_a_mask_shows_as_occlusion(stages: Stages) -> None:
    pixels = portrait("obama.jpg")
    face = stages.meshed(pixels, stages.detector.find(pixels)[0])
    assert face is not None
    masked = measured(stages, with_mask(pixels, face.mesh))["FaceOcclusionPrevention"]
    assert masked.value <= measured(stages, pixels)["FaceOcclusionPrevention"].value - 20


def test_enrolment_asks_for_more_than_the_door(stages: Stages) -> None:
    crop = crop_of(stages)
    assert enrol_hint(crop, 40.0) is None
    assert enrol_hint(crop, 18.0) is Hint.UNCOVER_FACE
    burnt = crop.copy()
    burnt[:40] = 255
    assert enrol_hint(burnt, 40.0) is Hint.LESS_LIGHT
    assert enrol_hint(cv2.GaussianBlur(crop, (0, 0), 2.5), 40.0) is Hint.HOLD_STILL


def test_no_number_is_lost_on_plain_crops() -> None:
    for grey in (0, 127, 255):
        assert enrol_hint(np.full((112, 112, 3), grey, np.uint8), 40.0) in (Hint.MORE_LIGHT, Hint.LESS_LIGHT)
