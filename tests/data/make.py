"""Make the portraits here and the simulated visitors of appliance/camera from their public-domain sources.

    python tests/data/make.py SOURCES

SOURCES holds what two packages unpack to: `face_recognition-1.3.0/` (its source distribution) and
`skimage/` (the wheel of scikit-image). README.md beside this file gives the sums.
"""

import hashlib
import sys
from pathlib import Path

import cv2
import numpy as np

from appliance.facts import Face, Pixels
from appliance.vision.stages import Stages

HERE = Path(__file__).parent
VISITORS = HERE.parents[1] / "appliance" / "camera" / "people"
TESTS = "face_recognition-1.3.0/tests/test_images"
SOURCES = {
    "obama": (f"{TESTS}/obama.jpg", "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6"),
    "obama2": (f"{TESTS}/obama2.jpg", "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6"),
    "obama3": (f"{TESTS}/obama3.jpg", "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3"),
    "biden": (f"{TESTS}/biden.jpg", "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c"),
    "astronaut": ("skimage/data/astronaut.png", "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"),
}
FACE_PX = 200
"""Width of a face in what is kept, where the source is large enough."""
CUTOUT_FACE_PX = 180
BESIDE = {
    "obama": [(530, 370), (528, 470), (521, 560), (497, 642), (573, 642), (573, 370)],
    "biden": [(0, 560), (8, 600), (20, 640), (20, 696), (0, 696)],
}
"""What GrabCut takes for a sleeve though it is a flag and a wall: an outline in the cut-out, in pixels."""


def main(sources: Path) -> None:
    stages = Stages.load()
    VISITORS.mkdir(exist_ok=True)
    for name, (path, digest) in SOURCES.items():
        data = (sources / path).read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            sys.exit(f"{path}: not the file that README.md names")
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        portrait = head_and_shoulders(picture, stages.detector.find(picture, expected=True)[0], FACE_PX)
        cv2.imwrite(str(HERE / f"{name}.jpg"), portrait, [cv2.IMWRITE_JPEG_QUALITY, 90])
        if name in ("obama", "biden"):
            cv2.imwrite(
                str(VISITORS / f"{name}.webp"), cut_out(stages, picture, BESIDE[name]), [cv2.IMWRITE_WEBP_QUALITY, 90]
            )
        else:
            (VISITORS / f"{name}.jpg").write_bytes((HERE / f"{name}.jpg").read_bytes())
    (VISITORS / "astronaut.jpg").unlink()


def head_and_shoulders(picture: Pixels, face: Face, face_px: int) -> Pixels:
    """The picture cut to 1.7 face widths left and right, 1.3 above, 3 below, and made smaller."""
    x, y, w = face.x + face.width / 2, face.y + face.height / 2, face.width
    top, left = max(0, int(y - 1.6 * w)), max(0, int(x - 1.7 * w))
    cut = picture[top : int(y + 2.6 * w), left : int(x + 1.7 * w)]
    scale = min(1.0, face_px / w)
    return cut if scale == 1.0 else cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def cut_out(stages: Stages, picture: Pixels, beside: list[tuple[int, int]]) -> Pixels:
    """Head and shoulders on a transparent ground: (h, w, 4) uint8, found by GrabCut from a drawn guess."""
    portrait = head_and_shoulders(picture, stages.detector.find(picture, expected=True)[0], CUTOUT_FACE_PX)
    face = stages.meshed(portrait, stages.detector.find(portrait, expected=True)[0])
    assert face is not None
    assert face.mesh is not None
    low, high = face.mesh[:, :2].min(axis=0), face.mesh[:, :2].max(axis=0)
    (x, y), (wide, tall) = (low + high) / 2, high - low
    guess = np.full(portrait.shape[:2], cv2.GC_BGD, np.uint8)

    def outline(*steps: tuple[float, float]) -> np.ndarray:
        """A shape symmetric about the face: steps out to the side and down, in face widths and heights."""
        right = [(x + wide * a, y + tall * b) for a, b in steps]
        left = [(x - wide * a, y + tall * b) for a, b in reversed(steps)]
        return np.array(right + left, np.int32)

    cv2.fillPoly(guess, [outline((0.45, 0.3), (0.7, 0.75), (1.75, 1.2), (1.95, 4))], cv2.GC_PR_FGD)
    cv2.ellipse(
        guess, (int(x), int(y - 0.18 * tall)), (int(wide * 0.75), int(tall * 0.85)), 0, 0, 360, cv2.GC_PR_FGD, -1
    )
    cv2.fillPoly(guess, [outline((0.3, 0.8), (0.9, 1.6), (0.9, 4))], cv2.GC_FGD)
    cv2.ellipse(guess, (int(x), int(y - 0.1 * tall)), (int(wide * 0.5), int(tall * 0.58)), 0, 0, 360, cv2.GC_FGD, -1)
    cv2.grabCut(portrait, guess, None, np.zeros((1, 65)), np.zeros((1, 65)), 6, cv2.GC_INIT_WITH_MASK)
    solid = np.isin(guess, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8) * 255
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(solid)
    solid = (pieces == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8) * 255
    solid = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    cv2.fillPoly(solid, [np.array(beside, np.int32)], 0)
    alpha = cv2.GaussianBlur(cv2.erode(solid, np.ones((3, 3), np.uint8)), (0, 0), 1.2)
    return np.dstack([portrait, alpha])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
