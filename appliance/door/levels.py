"""What the switches say, and which of them is not to be believed for now. Belongs to the loop.

The button and the fire line are always believed: whatever is wrong with them, the door lets people
out. A contact or a tamper switch that chatters is left aside until it is calm, since each false
"closed" would lock the door on somebody who has pressed the button.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from appliance.door.machine import Contact, Fire, Input, Tamper
from appliance.door.peers import News
from appliance.errors import LockError
from appliance.facts import RexPress

VITAL = ("rex", "fire")
"""Switches without which there is no way out: one that cannot be read ends the loop, and it starts anew."""
BOUNCES = 12
BOUNCE_SECONDS = 4.0
"""So many changes within this are no door's: six times open and shut."""
CALM_SECONDS = 5.0
"""A line that has not changed for this long is believed again."""
REX_STUCK_SECONDS = 60.0
"""The button is held for this long: told once. The door stays released all the same."""
UNOPENED = 10
"""So many grants in a row without the contact having changed: it does not see the door."""


class Switch(Protocol):
    """A button or contact (`pins.Switch`)."""

    @property
    def active(self) -> bool:
        """Its level now. Raises LockError."""


class Levels:
    """All switches of one door."""

    def __init__(self, switches: Mapping[str, Switch], tell: Callable[[News], None]) -> None:
        """`tell` takes what is worth an event."""
        self._switches, self._tell = switches, tell
        self._believed: dict[str, bool] = {}
        self._unreadable: set[str] = set()
        self._changes: dict[str, deque[float]] = {}
        self._heard: dict[str, bool] = {}
        self._bouncing: set[str] = set()
        self._pressed_at: float | None = None
        self._rex_told = self._stuck_told = False
        self._unopened = 0

    @property
    def pressed(self) -> bool:
        """Whether the button was down when last heard of."""
        return self._pressed_at is not None

    def begin(self) -> Mapping[str, bool]:
        """The levels as they are. Raises LockError for the vital ones."""
        read = {name: self._read(name, switch) for name, switch in self._switches.items()}
        self._believed = {name: active for name, active in read.items() if active is not None}
        self._heard = dict(self._believed)
        return self._believed

    def read(self) -> Iterator[tuple[str, bool]]:
        """Each line that can be read. Raises LockError for the vital ones."""
        for name, switch in self._switches.items():
            if (active := self._read(name, switch)) is not None:
                yield name, active

    def hear(self, name: str, active: bool, now: float, at: float) -> Input:
        """One level, changed at `at` or read again at `now` (monotonic seconds): what it means, None: nothing new."""
        if name == "rex":
            self._pressed(active, now)
            # Held down it keeps asking, so that the lock does not fall while someone leans on it.
            return RexPress(at) if active else None
        if name not in VITAL and not self._trusted(name, active, now):
            return None
        changed, self._believed[name] = self._believed.get(name) is not active, active
        if not changed:
            return None
        if name == "contact":
            self._seen_moving()
        meant: dict[str, Input] = {"contact": Contact(active), "tamper": Tamper(active), "fire": Fire(active)}
        return meant[name]

    def granted(self) -> None:
        """The door was released for somebody outside."""
        if "contact" not in self._believed or self._believed["contact"]:
            return
        self._unopened += 1
        if self._unopened == UNOPENED:
            self._stuck_told = True
            self._tell(("contact_stuck", {"grants": UNOPENED}))

    def _read(self, name: str, switch: Switch) -> bool | None:
        """Its level; None: it cannot be read, and the door does without. Raises LockError for the vital ones."""
        try:
            return switch.active
        except LockError:
            if name in VITAL:
                raise
            if name not in self._unreadable:
                self._unreadable.add(name)
                self._tell(("line_lost", {"line": name}))
            return None

    def _pressed(self, active: bool, now: float) -> None:
        if not active:
            if self._rex_told:
                self._tell(("rex_back", {}))
            self._pressed_at, self._rex_told = None, False
            return
        if self._pressed_at is None:
            self._pressed_at = now
        if now - self._pressed_at >= REX_STUCK_SECONDS and not self._rex_told:
            self._rex_told = True
            self._tell(("rex_stuck", {"seconds": REX_STUCK_SECONDS}))

    def _seen_moving(self) -> None:
        self._unopened = 0
        if self._stuck_told:
            self._stuck_told = False
            self._tell(("contact_back", {}))

    def _trusted(self, name: str, active: bool, now: float) -> bool:
        times = self._changes.setdefault(name, deque(maxlen=BOUNCES))
        if self._heard.get(name) is not active:
            self._heard[name] = active
            times.append(now)
        # What looks like an opening is always heard: it takes no release back, and may be somebody forcing the door.
        opening = name == "contact" and active
        if name in self._bouncing:
            if now - times[-1] < CALM_SECONDS:
                return opening
            self._bouncing.discard(name)
            times.clear()
            self._tell(("line_calm", {"line": name}))
        elif len(times) == BOUNCES and now - times[0] <= BOUNCE_SECONDS:
            self._bouncing.add(name)
            self._tell(("line_bouncing", {"line": name}))
            return opening
        return True
