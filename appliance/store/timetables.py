"""What operators set about time: schedules, calendars, the hours of groups and the modes of doors."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlite_utils import Database

from appliance.access.calendar import Calendar, observing
from appliance.access.modes import Mode, ModePlan
from appliance.access.schedule import Schedule
from appliance.errors import ScheduleError
from appliance.facts import Moment
from appliance.store.database import lenient, snapshot, transaction
from appliance.store.events import EventLog
from appliance.store.hours import (
    StoredCalendar,
    StoredSchedule,
    load_calendars,
    load_schedules,
    save_calendar,
    save_schedule,
    whole,
)
from appliance.store.person import Audit, clean_name, unaided_clock

EVERY_DOOR = ""


@dataclass(frozen=True, slots=True)
class DoorMode:
    """One line of a door's plan."""

    door: str
    """Id of the door; EVERY_DOOR: it holds for all."""
    schedule: str | None
    """While this one is on; None: while none is, the door's default."""
    mode: str
    """A word of `access.modes.Mode`, unless the row is damaged."""


class Timetables:
    """One per connection, so one per thread. `by` is who changes it: an administrator's id, `cli`.

    Every change is one transaction with its line in the record. All methods raise StoreError;
    changes raise ScheduleError or BadNameError for what cannot be meant.
    """

    def __init__(self, db: Database, *, log: EventLog | None = None, now: Callable[[], Moment] = unaided_clock) -> None:
        self._db, self._now = db, now
        self._audit = Audit(db, log, now)

    def schedules(self) -> list[StoredSchedule]:
        """All of them, by name, also those that cannot be understood."""
        with snapshot(self._db), lenient(self._db):
            return [stored for _, stored in sorted(load_schedules(self._db).items())]

    def set_schedule(self, schedule: Schedule, by: str, *, calendars: Iterable[str] = ()) -> None:
        """Add one, or replace the one of its name: groups and doors that use it go on with the new hours.

        `calendars`: names of those whose days it observes.
        """
        name, observed = clean_name(schedule.name), sorted({clean_name(calendar) for calendar in calendars})
        with transaction(self._db):
            for calendar in observed:
                self._need("calendars", calendar, "calendar")
            save_schedule(self._db, name, replace(schedule, name=name), observed)
            self._check_plans()
            self._audit.changed("schedule_set", None, by, schedule=name)

    def remove_schedule(self, name: str, by: str) -> None:
        """Refused while a group or a door uses it."""
        with transaction(self._db):
            self._need("schedules", name, "schedule")
            users = [f"group {group}" for group, names in self.group_hours().items() if name in names]
            users += [f"the modes of {line.door or 'every door'}" for line in self.modes() if line.schedule == name]
            _refuse_used("schedule", name, users)
            self._db.execute("DELETE FROM schedules WHERE name = ?", (name,))
            self._audit.changed("schedule_removed", None, by, schedule=name)

    def calendars(self) -> list[StoredCalendar]:
        """All of them, by name, also those that cannot be understood."""
        with snapshot(self._db), lenient(self._db):
            return [stored for _, stored in sorted(load_calendars(self._db).items())]

    def set_calendar(self, calendar: Calendar, by: str, *, source: str = "") -> None:
        """Add one, or replace the one of its name. `source`: where its days come from, a file's name or a country."""
        name, told = clean_name(calendar.name), clean_name(source) if source else ""
        # Overlapping hours show only where a schedule has them.
        observing(Schedule(name), [calendar])
        with transaction(self._db):
            save_calendar(self._db, name, calendar, told, self._now().utc)
            self._check_plans()
            self._audit.changed("calendar_set", None, by, calendar=name, days=len(calendar.days))

    def remove_calendar(self, name: str, by: str) -> None:
        """Refused while a schedule observes it."""
        with transaction(self._db):
            self._need("calendars", name, "calendar")
            users = [f"schedule {stored.name}" for stored in self.schedules() if name in stored.calendars]
            _refuse_used("calendar", name, users)
            self._db.execute("DELETE FROM calendars WHERE name = ?", (name,))
            self._audit.changed("calendar_removed", None, by, calendar=name)

    def group_hours(self) -> dict[str, tuple[str, ...]]:
        """Names of the schedules of each group that has any."""
        found: dict[str, tuple[str, ...]] = {}
        with snapshot(self._db), lenient(self._db):
            for group, name in self._db.execute("SELECT name, schedule FROM group_hours ORDER BY name, schedule"):
                found[group] = (*found.get(group, ()), name)
        return found

    def set_group_hours(self, group: str, names: Iterable[str], by: str, *, new: bool = False) -> None:
        """When the group's people may enter: while one of these schedules is on; no names: always.

        Unless `new`, a group that nobody is in is refused: a slip of the pen would leave the real one without hours.
        """
        group, wanted = clean_name(group), sorted({clean_name(name) for name in names})
        with transaction(self._db):
            if wanted and not new:
                self._need_group(group)
            for name in wanted:
                self._need("schedules", name, "schedule")
            self._db.execute("DELETE FROM group_hours WHERE name = ?", (group,))
            self._db.conn.executemany("INSERT INTO group_hours VALUES (?, ?)", [(group, name) for name in wanted])
            self._audit.changed("group_hours_set", None, by, group=group, schedules=len(wanted))

    def modes(self) -> list[DoorMode]:
        """Every line of every plan: for each door the one that decides first, first; its default last."""
        with snapshot(self._db), lenient(self._db):
            rows = self._db.execute("SELECT door, schedule, mode FROM modes ORDER BY door, schedule IS NULL, place, id")
            return [DoorMode(*row) for row in rows]

    def set_mode(self, schedule: str, mode: Mode, by: str, *, door: str = EVERY_DOOR, place: int | None = None) -> None:
        """What a door asks for while the schedule is on. `place`: 0 decides first; None: where it was, or last."""
        schedule, door = clean_name(schedule), clean_name(door) if door else EVERY_DOOR
        if place is not None and place < 0:
            raise ScheduleError(f"a mode in place {place}: must be 0, which decides first, or more")
        with transaction(self._db):
            self._need("schedules", schedule, "schedule")
            order = self._order(door)
            if schedule in order and place is not None:
                order.remove(schedule)
            if schedule not in order:
                order.insert(len(order) if place is None else place, schedule)
            self._db.execute(
                "INSERT INTO modes (door, place, schedule, mode) VALUES (?, 0, ?, ?) "
                "ON CONFLICT (door, schedule) DO UPDATE SET mode = excluded.mode",
                (door, schedule, _word(mode)),
            )
            self._db.conn.executemany(
                "UPDATE modes SET place = ? WHERE door = ? AND schedule = ?",
                [(number, door, name) for number, name in enumerate(order)],
            )
            self._check_plans()
            self._audit.changed("mode_set", None, by, door=door, schedule=schedule, mode=_word(mode))

    def remove_mode(self, schedule: str, by: str, *, door: str = EVERY_DOOR) -> None:
        """Take that line out of the door's plan."""
        with transaction(self._db):
            gone = self._db.execute("DELETE FROM modes WHERE door = ? AND schedule = ?", (door, schedule)).rowcount
            if not gone:
                raise ScheduleError(f"no mode of {door or 'every door'} is on {schedule!r}; `lintel rules` shows them")
            self._audit.changed("mode_removed", None, by, door=door, schedule=schedule)

    def set_default_mode(self, mode: Mode | None, by: str, *, door: str = EVERY_DOOR) -> None:
        """What a door asks for while no schedule of its plan is on. None: as every door, which is `any` at first."""
        door = clean_name(door) if door else EVERY_DOOR
        with transaction(self._db):
            self._db.execute("DELETE FROM modes WHERE door = ? AND schedule IS NULL", (door,))
            if mode is not None:
                self._db.execute("INSERT INTO modes (door, place, mode) VALUES (?, 0, ?)", (door, _word(mode)))
            self._audit.changed("default_mode_set", None, by, door=door, mode=_word(mode) if mode else "")

    def _order(self, door: str) -> list[str]:
        rows = self._db.execute(
            "SELECT schedule FROM modes WHERE door = ? AND schedule IS NOT NULL ORDER BY place, id", (door,)
        )
        return [row[0] for row in rows]

    def _check_plans(self) -> None:
        """Every door's plan, as far as it can be understood, makes sense. Raises ScheduleError."""
        with lenient(self._db):
            schedules, calendars = load_schedules(self._db), load_calendars(self._db)
        plans: dict[str, list[tuple[Schedule, Mode]]] = {}
        for line in self.modes():
            stored = schedules.get(line.schedule) if line.schedule else None
            if stored is None or stored.schedule is None or line.mode not in tuple(Mode):
                continue
            if all(name in calendars and calendars[name].calendar for name in stored.calendars):
                plans.setdefault(line.door, []).append((whole(stored, calendars), Mode(line.mode)))
        for turns in plans.values():
            ModePlan(turns=tuple(turns))

    def _need(self, table: str, name: str, what: str) -> None:
        if self._db.execute(f"SELECT 1 FROM {table} WHERE name = ?", (name,)).fetchone() is None:  # noqa: S608
            raise ScheduleError(f"there is no {what} {name[:100]!r}; {self._known(table)}")

    def _need_group(self, group: str) -> None:
        if self._db.execute("SELECT 1 FROM memberships WHERE name = ?", (group,)).fetchone() is None:
            raise ScheduleError(f"nobody is in a group {group!r}; {self._known('memberships')}")

    def _known(self, table: str) -> str:
        rows: list[Any] = self._db.execute(f"SELECT DISTINCT name FROM {table} ORDER BY name LIMIT 20").fetchall()  # noqa: S608
        return f"known are {', '.join(row[0] for row in rows)}" if rows else "there is none yet"


def _word(mode: Mode) -> str:
    if mode not in tuple(Mode):
        raise ScheduleError(f"{str(mode)[:40]!r} is no mode of a door; use {', '.join(Mode)}")
    return Mode(mode).value


def _refuse_used(what: str, name: str, users: list[str]) -> None:
    if users:
        told = ", ".join(users[:5]) + (f" and {len(users) - 5} more" if len(users) > 5 else "")
        raise ScheduleError(f"{what} {name!r} is in use by {told}; take it from there first")
