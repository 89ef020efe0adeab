"""The QR code of the privacy notice says the address it was given."""

import re

import cv2
import numpy as np
import pytest

from appliance.web.qr import qr_path

ADDRESS = "https://example.org/privacy?site=hq"


def test_nothing_to_say_is_no_code() -> None:
    assert qr_path("") is None


def test_a_camera_reads_the_address() -> None:
    pytest.importorskip("segno", reason="segno is not installed: the address is shown instead")
    drawn = qr_path(ADDRESS)
    assert drawn
    path, size = drawn
    picture = np.full((size, size), 255, np.uint8)
    for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", path):
        picture[int(y), int(x)] = 0
    large = cv2.resize(picture, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)
    assert cv2.QRCodeDetector().detectAndDecode(large)[0] == ADDRESS
