"""Who has which PIN. Every digest is one person's only, whether the PIN is an ordinary one or for duress."""

from collections.abc import Callable
from typing import Any

from sqlite_utils import Database

from appliance.facts import Moment
from appliance.store import rights
from appliance.store.database import snapshot, transaction
from appliance.store.events import EventLog
from appliance.store.person import Audit, nobody, unaided_clock
from appliance.store.pins import PinRefusedError, issue, neighbours, refuse, shortest_for
from appliance.store.sealing import Keys, Sealer, fit, salt

_PUT = """
    INSERT INTO {0} VALUES (?, ?, ?)
    ON CONFLICT (pid) DO UPDATE SET sealed = excluded.sealed, set_at = excluded.set_at
"""


class PinHolders:
    """The PINs in one database. `People` is this and more."""

    def __init__(
        self,
        db: Database,
        keys: Keys,
        log: EventLog | None = None,
        now: Callable[[], Moment] = unaided_clock,
    ) -> None:
        """Raises KeyFileError: the key is not this database's."""
        fit(db, keys)
        self._db = db
        self._keys = keys
        self._now = now
        self._damaged: set[str] = set()
        self._audit = Audit(db, log, now)

    @property
    def pin_salt(self) -> bytes:
        """What `keys.pin_digest` needs besides the digits; it never changes."""
        return salt(self._db, "pin_salt")

    def set_pin(self, pid: str, digits: str | None = None, *, by: str) -> str:
        """Give a person a PIN, replacing the one they had: a fresh random one, or `digits`.

        Returns the digits: the only time they can be read. Raises PinRefusedError: too weak, or
        not available. Takes 50 ms, half a second for who has a PIN for duress too.
        """
        holders = self._holders("pins", pid)
        length = shortest_for(holders)
        if digits is not None:
            refuse(digits, length, holders)
        while True:
            chosen = digits or issue(length)
            if self._put("pins", pid, chosen, by):
                return chosen
            if digits is not None:
                self._audited("pin_refused", pid, by)
                raise PinRefusedError("this PIN is not available: choose another, or let the device issue one")

    def remove_pin(self, pid: str, by: str) -> None:
        """No PIN opens the door for them, the one for duress neither."""
        self._change("pin_removed", pid, by, "DELETE FROM pins WHERE pid = ?", pid)

    def set_duress_pin(self, pid: str, by: str) -> str:
        """A second PIN, to be typed when forced to open: it opens, and raises a silent alarm.

        Fresh and random, so that no slip of the finger in the ordinary one is it. Returns the digits: the only
        time they can be read. Raises PinRefusedError: they have no ordinary PIN. Takes half a second.
        """
        length = shortest_for(self._holders("duress_pins", pid))
        while True:
            chosen = issue(length)
            if self._put("duress_pins", pid, chosen, by):
                return chosen

    def remove_duress_pin(self, pid: str, by: str) -> None:
        """They have the ordinary PIN only."""
        self._change("duress_pin_removed", pid, by, "DELETE FROM duress_pins WHERE pid = ?", pid)

    def _put(self, table: str, pid: str, chosen: str, by: str) -> bool:
        """Store a PIN. False: it is somebody's already, or too near the person's other one."""
        sealer, ordinary = self._sealer(pid), table == "pins"
        # Hashed before the write lock is taken: the door must not wait for it.
        digest = self._keys.pin_digest(chosen, self.pin_salt)
        wide = not ordinary or self._has_duress_pin(pid)
        near = {self._keys.pin_digest(other, self.pin_salt) for other in neighbours(chosen)} if wide else set()
        place = "pin" if ordinary else "duress"
        with transaction(self._db):
            self._known(pid)
            pins, duress = rights.pins(self._db, self._keys, self._damaged)
            if not ordinary and pid not in pins.values():
                raise PinRefusedError("a PIN for duress stands beside an ordinary one: give them that first")
            own, theirs = (pins, duress) if ordinary else (duress, pins)
            if own.get(digest, pid) != pid or digest in theirs or any(theirs.get(other) == pid for other in near):
                return False
            self._db.execute(_PUT.format(table), (pid, sealer.seal(digest, f"{place}:{pid}"), self._now().utc))
            if ordinary:
                self._audit.changed("pin_set", pid, by)
            else:
                self._audit.changed("duress_pin_set", pid, by)
        return True

    def _holders(self, table: str, pid: str) -> int:
        """How many PINs there will be once this person has one in the table."""
        with snapshot(self._db):
            self._known(pid)
            rows = self._db.execute("SELECT 'pins', pid FROM pins UNION ALL SELECT 'duress_pins', pid FROM duress_pins")
            return 1 + sum(1 for row in rows if row != (table, pid))

    def _has_duress_pin(self, pid: str) -> bool:
        with snapshot(self._db):
            return self._db.execute("SELECT 1 FROM duress_pins WHERE pid = ?", (pid,)).fetchone() is not None

    def _audited(self, why: str, pid: str, by: str) -> None:
        with transaction(self._db):
            self._audit.changed(why, pid, by)

    def _change(self, why: str, pid: str, by: str, sql: str, *values: Any) -> None:
        with transaction(self._db):
            self._known(pid)
            self._db.execute(sql, values)
            self._audit.changed(why, pid, by)

    def _known(self, pid: str) -> str:
        if self._db.execute("SELECT 1 FROM people WHERE pid = ?", (pid,)).fetchone() is None:
            raise nobody(pid)
        return pid

    def _sealer(self, pid: str) -> Sealer:
        with snapshot(self._db):
            row = self._db.execute("SELECT person_key FROM people WHERE pid = ?", (self._known(pid),)).fetchone()
        return self._keys.person(pid, row[0])
