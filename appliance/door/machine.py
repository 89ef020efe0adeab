"""The lock's state machine, after the table in `table.py`. It knows no clock, pin or thread.

The lock's position is not in the table. It follows from three times and one state (`_wanted`):
released while somebody may still come in or go out, or while there is a fire; else secured. So
there is no path on which it could be forgotten open.
"""

import math
from dataclasses import dataclass

from appliance.door.table import PASSABLE, RECORDED, SETTLE, TABLE, Signal, State
from appliance.facts import Credential, Decision, DoorCommand, Event, EventType, Moment, Passing, RexPress

__all__ = [
    "EGRESS_SECONDS",
    "GRACE_SECONDS",
    "Contact",
    "Door",
    "Fire",
    "Free",
    "Input",
    "Lockdown",
    "Output",
    "State",
    "Tamper",
]

EGRESS_SECONDS = 3.0
"""EN 60839-11-1: a release lasts so long at least. Whatever the contact says, whoever asked to go out has it."""

GRACE_SECONDS = 0.5
"""A strike lets go more slowly than its relay: a door opened this soon after relocking was not forced."""


@dataclass(frozen=True, slots=True)
class Contact:
    """The door's contact changed, or was read again."""

    open: bool


@dataclass(frozen=True, slots=True)
class Tamper:
    """The case's switch."""

    open: bool


@dataclass(frozen=True, slots=True)
class Fire:
    """The fire alarm's line."""

    on: bool


@dataclass(frozen=True, slots=True)
class Lockdown:
    """An administrator locks the entry side, or lifts that."""

    on: bool


@dataclass(frozen=True, slots=True)
class Free:
    """The door stays unlocked for everybody. Begins only while somebody's grant still stands."""

    until: float
    """Monotonic seconds; inf: for good. What is past, or a nan, ends it."""


Input = Decision | RexPress | Contact | Tamper | Fire | Lockdown | Free | Passing | None
"""None: time has passed."""
Output = DoorCommand | Event

SPENT = 1 << 20
"""In place of the number of grants: this opening's tailgating has been told."""


class Door:
    """One door."""

    def __init__(self, unlock_seconds: float, held_seconds: float, relock_on_close: bool = True) -> None:
        self._unlock_seconds = unlock_seconds
        self._held_seconds = held_seconds
        self._relock_on_close = relock_on_close
        self.state = State.LOCKED
        self.since = 0.0
        """Monotonic seconds since which `state` holds."""
        self.lock = DoorCommand.SECURE
        """What the lock's driver was last told."""
        self.contact_open: bool | None = None
        """None: no contact is wired."""
        self.fire = False
        self.lockdown = False
        self._tampered = False
        self._entry_until = self._egress_until = self._egress_least = self._free_until = -math.inf
        self._asked_while_open = False
        self._guests = self._later_guests = 0  # grants for this opening; and those of them since it opened
        self._guest_at = math.inf
        self._relocked_at = -math.inf
        self._held_at = math.inf
        self._by: tuple[str | None, str | None] = (None, None)  # credential, person of the last release

    @property
    def deadline(self) -> float:
        """When step() must next be called even if nothing happens (monotonic s); inf: never."""
        relock = self._relock_at if self.lock is DoorCommand.RELEASE and self.state is not State.RELEASED else math.inf
        free = self._free_until if self.free else math.inf
        return min(relock, free, self._held_at if self.state is State.OPEN else math.inf)

    @property
    def free(self) -> bool:
        """Whether the door stays unlocked for everybody."""
        return self._free_until > -math.inf

    def begin(
        self, now: Moment, *, contact_open: bool | None, fire: bool = False, lockdown: bool = False
    ) -> list[Output]:
        """Take the door as it stands when power comes. A door found open was not forced: nobody saw it."""
        self.contact_open, self.fire, self.lockdown = contact_open, fire, lockdown
        self.since = now.mono
        self._enter(State.RELEASED if fire else self._settled(now.mono), now.mono)
        self.lock = self._wanted(now.mono)
        self._by = ("fire", None)
        events = [self._event("released", now)] if fire else []
        return [self.lock, *events]

    def step(self, now: Moment, given: Input = None) -> list[Output]:
        """What follows from an input, or from time alone. Commands stand before the events they cause."""
        was_free = self.free
        if isinstance(given, Free):
            self._set_free(now.mono, given.until)
        if not self._free_until > now.mono:
            self._free_until = -math.inf
        out = self._stepped(now, given)
        if self.free is not was_free:
            out.append(self._event("free" if self.free else "free_end", now))
        return out

    def _stepped(self, now: Moment, given: Input) -> list[Output]:
        out: list[Output] = []
        while (due := self._due(now.mono)) is not None:
            out += self._apply(now, due)
        if isinstance(given, Tamper):
            return out + self._tamper(now, given)
        if isinstance(given, Passing):
            return out + self._passing(now, given)
        if isinstance(given, Decision) and given.granted and self.lockdown:
            return [*out, self._event("withheld", now, given.person, given.by.value)]
        signal = self._signal(now.mono, given)
        return out + self._apply(now, signal) if signal is not None else out

    def _signal(self, now: float, given: Input) -> Signal | None:
        """Take the input in, and say what it means. None: nothing new."""
        match given:
            case Decision(granted=True):
                self._entry_until = max(self._entry_until, now + given.unlock_seconds)
                if not given.leaving:
                    self._guests, self._guest_at = self._guests + 1, now
                    self._later_guests += bool(self.contact_open)
                return self._asked(Signal.GRANT, given.by.value, given.person)
            case RexPress():
                self._egress_until = max(self._egress_until, now + self._unlock_seconds)
                self._egress_least = max(self._egress_least, now + min(EGRESS_SECONDS, self._unlock_seconds))
                return self._asked(Signal.REX, Credential.REX.value, None)
            case Contact(is_open) if is_open is not self.contact_open:
                return self._contact(now, is_open)
            case Fire(on) if on is not self.fire:
                self.fire = on
                # What was granted before a fire is over after it; who pressed the button still goes out.
                self._entry_until = self._free_until = -math.inf
                return self._asked(Signal.FIRE, "fire", None) if on else Signal.FIRE_END
            case Lockdown(on) if on is not self.lockdown:
                self.lockdown = on
                if on:
                    self._entry_until = self._free_until = -math.inf
                return Signal.LOCKDOWN if on else Signal.LOCKDOWN_END
        return None

    def _asked(self, signal: Signal, by: str, person: str | None) -> Signal:
        self._by = (by, person)
        self._asked_while_open = bool(self.contact_open)
        return signal

    def _contact(self, now: float, is_open: bool) -> Signal:
        self.contact_open = is_open
        if is_open:
            self._asked_while_open = False
            self._later_guests = 0
            return Signal.OPENED_LATE if now - self._relocked_at <= GRACE_SECONDS else Signal.OPENED
        if self._relock_on_close and not self._asked_while_open and not self.fire:
            # The release has served its purpose. One asked for since the door opened has not; and whoever presses
            # the button has a while to push, even if the contact only chatters.
            self._entry_until = -math.inf
            self._egress_until = min(self._egress_until, self._egress_least)
        self._guests, self._later_guests = self._later_guests, 0
        return Signal.CLOSED

    def _due(self, now: float) -> Signal | None:
        if now < self.deadline:
            return None
        return Signal.HELD_DUE if self.state is State.OPEN and self._held_at <= now else Signal.RELOCK_DUE

    def _apply(self, now: Moment, signal: Signal) -> list[Output]:
        row = TABLE[self.state]
        if signal in row:
            to = row[signal]
            self._enter(to if to is not SETTLE else self._settled(now.mono), now.mono)
        word = "forced" if self.state is State.FORCED and signal is Signal.OPENED else RECORDED.get(signal)
        return self._drive(now, signal) + ([self._event(word, now)] if word else [])

    def _enter(self, state: State, now: float) -> None:
        if state is State.OPEN and self.state is not State.OPEN:
            self._held_at = now + self._held_seconds
        if state not in PASSABLE:
            self._guests = self._later_guests = 0
        if state is not self.state:
            self.state, self.since = state, now

    def _settled(self, now: float) -> State:
        if self.contact_open:
            return State.OPEN
        if now < self._relock_at:
            return State.UNLOCKED
        return State.LOCKDOWN if self.lockdown else State.LOCKED

    def _drive(self, now: Moment, signal: Signal) -> list[Output]:
        before, self.lock = self.lock, self._wanted(now.mono)
        if self.lock is before:
            # Whoever asks to go out gets a command each time: the driver may have missed the last one.
            return [self.lock] if signal in (Signal.REX, Signal.FIRE) else []
        if self.lock is DoorCommand.RELEASE:
            return [self.lock, self._event("unlocked", now, self._by[1], self._by[0])]
        self._relocked_at = now.mono
        return [self.lock, self._event("locked", now)]

    def _wanted(self, now: float) -> DoorCommand:
        released = self.state is State.RELEASED or now < self._relock_at
        return DoorCommand.RELEASE if released else DoorCommand.SECURE

    @property
    def _relock_at(self) -> float:
        return max(self._entry_until, self._egress_until, self._free_until)

    def _set_free(self, now: float, until: float) -> None:
        """Begin or end it. Only who was let in begins it, and neither a lockdown nor a fire lets it begin."""
        if not until > now:
            self._free_until = -math.inf
        elif self._entry_until > now and not self.lockdown and not self.fire:
            self._free_until = until

    def _passing(self, now: Moment, given: Passing) -> list[Output]:
        """A second person behind the only one let in: told once an opening."""
        if self.state not in PASSABLE or self.free or self._guests != 1 or not given.at >= self._guest_at:
            return []
        self._guests = SPENT
        return [Event(EventType.DOOR, "tailgating", now, detail={"faces": given.faces})]

    def _tamper(self, now: Moment, given: Tamper) -> list[Output]:
        if given.open is self._tampered:
            return []
        self._tampered = given.open
        return [Event(EventType.TAMPER, "case_open" if given.open else "case_closed", now)]

    @staticmethod
    def _event(why: str, now: Moment, person: str | None = None, by: str | None = None) -> Event:
        return Event(EventType.DOOR, why, now, person=person, by=by)
