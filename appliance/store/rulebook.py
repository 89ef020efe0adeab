"""The rules about people, and what is noted of who came by them. `read` gives the door all of it at once."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import combinations
from unicodedata import category

from appliance.access.blocklist import Ban
from appliance.access.visitors import Visit
from appliance.access.walltime import believable
from appliance.errors import ScheduleError
from appliance.facts import ClockQuality
from appliance.store import lockdown
from appliance.store.bookreading import alike, read
from appliance.store.database import lenient, snapshot, transaction
from appliance.store.lockdown import Side
from appliance.store.person import nobody
from appliance.store.timetables import Timetables

__all__ = ["Rulebook", "read"]

WHY_LENGTH = 200
LONGEST_NOTE = 64
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)


class Rulebook(Timetables):
    """All rules of the doors. See `Timetables` for how changes are made.

    Methods that take `pid` raise UnknownPersonError.
    """

    def set_visit(self, pid: str, visit: Visit, by: str) -> None:
        """Grant a visit instead of the one the person had; its uses count from 0."""
        with transaction(self._db):
            for known in (pid, *visit.hosts):
                self._person(known)
            if pid in visit.hosts:
                raise ScheduleError("a visitor cannot be their own host; name somebody else")
            self._db.execute("DELETE FROM visits WHERE pid = ?", (pid,))
            self._db.execute(
                "INSERT INTO visits (pid, begins, ends, uses, escorted, escort_seconds) VALUES (?, ?, ?, ?, ?, ?)",
                (pid, visit.term.begin, visit.term.end, visit.uses, int(bool(visit.hosts)), visit.escort_seconds),
            )
            self._db.conn.executemany("INSERT INTO hosts VALUES (?, ?)", [(pid, host) for host in sorted(visit.hosts)])
            self._audit.changed("visit_set", pid, by, uses=visit.uses, hosts=len(visit.hosts))

    def remove_visit(self, pid: str, by: str) -> None:
        """The person is no visitor any more: their other rights hold alone."""
        self._drop("visits", pid, by, "visit_removed")

    def ban(self, pid: str, reason: str, by: str, *, until: float | None = None) -> None:
        """Never open for this person and tell security, until `until` (UTC epoch seconds) or `unban`.

        `reason` is a word such as `stolen_pin`.
        """
        if not _WORD.fullmatch(reason):
            raise ScheduleError(f"a ban because of {reason[:40]!r}: give one short word such as stolen_pin")
        at = self._now()
        if until is not None and not believable(until):
            raise ScheduleError(f"a ban until {until}: must be UTC seconds between 1970 and 2200")
        if until is not None and at.quality is not ClockQuality.UNKNOWN and until <= at.utc:
            raise ScheduleError("a ban that is over before it begins: give a later end")
        with transaction(self._db):
            self._person(pid)
            self._db.execute("INSERT OR REPLACE INTO bans VALUES (?, ?, ?, ?)", (pid, reason, until, at.utc))
            self._audit.changed("banned", pid, by, reason=reason)

    def unban(self, pid: str, by: str) -> None:
        """Lift it."""
        self._drop("bans", pid, by, "unbanned")

    def bans(self) -> Mapping[str, Ban]:
        """By pid, also those that are over."""
        return read(self._db, self._now().utc).bans

    def visits(self) -> Mapping[str, tuple[Visit, int]]:
        """By pid: what was granted, and how often it was used."""
        book = read(self._db, self._now().utc)
        return {pid: (visit, book.used[pid]) for pid, visit in book.visits.items()}

    def set_alike(self, pids: Iterable[str], by: str) -> None:
        """Mark these people, two at least, as too alike for a face alone; marks there are stay."""
        several = sorted(set(pids))
        if len(several) < 2:
            raise ScheduleError("one person alone looks like nobody: name two or more")
        with transaction(self._db):
            for pid in several:
                self._person(pid)
            self._db.conn.executemany("INSERT OR IGNORE INTO lookalikes VALUES (?, ?)", list(combinations(several, 2)))
            for pid in several:
                self._audit.changed("alike_set", pid, by)

    def clear_alike(self, pid: str, by: str) -> None:
        """This person looks like nobody else after all."""
        with transaction(self._db):
            self._person(pid)
            self._db.execute("DELETE FROM lookalikes WHERE pid = ? OR other = ?", (pid, pid))
            self._audit.changed("alike_cleared", pid, by)

    def alike(self) -> frozenset[str]:
        """Everybody who looks too much like somebody else."""
        with snapshot(self._db), lenient(self._db):
            return alike(self._db)

    def note_used(self, pid: str) -> None:
        """A visit was used once more. A note after the event of the grant, so without one of its own.

        Nothing happens for who is no visitor any more.
        """
        with transaction(self._db):
            self._db.execute("UPDATE visits SET used = used + 1 WHERE pid = ?", (pid,))

    def note_sighting(self, pid: str, zone: str, reader: str, utc: float) -> None:
        """Where somebody went through a door, as `note_used`. Nothing happens for who is gone."""
        if not believable(utc):
            raise ScheduleError(f"seen at {utc}: must be UTC seconds between 1970 and 2200")
        if not 1 <= len(zone) <= LONGEST_NOTE or not 1 <= len(reader) <= LONGEST_NOTE:
            raise ScheduleError(f"a zone and a reader have names of 1 to {LONGEST_NOTE} characters")
        with transaction(self._db):
            self._db.execute(
                "INSERT OR REPLACE INTO sightings SELECT pid, ?, ?, ? FROM people WHERE pid = ?",
                (zone, reader, utc, pid),
            )

    def forgive(self, pid: str | None, by: str) -> None:
        """Forget where that person, or with None everybody, was last seen: anti-passback starts anew."""
        with transaction(self._db):
            if pid is not None:
                self._person(pid)
            self._db.execute("DELETE FROM sightings WHERE ?1 IS NULL OR pid = ?1", (pid,))
            self._audit.changed("passback_forgiven", pid, by)

    def set_lockdown(
        self, on: bool, by: str, why: str, *, side: Side = "local", issued: float | None = None, seq: int | None = None
    ) -> bool:
        """Shut the door for everybody outside, or lift that for one side; the way out stays free.

        The other side's order stands as it did. `issued` and `seq` are of the site's message: when it was signed
        (UTC epoch seconds), and its number. Returns whether this side had not ordered so before.
        """
        told = " ".join(why.split())
        if not 1 <= len(told) <= WHY_LENGTH or any(category(letter)[0] == "C" for letter in told):
            raise ScheduleError(f"a lockdown needs a reason of 1 to {WHY_LENGTH} printable characters")
        with transaction(self._db):
            before = lockdown.standing(self._db).get(side)
            if on is (before is not None):
                if before is not None and issued is not None:
                    # What was signed before the newest order lifts it no more.
                    lockdown.put(self._db, side, replace(before, issued=max(issued, before.issued or issued)))
                return False
            if on:
                lockdown.put(self._db, side, lockdown.Order(by, told, self._now().utc, issued))
            else:
                lockdown.lift(self._db, side)
            self._record_lockdown(on, side, by, {"reason": told} if seq is None else {"reason": told, "seq": seq})
        return True

    def _record_lockdown(self, on: bool, side: Side, by: str, detail: dict[str, str | int]) -> None:
        if side == "local" and on:
            self._audit.changed("lockdown_on", None, by, **detail)
        elif side == "local":
            self._audit.changed("lockdown_off", None, by, **detail)
        elif on:
            self._audit.changed("site_lockdown_on", None, by, **detail)
        else:
            self._audit.changed("site_lockdown_off", None, by, **detail)

    def _drop(self, table: str, pid: str, by: str, why: str) -> None:
        with transaction(self._db):
            self._person(pid)
            self._db.execute(f"DELETE FROM {table} WHERE pid = ?", (pid,))  # noqa: S608 - constants
            self._audit.changed(why, pid, by)

    def _person(self, pid: str) -> None:
        if self._db.execute("SELECT 1 FROM people WHERE pid = ?", (pid,)).fetchone() is None:
            raise nobody(pid)
