"""What the rules of a door know and remember: the latest book, and what has happened since it was read.

The book tells what was noted in the store; a note of this door's own counts from the moment of the
grant, whether or not it has reached the disk yet. Times of the store are UTC and are turned into
monotonic ones once: a clock that is set later moves nobody's past.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, tzinfo
from types import MappingProxyType

from appliance.access.book import Book
from appliance.access.modes import Mode
from appliance.access.passback import ENTRY, Kind, Sighting
from appliance.access.verdict import DoorRules, State, Verdict
from appliance.access.walltime import LATEST, believable
from appliance.facts import ClockQuality, Moment

Seen = tuple[str, str, float]
"""Zone, reader and UTC epoch seconds, as the store has it."""


@dataclass(frozen=True, slots=True)
class Note:
    """What the store is to remember of one person let in."""

    number: int
    """Counts up from 1 since the start."""
    person: str
    used: bool
    """Their visit was used once."""
    seen: Seen | None
    """None: nobody asks where they are."""


class Ledger:
    """Rules and state of one door. Knows no disk and no clock: a `Moment` is an argument."""

    def __init__(self, terms: Callable[[Book], DoorRules] = lambda _: DoorRules(), zone: tzinfo = UTC) -> None:
        """`terms` makes this door's rules of a book."""
        self._terms, self.zone = terms, zone
        self.rules = DoorRules()
        self.state = State()
        self._noted: dict[str, Seen] = {}  # what the store has, or will have, of each sighting in `state`
        self._open: deque[Note] = deque()  # not on the disk yet
        self._numbers = 0
        self._mode: tuple[float, float, Mode] | None = None  # holds from, until (UTC), which

    def load(self, book: Book, now: Moment) -> None:
        """Take a new book: what was noted since it was read counts on top."""
        self.rules, self._mode = self._terms(book), None
        used = dict(book.used)
        noted = dict(book.sightings)
        for note in self._open:
            if note.used:
                used[note.person] = used.get(note.person, 0) + 1
            if note.seen is not None:
                noted[note.person] = note.seen
        sightings = {pid: self._sighting(pid, seen, now) for pid, seen in noted.items()}
        # What was shown or waited for stood on the rights before these: a PIN may have been taken away.
        self.state = State(used=MappingProxyType(used), sightings=MappingProxyType(sightings), let_in=self.state.let_in)
        self._noted = noted

    def keep(self, verdict: Verdict, now: Moment) -> list[Note]:
        """Remember what a verdict tells, and say what the store is to be told of it."""
        before, self.state = self.state.used, verdict.after
        if not verdict.granted:
            return []
        notes = (self._note(pid, now, before.get(pid, 0)) for pid in (verdict.person, *verdict.companions))
        return [note for note in notes if note is not None]

    def written(self, number: int) -> None:
        """The store has all notes up to this one."""
        while self._open and self._open[0].number <= number:
            self._open.popleft()

    def free(self, now: Moment) -> bool:
        """Whether the door's mode lets everybody in once somebody has come. False while nobody knows the time."""
        if now.quality is ClockQuality.UNKNOWN or not believable(now.utc):
            return False
        return self._turn(now.utc)[2] is Mode.FREE

    def turns(self, utc: float) -> float | None:
        """When the mode turns next after `utc` (epoch seconds, believable); None: not for a year."""
        until = self._turn(utc)[1]
        return until if until < LATEST else None

    def _turn(self, utc: float) -> tuple[float, float, Mode]:
        if self._mode is None or not self._mode[0] <= utc < self._mode[1]:
            change = self.rules.plan.next_change(utc, self.zone)
            until = LATEST if change is None else change
            self._mode = (utc, until, self.rules.plan.at(utc, self.zone))
        return self._mode

    def _note(self, pid: str, now: Moment, used_before: int) -> Note | None:
        seen = self.state.sightings.get(pid) if self.rules.passback.kind is not Kind.OFF else None
        used = self.state.used.get(pid, 0) != used_before  # leaving uses nothing
        if seen is None and not used:
            return None
        self._numbers += 1
        told = None if seen is None else (seen.zone, seen.reader, _dated(now))
        note = Note(self._numbers, pid, used, told)
        self._open.append(note)
        if told is not None:
            self._noted[pid] = told
        return note

    def _sighting(self, pid: str, seen: Seen, now: Moment) -> Sighting:
        known = self.state.sightings.get(pid)
        if known is not None and self._noted.get(pid) == seen:
            return known
        zone, reader, utc = seen
        # Where nobody can tell how long ago it was, it counts as now: so does what a damaged row says (nan).
        told = now.quality is not ClockQuality.UNKNOWN and now.utc - utc >= 0
        return Sighting(zone, reader or ENTRY, now.mono - (now.utc - utc) if told else now.mono)


def _dated(now: Moment) -> float:
    """When it happened, for the store. What an unset clock says would count as long ago after the next start."""
    return now.utc if now.quality is not ClockQuality.UNKNOWN and believable(now.utc) else LATEST
