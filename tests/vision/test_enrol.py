import contextlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import EnrolmentError, ImageError
from appliance.facts import Pixels
from appliance.vision.enrol import enrol_bytes, enrol_file, enrol_pixels
from appliance.vision.picture import LOCAL, UPLOAD, Limits, decode_picture, read_picture
from appliance.vision.stages import Stages

from .scenes import DATA, portrait, with_mask


def encoded(pixels: np.ndarray, kind: str = ".jpg") -> bytes:
    done, data = cv2.imencode(kind, pixels)
    assert done
    return data.tobytes()


SMALL = {kind: encoded(cv2.resize(portrait("obama.jpg"), (60, 80)), kind) for kind in (".jpg", ".png", ".webp")}


@pytest.mark.parametrize("name", ["obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "astronaut.jpg"])
def test_portraits_become_templates(stages: Stages, name: str) -> None:
    shot = enrol_file(stages, DATA / name)
    assert shot.template.shape == (160,)
    assert np.linalg.norm(shot.template) == pytest.approx(1, abs=1e-5)
    assert shot.model == stages.embedder.id
    assert shot.crop.shape == (112, 112, 3)


def test_one_person_is_alike_and_two_are_not(stages: Stages) -> None:
    a, b, c, d, e = (
        enrol_file(stages, DATA / f"{name}.jpg").template
        for name in ("obama", "obama2", "obama3", "biden", "astronaut")
    )
    assert min(a @ b, a @ c, b @ c) > 0.6
    assert max(x @ y for x in (a, b, c) for y in (d, e)) < 0.3
    assert d @ e < 0.3


def test_every_encoding_of_a_picture_gives_its_template(stages: Stages) -> None:
    pixels = portrait("obama.jpg")
    truth = enrol_pixels(stages, pixels).template
    alpha = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    variants = {
        "png": encoded(pixels, ".png"),
        "webp": encoded(pixels, ".webp"),
        "16 bits": encoded(pixels.astype(np.uint16) * 257, ".png"),
        "alpha": encoded(alpha, ".png"),
    }
    for name, data in variants.items():
        assert float(enrol_bytes(stages, data, limits=LOCAL).template @ truth) > 0.97, name
    grey = encoded(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), ".png")
    assert float(enrol_bytes(stages, grey, limits=LOCAL).template @ truth) > 0.8


def with_orientation(jpeg: bytes, value: int) -> bytes:
    tiff = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01" + bytes([0, value, 0, 0, 0, 0, 0, 0])
    exif = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]


@pytest.mark.parametrize(
    ("value", "turn"), [(3, cv2.ROTATE_180), (6, cv2.ROTATE_90_COUNTERCLOCKWISE), (8, cv2.ROTATE_90_CLOCKWISE)]
)
def test_a_picture_is_turned_upright_by_its_exif(stages: Stages, value: int, turn: int) -> None:
    pixels = portrait("obama.jpg")
    data = with_orientation(encoded(cv2.rotate(pixels, turn)), value)
    assert decode_picture(data).shape == pixels.shape
    assert float(enrol_bytes(stages, data).template @ enrol_pixels(stages, pixels).template) > 0.97


def bad_pictures() -> dict[str, tuple[bytes, str]]:
    jpeg, png, webp = (encoded(portrait("obama.jpg"), kind) for kind in (".jpg", ".png", ".webp"))
    flipped = bytearray(png)
    flipped[len(png) // 2] ^= 0xFF
    return {
        "no bytes": (b"", "empty"),
        "text": (b"root:x:0:0\n" * 50, "not a JPEG"),
        "an archive": (b"PK\x03\x04" + b"\0" * 99, "not a JPEG"),
        "a GIF": (b"GIF89a" + b"\0" * 99, "not a JPEG"),
        "half a JPEG": (jpeg[: len(jpeg) // 2], "cut short"),
        "a JPEG without its end": (jpeg[:-2], "cut short"),
        "half a PNG": (png[: len(png) // 2], "cut short"),
        "half a WebP": (webp[: len(webp) // 2], "cut short"),
        "a JPEG's first bytes": (jpeg[:4], "cut short"),
        "a PNG's first bytes": (png[:10], "cut short"),
        "a WebP's first bytes": (webp[:14], "cut short"),
        "a tiny picture": (encoded(np.zeros((8, 8, 3), np.uint8), ".png"), "too few"),
    }


@pytest.mark.parametrize("name", bad_pictures())
def test_bad_pictures_are_refused_with_the_reason(name: str) -> None:
    data, reason = bad_pictures()[name]
    with pytest.raises(ImageError, match=reason) as caught:
        decode_picture(data, "upload", LOCAL)
    assert str(caught.value).startswith("upload: ")
    assert ": " in str(caught.value).removeprefix("upload: "), "reason and remedy"


def test_the_size_is_refused_by_the_header_alone() -> None:
    """A bomb: 60,000 x 60,000 pixels declared in a few bytes."""
    small = bytearray(encoded(np.zeros((64, 64, 3), np.uint8), ".png"))
    small[16:24] = (60_000).to_bytes(4, "big") * 2
    with pytest.raises(ImageError, match=r"3600\.0 megapixels"):
        decode_picture(bytes(small), "bomb", LOCAL)


def test_a_second_frame_header_does_not_hide_the_size() -> None:
    jpeg = encoded(portrait("obama.jpg"))
    huge = b"\xff\xc0\x00\x11\x08" + (30_000).to_bytes(2, "big") * 2 + b"\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01"
    for data in (jpeg[:2] + huge + jpeg[2:], jpeg[:-2] + huge + jpeg[-2:]):
        with pytest.raises(ImageError, match=r"900\.0 megapixels"):
            decode_picture(data)


@settings(max_examples=150)
@given(
    st.sampled_from([".jpg", ".png", ".webp"]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    st.floats(0, 1),
)
def test_damaged_pictures_are_read_or_refused_and_nothing_else(
    kind: str, hits: list[tuple[float, int]], kept: float
) -> None:
    data = bytearray(SMALL[kind])
    for place, value in hits:
        data[int(place * (len(data) - 1))] = value
    with contextlib.suppress(ImageError):
        assert decode_picture(bytes(data[: int(len(data) * (0.5 + kept))]), "fuzz").dtype == np.uint8


def test_thirty_megapixels_are_refused_and_twenty_are_read(tmp_path: Path) -> None:
    for side, fits in ((4400, True), (5500, False)):
        path = tmp_path / f"{side}.jpg"
        path.write_bytes(encoded(np.full((side, side), 90, np.uint8)))
        if fits:
            assert read_picture(path).ndim == 3
        else:
            with pytest.raises(ImageError, match=r"30\.2 megapixels, at most 25 are read: make it smaller"):
                read_picture(path)


def test_uploads_are_smaller_than_files() -> None:
    data = encoded(np.random.default_rng(0).integers(0, 255, (1000, 1000, 3)).astype(np.uint8), ".png")
    assert len(data) > UPLOAD.max_bytes
    with pytest.raises(ImageError, match="at most 2 MB"):
        decode_picture(data)
    assert decode_picture(data, limits=LOCAL).shape == (1000, 1000, 3)


def test_a_missing_file_and_a_large_one(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="No such file"):
        read_picture(tmp_path / "nobody.jpg")
    with pytest.raises(ImageError):
        read_picture(tmp_path)
    large = tmp_path / "large.jpg"
    large.write_bytes(b"\xff\xd8\xff" + b"\0" * 2000)
    with pytest.raises(ImageError, match="at most"):
        read_picture(large, Limits(max_bytes=1000))


def refused(stages: Stages, pixels: Pixels, reason: str) -> None:
    with pytest.raises(EnrolmentError, match=reason) as caught:
        enrol_pixels(stages, pixels, "photo.jpg")
    assert str(caught.value).startswith("photo.jpg: ")


def test_pictures_that_cannot_become_a_template(stages: Stages) -> None:
    good = portrait("obama.jpg")
    face = stages.detector.find(good)[0]
    refused(stages, np.full((480, 640, 3), 127, np.uint8), "no face found")
    refused(stages, np.hstack([good, good]), "several faces")
    refused(stages, cv2.GaussianBlur(good, (0, 0), face.width / 25), "blurred")
    refused(stages, cv2.resize(good, None, fx=50 / face.width, fy=50 / face.width), "pixels wide")
    refused(stages, (good * 0.1).astype(np.uint8), "dark|no face")
    refused(stages, np.ascontiguousarray(good[:, : int(face.x + face.width * 0.6)]), "reaches out|no face|no clear")


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (cv2.ROTATE_180, "upside down"),
        (cv2.ROTATE_90_CLOCKWISE, "lies on its side"),
        (cv2.ROTATE_90_COUNTERCLOCKWISE, "lies on its side"),
    ],
)
def test_a_turned_picture_is_told_to_be_turned(stages: Stages, turn: int, said: str) -> None:
    refused(stages, cv2.rotate(portrait("obama.jpg"), turn), said)


def test_a_masked_face_is_not_enrolled(stages: Stages) -> None:
    pixels = portrait("obama.jpg")
    refused(stages, with_mask(pixels, enrol_pixels(stages, pixels).face.mesh), "a mask covers the face")


def test_pixels_of_another_kind_are_refused(stages: Stages) -> None:
    good = portrait("obama.jpg")
    for pixels in (good[..., 0], np.dstack([good, good[..., :1]]), good.astype(np.uint16), good[:0], good / 255):
        refused(stages, pixels, "are no picture")


def test_fifty_faces_are_several(stages: Stages) -> None:
    small = cv2.resize(portrait("obama.jpg"), (180, 240), interpolation=cv2.INTER_AREA)
    refused(stages, np.vstack([np.hstack([small] * 10)] * 5), "several faces|pixels wide|no face")


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 2**32 - 1), st.booleans())
def test_frames_of_any_size_become_a_finite_template_or_a_reason(
    stages: Stages, height: int, width: int, seed: int, faced: bool
) -> None:
    if faced:
        pixels = cv2.resize(portrait("obama.jpg"), (width, height))
    else:
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    with contextlib.suppress(EnrolmentError):
        shot = enrol_pixels(stages, pixels)
        assert np.isfinite(shot.template).all()
        assert all(np.isfinite(one.raw) and 0 <= one.value <= 100 for one in shot.quality.values())
