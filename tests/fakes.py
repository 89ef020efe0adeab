"""Parts that record what is done to them, for tests of the parts that do it."""

import time
from collections.abc import Callable, Sequence

from appliance.access.book import Book
from appliance.access.ledger import Note
from appliance.access.roster import Roster
from appliance.door.inbox import History, Item
from appliance.errors import StoreError
from appliance.facts import ClockQuality, Event, Moment
from appliance.store.chain import StoredEvent


def eventually(check: Callable[[], object], seconds: float = 3.0):
    """The first true answer of `check`, or its last one after `seconds`."""
    end = time.monotonic() + seconds
    while not (value := check()) and time.monotonic() < end:
        time.sleep(0.005)
    return value


class HandClock:
    """Time that passes when told to."""

    def __init__(self, mono: float = 1000.0, utc: float = 1_790_000_000.0) -> None:
        self.mono, self.utc, self.quality = mono, utc, ClockQuality.SYNCED

    def __call__(self) -> Moment:
        return Moment(self.mono, self.utc, self.quality)

    def pass_(self, seconds: float) -> None:
        self.mono += seconds
        self.utc += seconds


class RecordingRelay:
    """A relay's coil: what it was told, in order."""

    def __init__(self) -> None:
        self.told: list[bool] = []

    def energise(self, on: bool) -> None:
        self.told.append(on)


class ReplaySwitch:
    """A button or contact that stands where a test puts it."""

    def __init__(self, active: bool = False) -> None:
        self.active = active


class RecordingPost:
    """An inbox that keeps everything."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    def put(self, item: Item) -> None:
        self.items.append(item)

    def of(self, kind: type) -> list:
        return [item for item in self.items if isinstance(item, kind)]


class RecordingRecord:
    """A journal that writes nowhere and answers when a test says so."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.open: list[int] = []
        self.marked_late: list[int] = []
        self.notes: list[Note] = []

    def put(self, event: Event, ticket: int | None = None) -> None:
        self.events.append(event)
        if ticket is not None:
            self.open.append(ticket)

    def late(self, ticket: int) -> None:
        self.marked_late.append(ticket)

    def note(self, note: Note) -> None:
        self.notes.append(note)

    def whys(self) -> list[str]:
        return [str(event.why) for event in self.events]


class FailingStore:
    """A store on a disk that fails on request. `gate` may hold an append up, as a slow disk does."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.broken = False
        self.gate: Callable[[], None] = lambda: None
        self.roster: Roster | None = None
        self.book = Book()
        self.notes: list[Note] = []
        self.closed = 0

    def append(self, events: Sequence[Event]) -> list[StoredEvent]:
        self.gate()
        if self.broken:
            raise StoreError("the disk is full; make room")
        self.events += events
        first = len(self.events) - len(events) + 1
        return [_stored(event, first + index) for index, event in enumerate(events)]

    def changed_roster(self, now: float) -> Roster | None:
        roster, self.roster = self.roster, None
        return roster

    def note(self, note: Note) -> None:
        if self.broken:
            raise StoreError("the disk is full; make room")
        self.notes.append(note)

    def upkeep(self, now: float) -> None:
        pass

    def history(self, now: Moment) -> History:
        return History(())

    def close(self) -> None:
        self.closed += 1


def _stored(event: Event, seq: int) -> StoredEvent:
    return StoredEvent(
        seq=seq, id=f"id{seq}", boot="boot", t_ms=int(event.at.utc * 1000), quality=event.at.quality,
        mono_ms=int(event.at.mono * 1000), type=event.type, why=event.why, person=event.person, by=event.by,
        score=event.score, threshold=event.threshold, live=event.live, detail=event.detail, config=None, roster=0,
        model=None, prev=bytes(32), hash=bytes(32),
    )  # fmt: skip
