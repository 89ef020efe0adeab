"""Picamera2 for real, on libcamera's virtual camera."""

import json
import subprocess
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.camera.visitors import Visitors
from tests.beds import camera as bed

SCRIPT = Path(__file__).parent / "pi_in_bed.py"
PICTURES = 30


@pytest.fixture(scope="module")
def bedroom(tmp_path_factory):
    reason = bed.skip_reason()
    if reason:
        pytest.skip(reason)
    environment = bed.build()
    folder = tmp_path_factory.mktemp("frames")
    visitors = Visitors(realtime=False)
    for number in range(PICTURES):
        cv2.imwrite(str(folder / f"{number}.jpg"), visitors.draw(120 + number), [cv2.IMWRITE_JPEG_QUALITY, 95])
    bed.show(folder)
    return environment, visitors


def run(environment, *arguments):
    command = [environment["PYTHON"], str(SCRIPT), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def film(environment, folder, count, pause):
    out = folder / "out.npz"
    return run(environment, "film", count, pause, out), np.load(out)


@pytest.mark.timeout(600)
def test_frames_come_in_order_with_the_right_picture_and_buffers_go_back(bedroom, tmp_path):
    environment, visitors = bedroom
    # Four buffers: 120 frames need each of them thirty times.
    told, kept = film(environment, tmp_path, 120, 0)
    assert told["shape"] == [480, 640, 3]
    assert all(after > before for before, after in pairwise(told["seqs"]))
    whole = kept["whole"].astype(int)
    distances, swapped = [], []
    for number in range(PICTURES):
        source = visitors.draw(120 + number).astype(int)
        # The virtual camera fills NV12 with full-range values where cameras use video range: contrast differs.
        source = (source - 128) * 255 / 219 + 128
        distances.append(np.abs(whole - source.clip(0, 255)).mean())
        swapped.append(np.abs(whole[..., ::-1] - source.clip(0, 255)).mean())
    assert min(distances) < 6
    assert min(swapped) > 2 * min(distances)


@pytest.mark.timeout(600)
def test_a_slow_consumer_gets_the_latest_frame(bedroom, tmp_path):
    told, _ = film(bedroom[0], tmp_path, 25, 0.2)
    # Six frame periods pass while it is busy. What it then gets is not from that time.
    assert sorted(told["ages"])[20] < 0.1


@pytest.mark.timeout(600)
def test_every_way_out_gives_the_camera_back(bedroom):
    told = run(bedroom[0], "broken")
    assert told["failed"]
    assert told["then"] == 12
    assert "camera.number = 1: libcamera sees 1 cameras" in told["missing"]
    assert "does not deliver 650 x 490 NV12: it offers 640 x 480 NV12" in told["size"]
    assert "does not deliver 640 x 480 RGB888: it offers 640 x 480 NV12" in told["format"]


@pytest.mark.timeout(600)
def test_padded_rows_and_rgb888_become_the_right_colours(bedroom):
    told = run(bedroom[0], "formats")
    assert told["nv12"] <= 1
    assert told["rgb888"]
