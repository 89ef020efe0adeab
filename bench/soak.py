"""A long life of the vision process in a short time: does its memory grow, does it lose descriptors?

Run `python bench/soak.py --frames N`. Simulated visitors come and go at 30 frames a second of their own time, and
are looked at as fast as this machine can by the real chain, with its idle stride, its gallery read from a real store
that changes every thousand frames, its status file and its doorline. After the warm-up the resident memory is
noted every thousand frames; a straight line through that (least squares) is the growth. Prints one JSON object;
exits 1 if memory grows by 1 MB or more in 100,000 frames, a descriptor stays open, or nobody was let in.
"""

import argparse
import json
import logging
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from appliance.camera.visitors import CYCLE, Visitors, resident_pictures
from appliance.config import Config
from appliance.daemons.enrolled import Enrolled
from appliance.daemons.eyes import Reporter
from appliance.evaluate.speed import invented, shots
from appliance.facts import Frame
from appliance.settings import PathsConfig
from appliance.store.consent import given
from appliance.store.database import FILE, connect
from appliance.store.enrolments import add_templates
from appliance.store.events import EventLog
from appliance.store.people import People
from appliance.system.clock import now
from appliance.system.doorline import DoorlineSender
from appliance.system.keys import DeviceKey
from appliance.system.status import StatusFile
from appliance.vision.chain import Chain, VisionModels
from appliance.vision.enrol import enrol_file
from appliance.vision.gallery import Gallery

RATE = 30.0
PEOPLE = 500
LOOK_AT_STORE = 15
"""Frames, half a second, as the vision process does."""
CHANGE = 1000
NOTE = 1000
MOST_MB = 1.0
"""Per 100,000 frames."""
BEGIN = 1000.0


class Site:
    """A store with people in it, one of whom walks up."""

    def __init__(self, folder: Path, models: VisionModels) -> None:
        self._keys, self._db = DeviceKey.load(folder, create=True), connect(folder / FILE)
        self._log, self._model = EventLog(self._db), models.stages.embedder.id
        self._people = People(self._db, self._keys, self._log, now)
        self._dice = np.random.default_rng(0)
        resident = [enrol_file(models.stages, path).template for path in resident_pictures()]
        self._add(np.stack(resident))
        self._others = [
            self._add(rows) for rows in np.split(shots(invented(PEOPLE, self._dice), 3, self._dice), PEOPLE)
        ]

    def change(self) -> None:
        """Somebody leaves and somebody comes."""
        self._people.remove(self._others.pop(0), "soak")
        self._others.append(self._add(shots(invented(1, self._dice), 3, self._dice)))

    def _add(self, rows: np.ndarray) -> str:
        pid = self._people.add("Somebody", by="soak", consent=given(time.time(), "soak")).pid
        add_templates(self._db, self._keys, pid, rows, self._model, by="soak", log=self._log, alike=())
        return pid


def memory_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def soak(folder: Path, frames: int, warm_up: int, quiet: bool) -> dict[str, Any]:
    models = VisionModels.load()
    site = Site(folder, models)
    config = replace(Config(), paths=PathsConfig(state=str(folder), run=str(folder)))
    chain = Chain(models, Gallery.empty(), config.recognition, config.liveness)
    enrolled = Enrolled(config, chain.model)
    reporter = Reporter(DoorlineSender(folder / "doorline.sock"), StatusFile(folder / "status.json"), config)
    camera: Any = SimpleNamespace(condition="ok", scene="soak")
    visitors = Visitors(rate=RATE, realtime=False)
    ends: Counter[str] = Counter()
    notes: list[tuple[int, float, int]] = []
    begun = time.monotonic()
    for seq in range(frames):
        at = BEGIN + seq / RATE
        if seq % CHANGE == CHANGE - 1:
            site.change()
        if seq % LOOK_AT_STORE == 0 and (gallery := enrolled.fresh(at)) is not None:
            chain.set_gallery(gallery)
        glimpse = chain.step(Frame(seq, at, visitors.draw(seq)))
        reporter.saw(glimpse, at, camera)
        if glimpse.match is not None:
            live, known = glimpse.match.liveness.live, glimpse.match.person is not None
            ends["granted" if live and known else "unknown" if live else "attack"] += 1
        if seq >= warm_up and seq % NOTE == 0:
            notes.append((seq, memory_mb(), descriptors()))
            if not quiet and seq % (10 * NOTE) == 0:
                print(f"{seq} frames, {notes[-1][1]:.1f} MB, {notes[-1][2]} open", file=sys.stderr, flush=True)
    return figures(notes, ends, frames, time.monotonic() - begun)


def figures(notes: list[tuple[int, float, int]], ends: Counter[str], frames: int, seconds: float) -> dict[str, Any]:
    at, mb, opened = (np.array(column) for column in zip(*notes, strict=True))
    (slope, level), covered = np.polyfit(at, mb, 1), int(at[-1] - at[0])
    residue = mb - (slope * at + level)
    error = float(np.sqrt(np.sum(residue**2) / max(len(at) - 2, 1) / np.sum((at - at.mean()) ** 2)))
    return {
        "frames": frames,
        "counted_frames": covered,
        "visits": round(frames / RATE / CYCLE * 3),
        "ends": dict(ends),
        "rss_mb_first": round(float(mb[0]), 2),
        "rss_mb_last": round(float(mb[-1]), 2),
        "rss_mb_most": round(float(mb.max()), 2),
        "growth_mb_per_100k": round(float(slope) * 1e5, 3),
        "growth_95": [round(float(slope + sign * 1.96 * error) * 1e5, 3) for sign in (-1, 1)],
        # The fewest of ten notes: one that is about to be closed is no leak.
        "descriptors_first": int(opened[:10].min()),
        "descriptors_last": int(opened[-10:].min()),
        "frames_per_second": round(frames / seconds, 1),
        "machine": platform.machine(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--warm-up", type=int, default=5000, help="frames that are not counted")
    parser.add_argument("--quiet", action="store_true")
    args = parser.parse_args()
    if args.frames < args.warm_up + 3 * NOTE:
        parser.error(f"--frames must be {args.warm_up + 3 * NOTE} at least, or --warm-up less")
    logging.disable(logging.WARNING)  # there is no door, and no need to hear of it at every match
    with tempfile.TemporaryDirectory(prefix="lintel-soak-") as name:
        found = soak(Path(name), args.frames, args.warm_up, args.quiet)
    passed = (
        found["growth_mb_per_100k"] < MOST_MB
        and found["descriptors_last"] <= found["descriptors_first"]
        and found["ends"].get("granted", 0) > 0
    )
    print(json.dumps({"bench": "soak", **found, "passed": passed}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
