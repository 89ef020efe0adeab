"""An event as a row of the table: what is written of it, what is read back, and what cannot be either."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from appliance.errors import StoreError
from appliance.facts import ClockQuality, Event, EventType, Moment
from appliance.store.chain import DETAIL_BYTES, StoredEvent, canonical, uuid7

COLUMNS = (
    'seq, id, boot, t_ms, tq, mono_ms, type, why, pid, "by", score, thr, live, detail, '
    "cfg, roster, mdl, prev, hash, settled_at"
)
INSERT = f"INSERT INTO events ({COLUMNS}) VALUES ({', '.join('?' * 19)}, NULL)"  # noqa: S608 - constants
SELECT = f"SELECT {COLUMNS} FROM events"  # noqa: S608 - constants


class UnwritableEventError(StoreError, ValueError):
    """No store could ever take this event."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the record an event comes to stand, and what was in force then."""

    seq: int
    prev: bytes
    boot: str
    config: str | None
    roster: int


def placed(event: Event, place: Place) -> StoredEvent:
    """The event as it will be read back. `detail["model"]`, if there, becomes its `mdl`.

    Raises UnwritableEventError: a value that is no JSON, no text or no time, or a `detail` that is too long.
    """
    try:
        detail = _json(event)
        model = detail.pop("model", None)
        unhashed = StoredEvent(
            seq=place.seq,
            id=uuid7(event.at.utc),
            boot=place.boot,
            t_ms=int(event.at.utc * 1000),
            quality=ClockQuality(event.at.quality),
            mono_ms=int(event.at.mono * 1000),
            type=EventType(event.type),
            why=str(event.why),
            person=_text(event.person),
            by=_text(event.by),
            score=_number(event.score),
            threshold=_number(event.threshold),
            live=None if event.live is None else bool(event.live),
            detail=detail,
            config=place.config,
            roster=place.roster,
            model=None if model is None else str(model),
            prev=place.prev,
            hash=b"",
        )
        return replace(unhashed, hash=unhashed.digest())
    except (TypeError, ValueError, OverflowError, OSError, RecursionError) as error:
        if isinstance(error, UnwritableEventError):
            raise
        raise UnwritableEventError(
            f"event {event.type!s}/{event.why!s} cannot be written: {type(error).__name__}; "
            "use text, finite times, and plain JSON values in detail"
        ) from None


def writable(event: Event, now: Moment) -> tuple[Event, str]:
    """The event, or in its place one that says which could not be written, and why (empty: it can).

    One bad event must not hold up all those behind it.
    """
    try:
        placed(event, Place(1, bytes(32), "boot", None, 0))
    except UnwritableEventError as error:
        told = {"type": event.type, "why": event.why, "pid": event.person, "by": event.by}
        detail = {name: ascii(str(value))[1:-1][:60] for name, value in told.items() if value is not None}
        return Event(EventType.SYS, "event_unwritable", now, detail=detail), ascii(str(error))[1:-1]
    return event, ""


def _json(event: Event) -> dict[str, Any]:
    """`detail` as it will be read back. Raises UnwritableEventError."""
    try:
        text = canonical(event.detail)
    except (TypeError, ValueError, RecursionError) as error:
        raise UnwritableEventError(
            f"event {event.type}/{event.why} cannot be written: detail is not JSON ({error}); use plain JSON values"
        ) from None
    if len(text) > DETAIL_BYTES:
        raise UnwritableEventError(
            f"event {event.type}/{event.why} cannot be written: detail has {len(text)} bytes; keep it to {DETAIL_BYTES}"
        )
    detail: dict[str, Any] = json.loads(text)
    return detail


def _number(value: float | None) -> float | None:
    """Four decimals say all a score can; nan is not JSON."""
    return round(float(value), 4) if value is not None and math.isfinite(value) else None


def _text(value: str | None) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where text belongs")
    return value


def row(event: StoredEvent) -> tuple[Any, ...]:
    """Values for `INSERT`."""
    return (
        event.seq,
        event.id,
        event.boot,
        event.t_ms,
        event.quality.value,
        event.mono_ms,
        event.type.value,
        event.why,
        event.person,
        event.by,
        event.score,
        event.threshold,
        event.live,
        canonical(event.detail).decode(),
        event.config,
        event.roster,
        event.model,
        event.prev,
        event.hash,
    )


def stored(row: Sequence[Any]) -> StoredEvent:
    """What a row of `SELECT` says. Raises StoreError: the row is damaged."""
    try:
        event = _unchecked(row)
        if not isinstance(event.detail, dict):
            raise TypeError("detail is not an object")
        _ = event.at, event.time  # both raise for numbers that are no time
    except (ValueError, TypeError, OverflowError, OSError, RecursionError) as error:
        raise StoreError(
            f"event {row[0]} of the record is damaged: {type(error).__name__}; "
            "see lintel events --verify, and restore a backup to have it again"
        ) from None
    return event


def _unchecked(row: Sequence[Any]) -> StoredEvent:
    seq, id_, boot, t_ms, quality, mono_ms, kind, why, person, by, score, threshold, live, detail, *rest = row
    config, roster, model, prev, digest, settled_at = rest
    return StoredEvent(
        seq=seq,
        id=id_,
        boot=boot,
        t_ms=t_ms,
        quality=ClockQuality(quality),
        mono_ms=mono_ms,
        type=EventType(kind),
        why=why,
        person=person,
        by=by,
        score=score,
        threshold=threshold,
        live=None if live is None else bool(live),
        detail=json.loads(detail),
        config=config,
        roster=roster,
        model=model,
        prev=prev,
        hash=digest,
        settled=settled_at is not None,
    )
