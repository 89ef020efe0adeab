"""The rules as the door would ask them at some moment: the same code, on the store as it is now."""

from dataclasses import dataclass, replace
from types import MappingProxyType
from zoneinfo import ZoneInfo

from appliance.access.book import Book
from appliance.access.explain import Door, Stretch, when_can_enter
from appliance.access.ledger import Ledger
from appliance.access.modes import Factor
from appliance.access.terms import door_rules
from appliance.commands.records import Records
from appliance.config import Config
from appliance.facts import ClockQuality, Moment
from appliance.store.passes import Passbook
from appliance.store.people import People
from appliance.store.rulebook import read
from appliance.system.clock import now

AHEAD_SECONDS = 14 * 86_400.0
"""So far the next change is looked for."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What the store holds, and what the door makes of it at `at`."""

    book: Book
    door: Door
    at: Moment
    passes: frozenset[str] = frozenset()
    """Pids of those whose pass could open this door at `at`."""
    coming: frozenset[str] = frozenset()
    """Pids of those whose pass could open it then or later."""
    cards: frozenset[str] = frozenset()
    """Pids of those who have a card."""

    def held(self, pid: str) -> frozenset[Factor]:
        """What this person was given that the roster does not know of."""
        given = {Factor.CARD: self.cards, Factor.PASS: self.passes}
        return frozenset(factor for factor, holders in given.items() if pid in holders)

    def of(self, pid: str) -> Door:
        """The door, and what else this person was given."""
        return replace(self.door, held=self.held(pid))

    def ahead(self, pid: str, seconds: float = AHEAD_SECONDS) -> list[Stretch]:
        """The answers from `at` on, one stretch after another."""
        return when_can_enter(pid, self.of(pid), self.at.utc, self.at.utc + seconds)


def ask(config: Config, records: Records, utc: float | None = None, quality: ClockQuality | None = None) -> Asking:
    """The rules at `utc` (epoch seconds; None: now, with the clock as it is). Raises StoreError.

    People, rules and uses of visits are those of now: the record keeps no older ones.
    """
    present = now()
    at = present
    if utc is not None:
        at = Moment(present.mono + (utc - present.utc), utc, quality or ClockQuality.SYNCED)
    book = read(records.db, present.utc, door=config.site.door)
    zone = ZoneInfo(config.site.timezone)
    ledger = Ledger(lambda book: door_rules(book, config.access), zone)
    ledger.load(book, present if utc is None else replace(present, quality=at.quality))
    # A way through the door that lies after the moment asked about was not known then.
    seen = {pid: one for pid, one in ledger.state.sightings.items() if one.at <= at.mono}
    state = replace(ledger.state, sightings=MappingProxyType(seen))
    people = People(records.db, records.keys, records.log, lambda: at)
    door = Door(people.roster(), ledger.rules, zone, state)
    passes, coming = _passes(config, records, at)
    return Asking(book, door, at, passes, coming, frozenset(door.roster.cards.values()))


def _passes(config: Config, records: Records, at: Moment) -> tuple[frozenset[str], frozenset[str]]:
    """Whose pass opens this door at that moment, and whose does then or later."""
    here = [one for one in Passbook(records.db).list() if not one.doors or config.site.door in one.doors]
    clock = at.quality is not ClockQuality.UNKNOWN
    opening = frozenset(one.pid for one in here if clock and one.opens(at.utc))
    return opening, frozenset(one.pid for one in here if one.opens(max(at.utc, one.begin)))
