"""Carries out signed commands and says what became of them. One thread owns it: the uplink's."""

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from appliance.errors import LintelError
from appliance.facts import Credential, Event, EventType, Moment, Reason
from appliance.fleet.commands import Challenges, Judge, Order, Outcome, Refusal, SiteMode, Verifier
from appliance.settings import SiteConfig
from appliance.store.chain import StoredEvent

log = logging.getLogger(__name__)

DONE_SECONDS = 5.0
"""The door acts within this, or the command has failed."""
LOOK_SECONDS = 0.1
STATUS_FRESH_SECONDS = 5.0
SITE = "site:"
"""Stands before whoever ordered a lockdown of the whole site."""
UNSAID = "ordered by MQTT"


@dataclass(frozen=True, slots=True)
class Reply:
    """One message on `up/res`."""

    id: str | None
    outcome: Outcome
    why: str
    proved: bool = True
    """False: nobody knows who asked, so answers of this kind are few."""


class Hands(Protocol):
    """What a command may do. Every method raises LintelError when the store does not answer."""

    def unlock(self, by: str, name: str, at: float) -> bool:
        """Ask the door; False: it is away."""

    def lockdown(self, on: bool, by: str, why: str) -> bool:
        """Shut this door to everybody outside, or lift that; whether the site's lockdown stands."""

    def take_mode(self, mode: SiteMode, by: str, why: str, now: Moment) -> str:
        """Remember the number of the site's mode, and in the same breath do what it asks.

        Returns why the door does not follow, or nothing: `local_lockdown` (its own stands), or, and then the
        mode is not done, `iat` (signed before the lockdown it would lift) or `seq` (no number above all known).
        """

    def mode_seq(self) -> int:
        """The newest number taken; 0: none yet, or it is damaged."""

    def note(self, event: Event) -> None:
        """Put it in the record."""

    def head(self) -> int:
        """Number of the newest event."""

    def since(self, seq: int) -> Sequence[StoredEvent]:
        """The events after that one."""

    def door(self) -> Mapping[str, Any] | None:
        """The door's status."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    id: str
    op: str
    seq: int
    until: float


class Desk:
    """Where signed commands arrive."""

    def __init__(self, verifier: Verifier, site: SiteConfig, hands: Hands) -> None:
        self.challenges = Challenges(lambda: secrets.token_urlsafe(18))
        self._judge = Judge(verifier, site.site, site.door, self.challenges)
        self._hands = hands
        self._waiting: list[_Waiting] = []
        self._look = 0.0

    def command(self, payload: bytes, now: Moment) -> list[Reply]:
        """Judge one and begin it. Raises BadMessage."""
        order = self._judge.command(payload, now)
        if isinstance(order, Refusal):
            return [Reply(order.id, order.outcome, order.why, order.id is not None)]
        try:
            return self._begin(order, now)
        except LintelError as error:
            log.error("command %s: %s", order.op, error)
            return [Reply(order.id, "failed", "store")]

    def mode(self, payload: bytes, now: Moment) -> list[Reply]:
        """The site's mode, retained or new. Raises BadMessage."""
        try:
            mode = self._judge.mode(payload, self._hands.mode_seq())
            if mode is None:
                return []
            if isinstance(mode, Refusal):
                return [Reply(mode.id, mode.outcome, mode.why, mode.id is not None)]
            return self._take(mode, now)
        except LintelError as error:
            log.error("the site's mode: %s", error)
            return [Reply(None, "failed", "store")]

    def watch(self, now: Moment) -> list[Reply]:
        """What has become of commands under way."""
        if not self._waiting or now.mono < self._look:
            return []
        self._look = now.mono + LOOK_SECONDS
        replies, left = [], []
        for waiting in self._waiting:
            reply = self._became(waiting, now)
            if reply is None:
                left.append(waiting)
            else:
                replies.append(reply)
        self._waiting = left
        return replies

    def _begin(self, order: Order, now: Moment) -> list[Reply]:
        seq = self._hands.head()
        detail = {"op": order.op, "id": order.id, "by2": order.by2, "reason": order.why}
        self._hands.note(Event(EventType.AUDIT, "remote_command", now, by=order.by, detail=detail))
        if order.op == "unlock":
            if not self._hands.unlock(order.by, order.id, now.mono):
                return [Reply(order.id, "failed", "door_away")]
        else:
            on = order.op == "lockdown"
            if self._hands.lockdown(on, order.by, order.why or UNSAID) and not on:
                return [Reply(order.id, "failed", "site_lockdown")]
        self._waiting.append(_Waiting(order.id, order.op, seq, now.mono + DONE_SECONDS))
        return [Reply(order.id, "accepted", order.op)]

    def _take(self, mode: SiteMode, now: Moment) -> list[Reply]:
        name, seq = f"mode-{mode.seq}", self._hands.head()
        if fault := self._hands.take_mode(mode, SITE + mode.by, mode.why or UNSAID, now):
            return [Reply(name, "failed" if fault == "local_lockdown" else "rejected", fault)]
        op = "lockdown" if mode.lockdown else "release"
        self._waiting.append(_Waiting(name, op, seq, now.mono + DONE_SECONDS))
        return [Reply(name, "accepted", op)]

    def _became(self, waiting: _Waiting, now: Moment) -> Reply | None:
        try:
            rows, door = self._hands.since(waiting.seq), self._hands.door()
        except LintelError as error:
            log.error("command %s: %s", waiting.op, error)
            rows, door = (), None
        fresh = door if door is not None and now.mono - _at(door) <= STATUS_FRESH_SECONDS else None
        fate = became(waiting.op, waiting.id, rows, fresh)
        if fate is None and now.mono >= waiting.until:
            fate = "failed", "no_answer"
        return None if fate is None else Reply(waiting.id, *fate)


def became(
    op: str, name: str, rows: Sequence[StoredEvent], door: Mapping[str, Any] | None
) -> tuple[Outcome, str] | None:
    """What the record and the door's status say of it; None: nothing yet. Only what was seen is done."""
    if op == "unlock":
        return _unlocked(name, rows, door)
    words = {row.why for row in rows if row.type is EventType.DOOR}
    if ("lockdown" if op == "lockdown" else "lockdown_end") in words:
        return "done", op
    shut = None if door is None else bool(door.get("lockdown", door.get("state") == "LOCKDOWN"))
    return ("done", op) if shut is (op == "lockdown") else None


def _unlocked(name: str, rows: Sequence[StoredEvent], door: Mapping[str, Any] | None) -> tuple[Outcome, str] | None:
    decided = next((row for row in rows if row.by == Credential.ADMIN and row.detail.get("id") == name), None)
    if decided is None:
        return None
    if decided.why != Reason.GRANTED:
        return "failed", decided.why
    after = {(row.why, row.by) for row in rows if row.seq > decided.seq and row.type is EventType.DOOR}
    if any(why == "withheld" for why, _ in after):
        return "failed", "lockdown"
    # A door that was open or unlocked already stays so, and has no news to record.
    released = door is not None and door.get("lock") == "released" and _at(door) * 1000 >= decided.mono_ms
    return ("done", "unlock") if released or ("unlocked", Credential.ADMIN) in after else None


def _at(door: Mapping[str, Any]) -> float:
    at = door.get("at")
    return float(at) if isinstance(at, int | float) and not isinstance(at, bool) else float("-inf")
