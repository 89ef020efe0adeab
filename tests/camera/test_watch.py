import threading
import time

import numpy as np
import pytest

from appliance.camera.watch import BLACK_SECONDS, FAULT_SECONDS, Watch, WatchedCamera
from appliance.errors import CameraError
from appliance.facts import Frame

SHAPE = (48, 64, 3)


def noisy(seed, low=60, high=200, shape=SHAPE):
    return np.random.default_rng(seed).integers(low, high, shape, np.uint8)


def faults(pictures, rate=30):
    watch = Watch(SHAPE[1], SHAPE[0])
    return [watch.fault(Frame(seq, 50 + seq / rate, pixels)) for seq, pixels in enumerate(pictures)]


def test_a_living_picture_has_no_fault():
    assert set(faults(noisy(seed) for seed in range(150))) == {None}


def test_a_dark_room_with_its_noise_is_not_black():
    assert set(faults(noisy(seed, 0, 18) for seed in range(150))) == {None}


def test_frozen_is_a_fault_after_two_seconds():
    found = faults(noisy(1) for _ in range(100))
    first = found.index("frozen")
    assert first / 30 == pytest.approx(FAULT_SECONDS, abs=0.05)
    assert set(found[:first]) == {None}


@pytest.mark.parametrize("picture", [lambda seed: noisy(seed, 0, 3), lambda _: np.zeros(SHAPE, np.uint8)])
def test_a_picture_that_goes_black_is_a_fault_after_two_seconds(picture):
    found = faults([*(noisy(seed) for seed in range(30)), *(picture(seed) for seed in range(100))])
    first = found.index("black")
    assert (first - 29) / 30 == pytest.approx(FAULT_SECONDS, abs=0.05)
    assert set(found[:first]) == {None}


@pytest.mark.parametrize("picture", [lambda seed: noisy(seed, 0, 3), lambda _: np.zeros(SHAPE, np.uint8)])
def test_black_from_the_start_may_be_night_and_is_told_at_once_but_a_fault_much_later(picture):
    watch = Watch(SHAPE[1], SHAPE[0])
    told, found = [], []
    for second in range(int(BLACK_SECONDS) + 2):
        found.append(watch.fault(Frame(second, 50.0 + second, picture(second))))
        told.append(watch.black)
    assert told.index(True) == FAULT_SECONDS
    assert found.index("black") == BLACK_SECONDS
    assert set(found[: int(BLACK_SECONDS)]) == {None}


def test_the_light_comes_back():
    watch = Watch(SHAPE[1], SHAPE[0])
    for second in range(10):
        assert watch.fault(Frame(second, 50.0 + second, np.zeros(SHAPE, np.uint8))) is None
    assert watch.black
    assert watch.fault(Frame(10, 60.0, noisy(10))) is None
    assert not watch.black


def test_a_file_may_show_the_same_for_long():
    watch = Watch(0, 0, any_size=True)
    assert {watch.fault(Frame(seq, 50 + seq / 30, noisy(1))) for seq in range(150)} == {None}


def test_a_hand_over_the_lens_for_a_second_is_no_fault():
    pictures = [noisy(s) for s in range(30)] + [np.zeros(SHAPE, np.uint8)] * 40 + [noisy(s) for s in range(60)]
    assert set(faults(pictures)) == {None}


@pytest.mark.parametrize(
    "picture", [noisy(0, shape=(48, 63, 3)), noisy(0, shape=(48, 64)), noisy(0).astype(np.float32)]
)
def test_a_frame_of_another_size_or_kind_is_a_fault_at_once(picture):
    assert faults([picture]) == ["wrong_size"]


class Source:
    """A camera that does as the test says."""

    def __init__(self, pictures, *, hang=False, error=None):
        self.pictures, self.hang, self.error = pictures, hang, error
        self.over = threading.Event()

    def frames(self):
        for seq, pixels in enumerate(self.pictures):
            yield Frame(seq, time.monotonic(), pixels)
            time.sleep(0.01)
        if self.hang:
            self.over.wait(30)
        if self.error:
            raise self.error

    def close(self):
        self.over.set()


def watched(source, stall_seconds=0.5):
    return WatchedCamera(source, "test", SHAPE[1], SHAPE[0], stall_seconds)


def test_a_capture_that_hangs_is_noticed():
    source = Source([noisy(1), noisy(2)], hang=True)
    camera = watched(source)
    begun = time.monotonic()
    with pytest.raises(CameraError, match="sends nothing"):
        list(camera.frames())
    assert 0.4 < time.monotonic() - begun < 3
    assert camera.fault == "stalled"
    camera.close()


def test_a_camera_that_breaks_says_why():
    camera = watched(Source([noisy(1)], error=CameraError("camera x was unplugged")))
    with pytest.raises(CameraError, match="unplugged"):
        list(camera.frames())
    assert camera.fault == "stalled"


def test_a_defect_in_the_cameras_own_thread_is_noticed_at_once(monkeypatch):
    seen = []
    monkeypatch.setattr(threading, "excepthook", lambda told: seen.append(told.exc_type))
    camera = watched(Source([noisy(1)], error=KeyError("SensorTimestamp")), stall_seconds=20)
    begun = time.monotonic()
    with pytest.raises(CameraError, match="sends nothing"):
        list(camera.frames())
    assert time.monotonic() - begun < 5
    assert seen == [KeyError]


def test_the_condition_is_told_while_frames_go_on():
    class Dark(Source):
        def frames(self):
            for seq in range(4):
                yield Frame(seq, 50.0 + seq, np.zeros(SHAPE, np.uint8))
                time.sleep(0.05)

    camera = watched(Dark([]))
    assert [camera.condition for _ in camera.frames()][-1] == "black"


def test_a_file_that_ends_just_ends():
    assert 1 <= len(list(watched(Source([noisy(s) for s in range(5)])).frames())) <= 5


def test_the_latest_frame_wins():
    seqs = []
    for frame in watched(Source([noisy(s) for s in range(60)])).frames():
        seqs.append(frame.seq)
        time.sleep(0.1)
    assert len(seqs) < 15
    assert seqs[-1] == 59


def test_a_faulty_frame_is_never_handed_on():
    camera = watched(Source([noisy(0, shape=(10, 10, 3))]))
    frames = camera.frames()
    with pytest.raises(CameraError, match=r"camera\.width"):
        next(frames)
    assert camera.fault == "wrong_size"
