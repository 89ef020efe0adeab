"""How fast a large site is: people read from a store of its own, searched, and changed. On invented templates.

Invented, but with the energy along their axes and the likeness within a person that this chain's
templates of real faces have: a search that prunes is only as fast as its data lets it be.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from appliance.facts import TEMPLATE_DIMENSIONS, ClockQuality, Moment, Vector
from appliance.store.database import FILE, connect, transaction
from appliance.store.faces import gallery, place
from appliance.store.sealing import fit, salt
from appliance.system.keys import DeviceKey
from appliance.vision.gallery import Gallery

MODEL = "synthetic"
ENERGY = (0.264, 0.453, 0.598, 0.713, 0.803, 0.875, 0.931, 0.973, 0.993, 1.0)
"""Share of a template's energy in the first 16, 32, … 160 principal axes: 2,949 pictures of 1,793 people of LFW."""
WITHIN = 0.324
"""Share of it that differs between two pictures of one person, same data: their mean cosine is 0.67."""
PROBES = 1000
WARM_UP = 20
UPDATES = 50
NOW = Moment(0.0, 1_800_000_000.0, ClockQuality.SYNCED)
TERM = 86_400.0


def measure(people: int, each: int, seed: int, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Fill a store, read it, search it with people it knows and with strangers, change one person at a time."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory(prefix="lintel-speed-") as folder:
        keys = DeviceKey.load(Path(folder), create=True)
        db = connect(Path(folder, FILE))
        try:
            centres = invented(people, rng)
            fit(db, keys)
            pids = fill(db, keys, _people(centres, each, rng), lambda done: progress(done, people))
            began = time.perf_counter()
            owners, vectors = gallery(db, keys, MODEL, lambda: NOW)
            held = Gallery.of(owners, vectors, MODEL)
            load = time.perf_counter() - began
            count = len(owners)
            del owners, vectors
            known = shots(centres[rng.integers(0, people, PROBES // 2)], 1, rng)
            probes = np.concatenate([known, shots(invented(PROBES - len(known), rng), 1, rng)])
            searches = [_timed(partial(held.best, probe, MODEL)) for probe in probes]
            updates = [_timed(partial(_update, db, keys, held, pid)) for pid in pids[:UPDATES]]
        finally:
            db.close()
    taken = np.array(searches[WARM_UP:]) * 1000
    return {
        "people": people,
        "templates": count,
        "load_s": round(load, 3),
        "search_ms_median": round(float(np.median(taken)), 3),
        "search_ms_p99": round(float(np.percentile(taken, 99)), 3),
        "update_ms": round(float(np.median(updates)) * 1000, 3),
        "seed": seed,
    }


def invented(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """What one person's pictures have in common, (count, 160) float32, not of length 1."""
    return _spread(count, rng, 1 - WITHIN)


def shots(centres: NDArray[np.float32], each: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """`each` templates of every person, (n * each, 160) float32 of length 1."""
    rows = np.repeat(centres, each, axis=0) + _spread(len(centres) * each, rng, WITHIN)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def _people(centres: NDArray[np.float32], each: int, rng: np.random.Generator) -> Iterator[tuple[str, Vector]]:
    """A pid and the templates of each."""
    for centre in centres:
        yield str(UUID(bytes=rng.bytes(16), version=4)), shots(centre[None], each, rng)


def fill(
    db: Database, keys: DeviceKey, people: Iterator[tuple[str, Vector]], progress: Callable[[int], None]
) -> list[str]:
    """Store them as enrolment does, sealed and rotated, in one transaction. Returns the pids."""
    rotation, pids = keys.rotation(salt(db, "site_salt")), []
    with transaction(db):
        for pid, rows in people:
            key = keys.new_person_key(pid)
            sealer = keys.person(pid, key)
            db.execute("INSERT INTO people (pid, person_key, added_at) VALUES (?, ?, ?)", (pid, key, NOW.utc))
            consent = db.execute(
                "INSERT INTO consents (pid, notice, given_at, recorded_by, expires_at) VALUES (?, '1', ?, 'speed', ?)",
                (pid, NOW.utc, NOW.utc + TERM),
            ).lastrowid
            for number, row in enumerate(rows @ rotation):
                name = f"{pid}-{number}"
                sealed = sealer.seal(row.astype("<f4").tobytes(), place(pid, name, MODEL))
                db.execute(
                    "INSERT INTO templates (id, pid, consent, model, sealed, source, at) "
                    "VALUES (?, ?, ?, ?, ?, 'photo', ?)",
                    (name, pid, consent, MODEL, sealed, NOW.utc),
                )
            pids.append(pid)
            progress(len(pids))
    return pids


def _update(db: Database, keys: DeviceKey, held: Gallery, pid: str) -> None:
    """Take one person over from the store, as vision does when something of theirs has changed."""
    owners, vectors = gallery(db, keys, MODEL, lambda: NOW, only=(pid,))
    held.replace(pid, vectors[: len(owners)])


def _spread(count: int, rng: np.random.Generator, share: float) -> NDArray[np.float32]:
    """Normal rows with ENERGY along their axes and `share` of the whole."""
    steps = np.diff([0.0, *ENERGY])
    deviations = np.sqrt(np.repeat(steps / (TEMPLATE_DIMENSIONS / len(ENERGY)), TEMPLATE_DIMENSIONS // len(ENERGY)))
    rows = rng.standard_normal((count, TEMPLATE_DIMENSIONS), dtype=np.float32)
    return np.asarray(rows * deviations * np.sqrt(share), dtype=np.float32)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
