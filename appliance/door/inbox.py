"""What the door's loop is told, and the one place where it is told."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from appliance.access.book import Book
from appliance.access.lockout import Outcome
from appliance.access.passes import PassEntry
from appliance.access.roster import Roster
from appliance.facts import AdminUnlock, Alive, CardEntry, Match, Passing, PinEntry, Reason
from appliance.store.chain import StoredEvent

ROOM = 256
"""Items that may wait. A sender can be silenced; the button and the fire line cannot, they have room of their own."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A switch changed."""

    name: str
    active: bool
    at: float


@dataclass(frozen=True, slots=True)
class KeypadState:
    """How the keypad on the wall fares: `ok`, `none` or `lost`."""

    state: str


@dataclass(frozen=True, slots=True)
class ReaderState:
    """How the card reader fares: `ok`, `lost`, or `unproven`: it speaks without knowing the key."""

    state: str


@dataclass(frozen=True, slots=True)
class PanelState:
    """How the panel fares whose OSDP reader this is: `ok`, `lost`, or `unproven`: it does not know the key."""

    state: str


@dataclass(frozen=True, slots=True)
class PanelMissed:
    """Somebody was let in and the panel was not told: `line`, `late`, `full`, `no_card` or `record`."""

    cause: str


@dataclass(frozen=True, slots=True)
class PinUnusable:
    """A PIN was entered, but there is no key to hash it with."""

    keypad: str


@dataclass(frozen=True, slots=True)
class Written:
    """The journal's answer on some events."""

    tickets: tuple[int, ...]
    durable: bool
    last: StoredEvent | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """The pass desk's answer: a use is on the disk, or why it is not."""

    ticket: int
    refused: Reason | None


@dataclass(frozen=True, slots=True)
class RosterLoaded:
    """The people and the rules as the store has them now."""

    roster: Roster
    book: Book = field(default_factory=Book)


@dataclass(frozen=True, slots=True)
class Noted:
    """The store remembers all of the door's notes up to this one (`access.ledger.Note`)."""

    number: int


@dataclass(frozen=True, slots=True)
class History:
    """What the record tells of the time before this start."""

    outcomes: tuple[tuple[Outcome, float], ...]
    """With the monotonic seconds, of this boot, at which they count as having happened."""
    unlock_ids: frozenset[str] = frozenset()
    """Ids of administrators' unlocks that were used."""


@dataclass(frozen=True, slots=True)
class StoreState:
    """Whether the record can be written: `ok`, or why not in one word."""

    state: str


@dataclass(frozen=True, slots=True)
class Refusals:
    """Datagrams thrown away since the last report, by fault."""

    counts: Mapping[str, int]


Item = (
    Edge
    | Match
    | PinEntry
    | CardEntry
    | PassEntry
    | AdminUnlock
    | Alive
    | KeypadState
    | ReaderState
    | PanelState
    | PanelMissed
    | PinUnusable
    | Written
    | Spent
    | Noted
    | Passing
    | RosterLoaded
    | History
    | StoreState
    | Refusals
)


class Post(Protocol):
    """Where the threads put what they have learnt."""

    def put(self, item: Item) -> None:
        """Never waits."""


class Inbox:
    """Many writers, one reader. Edges and what the journal says are never dropped; all but its state go first."""

    def __init__(self) -> None:
        self._urgent: deque[Item] = deque()
        self._others: deque[Item] = deque()
        self._wake = threading.Condition()
        self.dropped = 0

    def put(self, item: Item) -> None:
        """Add an item; dropped if too many wait. Never waits."""
        with self._wake:
            # The journal's answers come in the number the loop asked for; edges cannot outrun a debounced wire.
            # Its other news is seldom, and never told twice: a dropped roster would leave a withdrawn right in force.
            if isinstance(item, RosterLoaded):
                self._urgent = deque(other for other in self._urgent if not isinstance(other, RosterLoaded))
            if isinstance(item, Edge | Written | Spent | Noted | RosterLoaded | History):
                self._urgent.append(item)
            elif len(self._others) < ROOM or isinstance(item, StoreState):  # seldom, and it overtakes nobody
                self._others.append(item)
            else:
                self.dropped += 1
            self._wake.notify()

    def edge(self, name: str, active: bool, at: float) -> None:
        """A switch changed (`pins.OnChange`)."""
        self.put(Edge(name, active, at))

    def get(self, timeout: float) -> Item | None:
        """The next item, or None after `timeout` seconds without one."""
        with self._wake:
            if not (self._urgent or self._others) and timeout > 0:
                self._wake.wait(timeout)
            if self._urgent:
                return self._urgent.popleft()
            return self._others.popleft() if self._others else None
