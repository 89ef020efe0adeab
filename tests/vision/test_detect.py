import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.vision.detect import anchors, decode, iou, merge
from appliance.vision.stages import Stages

from .scenes import HEIGHT, WIDTH, Cutout, compose, portrait, wall

sides = st.floats(1, 100, width=32)
places = st.floats(-200, 200, width=32)


def points(left: float, top: float, width: float, height: float) -> np.ndarray:
    corners = [(left, top), (left + width, top + height)] + [(left + width / 2, top + height / 2)] * 6
    return np.array(corners, np.float32)


def test_full_range_has_one_anchor_in_the_middle_of_each_cell() -> None:
    centres = anchors(192, 2304)
    assert centres.shape == (2304, 2)
    assert centres[0].tolist() == [2, 2]
    assert centres[1].tolist() == [6, 2]
    assert centres[48].tolist() == [2, 6]
    assert centres[-1].tolist() == [190, 190]


def test_short_range_has_two_heads() -> None:
    centres = anchors(128, 896)
    assert centres.shape == (896, 2)
    assert centres[:3].tolist() == [[4, 4], [4, 4], [12, 4]]
    assert centres[512:518].tolist() == [[8, 8]] * 6
    assert centres[-1].tolist() == [120, 120]


def test_decoding_adds_the_anchor_and_keeps_only_scores_over_the_limit() -> None:
    centres = anchors(192, 2304)
    regressors = np.zeros((2304, 16), np.float32)
    regressors[50] = [1, -2, 40, 20, *([3, 4] * 6)]
    logits = np.full(2304, -5, np.float32)
    logits[50], logits[51] = 2.0, -0.1
    scores, found = decode(regressors, logits, centres, 0.0)
    x, y = centres[50]
    assert scores == pytest.approx([1 / (1 + np.exp(-2))])
    assert found[0, 0].tolist() == [x + 1 - 20, y - 2 - 10]
    assert found[0, 1].tolist() == [x + 1 + 20, y - 2 + 10]
    assert found[0, 2].tolist() == [x + 3, y + 4]


@given(places, places, sides, sides)
def test_a_box_overlaps_itself_wholly_and_a_distant_one_not_at_all(x: float, y: float, w: float, h: float) -> None:
    box = points(x, y, w, h)
    assert iou(box, box[None])[0] == pytest.approx(1, abs=1e-3)
    assert iou(box, points(x + 2 * w + 1, y, w, h)[None])[0] == 0


boxes = st.tuples(places, places, sides, sides)


@given(boxes, boxes)
def test_overlap_is_symmetric_and_a_share(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    one, other = points(*a), points(*b)
    forth, back = iou(one, other[None])[0], iou(other, one[None])[0]
    assert forth == pytest.approx(back, abs=1e-5)
    assert 0 <= forth <= 1 + 1e-6


def test_overlapping_boxes_are_averaged_by_score() -> None:
    many = np.stack([points(0, 0, 100, 100), points(10, 0, 100, 100), points(300, 300, 50, 50)])
    faces = merge(np.array([0.9, 0.6, 0.7], np.float32), many, 0.3)
    assert [round(face.x, 3) for face in faces] == [4.0, 300.0]
    assert [round(face.score, 3) for face in faces] == [0.9, 0.7]


def test_boxes_without_area_still_come_to_an_end() -> None:
    flat = np.stack([points(0, 0, 0, 0)] * 3)
    assert len(merge(np.array([0.9, 0.8, 0.7], np.float32), flat, 0.3)) == 3


@pytest.mark.parametrize("name", ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "astronaut.jpg"])
def test_each_portrait_has_one_face_with_its_keypoints_in_order(stages: Stages, name: str) -> None:
    pixels = portrait(name)
    (face,) = stages.detector.find(pixels)
    right, left, nose, mouth = face.keypoints[:4]
    assert face.x < right[0] < left[0] < face.x + face.width
    assert face.y < right[1] < nose[1] < mouth[1] < face.y + face.height
    assert face.score > 0.7


def test_an_empty_scene_has_no_face(stages: Stages) -> None:
    assert stages.detector.find(np.zeros((HEIGHT, WIDTH, 3), np.uint8), expected=True) == []
    assert stages.detector.find(wall(), expected=True) == []


def test_frame_and_face_size_do_not_confuse_the_letterbox(stages: Stages) -> None:
    picture = portrait("obama.jpg")
    (tall,) = stages.detector.find(picture)
    wide_picture = cv2.copyMakeBorder(picture, 0, 0, 300, 300, cv2.BORDER_REPLICATE)
    (wide,) = stages.detector.find(wide_picture)
    (again,) = stages.detector.find(picture)
    assert wide.x - 300 == pytest.approx(tall.x, abs=0.06 * tall.width)
    assert wide.y == pytest.approx(tall.y, abs=0.06 * tall.width)
    assert (again.x, again.y) == (tall.x, tall.y), "the buffer remembers the frame before"


def test_faces_come_largest_first(stages: Stages, stranger: Cutout) -> None:
    picture = portrait("obama.jpg")
    (face,) = stages.detector.find(picture)
    small = cv2.resize(picture, None, fx=80 / face.width, fy=80 / face.width, interpolation=cv2.INTER_AREA)
    scene = compose(stranger, 470)
    height, width = min(small.shape[0], HEIGHT), small.shape[1]
    scene[:height, :width] = small[:height]
    sizes = [found.width for found in stages.detector.find(scene)]
    assert len(sizes) == 2
    assert sizes[0] > sizes[1]
