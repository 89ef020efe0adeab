"""The V4L2 camera on a real kernel: `vivid` in a guest."""

from pathlib import Path

import pytest

from tests.beds import camera_guest as bed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def told():
    reason = bed.skip_reason()
    if reason:
        pytest.skip(reason)
    return bed.run(Path(__file__).parent / "v4l2_in_guest.py")


def test_frames_come_in_order_as_the_driver_stamps_them(told):
    assert told["shape"] == [480, 640, 3]
    assert told["dtype"] == "uint8"
    assert told["contiguous"]
    assert told["seqs"] == sorted(set(told["seqs"]))
    assert 1 / 31 < told["period"] < 1 / 20
    assert min(told["ages"]) >= 0
    assert sorted(told["ages"])[50] < 0.1


def test_the_picture_lives(told):
    assert told["moving"] > 3
    assert all(40 < mean < 200 for mean in told["colours"])


def test_a_slow_consumer_gets_the_latest_frame(told):
    # It comes back after 0.3 s, while the driver's queue holds what came first.
    assert sorted(told["slow"])[4] < 0.1
    assert sorted(told["watched"])[4] < 0.1


def test_each_failure_is_named_with_its_remedy(told):
    assert told["forbidden"] == ("camera /dev/video0: no permission; add this user to the group video and log in again")
    assert "set camera.width and camera.height" in told["size"]


def test_a_camera_that_is_unplugged_is_noticed(told):
    assert "/dev/video0 stopped sending" in told["unplugged"]
    assert told["noticed_after"] < 3
