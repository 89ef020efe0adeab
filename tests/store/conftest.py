"""A real database in a temporary directory, a device key, and a clock that tests turn by hand."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlite_utils import Database

from appliance.facts import ClockQuality, Event, EventType, Moment, Vector
from appliance.store.consent import Consent, given
from appliance.store.database import FILE, connect
from appliance.store.events import EventLog
from appliance.store.people import People
from appliance.system.keys import DeviceKey

START = 1_800_000_000.0
"""2027-01-15 08:00 UTC."""


DAY = 86400.0


class Clock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.moment = Moment(1000.0, START, ClockQuality.SYNCED)

    def __call__(self) -> Moment:
        return self.moment

    def turn(self, seconds: float) -> None:
        self.moment = replace(self.moment, mono=self.moment.mono + seconds, utc=self.moment.utc + seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE


@pytest.fixture
def db(path: Path) -> Iterator[Database]:
    database = connect(path)
    yield database
    database.close()


@pytest.fixture
def keys() -> DeviceKey:
    return DeviceKey(b"k" * 32)


@pytest.fixture
def log(db: Database) -> EventLog:
    return EventLog(db, "5f0c6d2e-4a3b-4c8d-9e1f-0a1b2c3d4e5f")


@pytest.fixture
def people(db: Database, keys: DeviceKey, log: EventLog, clock: Clock) -> People:
    return People(db, keys, log, clock)


@pytest.fixture
def consent(clock: Clock) -> Consent:
    return given(clock().utc, "cli")


def event(
    kind: EventType = EventType.ACCESS, why: str = "granted", at: Moment | None = None, **fields: object
) -> Event:
    return Event(kind, why, at or Moment(1000.0, START, ClockQuality.SYNCED), **fields)  # type: ignore[arg-type]


def moment(utc: float, quality: ClockQuality = ClockQuality.SYNCED) -> Moment:
    return Moment(1000.0, utc, quality)


def vectors(count: int, seed: int = 0) -> Vector:
    """(count, 160) float32 of length 1."""
    raw = np.random.default_rng(seed).normal(size=(count, 160)).astype(np.float32)
    return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
