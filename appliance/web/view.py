"""What the page and the terminal show now, as words and checked numbers.

Pure: three statuses, the newest events and the time go in, one frozen `Now` comes out. A status may
be missing or garbled; the view then says so. Times are monotonic seconds unless they say UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from appliance.web import plain, words
from appliance.web.rows import Row, last_decision, last_unlock
from appliance.web.words import Tone, Words

START_SECONDS = 20.0
"""For so long after a start a process may have said nothing yet."""
SILENT_SECONDS = 5.0
"""A daemon that has published nothing for this long is called silent; they publish each second."""
Status = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """One state: its stable word, what to call it, what helps, its tone."""

    key: str
    title: str
    help: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class DoorView:
    """The door as its process last told."""

    state: Said
    lock: Said
    contact: Said
    ajar: bool
    """Whether the leaf is drawn open."""
    since: float | None


@dataclass(frozen=True, slots=True)
class VisitorView:
    """Who stands there, as far as a page may say."""

    stage: Said
    hint: str
    face: tuple[float, float, float, float] | None
    """x, y, width, height as fractions of the picture."""
    faces: int | None
    person: str | None


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """The figures that the vote is built from."""

    score: float | None
    threshold: float | None
    passive: float | None
    passive_threshold: float | None
    surround: Said | None
    votes: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of the chain and what it took."""

    key: str
    name: str
    ms: float


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the device and how it is."""

    key: str
    name: str
    value: str
    help: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Simulated:
    """What is not real; all false on a door that is."""

    door: bool
    visitor: bool
    scene: str | None


@dataclass(frozen=True, slots=True)
class Now:
    """Everything on the first page but the strip of events."""

    door: DoorView
    visitor: VisitorView
    evidence: EvidenceView
    decision: Row | None
    unlock: Row | None
    steps: tuple[Step, ...]
    parts: tuple[Part, ...]
    alarms: tuple[Said, ...]
    simulated: Simulated


def now(
    status: Mapping[str, object],
    listed: Sequence[Row],
    mono: float,
    *,
    passive_threshold: float | None = None,
    before: Now | None = None,
    starting: bool = False,
) -> Now:
    """Build the view of `door`, `vision` and `net` status dicts (None where missing) and rows, newest first.

    With the view `before`, the figures behind an answer stay for as long as its visitor rests before the camera.
    While all are `starting`, a process that has said nothing yet is no alarm.
    """
    door, vision, net = (fresh(status.get(name), mono) for name in ("door", "vision", "net"))
    return Now(
        door=_starting(_door(door)) if starting and door is None else _door(door),
        visitor=_visitor(vision, starting),
        evidence=_evidence(vision, passive_threshold, before),
        decision=last_decision(listed),
        unlock=last_unlock(listed),
        steps=_steps(vision),
        parts=_parts(door, vision, net),
        alarms=tuple(alarm for alarm in _alarms(door, vision, net) if not (starting and alarm.key in _SILENT)),
        simulated=_simulated(door, vision),
    )


def fresh(status: object, mono: float) -> Status | None:
    """The status, or None if it is missing, its process has been silent or its time cannot be."""
    known = plain.mapping(status)
    at = plain.number(known.get("at"))
    if at is None or not -1.0 <= mono - at <= SILENT_SECONDS:
        return None
    return known


def _said(table: Mapping[str, Words], status: Status, key: str) -> Said:
    word = plain.text(status.get(key), 40)
    said = words.say(table, word)
    return Said(word or "unknown", said.title, said.help, said.tone)


def _door(door: Status | None) -> DoorView:
    known = door or {}
    state = _said(words.DOOR, known, "state")
    if door is None:
        state = Said("unknown", "No word", "The door's process does not answer. Look at the door itself.", "needs")
    lock, contact = _said(words.LOCK, known, "lock"), _said(words.CONTACT, known, "contact")
    ajar = contact.key == "open" or state.key in ("OPEN", "HELD", "FORCED")
    return DoorView(state, lock, contact, ajar, plain.number(known.get("since"), 0))


def _starting(door: DoorView) -> DoorView:
    return replace(
        door, state=Said("unknown", "Starting…", "The door's process says its first word in a moment.", "act")
    )


def _visitor(vision: Status | None, starting: bool) -> VisitorView:
    known = vision or {}
    stage = _said(words.STAGE, known, "stage")
    if vision is None:
        stage = Said("unknown", "No word from the camera", "PIN and the way out work as always.", "needs")
    if vision is None and starting:
        stage = Said("unknown", "Starting…", "The camera and the models are on their way.", "act")
    camera = words.CAMERA.get(plain.text(known.get("camera"), 40) or "")
    if camera and camera.tone in ("needs", "alarm"):
        stage = Said("blind", camera.alarm, "PIN and the way out work as always.", "needs")
    hint = plain.text(known.get("hint"), 40)
    return VisitorView(
        stage=stage,
        hint=words.say(words.HINT, hint).title if hint else "",
        face=plain.box(known.get("face")),
        faces=plain.whole(known.get("faces"), 0, 99),
        person=plain.person(known.get("person")),
    )


def _evidence(vision: Status | None, passive_threshold: float | None, before: Now | None) -> EvidenceView:
    known = vision or {}
    if known.get("stage") == "resting" and known.get("score") is None and before:
        return before.evidence
    surround = _said(words.SURROUND, known, "surround")
    return EvidenceView(
        score=_rounded(known.get("score"), 3, low=-1, high=1),
        threshold=_rounded(known.get("threshold"), 3, low=-1, high=1),
        passive=_rounded(known.get("passive"), 2, low=0, high=1),
        passive_threshold=passive_threshold,
        surround=None if surround.key == "unknown" else surround,
        votes=plain.whole(known.get("votes"), 0, 99),
    )


def _steps(vision: Status | None) -> tuple[Step, ...]:
    timed = plain.mapping((vision or {}).get("stages_ms"))
    known = ((key, _rounded(timed.get(key), 1, low=0, high=60_000)) for key in words.STEP)
    return tuple(Step(key, words.STEP[key].title, ms) for key, ms in known if ms is not None)


def _parts(door: Status | None, vision: Status | None, net: Status | None) -> tuple[Part, ...]:
    parts = [_part("camera", "Camera", words.CAMERA, vision)]
    fps = plain.number((vision or {}).get("fps"), 0, 1000)
    if fps is not None:
        parts.append(Part("fps", "Frames each second", f"{fps:.0f}", "", "quiet"))
    parts.append(_part("vision", "Face recognition", words.VISION, door))
    parts.append(_part("keypad", "Keypad", words.KEYPAD, door))
    if (door or {}).get("store"):
        parts.append(_part("store", "Record of events", words.STORE, door))
    parts.append(_part("mqtt", "Broker (MQTT)", words.MQTT, net))
    waiting = plain.whole((net or {}).get("outbox"))
    if waiting is not None:
        parts.append(Part("outbox", "Events waiting to be sent", f"{waiting:,}", "", "quiet"))
    return tuple(parts)


def _part(key: str, name: str, table: Mapping[str, Words], status: Status | None) -> Part:
    if status is None:
        return Part(key, name, "No word", "", "needs")
    said = _said(table, status, key)
    return Part(key, name, said.title, said.help, said.tone)


def _alarms(door: Status | None, vision: Status | None, net: Status | None) -> list[Said]:
    """What someone should act on, the gravest first, each cause once."""
    camera = _alarm(words.CAMERA, vision, "camera")
    asked = [
        _alarm(words.DOOR, door, "state"),
        camera,
        # The door says the camera is down or its process silent; the causes above and below say it better.
        None if camera or vision is None else _alarm(words.VISION, door, "vision"),
        _alarm(words.KEYPAD, door, "keypad"),
        _alarm(words.STORE, door, "store"),
        _alarm(words.MQTT, net, "mqtt"),
        *(_silent(name, status) for name, status in (("door", door), ("vision", vision), ("net", net))),
    ]
    return sorted((said for said in asked if said), key=lambda said: said.tone != "alarm")


def _alarm(table: Mapping[str, Words], status: Status | None, key: str) -> Said | None:
    word = plain.text((status or {}).get(key), 40)
    said = words.say(table, word)
    if word is None or said.tone not in ("needs", "alarm"):
        return None
    return Said(f"{key}_{word.lower()}", said.alarm or said.title, said.help, said.tone)


_SILENT = frozenset(f"{name}_silent" for name in words.PROCESS)


def _silent(name: str, status: Status | None) -> Said | None:
    said = words.PROCESS[name]
    return Said(f"{name}_silent", said.title, said.help, said.tone) if status is None else None


def _simulated(door: Status | None, vision: Status | None) -> Simulated:
    scene = plain.text((vision or {}).get("scene"), 40)
    visitor = (vision or {}).get("simulated") is True
    said = words.say(words.SCENE, scene).title if scene and visitor else None
    return Simulated((door or {}).get("simulated") is True, visitor, said)


def _rounded(value: object, digits: int, low: float, high: float) -> float | None:
    known = plain.number(value, low, high)
    return None if known is None else round(known, digits)
