"""Runs appliance/camera/v4l2.py on the kernel's vivid camera; prints one JSON object. Started by test_v4l2.py."""

import json
import os
import time
from pathlib import Path

import numpy as np

from appliance.camera.v4l2 import UsbCamera
from appliance.camera.watch import WatchedCamera
from appliance.errors import CameraError

DEVICE = Path("/dev/video0")
DRIVER = Path("/sys/bus/platform/drivers/vivid")
told = {}


def refusal(act):
    try:
        act()
    except CameraError as error:
        return str(error)
    return ""


def refused_to_nobody():
    """What a user outside the group video is told: a child, since a process cannot become root again."""
    hear, say = os.pipe()
    if os.fork() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        os.write(say, refusal(lambda: UsbCamera(DEVICE, 640, 480, 30)).encode())
        os._exit(0)
    os.wait()
    return os.read(hear, 4000).decode()


DEVICE.chmod(0o660)  # as udev sets it
told["forbidden"] = refused_to_nobody()

camera = UsbCamera(DEVICE, 640, 480, 30)
stamps, seqs, ages, means = [], [], [], []
for frame in camera.frames():
    ages.append(time.monotonic() - frame.taken_at)
    stamps.append(frame.taken_at)
    seqs.append(frame.seq)
    means.append(frame.pixels[::8, ::8].mean(axis=(0, 1)).round(1).tolist())
    if len(seqs) == 60:
        shape, kind, whole = frame.pixels.shape, str(frame.pixels.dtype), frame.pixels.flags.c_contiguous
        camera.close()
told["shape"], told["dtype"], told["contiguous"] = shape, kind, whole
told["seqs"], told["ages"] = seqs, ages
told["period"] = float(np.median(np.diff(stamps)))
told["colours"] = means[-1]
told["moving"] = len({tuple(mean) for mean in means})

# A consumer that is busy for 0.3 s a frame, without the thread that would take frames meanwhile.
camera = UsbCamera(DEVICE, 640, 480, 30)
slow = []
for frame in camera.frames():
    slow.append(time.monotonic() - frame.taken_at)
    time.sleep(0.3)
    if len(slow) == 6:
        camera.close()
told["slow"] = slow

# The same consumer behind the watch.
watched = WatchedCamera(UsbCamera(DEVICE, 640, 480, 30), "test", 640, 480, 2.0)
behind = []
for frame in watched.frames():
    behind.append(time.monotonic() - frame.taken_at)
    time.sleep(0.3)
    if len(behind) == 6:
        break
watched.close()
told["watched"] = behind
time.sleep(0.5)

other = WatchedCamera(UsbCamera(DEVICE, 800, 600, 30), "test", 800, 600, 2.0)
told["size"] = refusal(lambda: list(other.frames()))
other.close()
time.sleep(0.5)

watched = WatchedCamera(UsbCamera(DEVICE, 640, 480, 30), "test", 640, 480, 2.0)
frames = watched.frames()
for _ in range(10):
    next(frames)
begun = time.monotonic()
(DRIVER / "unbind").write_text("vivid.0")
told["unplugged"] = refusal(lambda: list(frames))
told["noticed_after"] = time.monotonic() - begun
print("guest says: " + json.dumps(told), flush=True)
os._exit(0)
