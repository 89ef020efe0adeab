from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.camera.open import open_camera
from appliance.camera.replay import Folder, Video
from appliance.camera.v4l2 import UsbCamera
from appliance.camera.visitors import Visitors
from appliance.errors import CameraError
from appliance.settings import CameraConfig


def test_each_source_gets_its_camera(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 64, 3), np.uint8))
    film = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    plain = CameraConfig()
    assert isinstance(open_camera(replace(plain, source="visitors")), Visitors)
    assert isinstance(open_camera(replace(plain, source="replay", path=str(tmp_path))), Folder)
    assert isinstance(open_camera(replace(plain, source="replay", path=str(film))), Video)


def test_a_missing_usb_camera_is_named_with_those_there_are(tmp_path):
    with pytest.raises(CameraError, match=r"video77 does not exist; this machine has .*set camera\.device"):
        open_camera(replace(CameraConfig(), source="v4l2", device="/dev/video77"))


def test_a_file_is_no_usb_camera(tmp_path):
    path = tmp_path / "video0"
    path.touch()
    with pytest.raises(CameraError, match="is not a device"):
        UsbCamera(path, 640, 480, 30)


def test_a_device_that_is_no_camera_is_refused():
    with pytest.raises(CameraError, match="/dev/null cannot be opened"):
        UsbCamera(Path("/dev/null"), 640, 480, 30)


def test_a_missing_libcamera_is_explained():
    with pytest.raises(CameraError, match="python3-libcamera"):
        open_camera(replace(CameraConfig(), source="picamera2"))
