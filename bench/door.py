"""How fast the door answers: from a fact to the relay's edge, on the real daemon with recording pins.

Run `python bench/door.py`. Each sample crosses the doorline (or the keypad and its slow hash), the
decision, the write to the disk and the drive; the door opens and shuts between two samples.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from appliance.door.simulator import PRESS_SECONDS
from appliance.store.chain import StoredEvent
from appliance.store.database import FILE, connect
from appliance.store.events import EventLog
from tests.beds.door import DoorChild, eventually


def sample(child: DoorChild, record: EventLog, ask: Callable[[], None], count: int) -> list[float]:
    """`latency_ms` of `count` unlocks."""
    seen, found = record.head()[0], []
    for _ in range(count):
        ask()
        unlocked = eventually(lambda: _unlocked(record, seen), 5, "unlock")  # noqa: B023 - called at once
        found.append(float(unlocked.detail["latency_ms"]))
        seen = unlocked.seq
        time.sleep(2 * PRESS_SECONDS)  # the button, if it was that, is up again
        child.type("oo")
        eventually(lambda: any(e.why == "closed" for e in record.after(seen)), 5, "relock")  # noqa: B023
    return found


def _unlocked(record: EventLog, seen: int) -> StoredEvent | None:
    return next((event for event in record.after(seen) if event.why == "unlocked"), None)


def figures(latencies: list[float]) -> dict[str, float]:
    """Nearest-rank percentiles, milliseconds."""
    ordered = sorted(latencies)
    ranks = {"p50": 0.5, "p99": 0.99}
    found = {name: ordered[max(0, -int(-share * len(ordered) // 1) - 1)] for name, share in ranks.items()}
    return {"n": len(ordered), **{name: round(value, 2) for name, value in found.items()}, "max": round(ordered[-1], 2)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="samples of each kind")
    parser.add_argument("--folder", type=Path, help="where to keep the database (its disk is part of the figure)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        child = DoorChild(Path(folder) / "d")
        try:
            if os.getuid() == 0:
                child.prefix = ["nice", "-n", "-10"]  # as its unit has it
            pid, digits = child.enrol()
            child.start()
            db = connect(child.state / FILE)
            record = EventLog(db)
            asks = {
                "face": lambda: child.sender.send(child.match(pid)),
                "pin": lambda: child.type(f"{digits}#"),
                "rex": lambda: child.type("r"),
            }
            result = {name: figures(sample(child, record, ask, args.count)) for name, ask in asks.items()}
            db.close()
        finally:
            child.close()
    for name, what in {"face": "datagram to edge", "pin": "# to edge", "rex": "button to edge"}.items():
        print(f"{what:<17} p50 {result[name]['p50']:7.2f} ms   p99 {result[name]['p99']:7.2f} ms")
    print(json.dumps({"machine": platform.machine(), "cpu": _cpu(), "python": platform.python_version(), **result}))
    return 0


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(("model name", "Model"))), "")


if __name__ == "__main__":
    sys.exit(main())
