"""Doubtful values, made harmless: statuses and events come from files and tables that may be garbled.

Each function takes anything and returns the wanted kind or None. Nothing here raises.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

_PERSON = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}", re.IGNORECASE)
_MILLISECONDS_FROM = 1e11
"""A Unix time above this (year 5138 in seconds) is in milliseconds."""
_STATUS_KEYS = {
    "door": (
        *("at", "pid", "state", "since", "lock", "contact", "vision", "simulated", "keypad", "store", "last"),
        *("seq", "type", "why", "person", "by", "at_utc", "answer", "n", "until", "screen_until", "needs", "free"),
    ),
    "vision": (
        *("at", "pid", "camera", "fps", "faces", "stage", "hint", "face", "score", "threshold", "passive"),
        *("surround", "votes", "person", "stages_ms", "simulated", "scene"),
        *("detect", "mesh", "align", "surround", "liveness", "embed", "match"),
        *("challenge", "turn", "n", "of", "until"),
    ),
    "net": ("at", "pid", "mqtt", "outbox", "port"),
}
_EVENT_KEYS = (
    *("v", "id", "dev", "boot", "seq", "t", "tq", "mono_ms", "type", "why", "pid", "by", "score", "thr", "live"),
    *("cfg", "roster", "mdl", "prev", "detail", "latency_ms", "compute_ms", "late", "votes", "wait_seconds", "count"),
)


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def text(value: object, limit: int = 64) -> str | None:
    """A string without control characters, at most `limit` characters."""
    if not isinstance(value, str):
        return None
    return "".join(c for c in value[: limit * 2] if c.isprintable())[:limit] or None


def number(value: object, low: float = -1e12, high: float = 1e12) -> float | None:
    """A finite number within bounds; true and false are not numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        real = float(value)
    except OverflowError:
        return None
    return real if math.isfinite(real) and low <= real <= high else None


def whole(value: object, low: int = 0, high: int = 2**53) -> int | None:
    """A whole number within bounds."""
    real = number(value, low, high)
    return None if real is None or real != int(real) else int(real)


def person(value: object) -> str | None:
    """The first 8 digits of a person's UUID. Anything else, a name above all, is not shown."""
    known = isinstance(value, str) and _PERSON.fullmatch(value)
    return value[:8].lower() if known and isinstance(value, str) else None


def box(value: object) -> tuple[float, float, float, float] | None:
    """[x, y, width, height] as fractions of the picture, cut to it and rounded to a thousandth."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 4:
        return None
    parts = [number(part, -4, 4) for part in value]
    if any(part is None for part in parts):
        return None
    x, y, width, height = (part for part in parts if part is not None)
    left, top = min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)
    right, bottom = min(max(x + width, 0.0), 1.0), min(max(y + height, 0.0), 1.0)
    if right <= left or bottom <= top:
        return None
    return round(left, 3), round(top, 3), round(right - left, 3), round(bottom - top, 3)


def utc_seconds(value: object) -> float | None:
    """Seconds since the Unix epoch from seconds, milliseconds or ISO 8601 text."""
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value[:40])
            return at.timestamp() if at.tzinfo else None
        except (ValueError, OverflowError):
            return None
    real = number(value, 0, 1e14)
    return None if real is None else real / 1000 if real > _MILLISECONDS_FROM else real


def status(daemon: str, value: object) -> dict[str, Any] | None:
    """A daemon's status cut to the keys of its contract and to harmless values."""
    return _cut(value, _STATUS_KEYS[daemon]) if isinstance(value, Mapping) else None


def event(value: object) -> dict[str, Any] | None:
    """An event cut to the keys of its contract and to harmless values."""
    return _cut(value, _EVENT_KEYS) if isinstance(value, Mapping) else None


def _cut(value: Mapping[Any, Any], keys: Sequence[str], depth: int = 2) -> dict[str, Any]:
    kept = {key: _harmless(value[key], keys, depth) for key in keys if key in value}
    return {key: None if _names_someone(key, part) else part for key, part in kept.items()}


def _names_someone(key: str, value: object) -> bool:
    return key in ("person", "pid") and isinstance(value, str) and not _PERSON.fullmatch(value)


def _harmless(value: object, keys: Sequence[str], depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return whole(value, -(2**53)) if isinstance(value, int) else number(value)
    if isinstance(value, str):
        return text(value, 128)
    if isinstance(value, Mapping) and depth:
        return _cut(value, keys, depth - 1)
    if isinstance(value, Sequence) and depth:
        return [_harmless(part, keys, 0) for part in value[:8]]
    return None
