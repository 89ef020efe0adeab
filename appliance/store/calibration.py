"""The thresholds that this site's own people ask for, as `lintel calibrate` found them: one value in the store."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from sqlite_utils import Database

from appliance.errors import StoreError
from appliance.facts import Moment
from appliance.store.database import NoValueError, meta, transaction
from appliance.store.events import EventLog
from appliance.store.person import Audit

KEY = "calibration"


@dataclass(frozen=True, slots=True)
class Point:
    """The cosine that two different people of this site reach at some rate, with its 95 % interval."""

    fmr: float
    cosine: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was found, with which model, on how many people."""

    model: str
    at: float
    """UTC epoch seconds."""
    people: int
    pairs: int
    table: tuple[Point, ...]
    """Laxest first."""

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """(FMR, upper bound of the cosine), laxest first: what a threshold is read from."""
        return tuple((point.fmr, point.high) for point in self.table)


def save(db: Database, found: Calibration, by: str, now: Callable[[], Moment], log: EventLog | None = None) -> None:
    """In force from now on, instead of the one before. Raises StoreError."""
    with transaction(db):
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (KEY, json.dumps(asdict(found))))
        Audit(db, log, now).changed("calibrated", None, by, people=found.people, model=found.model)


def forget(db: Database, by: str, now: Callable[[], Moment], log: EventLog | None = None) -> bool:
    """The manifest's table alone is in force again. False: there was nothing to forget. Raises StoreError."""
    with transaction(db):
        if not db.execute("DELETE FROM meta WHERE key = ?", (KEY,)).rowcount:
            return False
        Audit(db, log, now).changed("calibration_removed", None, by)
    return True


def load(db: Database, model: str) -> Calibration | None:
    """What is in force for this model; None: nothing, or it was found with another model.

    Raises StoreError, also where it is damaged: who knows how strict it was.
    """
    try:
        kept = meta(db, KEY)
    except NoValueError:
        return None
    try:
        found = _read(json.loads(kept))  # type: ignore[arg-type]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"the site's calibration in the store is damaged ({type(error).__name__}): run `lintel calibrate`, "
            f"or `lintel calibrate --forget`"
        ) from error
    return found if found.model == model else None


def _read(kept: dict[str, Any]) -> Calibration:
    table = tuple(Point(*(float(point[key]) for key in ("fmr", "cosine", "low", "high"))) for point in kept["table"])
    falling = all(one.fmr > other.fmr and one.high < other.high for one, other in pairwise(table))
    if len(table) < 2 or not falling or not all(0 < point.fmr < 1 and abs(point.high) < 100 for point in table):
        raise ValueError("its table does not rise")
    return Calibration(str(kept["model"]), float(kept["at"]), int(kept["people"]), int(kept["pairs"]), table)
