"""`lintel bench`: how fast the face chain runs here, how much memory it takes, what an empty doorway costs."""

import argparse
import json
import resource
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, perf_counter, process_time
from typing import Any

import cv2
import numpy as np

from appliance.camera.visitors import Visitors, resident_pictures
from appliance.config import Config
from appliance.errors import DatasetError
from appliance.evaluate.dataset import pictures_in
from appliance.facts import TEMPLATE_DIMENSIONS, Frame, Match, Pixels
from appliance.vision.chain import Chain, VisionModels
from appliance.vision.enrol import enrol_file
from appliance.vision.gallery import Gallery
from appliance.vision.models import runtime
from appliance.vision.picture import read_picture

CHAIN = ("detect", "mesh", "align", "embed")
WIDTH, HEIGHT = 640, 480
RATE = 30.0
IDLE_RATE = 10.0
STANDING = range(120, 210, 3)
"""Frames of the simulated doorway in which the resident stands before it."""
ARRIVING = range(45, 240)
PEOPLE = 1000
"""In the gallery that `match` searches, one template each."""
MOST_PICTURES = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How long, and on what."""
    parser.add_argument("--seconds", type=float, default=5.0, metavar="N", help="how long to run the stages (5)")
    parser.add_argument("--images", type=Path, metavar="DIR", help="pictures instead of the simulated visitor")


def run(args: argparse.Namespace, config: Config) -> int:
    """Measure; one JSON object as the last line."""
    directory = Path(config.paths.models) if config.paths.models else None
    models = VisionModels.load(directory, config.recognition.threads)
    paths = _pictures(args.images) if args.images else []
    laps, cpu = _laps(
        models, lambda: (_fitted(read_picture(path)) for path in paths) if paths else _visitor(), args.seconds
    )
    everything = np.sum(list(laps.values()), axis=0)
    chain = np.sum([laps[stage] for stage in CHAIN], axis=0)
    print(
        json.dumps(
            {
                "chain_ms_median": _round(np.median(chain)),
                "chain_ms_p99": _round(np.percentile(chain, 99)),
                "stages": {stage: _spread(times) for stage, times in laps.items()},
                "cpu_ms_per_frame": _round(cpu / max(len(chain), 1) * 1e3),
                "frames_per_second": _round(1000 / np.mean(everything), 1),
                "followed": _followed(models, config),
                "idle_core_fraction": _round(_idle(models, config), 4),
                "decision": _decisions(models, config),
                "rss_mb": _round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
                "runtime": runtime(),
                "threads": config.recognition.threads,
                "frames": len(chain),
            }
        ),
        flush=True,
    )
    return 0


def _visitor() -> Iterator[Pixels]:
    visitors = Visitors(WIDTH, HEIGHT, RATE, realtime=False)
    return (visitors.draw(index) for index in STANDING)


def _pictures(folder: Path) -> list[Path]:
    """At most MOST_PICTURES of a folder and the folders in it."""
    if not folder.is_dir():
        raise DatasetError(f"{folder}: not a folder: name one with pictures of faces")
    places = (folder, *sorted(place for place in folder.iterdir() if place.is_dir()))
    found = [path for place in places for path in pictures_in(place)]
    if not found:
        raise DatasetError(f"{folder}: no JPEG, PNG or WebP pictures in it or in the folders in it")
    return found[:MOST_PICTURES]


def _fitted(pixels: Pixels) -> Pixels:
    """A picture in a camera's frame, as large as it fits."""
    scale = min(WIDTH / pixels.shape[1], HEIGHT / pixels.shape[0])
    size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    frame[: size[1], : size[0]] = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return frame


def _laps(
    models: VisionModels, scenes: Callable[[], Iterable[Pixels]], seconds: float
) -> tuple[dict[str, list[float]], float]:
    """Milliseconds of each stage on each frame that shows a face, and processor seconds of all of them.

    Frames are drawn or decoded outside of both.
    """
    cpu = 0.0
    gallery = _crowd(models.stages.embedder.id)
    laps: dict[str, list[float]] = defaultdict(list)
    begun = monotonic()
    while monotonic() - begun < seconds or not laps:
        for pixels in scenes():
            before = process_time()
            found = _lap(models, gallery, pixels)
            cpu += process_time() - before if found else 0.0
            for stage, took in found.items():
                laps[stage].append(took)
            if laps and monotonic() - begun >= seconds:
                break
        if not laps:
            raise DatasetError("no picture shows a face: choose another --images folder")
    return laps, cpu


def _lap(models: VisionModels, gallery: Gallery, pixels: Pixels) -> dict[str, float]:
    """One frame through every stage; empty where it shows no face."""
    took: dict[str, float] = {}
    stages = models.stages
    with _timed(took, "detect"):
        faces = stages.detector.find(pixels, expected=True)
    if not faces:
        return {}
    with _timed(took, "mesh"):
        face = stages.meshed(pixels, faces[0])
    if face is None or face.mesh is None:
        return {}
    with _timed(took, "align"):
        aligned = stages.aligned(pixels, face)
    with _timed(took, "embed"):
        template = stages.embedder.embed(aligned)
    with _timed(took, "liveness"):
        models.passive.score(pixels, face.mesh)
    with _timed(took, "match"):
        gallery.best(template, gallery.model)
    return took


@contextmanager
def _timed(took: dict[str, float], stage: str) -> Iterator[None]:
    begun = perf_counter()
    yield
    took[stage] = (perf_counter() - begun) * 1e3


def _crowd(model: str) -> Gallery:
    """Nobody real: random directions."""
    vectors = np.random.default_rng(0).normal(size=(PEOPLE, TEMPLATE_DIMENSIONS)).astype(np.float32)
    return Gallery.of([f"{index:04d}" for index in range(PEOPLE)], vectors, model)


def _idle(models: VisionModels, config: Config) -> float:
    """Share of one core that an empty doorway costs at IDLE_RATE frames a second."""
    visitors = Visitors(WIDTH, HEIGHT, IDLE_RATE, realtime=False)
    empty = visitors.draw(0)
    chain = Chain(models, Gallery.empty(models.stages.embedder.id), config.recognition, config.liveness)
    frames = [Frame(index, index / IDLE_RATE, empty) for index in range(60)]
    begun = process_time()
    for frame in frames:
        chain.step(frame)
    return (process_time() - begun) / (len(frames) / IDLE_RATE)


def _followed(models: VisionModels, config: Config) -> dict[str, Any]:
    """Whole steps of the chain while the simulated resident stands and waits: near, decided upon, followed."""
    visitors = Visitors(WIDTH, HEIGHT, RATE, realtime=False)
    chain = Chain(models, Gallery.empty(models.stages.embedder.id), config.recognition, config.liveness)
    stages: dict[str, list[float]] = defaultdict(list)
    for index in ARRIVING:
        frame = Frame(index, index / RATE, visitors.draw(index))
        begun = process_time()
        glimpse = chain.step(frame)
        stages[glimpse.stage].append((process_time() - begun) * 1e3)
    return {stage: _spread(times) | {"mean": _round(np.mean(times)), "frames": len(times)}
            for stage, times in sorted(stages.items())}  # fmt: skip


def _decisions(models: VisionModels, config: Config) -> dict[str, Any]:
    """Processor time and time of whole decisions: the simulated resident walks up, several times."""
    stages = models.stages
    rows = np.stack([enrol_file(stages, path).template for path in resident_pictures()])
    gallery = Gallery.of(["resident"] * len(rows), rows, stages.embedder.id)
    matches = [match for start in range(6) for match in _arrival(models, gallery, config, start)]
    return {
        "granted": sum(match.person is not None and match.liveness.live for match in matches),
        "of": len(matches),
        "compute_ms": _spread([match.compute_ms for match in matches]),
        "latency_ms": _spread([(match.taken_at - match.since) * 1e3 for match in matches]),
    }


def _arrival(models: VisionModels, gallery: Gallery, config: Config, start: int) -> Iterator[Match]:
    """The first conclusion of one visit, begun a few frames later each time."""
    visitors = Visitors(WIDTH, HEIGHT, RATE, realtime=False)
    chain = Chain(models, gallery, config.recognition, config.liveness)
    for index in range(ARRIVING.start + 9 * start, ARRIVING.stop):
        match = chain.step(Frame(index, index / RATE, visitors.draw(index))).match
        if match is not None:
            yield match
            return


def _spread(times: Sequence[float]) -> dict[str, float]:
    if not times:
        return {}
    return {"median": _round(np.median(times)), "p99": _round(np.percentile(times, 99))}


def _round(value: Any, digits: int = 3) -> float:
    return round(float(value), digits)
