"""Events as lines that people read, newest first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from appliance.facts import Credential, Reason
from appliance.web import plain, words

ASKED = ("access", "spoof", "pin")
"""Types of event that answer someone who asked to come in."""


@dataclass(frozen=True, slots=True)
class Row:
    """One event in words."""

    seq: int
    kind: str
    """Event type, such as `access`."""
    why: str
    title: str
    help: str
    tone: words.Tone
    granted: bool | None
    """Whether it let someone in; None if nobody asked."""
    means: str
    """By what means: a `Credential`, or who did it; empty if nobody asked."""
    by: str
    """The same in words."""
    person: str | None
    """First 8 digits of a random id, never a name."""
    at: float | None
    """Seconds since the Unix epoch."""
    clock: str
    """Time of day in the site's zone, `20:14:05`; `--:--:--` if unknown."""
    date: str
    """Date and time in the site's zone."""
    score: float | None
    threshold: float | None
    latency_ms: float | None
    """From the moment the visitor asked to the edge on the lock's line; only on an unlock."""
    compute_ms: float | None


def rows(events: Iterable[object], zone: ZoneInfo) -> list[Row]:
    """Read events, drop what is not one, and put the newest first."""
    known = (row for row in (_row(event, zone) for event in events) if row)
    return sorted(known, key=lambda row: row.seq, reverse=True)


def merged(listed: Sequence[Row]) -> list[Row]:
    """The same rows, but an unlock right after the answer that caused it becomes that answer's latency."""
    kept: list[Row] = []
    for row in listed:
        unlock = kept[-1] if kept else None
        if row.granted and unlock and _caused(row, unlock):
            kept[-1] = replace(row, latency_ms=unlock.latency_ms, compute_ms=unlock.compute_ms)
        else:
            kept.append(row)
    return kept


def _caused(answer: Row, later: Row) -> bool:
    return (
        (later.kind, later.why) == ("door", "unlocked")
        and later.means == answer.means
        and later.person == answer.person
        and 0 < later.seq - answer.seq <= 2
    )


def last_decision(listed: Iterable[Row]) -> Row | None:
    """The newest row that answered someone."""
    return next((row for row in listed if row.granted is not None), None)


def last_unlock(listed: Iterable[Row]) -> Row | None:
    """The newest row with the latency of letting someone in. The way out is not counted: it waits for nothing."""
    return next((row for row in listed if row.latency_ms is not None and row.means != Credential.REX), None)


def _row(event: object, zone: ZoneInfo) -> Row | None:
    known = plain.mapping(event)
    seq = plain.whole(known.get("seq"))
    kind, why = plain.text(known.get("type"), 24), plain.text(known.get("why"), 40)
    if seq is None or kind is None or why is None:
        return None
    said = words.say_event(kind, why)
    means = plain.text(known.get("by"), 40) or ""
    at = plain.utc_seconds(known.get("t"))
    clock, date = clock_words(at, zone)
    return Row(
        seq=seq,
        kind=kind,
        why=why,
        title=said.title,
        help=said.help,
        tone=said.tone,
        granted=_granted(kind, why),
        means="" if plain.person(means) else means,
        by="" if kind == "sys" else _by(means),
        person=plain.person(known.get("pid")),
        at=at,
        clock=clock,
        date=date,
        score=plain.number(known.get("score"), -1, 1),
        threshold=plain.number(known.get("thr"), -1, 1),
        latency_ms=_detail(known, "latency_ms"),
        compute_ms=_detail(known, "compute_ms"),
    )


def clock_words(at: float | None, zone: ZoneInfo) -> tuple[str, str]:
    """Time of day, and date with time, in the site's zone."""
    try:
        local = datetime.fromtimestamp(at or 0.0, UTC).astimezone(zone)
    except (OverflowError, ValueError, OSError):
        at = None
    if not at:
        return "--:--:--", "time not known"
    return f"{local:%H:%M:%S}", f"{local:%a %d %b %Y, %H:%M:%S %Z}"


def _granted(kind: str, why: str) -> bool | None:
    if kind not in ASKED or why not in Reason.__members__.values():
        return None
    return why == Reason.GRANTED


def _by(by: str) -> str:
    """Who did it in words. An administrator's own id says nothing to a reader."""
    if not by:
        return ""
    if by in words.CREDENTIAL:
        return words.CREDENTIAL[by].title
    return words.CREDENTIAL[Credential.ADMIN].title if plain.person(by) else words.plain_word(by)


def _detail(event: Mapping[str, Any], key: str) -> float | None:
    """A number that stands in the event itself or in its `detail`."""
    return plain.number(event.get(key, plain.mapping(event.get("detail")).get(key)), 0, 600_000)
