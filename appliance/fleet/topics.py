"""Names of the topics and shapes of what goes out on them. docs/mqtt/asyncapi.yaml is the contract; tests hold both.

Nothing here carries a name, a picture or a vector: people are random ids.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from appliance.facts import EventType, Moment

VERSION = 1
STATUS_FRESH_SECONDS = 5.0
"""A door's status file older than this says nothing about the door: the reported state is UNKNOWN."""

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Names:
    """Topics of one door. `site` and `door` are already checked to hold no `/`, `+` or `#` (config)."""

    site: str
    door: str

    def _up(self, leaf: str) -> str:
        return f"lintel/{VERSION}/{self.site}/{self.door}/up/{leaf}"

    def _down(self, leaf: str) -> str:
        return f"lintel/{VERSION}/{self.site}/{self.door}/dn/{leaf}"

    @property
    def conn(self) -> str:
        """Retained, and the last will's topic."""
        return self._up("conn")

    @property
    def state(self) -> str:
        """Retained: what the door reports of itself."""
        return self._up("state")

    @property
    def health(self) -> str:
        """QoS 0."""
        return self._up("health")

    @property
    def result(self) -> str:
        """What became of a command."""
        return self._up("res")

    @property
    def ack(self) -> str:
        """The host's cumulative acknowledgement."""
        return self._down("ack")

    @property
    def command(self) -> str:
        """Signed commands."""
        return self._down("cmd")

    @property
    def mode(self) -> str:
        """The whole site's mode: signed, retained."""
        return f"lintel/{VERSION}/{self.site}/_all/dn/mode"

    @property
    def discovery(self) -> str:
        """Home Assistant's discovery; the site is its node id, so that a broker's ACL can tell doors apart."""
        return f"homeassistant/device/{self.site}/{self.door}/config"

    def event(self, kind: EventType) -> str:
        """Never retained."""
        return self._up(f"evt/{kind.value}")


def encode(payload: Mapping[str, Any]) -> bytes:
    """Compact JSON, UTF-8. Raises ValueError for a NaN, which is no JSON."""
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def iso(utc: float) -> str:
    """RFC 3339 in UTC with milliseconds, from seconds since the epoch."""
    return datetime.fromtimestamp(utc, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def conn(state: str, birth: int) -> Payload:
    """`state` is online, closing or lost; `birth` numbers the connection, the same in its last will.

    A `lost` whose number is not that of the latest `online` is an old will and means nothing.
    """
    return {"v": VERSION, "st": state, "bd": birth}


def state(door: str, status: Mapping[str, Any] | None, now: Moment) -> Payload:
    """The door's own status file as others may see it; everything `unknown` when it is missing or old."""
    fresh = status is not None and 0 <= now.mono - _number(status.get("at"), -1e9) <= STATUS_FRESH_SECONDS
    seen: Mapping[str, Any] = status if fresh and status is not None else {}
    words = {key: str(seen.get(key) or "unknown") for key in ("lock", "contact", "vision", "keypad")}
    return {
        "v": VERSION,
        "dev": door,
        "t": iso(now.utc),
        "tq": now.quality.value,
        "state": str(seen.get("state") or "UNKNOWN"),
        **words,
        "simulated": bool(seen.get("simulated", False)),
    }


def same_state(one: Payload | None, other: Payload | None) -> bool:
    """Whether two states differ in nothing but when they were told."""
    if one is None or other is None:
        return one is other
    timeless = one.keys() - {"t", "tq"}
    return all(one[key] == other.get(key) for key in timeless)


def health(door: str, now: Moment, version: str, figures: Mapping[str, float]) -> Payload:
    """`figures` holds what could be read: up_s, outbox, load_1m, mem_free_mb, disk_free_mb, temp_c, fps."""
    return {
        "v": VERSION,
        "dev": door,
        "t": iso(now.utc),
        "tq": now.quality.value,
        "version": version,
        **{key: round(float(value), 2) for key, value in figures.items()},
    }


def result(
    door: str, command: str | None, outcome: str, why: str, now: Moment, *, challenge: str | None = None
) -> Payload:
    """`command` is the id that the sender gave, if one could be read; `challenge` a nonce for its next one."""
    told = {"v": VERSION, "dev": door, "t": iso(now.utc), "id": command, "st": outcome, "why": why}
    return told if challenge is None else {**told, "ch": challenge}


def _number(value: Any, default: float) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default
