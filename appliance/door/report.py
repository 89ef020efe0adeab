"""What the door tells: events of access for the record, and its status for the page."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from appliance.access.decide import Answer
from appliance.access.passes import PassEntry
from appliance.access.proof import Asked
from appliance.access.verdict import Alarm
from appliance.door.machine import Door
from appliance.facts import (
    AdminUnlock,
    CardEntry,
    Credential,
    Decision,
    DoorCommand,
    Event,
    EventType,
    Match,
    Moment,
    PinEntry,
    Reason,
)
from appliance.store.chain import StoredEvent

PUBLISH_SECONDS = 1.0
"""The status is published at least this often, so that its age tells whether the loop lives."""

EDGES_SHOWN = 64


_ALARMS = {
    Alarm.DURESS: (EventType.PIN, "duress"),
    Alarm.BLOCKED: (EventType.ACCESS, Reason.BLOCKED.value),
    Alarm.PASSBACK: (EventType.ACCESS, Reason.PASSED_BACK.value),
}


def alarm_events(answer: Answer, now: Moment) -> list[Event]:
    """What security is told beside the decision. An alarm that is the decision's own reason is told by that."""
    decision, alarms = answer.decision, answer.verdict.alarms if answer.verdict is not None else ()
    told = [_ALARMS[alarm] for alarm in alarms if _ALARMS[alarm][1] != decision.reason.value]
    by = decision.by.value
    return [Event(kind, why, now, person=decision.person, by=by, detail={"alarm": True}) for kind, why in told]


def companion_event(pid: str, host: Decision, now: Moment) -> Event:
    """The record of a visitor who came in along with their host."""
    return Event(EventType.ACCESS, Reason.GRANTED.value, now, person=pid, detail={"host": host.person})


def access_event(answer: Answer, credential: Asked, now: Moment) -> Event:
    """The record of one decision. It says why, by what and whom; a PIN or a template is never in it."""
    decision = answer.decision
    detail: dict[str, Any] = {}
    match credential:
        case Match():
            detail = {"model": credential.model, "votes": credential.votes}
        case PinEntry():
            detail = {"keypad": credential.keypad}
        case CardEntry():
            detail = {"keypad": credential.reader}
        case PassEntry():
            detail = {"pass": credential.shown.id} if credential.shown is not None else {}
        case AdminUnlock():
            detail = {"admin": credential.by, "id": credential.id}
    if decision.leaving:
        detail["exit"] = True
    if answer.needs:
        detail["needs"] = list(answer.needs)
    if decision.until is not None:
        detail["wait_seconds"] = round(decision.until - now.mono, 1)
    return Event(
        type=_type(decision),
        why=decision.reason.value,
        at=now,
        person=decision.person,
        by=decision.by.value,
        score=decision.score,
        threshold=decision.threshold,
        live=decision.live,
        detail=detail,
    )


def keypad_of(credential: Asked) -> str | None:
    """What wrong tries are counted against."""
    match credential:
        case PinEntry():
            return credential.keypad
        case CardEntry():
            return credential.reader
    return None


def _type(decision: Decision) -> EventType:
    if decision.reason is Reason.SPOOF:
        return EventType.SPOOF
    failed = decision.reason in (Reason.UNKNOWN_PIN, Reason.LOCKED_OUT)
    return EventType.PIN if failed and decision.by is Credential.PIN else EventType.ACCESS


class Recorder(Protocol):
    """What remembers a simulated relay (`pins.Bench`)."""

    def relay_edges(self) -> list[tuple[float, bool]]:
        """Monotonic seconds, and whether the coil was energised from then on."""


class Report:
    """The door's status, published when it changes and now and then."""

    def __init__(
        self,
        publish: Callable[[Mapping[str, Any]], None],
        recorder: Recorder | None = None,
        *,
        keypad: str = "none",
    ) -> None:
        """`publish` must not wait. `recorder`: the far end of simulated pins. `keypad`: the source that is set."""
        self._publish, self._recorder = publish, recorder
        self.simulated = recorder is not None
        self.keypad = "none" if keypad == "none" else "lost"  # until it says otherwise
        self.vision = "lost"
        self.store = ""
        self.roster: int | None = None
        """The store's version of the people in force; None: none were loaded yet."""
        self._last: dict[str, Any] | None = None
        self._answer: dict[str, Any] | None = None
        self._answers = 0
        self._told: dict[str, Any] = {}
        self._due = 0.0

    def last(self, event: StoredEvent) -> None:
        """The newest event on the disk."""
        at = datetime.fromtimestamp(event.t_ms / 1000, UTC).isoformat(timespec="milliseconds")
        self._last = {
            "seq": event.seq,
            "type": event.type.value,
            "why": event.why,
            "person": event.person,
            "by": event.by,
            "at_utc": at.replace("+00:00", "Z"),
        }

    def answered(self, decision: Decision, now: float, needs: tuple[str, ...] = ()) -> None:
        """What the visitor is told; at a grant once the lock is driven. Not whom the door took a visitor for.

        `needs`: the factors of which one is still missing.
        """
        self._answers += 1
        self._answer = {
            "n": self._answers,
            "at": now,
            "why": decision.reason.value,
            "by": decision.by.value,
            "until": decision.until,
            "needs": list(needs),
        }

    def publish(self, door: Door, now: float, *, locked_out: bool, screen_until: float | None = None) -> None:
        """Publish what has changed, or the same again when it is time.

        `screen_until`: monotonic seconds when the lock-out of the screen's PIN pad ends.
        """
        contact = "none" if door.contact_open is None else "open" if door.contact_open else "closed"
        told: dict[str, Any] = {
            "state": door.state.value,
            "since": door.since,
            "lock": "released" if door.lock is DoorCommand.RELEASE else "secure",
            "contact": contact,
            "free": door.free,
            "lockdown": door.lockdown,
            "vision": self.vision,
            "simulated": self.simulated,
            "keypad": "locked_out" if locked_out and self.keypad == "ok" else self.keypad,
            "store": self.store,
            "roster": self.roster,
            "last": self._last,
            "answer": self._answer,
            "screen_until": screen_until,
        }
        if told == self._told and now < self._due:
            return
        self._told, self._due = told, now + PUBLISH_SECONDS
        edges = self._recorder.relay_edges()[-EDGES_SHOWN:] if self._recorder else None
        self._publish(told if edges is None else {**told, "edges": edges})
