"""The time that retention goes by: the wall clock, unless it leapt.

A clock can be set wrong by a decade, by a bad time server or a bad battery, and still call itself synchronised.
Deleting the record on its word could not be taken back. So a leap forward is believed only after the device has
run on with it for a while, in which somebody may notice; until then time goes on from where it was.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from sqlite_utils import Database

from appliance.facts import Moment
from appliance.store.database import meta, transaction

KEY = "retention_time"
LEAP_SECONDS = 2 * 86400.0
"""A device that was off for less than this is believed at once."""
PROOF_SECONDS = 7 * 86400.0
"""Running time after which a leap is believed."""
STEADY_SECONDS = 120.0
"""While it waits to be believed, a clock may drift by this much from one look to the next."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Where time stood at the last look."""

    trusted: float
    """Seconds since the epoch."""
    utc: float
    """What the wall clock said."""
    mono: float
    boot: str
    proved: float = 0.0
    """Seconds for which a clock that leapt has run on steadily."""

    def at(self, now: Moment, boot: str) -> "Timeline":
        """The next look. `trusted` never runs ahead of the wall clock."""
        ran = max(0.0, now.mono - self.mono) if boot == self.boot else 0.0
        expected = self.trusted + ran
        steady = abs(now.utc - self.utc - ran) <= STEADY_SECONDS or boot != self.boot
        proved = self.proved + ran if steady else 0.0
        if now.utc - expected <= LEAP_SECONDS or proved >= PROOF_SECONDS:
            return Timeline(now.utc, now.utc, now.mono, boot)
        return Timeline(expected, now.utc, now.mono, boot, proved)


def trusted(db: Database, now: Moment, boot: str) -> float:
    """Seconds since the epoch that old events are measured against, noted for the next time. Raises StoreError."""
    with transaction(db):
        line = (_noted(db) or _first(db, now, boot)).at(now, boot)
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (KEY, json.dumps(asdict(line))))
    return line.trusted


def _noted(db: Database) -> Timeline | None:
    """None: no note yet (NoValueError is a KeyError), or one that cannot be read."""
    try:
        told: dict[str, Any] = json.loads(str(meta(db, KEY)))
        trusted, utc, mono, proved = (float(told[name]) for name in ("trusted", "utc", "mono", "proved"))
        return Timeline(trusted, utc, mono, str(told["boot"]), proved)
    except (ValueError, TypeError, KeyError):
        return None


def _first(db: Database, now: Moment, boot: str) -> Timeline:
    """Without a note, time stood where the record ends; a new record begins now."""
    row = db.execute("SELECT t_ms FROM events WHERE tq <> 'unknown' ORDER BY seq DESC LIMIT 1").fetchone()
    stood = row[0] / 1000 if row else now.utc
    return Timeline(stood, stood, now.mono, boot)
