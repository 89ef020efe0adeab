"""The rules out of the store, all of one moment. A row that cannot be understood fails closed for whom it concerns.

- A group's schedule: nobody of that group enters by it.
- A ban: it stands. A visit: it is over. A host who is gone brings nobody in.
- A door's plan: the door asks for a face and a PIN, or for nobody at all if that row locks it.
- Where somebody was last seen: somewhere else, just now. The lockdown: it stands.
- A pair who look alike: whoever may be meant needs a second factor.
"""

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlite_utils import Database

from appliance.access.blocklist import Ban
from appliance.access.book import Book
from appliance.access.modes import Mode, ModePlan
from appliance.access.passback import ENTRY
from appliance.access.schedule import Schedule, Term
from appliance.access.visitors import Visit
from appliance.access.walltime import EARLIEST, believable
from appliance.errors import ScheduleError
from appliance.store.database import lenient, snapshot
from appliance.store.hours import (
    DAMAGED,
    LOST,
    NEVER,
    StoredCalendar,
    StoredSchedule,
    load_calendars,
    load_schedules,
    meant,
    whole,
)
from appliance.store.lockdown import standing

log = logging.getLogger(__name__)

NOBODY = frozenset({"nobody"})
"""The hosts of a visitor whose hosts are all gone: no pid is like this."""
OVER = Visit(Term(EARLIEST, EARLIEST + 1), hosts=NOBODY)
"""Stands for a visit that cannot be understood."""
UNREADABLE = "unreadable"
"""The reason of a ban, and the zone of a sighting, that cannot be understood."""


def read(db: Database, utc: float, *, door: str = "", damaged: set[str] | None = None) -> Book:
    """All rules at `utc` (epoch seconds, for what is damaged), with the modes of `door`.

    What cannot be understood is logged unless it is in `damaged`, and put there: pass the same set each time.
    Raises StoreError.
    """
    with snapshot(db), lenient(db):
        reader = _Reader(db, set() if damaged is None else damaged)
        visits, used = reader.visits()
        lockdown, by = reader.lockdown()
        return Book(
            hours=MappingProxyType(reader.hours()),
            plan=reader.plan(door),
            visits=MappingProxyType(visits),
            used=MappingProxyType(used),
            bans=MappingProxyType(reader.bans()),
            alike=reader.alike(),
            sightings=MappingProxyType(reader.sightings(utc)),
            lockdown=lockdown,
            lockdown_by=by,
        )


def alike(db: Database) -> frozenset[str]:
    """Everybody who is in some pair, inside a snapshot and lenient."""
    return _Reader(db, set()).alike()


def in_lockdown(db: Database) -> bool:
    """Whether the door is shut for everybody outside, by whichever side. Raises StoreError."""
    return bool(standing(db))


class _Reader:
    def __init__(self, db: Database, damaged: set[str]) -> None:
        self._db, self._damaged = db, damaged
        self._schedules: Mapping[str, StoredSchedule] = load_schedules(db)
        self._calendars: Mapping[str, StoredCalendar] = load_calendars(db)
        self._pids = [row[0] for row in db.execute("SELECT pid FROM people")]

    def hours(self) -> dict[str, tuple[Schedule, ...]]:
        groups = [row[0] for row in self._db.execute("SELECT DISTINCT name FROM memberships")]
        found: dict[str, tuple[Schedule, ...]] = {}
        for named, name in self._db.execute("SELECT name, schedule FROM group_hours"):
            for group in meant(named, groups):
                if group != named:
                    self._tell(f"the hours of group {group}", "its name is damaged")
                found[group] = (*found.get(group, ()), self._group_schedule(group, name))
        for group in groups:
            # Whoever is in it was in a group that may have had hours.
            if LOST in group and group not in found:
                self._tell(f"group {group}", "its name is damaged")
                found[group] = (NEVER,)
        return found

    def plan(self, door: str) -> ModePlan:
        rows = self._db.execute(
            "SELECT door, schedule, mode FROM modes ORDER BY schedule IS NULL, door = '', place, id"
        )
        turns: list[tuple[Schedule, Mode]] = []
        defaults: list[Mode] = []
        for at, name, word in rows:
            if LOST not in at and at not in ("", door):
                continue
            try:
                if LOST in at:
                    raise ScheduleError("its door is damaged")
                if name is None:
                    defaults.append(Mode(word))
                elif not (turns and turns[-1][0].always):
                    turns.append((self._schedule(name), Mode(word)))
            except DAMAGED as error:
                self._tell(f"the mode {word} of the door", error)
                return ModePlan(Mode.LOCKED if word == Mode.LOCKED else Mode.FACE_AND_PIN)
        return ModePlan(defaults[0] if defaults else Mode.ANY, tuple(turns))

    def visits(self) -> tuple[dict[str, Visit], dict[str, int]]:
        hosts: dict[str, set[str]] = {}
        for pid, host in self._db.execute("SELECT pid, host FROM hosts"):
            hosts.setdefault(pid, set()).add(host)
        visits: dict[str, Visit] = {}
        used: dict[str, int] = {}
        rows = self._db.execute("SELECT pid, begins, ends, uses, used, escorted, escort_seconds FROM visits")
        for named, *row in rows:
            for pid in meant(named, self._pids):
                try:
                    visits[pid], used[pid] = _visit(pid == named, row, frozenset(hosts.get(pid, ())))
                except DAMAGED as error:
                    self._tell(f"the visit of {pid}", error)
                    visits[pid], used[pid] = OVER, 1
        return visits, used

    def bans(self) -> dict[str, Ban]:
        found: dict[str, Ban] = {}
        for named, reason, until in self._db.execute("SELECT pid, reason, until FROM bans"):
            for pid in meant(named, self._pids):
                if pid != named or not (until is None or _time(until)):
                    self._tell(f"the ban of {pid}", "its row is damaged")
                    found[pid] = Ban(UNREADABLE)
                else:
                    found[pid] = Ban(UNREADABLE if LOST in reason else reason, until)
        return found

    def sightings(self, utc: float) -> dict[str, tuple[str, str, float]]:
        found: dict[str, tuple[str, str, float]] = {}
        for named, zone, reader, at in self._db.execute("SELECT pid, zone, reader, at FROM sightings"):
            for pid in meant(named, self._pids):
                if pid != named or LOST in zone + reader or not _time(at):
                    self._tell(f"where {pid} was last seen", "its row is damaged")
                    found[pid] = (UNREADABLE, ENTRY, utc)
                else:
                    found[pid] = (zone, reader, at)
        return found

    def alike(self) -> frozenset[str]:
        found: set[str] = set()
        for pair in self._db.execute("SELECT pid, other FROM lookalikes"):
            for named in pair:
                several = meant(named, self._pids)
                if several != [named]:
                    for pid in several:
                        self._tell(f"whom {pid} looks like", "its row is damaged")
                found.update(several)
        return frozenset(found)

    def lockdown(self) -> tuple[bool, str | None]:
        orders = standing(self._db)
        for side, order in orders.items():
            if order.by is None:
                self._tell(f"who ordered the {side} lockdown", "it is damaged")
        return bool(orders), next((order.by for order in orders.values()), None)

    def _group_schedule(self, group: str, name: str) -> Schedule:
        try:
            return self._schedule(name)
        except DAMAGED as error:
            self._tell(f"schedule {name} of group {group}", error)
            return NEVER

    def _schedule(self, name: str) -> Schedule:
        if name not in self._schedules:
            raise ScheduleError("it is gone")
        return whole(self._schedules[name], self._calendars)

    def _tell(self, what: str, fault: object) -> None:
        if what not in self._damaged:
            log.error("%s counts against whom it concerns, as it cannot be understood: %s; set it again", what, fault)
        self._damaged.add(what)


def _visit(named: bool, row: list[Any], hosts: frozenset[str]) -> tuple[Visit, int]:
    """Raises ScheduleError and others of DAMAGED."""
    begins, ends, uses, used, escorted, seconds = row
    if not named or not isinstance(used, int) or used < 0 or escorted not in (0, 1):
        raise ScheduleError("its row is damaged")
    if hosts and not escorted:
        raise ScheduleError("it has hosts, but says that it needs none")
    return Visit(Term(begins, ends), uses, hosts or (NOBODY if escorted else frozenset()), seconds), used


def _time(utc: object) -> bool:
    return isinstance(utc, (int, float)) and believable(utc)
