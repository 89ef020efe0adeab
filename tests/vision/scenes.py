"""Made-up doorways: a head and shoulders cut from a portrait before a still wall, and a photo held up."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from appliance.facts import Frame, Pixels
from appliance.vision.stages import Stages

DATA = Path(__file__).parents[1] / "data"
WIDTH, HEIGHT = 640, 480


def portrait(name: str) -> Pixels:
    pixels = cv2.imread(str(DATA / name))
    assert pixels is not None, f"{DATA / name} is missing"
    return pixels


def wall(seed: int = 5) -> Pixels:
    """A still background with corners enough to follow: posters on plaster."""
    rng = np.random.default_rng(seed)
    scene = np.full((HEIGHT, WIDTH, 3), 170, np.uint8)
    for _ in range(60):
        x, y, w, h = (int(value) for value in rng.integers((0, 0, 10, 10), (WIDTH, HEIGHT, 70, 50)))
        cv2.rectangle(scene, (x, y), (x + w, y + h), [int(value) for value in rng.integers(90, 220, 3)], -1)
    return cv2.GaussianBlur(scene, (0, 0), 1)


@dataclass
class Cutout:
    """A portrait scaled so that its face is `face_px` wide, with a soft mask of head and shoulders."""

    pixels: Pixels
    mask: np.ndarray
    middle: tuple[float, float]

    @classmethod
    def of(cls, stages: Stages, picture: Pixels, face_px: float) -> "Cutout":
        face = stages.meshed(picture, stages.detector.find(picture, True)[0])
        assert face is not None
        assert face.mesh is not None
        scale = face_px / face.width
        flag = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=flag)
        mesh = face.mesh[:, :2] * scale
        (left, top), (right, bottom) = mesh.min(axis=0), mesh.max(axis=0)
        x, y = (left + right) / 2, (top + bottom) / 2
        wide, high = right - left, bottom - top
        mask = np.zeros(small.shape[:2], np.float32)
        cv2.ellipse(mask, (int(x), int(y - 0.1 * high)), (int(wide * 0.68), int(high * 0.78)), 0, 0, 360, 1.0, -1)
        shoulders = np.array([
            (x - 0.3 * wide, y + 0.4 * high), (x + 0.3 * wide, y + 0.4 * high),
            (x + 1.3 * wide, y + 1.0 * high), (x + 1.4 * wide, y + 4 * high),
            (x - 1.4 * wide, y + 4 * high), (x - 1.3 * wide, y + 1.0 * high),
        ])  # fmt: skip
        cv2.fillPoly(mask, [shoulders.astype(np.int32)], 1.0)
        return cls(small, cv2.GaussianBlur(mask, (0, 0), 2), (float(x), float(y)))

    def photo(self) -> "Cutout":
        """The same as a flat picture with its own background, all of which moves."""
        return Cutout(self.pixels, np.ones_like(self.mask), self.middle)


def compose(cutout: Cutout | None, x: float = WIDTH / 2, y: float = 220.0, background: Pixels | None = None) -> Pixels:
    """The cutout with its face's middle at (x, y), sub-pixel, over the background."""
    scene = wall() if background is None else background
    if cutout is None:
        return scene.copy()
    shift = np.array([[1, 0, x - cutout.middle[0]], [0, 1, y - cutout.middle[1]]])
    moved = cv2.warpAffine(cutout.pixels, shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(cutout.mask, shift, (WIDTH, HEIGHT))[..., None]
    return np.ascontiguousarray((moved * alpha + scene * (1 - alpha)).astype(np.uint8))


def sway(index: int, pixels: float = 6.0) -> float:
    """How far to the side a standing person is on frame `index` at 30 frames a second."""
    return WIDTH / 2 + pixels * float(np.sin(index / 30 * 2 * np.pi * 0.8))


def frame(index: int, pixels: Pixels, rate: float = 30.0, start: float = 100.0) -> Frame:
    return Frame(index, start + index / rate, pixels)


def with_mask(pixels: Pixels, mesh: np.ndarray) -> Pixels:
    """A white mask drawn over nose, mouth and chin."""
    jaw = (234, 132, 172, 150, 176, 152, 400, 379, 397, 361, 454, 346, 197, 117)
    painted = pixels.copy()
    cv2.fillPoly(painted, [mesh[list(jaw), :2].astype(np.int32)], (225, 225, 225))
    return cv2.GaussianBlur(painted, (0, 0), 0.8)
