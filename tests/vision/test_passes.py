"""Passes in pictures: drawn, photographed badly, read; and what a look costs."""

import time

import cv2
import numpy as np
import pytest

from appliance.access.passes import Pass, signed, to_text
from appliance.facts import Frame, Pixels
from appliance.system.keys import DeviceKey
from appliance.system.passkey import PassKey
from appliance.vision import passes
from appliance.vision.passes import GONE_SECONDS, PassReader

PERSON = "7d0a7e0c-5a7e-4a55-9f67-1c2f0f0f7a11"
PASS = Pass("0d7c3f52-53c5-4ef0-8f0c-6f2d7f3b9a01", PERSON, "headquarters", ("main-entrance",), 1000, 5000, 1)
TOKEN = signed(PASS, PassKey(DeviceKey(b"k" * 32)).sign)


def qr(text: str) -> Pixels:
    """One pixel a module, with its quiet zone. OpenCV's own writer: the command's is another one."""
    parameters = cv2.QRCodeEncoder.Params()
    parameters.correction_level = cv2.QRCODE_ENCODER_CORRECT_LEVEL_M
    return np.pad(cv2.QRCodeEncoder.create(parameters).encode(text), 3, constant_values=255)


def scene(text: str = "", size: int = 260, tilt: float = 0.0, light: float = 1.0) -> Pixels:
    """A room with a code of `size` pixels held up in it, (480, 640, 3)."""
    rng = np.random.default_rng(3)
    room = cv2.GaussianBlur(rng.integers(60, 200, (480, 640), np.uint8), (0, 0), 9)
    if text:
        code = cv2.resize(qr(text), (size, size), interpolation=cv2.INTER_NEAREST)
        turn = cv2.getRotationMatrix2D((size / 2, size / 2), tilt, 1.0)
        turn[:, 2] += ((640 - size) / 2, (480 - size) / 2)
        cv2.warpAffine(code, turn, (640, 480), dst=room, borderMode=cv2.BORDER_TRANSPARENT, flags=cv2.INTER_LINEAR)
    seen = cv2.GaussianBlur(room, (3, 3), 0) * light + rng.normal(0, 4, room.shape)
    return cv2.cvtColor(np.clip(seen, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)


def frame(pixels: Pixels, at: float) -> Frame:
    return Frame(int(at * 30), at, pixels)


@pytest.mark.parametrize(("size", "tilt", "light"), [(240, 0, 1.0), (300, 0, 0.5), (300, 12, 1.0), (400, -30, 0.8)])
def test_a_pass_held_up_is_read(size: int, tilt: float, light: float) -> None:
    shown = PassReader(1).look(frame(scene(to_text(TOKEN), size, tilt, light), 5.0), "idle")
    assert shown is not None
    assert (shown.token, shown.taken_at) == (TOKEN, 5.0)


def test_a_large_frame_is_read_too() -> None:
    large = cv2.resize(scene(to_text(TOKEN), 300), (1920, 1440))
    assert PassReader(1).look(frame(large, 5.0), "idle") is not None


@pytest.mark.parametrize("text", ["", "https://example.org/menu", "LP1:", "LP2:AAAA", "LP1:????", "WIFI:S:x;P:y;;"])
def test_other_codes_and_none_are_nothing(text: str) -> None:
    assert PassReader(1).look(frame(scene(text), 5.0), "idle") is None


@pytest.mark.parametrize("stage", ["near", "checking"])
def test_it_does_not_look_while_a_face_is_near(stage: str) -> None:
    assert PassReader(1).look(frame(scene(to_text(TOKEN)), 5.0), stage) is None


def test_a_pass_that_stays_in_view_is_told_of_once() -> None:
    reader, pixels = PassReader(1), scene(to_text(TOKEN))
    told = [reader.look(frame(pixels, at), "idle") is not None for at in np.arange(0.0, 12.0, 2.0)]
    assert told == [True] + [False] * 5
    assert reader.look(frame(pixels, 10.0 + GONE_SECONDS + 2.0), "resting") is not None


def test_it_looks_on_every_nth_frame_only(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, looks, pixels = PassReader(10), [], scene()
    monkeypatch.setattr(reader, "_text", lambda pixels: looks.append(1) or "")
    for number in range(100):
        reader.look(frame(pixels, number / 30), "far")
    assert len(looks) == 10


def test_noise_cannot_take_the_time_of_the_frames() -> None:
    """The worst picture found: looks thin out until they take a tenth of the time."""
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    reader, spent, seconds = PassReader(1), 0.0, 6.0
    for number in range(int(seconds * 30)):
        began = time.perf_counter()
        reader.look(frame(noise, number / 30), "idle")
        spent += time.perf_counter() - began
    assert spent <= seconds * passes.DUTY + 1.0


def test_a_picture_that_trips_the_library_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tripping:
        def detectAndDecode(self, _: Pixels) -> None:
            raise cv2.error("a check of its own failed")

    reader = PassReader(1)
    monkeypatch.setattr(reader, "_detector", Tripping())
    assert reader.look(frame(scene(to_text(TOKEN)), 5.0), "idle") is None
