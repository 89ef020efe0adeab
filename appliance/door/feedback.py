"""Light and sound at the door: which lamp is on when. A table of patterns, and the thread that plays them.

It follows the status that the door publishes, so nothing of it can hold up the lock; a lamp that fails is
said once, and the door goes on without.
"""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from appliance.errors import LockError
from appliance.facts import Reason

log = logging.getLogger(__name__)


class Cue(StrEnum):
    """What there is to tell."""

    IDLE = "idle"
    GRANTED = "granted"
    DENIED = "denied"
    MORE = "more"
    """Nothing refused: a second factor or a host is awaited."""
    OPEN = "open"
    HELD = "held"
    FORCED = "forced"
    RELEASED = "released"


LAMPS = ("green", "red", "buzzer")
Spans = tuple[tuple[float, float], ...]
"""(on from, on until), seconds since the pattern began, in order and apart."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One cue, as times."""

    green: Spans = ()
    red: Spans = ()
    buzzer: Spans = ()
    seconds: float = 0.0
    """Its length. Then it begins anew, or ends."""
    repeats: bool = False


_ALWAYS: Spans = ((0.0, 1.0),)
PATTERNS: Mapping[Cue, Pattern] = {
    Cue.IDLE: Pattern(),
    # One long tone for yes and three short ones for no are told apart without eyes and without hearing pitch.
    Cue.GRANTED: Pattern(green=((0.0, 3.0),), buzzer=((0.0, 0.4),), seconds=3.0),
    Cue.DENIED: Pattern(red=((0.0, 2.0),), buzzer=((0.0, 0.1), (0.2, 0.3), (0.4, 0.5)), seconds=2.0),
    Cue.MORE: Pattern(green=((0.0, 0.3), (0.6, 0.9), (1.2, 1.5)), buzzer=((0.0, 0.1),), seconds=1.8),
    Cue.OPEN: Pattern(green=_ALWAYS, seconds=1.0, repeats=True),
    Cue.HELD: Pattern(red=((0.0, 0.5),), buzzer=((0.0, 0.1),), seconds=1.0, repeats=True),
    Cue.FORCED: Pattern(red=((0.0, 0.15), (0.3, 0.45)), buzzer=((0.0, 0.3),), seconds=0.6, repeats=True),
    Cue.RELEASED: Pattern(green=((0.0, 0.25),), seconds=0.5, repeats=True),
}
_STATES = {
    "UNLOCKED": Cue.OPEN,
    "OPEN": Cue.OPEN,
    "HELD": Cue.HELD,
    "FORCED": Cue.FORCED,
    "RELEASED": Cue.RELEASED,
}


def levels(cue: Cue, elapsed: float) -> dict[str, bool]:
    """Which lamps are on, `elapsed` seconds into the cue."""
    pattern = PATTERNS[cue]
    if pattern.seconds <= 0 or (elapsed >= pattern.seconds and not pattern.repeats):
        return dict.fromkeys(LAMPS, False)
    at = elapsed % pattern.seconds
    return {lamp: any(on <= at < off for on, off in getattr(pattern, lamp)) for lamp in LAMPS}


def wait(cue: Cue, elapsed: float) -> float | None:
    """Seconds until a lamp may change or the cue ends; None: never by itself."""
    pattern = PATTERNS[cue]
    if pattern.seconds <= 0 or (elapsed >= pattern.seconds and not pattern.repeats):
        return None
    at = elapsed % pattern.seconds
    edges = {edge for lamp in LAMPS for span in getattr(pattern, lamp) for edge in span} | {pattern.seconds}
    return min(edge for edge in edges if edge > at) - at


def standing(status: Mapping[str, Any]) -> Cue:
    """The cue of the door's state."""
    return _STATES.get(str(status.get("state")), Cue.IDLE)


def answer(before: Mapping[str, Any], status: Mapping[str, Any]) -> Cue | None:
    """The cue of an answer that the status before did not have yet. Alarms are not interrupted for one."""
    given = status.get("answer")
    if not given or given == before.get("answer") or standing(status) in (Cue.FORCED, Cue.RELEASED):
        return None
    if given["why"] in (Reason.SECOND_FACTOR, Reason.ESCORT_MISSING):
        return Cue.MORE
    return Cue.GRANTED if given["why"] == Reason.GRANTED else Cue.DENIED


class Lamp(Protocol):
    """An output line (`pins.RelayLine`)."""

    def energise(self, on: bool) -> None:
        """On or off. Raises LockError."""


class Feedback(threading.Thread):
    """Plays cues on the lamps that are wired, until close()."""

    def __init__(self, lamps: Mapping[str, Lamp]) -> None:
        super().__init__(name="feedback", daemon=True)
        self._lamps = dict(lamps)
        self._status: Mapping[str, Any] = {}
        self._cue, self._since = Cue.IDLE, time.monotonic()
        self._cues = 0
        self._ending = False
        self._wake = threading.Condition()

    def told(self, status: Mapping[str, Any]) -> None:
        """The door's status; called whenever it is published. Never waits for a lamp."""
        with self._wake:
            now = time.monotonic()
            fresh = answer(self._status, status)
            rest = standing(status)
            over = wait(self._cue, now - self._since) is None
            passing = self._cue in (Cue.GRANTED, Cue.DENIED, Cue.MORE) and not over and rest in (Cue.IDLE, Cue.OPEN)
            cue = fresh or (self._cue if passing else rest)
            if fresh or cue is not self._cue:
                self._begin(cue, now)
            self._status = status
            self._wake.notify()

    def panel_said(self, lets_in: bool) -> None:
        """Another panel lit its reader's lamp; said once more than the door did, it is not played twice."""
        with self._wake:
            now, cue = time.monotonic(), Cue.GRANTED if lets_in else Cue.DENIED
            playing = cue is self._cue and wait(cue, now - self._since) is not None
            if not playing and standing(self._status) in (Cue.IDLE, Cue.OPEN):
                self._begin(cue, now)
                self._wake.notify()

    def run(self) -> None:
        """Until close()."""
        while not self._ending:
            with self._wake:
                elapsed = time.monotonic() - self._since
                pause = wait(self._cue, elapsed)
                if pause is None and self._cue is not standing(self._status):
                    self._begin(standing(self._status), time.monotonic())
                    continue
                shown, playing = levels(self._cue, elapsed), self._cues
            self._drive(shown)
            with self._wake:
                # A cue that came while the lamps were driven has already called.
                if not self._ending and playing == self._cues:
                    self._wake.wait(pause)

    def _begin(self, cue: Cue, now: float) -> None:
        self._cue, self._since = cue, now
        self._cues += 1

    def close(self) -> None:
        """All off. May be called twice."""
        with self._wake:
            self._ending = True
            self._wake.notify()
        if self.is_alive():
            self.join(1.0)
        self._drive(dict.fromkeys(LAMPS, False))

    def _drive(self, shown: Mapping[str, bool]) -> None:
        for name, lamp in list(self._lamps.items()):
            try:
                lamp.energise(shown[name])
            except LockError as error:
                log.error("%s; the door goes on without it", error)
                del self._lamps[name]
