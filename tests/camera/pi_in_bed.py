"""Runs appliance/camera/pi.py on libcamera's virtual camera; prints one JSON object. Started by test_pi.py."""

import json
import sys
import time

import numpy as np
from picamera2 import Picamera2
from picamera2.allocators import LibcameraAllocator
from picamera2.request import CompletedRequest

from appliance.camera.pi import PiCamera

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


count, pause, out = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
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
np.savez_compressed(out, frames=np.stack([picture[::8, ::8] for picture in kept]), whole=kept[0])
print(json.dumps({"seqs": seqs, "ages": ages, "fps": count / took, "shape": kept[0].shape}))
