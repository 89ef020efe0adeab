"""What the store holds of the rules, at one moment. Replaced whole when the store changes, never edited."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from appliance.access.blocklist import Ban
from appliance.access.modes import ModePlan
from appliance.access.schedule import Schedule
from appliance.access.visitors import Visit


@dataclass(frozen=True, slots=True)
class Book:
    """The rules that operators set, and what was noted about who came by them."""

    hours: Mapping[str, tuple[Schedule, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """By group, holidays included. A group that is not named has no hours: its people enter always."""
    plan: ModePlan = field(default_factory=ModePlan)
    visits: Mapping[str, Visit] = field(default_factory=lambda: MappingProxyType({}))
    """By pid."""
    used: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """By pid: how often the door has opened for that visit, 0 since it was set anew."""
    bans: Mapping[str, Ban] = field(default_factory=lambda: MappingProxyType({}))
    """By pid."""
    alike: frozenset[str] = frozenset()
    """Pids whose faces come too near another person's."""
    sightings: Mapping[str, tuple[str, str, float]] = field(default_factory=lambda: MappingProxyType({}))
    """By pid: zone, reader and UTC epoch seconds of the last way through a door."""
    lockdown: bool = False
    lockdown_by: str | None = None
    """Who ordered it; None: nobody, or that cannot be read any more."""
