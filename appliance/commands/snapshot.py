"""What the live view is fed with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Process:
    """One daemon as its supervisor sees it."""

    name: str
    pid: int | None
    """None while it is down."""
    rss_mb: float = 0.0
    """Resident memory in MB (10^6 bytes)."""
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that one picture of the view is drawn from."""

    mono: float
    """Monotonic seconds, now."""
    utc: float
    """Seconds since the Unix epoch, now."""
    status: Mapping[str, Mapping[str, Any] | None]
    """What `door`, `vision` and `net` published last; None or missing if they did not."""
    events: Sequence[Mapping[str, Any]] = ()
    """The newest events in their wire form, in any order."""
    processes: Sequence[Process] = ()
    log: Sequence[str] = ()
    """The newest lines of the daemons' logs, oldest first."""
    typed: int = 0
    """Digits of a PIN typed so far; the digits themselves never come here."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What stays the same while the view runs."""

    place: str = ""
    """Site and door."""
    simulated: Sequence[str] = ()
    """What is not real, such as `camera` or `lock`."""
    url: str | None = None
    zone: ZoneInfo = UTC
    passive_threshold: float | None = None
