import cv2
import numpy as np
import pytest

from appliance.facts import Evidence, Face, Frame
from appliance.vision.hardware import VIEW_DEGREES, HardwareLayers, width_cm

FACE = Face(220, 140, 200, 200, 0.9, np.zeros((6, 2), np.float32))


def pixels(scale: np.ndarray | float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(3)
    base = cv2.GaussianBlur(rng.uniform(60, 140, (480, 640, 3)), (0, 0), 9)
    factor = scale if isinstance(scale, float) else scale[..., None]
    return np.clip(base * factor, 0, 255).astype(np.uint8)


def head() -> np.ndarray:
    """How a lamp beside the lens lights a ball in the middle of the face: less towards its edge."""
    y, x = np.mgrid[:480, :640]
    return 1 + 0.6 * np.clip(1 - ((x - 320) ** 2 + (y - 240) ** 2) / 130**2, 0.1, 1)


def verdicts(lit: np.ndarray, unlit: np.ndarray, frames: int = 8) -> HardwareLayers:
    layers = HardwareLayers()
    for index in range(frames):
        on = index % 2 == 0
        layers.add(Frame(index, index / 30, lit if on else unlit, lit=on), FACE)
    return layers


def test_without_metadata_both_abstain() -> None:
    layers = HardwareLayers()
    for index in range(10):
        layers.add(Frame(index, index / 30, pixels()), FACE)
    assert (layers.size, layers.light) == (Evidence.ABSTAINS, Evidence.ABSTAINS)
    assert layers.width is layers.gain is None


def test_width_from_focus() -> None:
    focal = 320 / np.tan(np.radians(VIEW_DEGREES / 2))
    assert width_cm(15 / 100 * focal / 0.5, 640, 2.0) == pytest.approx(15)
    for lens in (None, 0.0, -1.0, 0.3, float("nan"), float("inf")):
        assert width_cm(200, 640, lens) is None


@pytest.mark.parametrize(("metres", "said"), [(0.4, Evidence.FOR), (0.15, Evidence.AGAINST), (1.2, Evidence.AGAINST)])
def test_a_face_on_a_telephone_is_too_small_and_one_on_a_poster_too_large(metres: float, said: Evidence) -> None:
    layers = HardwareLayers()
    for index in range(3):
        assert layers.size is Evidence.ABSTAINS
        layers.add(Frame(index, index / 30, pixels(), lens_dioptres=1 / metres), FACE)
    assert layers.size is said


def test_a_head_is_lit_and_unevenly() -> None:
    assert verdicts(pixels(head()), pixels()).light is Evidence.FOR


def test_a_screen_hardly_changes_and_a_sheet_changes_evenly() -> None:
    assert verdicts(pixels(1.01), pixels()).light is Evidence.AGAINST
    assert verdicts(pixels(1.4), pixels()).light is Evidence.AGAINST
    assert verdicts(pixels(), pixels(head())).light is Evidence.AGAINST, "darker when lit: not by this lamp"


def test_a_lamp_that_does_not_flash_says_nothing() -> None:
    layers = HardwareLayers()
    for index in range(10):
        layers.add(Frame(index, index / 30, pixels(head()), lit=True), FACE)
    assert layers.light is Evidence.ABSTAINS
