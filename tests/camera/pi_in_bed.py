"""Runs appliance/camera/pi.py on libcamera's virtual camera; prints one JSON object. Started by test_pi.py."""

import json
import sys
import time

import cv2
import numpy as np
from picamera2 import Picamera2
from picamera2.allocators import LibcameraAllocator
from picamera2.request import CompletedRequest

from appliance.camera import pi
from appliance.camera.pi import PiCamera
from appliance.errors import CameraError

ordinary = Picamera2._get_raw_modes


def raw_modes(camera):
    """The virtual camera has no raw stream, which Picamera2 asks every camera for."""
    try:
        return ordinary(camera)
    except AttributeError:
        return [{"format": "NV12", "size": (640, 480)}]


Picamera2._get_raw_modes = raw_modes
told = CompletedRequest.get_metadata


def metadata(request):
    """The virtual camera exposes for no time at all, and does not say so."""
    return {"ExposureTime": 0} | told(request)


CompletedRequest.get_metadata = metadata


def opened():
    camera = Picamera2(0)
    camera.allocator = LibcameraAllocator(camera.camera)
    return camera


def film(count, pause, out):
    camera = PiCamera(0, 640, 480, 30.0, form="NV12", picamera=opened())
    seqs, ages, kept = [], [], []
    begun = time.monotonic()
    for frame in camera.frames():
        ages.append(time.monotonic() - frame.taken_at)
        seqs.append(frame.seq)
        if len(kept) < 40:
            kept.append(frame.pixels)
        if len(seqs) == count:
            camera.close()
        time.sleep(pause)
    took = time.monotonic() - begun
    np.savez_compressed(out, whole=kept[0])
    return {"seqs": seqs, "ages": ages, "fps": count / took, "shape": kept[0].shape}


def broken():
    """Every way out gives the camera back: the next one could not be opened otherwise."""
    first = PiCamera(0, 640, 480, 30.0, picamera=opened()).frames()
    next(first)
    first.close()
    second = PiCamera(0, 640, 480, 30.0, picamera=opened())
    second._shape = (481, 640)  # no frame of this size is in that memory
    try:
        next(second.frames())
        failed = ""
    except (ValueError, BufferError, cv2.error) as error:
        failed = type(error).__name__
    third = PiCamera(0, 640, 480, 30.0, picamera=opened()).frames()
    seqs = [next(third).seq for _ in range(3 * pi.BUFFERS)]
    third.close()
    return {
        "failed": failed,
        "then": len(seqs),
        "missing": refused(lambda: PiCamera(1, 640, 480, 30.0)),
        "size": refused(lambda: PiCamera(0, 650, 490, 30.0, picamera=opened())),
        "format": refused(lambda: PiCamera(0, 640, 480, 30.0, form="RGB888", picamera=opened())),
    }


def refused(make):
    try:
        make()
    except CameraError as error:
        return str(error)
    return ""


def formats():
    """What a padded NV12 buffer and an RGB888 buffer become, against OpenCV's own whole-picture conversion."""
    rng = np.random.default_rng(3)
    tight = rng.integers(0, 256, (720, 640), np.uint8)
    padded = np.zeros((720, 704), np.uint8)
    padded[:, :640] = tight
    from_nv12 = np.empty((480, 640, 3), np.uint8)
    pi._convert(padded, "NV12", from_nv12)
    rgb888 = rng.integers(0, 256, (480, 704, 3), np.uint8)
    from_rgb888 = np.empty((480, 640, 3), np.uint8)
    pi._convert(rgb888, "RGB888", from_rgb888)
    expected = cv2.cvtColor(tight, cv2.COLOR_YUV2BGR_NV12)
    return {
        "nv12": int(np.abs(from_nv12.astype(int) - expected).max()),
        "rgb888": bool(np.array_equal(from_rgb888, rgb888[:, :640])),
    }


match sys.argv[1:]:
    case ["film", count, pause, out]:
        told = film(int(count), float(pause), out)
    case ["broken"]:
        told = broken()
    case ["formats"]:
        told = formats()
print(json.dumps(told))
