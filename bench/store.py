"""What the store costs, against the floor that SQLite and the disk set.

    python bench/store.py [--directory DIR] [--events 2000] [--people 200]

The floor is one INSERT of the same bytes into a table without index, by sqlite3 alone with the
same durability. The last line is one JSON object.
"""

import argparse
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from uuid import uuid4

import numpy as np

from appliance.facts import Event, EventType
from appliance.store.consent import given
from appliance.store.database import connect, transaction
from appliance.store.enrolments import add_templates
from appliance.store.events import EventLog
from appliance.store.faces import gallery
from appliance.store.people import People
from appliance.system.clock import now
from appliance.system.keys import DeviceKey


def milliseconds(work: Callable[[], object], times: int) -> list[float]:
    """How long each call took, sorted."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append((time.perf_counter() - began) * 1000)
    return sorted(taken)


def spread(taken: list[float]) -> dict[str, float]:
    return {"p50": round(median(taken), 2), "p99": round(taken[int(len(taken) * 0.99)], 2)}


def floor(directory: Path, events: int) -> dict[str, float]:
    raw = sqlite3.connect(directory / "floor.db", isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        raw.execute(f"PRAGMA {pragma}").fetchall()
    raw.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, line BLOB)")
    line = os.urandom(450)
    return spread(milliseconds(lambda: raw.execute("INSERT INTO events (line) VALUES (?)", (line,)), events))


def measure(directory: Path, events: int, count: int) -> dict[str, object]:
    db, keys = connect(directory / "lintel.db"), DeviceKey(os.urandom(32))
    log = EventLog(db)
    people = People(db, keys, log, now)
    person, detail = str(uuid4()), {"latency_ms": 312.2, "model": "sha256:0123456789ab"}
    event = Event(EventType.ACCESS, "granted", now(), person, "face", 0.71, 0.52, True, detail)
    appended = spread(milliseconds(lambda: log.append(event), events))
    verify = milliseconds(log.verify_chain, 1)[0]
    rows, dice = [], np.random.default_rng(0)
    with transaction(db):
        for number in range(count):
            pid = people.add(f"Person {number}", by="bench", consent=given(time.time(), "bench")).pid
            faces = dice.normal(size=(3, 160)).astype(np.float32)
            faces /= np.linalg.norm(faces, axis=1, keepdims=True)
            add_templates(db, keys, pid, faces, "m", by="bench", log=log, alike=())
            rows.append(pid)
    return {
        "append_ms": appended,
        "floor_ms": floor(directory, events),
        "verify_us_per_event": round(verify * 1000 / events, 1),
        "people": count,
        "roster_ms": round(median(milliseconds(people.roster, 5)), 1),
        "gallery_ms": round(median(milliseconds(lambda: gallery(db, keys, "m"), 5)), 1),
        "pin_ms": round(median(milliseconds(lambda: keys.pin_digest("482913", people.pin_salt), 5)), 1),
        "erase_ms": round(median(milliseconds(lambda: people.remove(rows.pop(), "bench"), 5)), 1),
        "open_ms": round(median(milliseconds(lambda: connect(directory / "lintel.db").close(), 5)), 1),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, help="on the disk to measure; a temporary one otherwise")
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--people", type=int, default=200)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.directory) as name:
        print(json.dumps(measure(Path(name), args.events, args.people)))


if __name__ == "__main__":
    main()
