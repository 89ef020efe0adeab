"""`lintel run` as its user meets it, and what is left of it when a part is missing or broken."""

import json
import shutil
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.camera.visitors import CYCLE
from appliance.vision.models import models_dir
from tests.process.appliance_rig import running

LINTEL = [sys.executable, "-m", "appliance"]


def lintel(*words, timeout=100):
    return subprocess.run([*LINTEL, *words], capture_output=True, text=True, timeout=timeout, check=False)


def test_one_round_of_visitors_ends_with_its_summary(tmp_path):
    done = lintel("run", "--state", str(tmp_path), "--port", "0", "--json", "--seconds", str(int(CYCLE) + 1))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert set(told) == {"granted", "denied", "spoof", "pin", "latency_ms", "rss_mb"}
    assert told["granted"] >= 1
    assert told["denied"].get("unknown_face", 0) >= 1
    assert told["spoof"] >= 1
    assert told["pin"] == 1
    assert 0 < told["latency_ms"]["p50"] <= told["latency_ms"]["p99"]
    assert set(told["rss_mb"]) == {"door", "vision", "net"}
    assert 0 < told["rss_mb"]["vision"] < 200


def test_two_runs_over_one_state_are_refused(tmp_path):
    first = subprocess.Popen(
        [*LINTEL, "run", "--state", str(tmp_path), "--port", "0", "--json"], stderr=subprocess.PIPE, text=True
    )
    try:
        for line in first.stderr:
            if "all up" in line:
                break
        second = lintel("run", "--state", str(tmp_path), "--json")
        assert second.returncode == 2
        assert "already runs" in second.stderr
    finally:
        first.send_signal(signal.SIGTERM)
        assert first.wait(30) == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--seconds", "0"], "must be 1 to 86400"),
        (["--seconds", "nan"], "must be 1 to 86400"),
        (["--camera", "no-such-film.mp4"], "no such file"),
        (["--port", "70000"], "web.port = 70000: must be 0 to 65535"),
    ],
)
def test_wrong_words_are_named(tmp_path, words, told):
    done = lintel("run", "--state", str(tmp_path), "--json", *words)
    assert done.returncode == 2
    assert told in done.stderr


def egress_and_pin_go_on(rig):
    rig.until(rig.at_rest, 30, "start of the door")
    rig.until(lambda: rig.status("door").get("roster") is not None, 30, "people")
    rig.until(lambda: rig.status("door").get("keypad") == "ok", 30, "keypad")
    rig.type_pin()
    rig.press_rex()
    assert rig.children["door"].restarts == 0


@pytest.mark.parametrize("harm", ["altered", "missing", "truncated"])
def test_a_wrong_model_switches_faces_off_and_nothing_else(tmp_path, harm):
    models = tmp_path / "models"
    shutil.copytree(models_dir(), models, ignore=shutil.ignore_patterns("build", "cards"))
    file = models / "embedder.tflite"
    whole = file.read_bytes()
    if harm == "missing":
        file.unlink()
    else:
        file.write_bytes(whole[:-1000] if harm == "truncated" else bytes([whole[0] ^ 1]) + whole[1:])
    with running(tmp_path, paths={"models": str(models)}) as rig:
        rig.until(lambda: rig.status("vision").get("stage") == "face_off", 30, "faces off")
        rig.until(lambda: rig.status("door").get("vision") == "face_off", 30, "word of it at the door")
        egress_and_pin_go_on(rig)
        assert rig.children["vision"].restarts == 0
        assert any("embedder.tflite" in line for line in rig.session.log.latest(50))
        assert rig.count(type="access", by="face") == 0
        file.write_bytes(whole)  # put right, it comes back without a restart
        rig.until(lambda: rig.count(type="access", why="granted", by="face") > 0, 60, "faces on again")


@pytest.mark.parametrize("fault", ["black", "broken"])
def test_a_camera_that_cannot_be_believed_ends_vision_and_nothing_else(tmp_path, fault):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(120):  # a second of something, then a cap on the lens
        path = pictures / f"{number:03}.png"
        if fault == "broken":
            path.write_bytes(b"")
            continue
        cv2.imwrite(str(path), np.full((480, 640, 3), 90 if number < 30 else 0, np.uint8))
    with running(tmp_path, camera={"source": "replay", "path": str(pictures)}) as rig:
        rig.until(lambda: rig.children["vision"].restarts >= 1, 60, "restart")
        told = "stalled" if fault == "broken" else "black"
        rig.until(lambda: rig.count(type="sys", why="camera_lost", detail={"fault": told}) > 0, 30, "record of it")
        egress_and_pin_go_on(rig)


def test_a_night_without_light_restarts_vision_once_and_pins_go_on(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()

    def paint(grey):
        for number in range(8):
            cv2.imwrite(str(pictures / f"{number}.png"), np.full((480, 640, 3), grey, np.uint8))

    paint(90)
    with running(tmp_path, camera={"source": "replay", "path": str(pictures)}) as rig:
        rig.until(lambda: rig.status("vision").get("camera") == "ok", 60, "light")
        paint(0)
        rig.until(lambda: rig.children["vision"].restarts == 1, 60, "restart: the sensor may have died")
        rig.until(lambda: rig.status("vision").get("camera") == "black", 60, "word that it is still dark")
        rig.until(lambda: rig.status("door").get("vision") == "blind", 20, "word of it at the door")
        egress_and_pin_go_on(rig)
        rig.pause(3)
        assert rig.children["vision"].restarts == 1  # dark, not dead: the next try is half an hour away
        assert rig.count(type="sys", why="camera_lost", detail={"fault": "black"}) == 1
        paint(90)
        rig.until(lambda: rig.status("vision").get("camera") == "ok", 20, "light again")
        assert rig.children["vision"].restarts == 1


def test_a_missing_camera_leaves_pin_and_way_out(tmp_path):
    with running(tmp_path, camera={"source": "v4l2", "device": "/dev/video77"}) as rig:
        rig.until(lambda: rig.children["vision"].restarts >= 1, 60, "restart")
        egress_and_pin_go_on(rig)
        assert any("/dev/video77 does not exist" in line for line in rig.session.log.latest(100))


def test_the_lock_is_driven_for_what_was_recorded_and_no_more(tmp_path):
    with running(tmp_path, camera={"source": "v4l2", "device": "/dev/video77"}) as rig:
        egress_and_pin_go_on(rig)
        rig.until(rig.at_rest, 20, "relock")
        edges = rig.status("door")["edges"]
        released = [at for at, level in edges if level]
        assert len(released) == rig.count(type="door", why="unlocked") == 2
        assert all(0 < after - before < 5.1 for (before, up), (after, _) in pairwise(edges) if up)
        assert Path(rig.config.paths.state, "lintel.db").exists()
