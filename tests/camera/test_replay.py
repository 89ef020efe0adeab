import logging
import time
from itertools import pairwise

import cv2
import numpy as np
import pytest

from appliance.camera.replay import Folder, Video
from appliance.errors import CameraError


def picture(value):
    return np.full((48, 64, 3), value, np.uint8)


@pytest.fixture
def folder(tmp_path):
    for number, value in enumerate((10, 20, 30)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(value))
    return tmp_path


def test_pictures_come_in_the_order_of_their_names(folder):
    frames = list(Folder(folder, realtime=False).frames())
    assert [int(frame.pixels[0, 0, 0]) for frame in frames] == [10, 20, 30]
    assert [frame.seq for frame in frames] == [0, 1, 2]
    assert all(after.taken_at - before.taken_at == pytest.approx(1 / 30) for before, after in pairwise(frames))


def test_broken_pictures_are_named_and_left_out(folder, caplog):
    (folder / "1.png").write_bytes(b"")
    (folder / "3.jpg").write_text("not a picture")
    whole = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8))[1].tobytes()
    (folder / "4.jpg").write_bytes(whole[:20])
    (folder / "5.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "6.png").mkdir()
    (folder / "7.png").symlink_to(folder / "nowhere.png")
    with caplog.at_level(logging.WARNING):
        frames = list(Folder(folder, realtime=False).frames())
    assert [int(frame.pixels[0, 0, 0]) for frame in frames] == [10, 30]
    for name in ("1.png", "3.jpg", "4.jpg", "5.jpg left out: cut short"):
        assert name in caplog.text


def test_a_loop_names_a_broken_picture_once(folder, caplog):
    (folder / "1.png").write_bytes(b"")
    frames = Folder(folder, realtime=False, loop=True).frames()
    with caplog.at_level(logging.WARNING):
        assert [int(next(frames).pixels[0, 0, 0]) for _ in range(6)] == [10, 30] * 3
    assert caplog.text.count("1.png") == 1


def test_a_picture_with_something_behind_it_is_whole(folder):
    whole = cv2.imencode(".jpg", picture(40))[1].tobytes()
    (folder / "3.jpg").write_bytes(whole + bytes(5000))
    assert len(list(Folder(folder, realtime=False).frames())) == 4


def test_a_picture_of_thirty_megapixels_is_left_out(folder, caplog):
    cv2.imwrite(str(folder / "big.png"), np.zeros((5000, 6000), np.uint8))
    with caplog.at_level(logging.WARNING):
        assert len(list(Folder(folder, realtime=False).frames())) == 3
    assert "big.png left out: more than 25 megapixels" in caplog.text


def test_a_loop_of_nothing_readable_ends_with_an_error(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no")
    with pytest.raises(CameraError, match="none of 1 pictures can be read"):
        list(Folder(tmp_path, realtime=False, loop=True).frames())


def test_a_loop_goes_on(folder):
    frames = Folder(folder, realtime=False, loop=True).frames()
    assert [int(next(frames).pixels[0, 0, 0]) for _ in range(5)] == [10, 20, 30, 10, 20]


@pytest.mark.parametrize(("make", "words"), [(False, "No such file"), (True, "holds no")])
def test_no_folder_or_nothing_in_it(tmp_path, make, words):
    path = tmp_path / "x"
    if make:
        path.mkdir()
    with pytest.raises(CameraError, match=words):
        Folder(path)


def test_real_time_keeps_the_rate_and_close_ends_it(folder):
    replay = Folder(folder, rate=20, loop=True)
    begun = time.monotonic()
    stamps = []
    for frame in replay.frames():
        stamps.append(frame.taken_at - begun)
        if len(stamps) == 10:
            replay.close()
    assert len(stamps) == 10
    assert stamps[-1] >= 9 / 20 - 0.01


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for value in range(0, 200, 10):
        writer.write(picture(value))
    writer.release()
    return path


def test_a_video_plays_to_its_end(video):
    frames = list(Video(video, realtime=False).frames())
    assert len(frames) == 20
    assert all(abs(int(frame.pixels[20, 20, 0]) - 10 * frame.seq) < 6 for frame in frames)
    assert frames[1].taken_at - frames[0].taken_at == pytest.approx(1 / 25)


def test_a_late_consumer_skips_frames_of_a_video(video):
    seqs = []
    for frame in Video(video).frames():
        seqs.append(frame.seq)
        assert abs(int(frame.pixels[20, 20, 0]) - 10 * frame.seq) < 6
        time.sleep(0.15)
    assert len(seqs) < 10
    assert seqs[-1] > 12


def test_a_video_can_loop(video):
    frames = Video(video, realtime=False, loop=True).frames()
    assert len([next(frames) for _ in range(45)]) == 45


@pytest.mark.parametrize("content", [None, b"", b"just text, no film"])
def test_what_is_no_video_is_refused(tmp_path, content):
    path = tmp_path / "v.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CameraError, match=r"v\.mp4"):
        Video(path)
