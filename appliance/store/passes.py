"""Visitors' passes as this door's record has them: issued, used, revoked. A use is durable before it counts."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from sqlite_utils import Database

from appliance.access.passes import Pass, Standing
from appliance.errors import PassError
from appliance.facts import Moment, Reason
from appliance.store.database import snapshot, transaction
from appliance.store.events import EventLog
from appliance.store.person import Audit, unaided_clock

PREFIX_LENGTH = 6
"""Fewest characters of a pass's id that `find` takes for one."""


@dataclass(frozen=True, slots=True)
class Issued:
    """One pass that was issued here."""

    id: str
    pid: str
    doors: tuple[str, ...]
    begin: int
    """UTC epoch seconds."""
    end: int
    uses: int
    """0: without limit."""
    used: int
    revoked: bool

    def opens(self, utc: float) -> bool:
        """Whether it opens some door at `utc` (epoch seconds)."""
        return not self.revoked and self.begin <= utc < self.end and (not self.uses or self.used < self.uses)


class Passbook:
    """One per connection, so one per thread. All methods raise StoreError."""

    def __init__(self, db: Database, log: EventLog | None = None, now: Callable[[], Moment] = unaided_clock) -> None:
        self._db, self._now = db, now
        self._audit = Audit(db, log, now)

    def issue(self, given: Pass, by: str) -> None:
        """Remember a pass of a person who is known."""
        with transaction(self._db):
            self._db.execute(
                "INSERT INTO passes (id, pid, begins, ends, doors, uses, issued_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (given.id, given.person, given.begin, given.end, json.dumps(given.doors), given.uses, self._now().utc),
            )
            self._audit.changed("pass_issued", given.person, by, id=given.id, uses=given.uses)

    def list(self) -> list[Issued]:
        """All of them, the newest first."""
        rows = self._db.execute(
            "SELECT id, pid, doors, begins, ends, uses, used, revoked_at IS NOT NULL FROM passes "
            "ORDER BY issued_at DESC, id"
        )
        return [
            Issued(row[0], row[1], tuple(json.loads(row[2])), row[3], row[4], row[5], row[6], bool(row[7]))
            for row in rows
        ]

    def find(self, text: str) -> Issued:
        """By its id or the first characters of it (6 at least). Raises PassError: none, or more than one."""
        wanted = text.strip().lower()
        found = [issued for issued in self.list() if len(wanted) >= PREFIX_LENGTH and issued.id.startswith(wanted)]
        if len(found) != 1:
            how = "several passes begin" if found else "no pass begins"
            raise PassError(f"{how} with {text!r}; `lintel pass list` shows all")
        return found[0]

    def revoke(self, number: str, by: str) -> None:
        """From now on it opens nothing."""
        issued = self.find(number)
        with transaction(self._db):
            self._db.execute(
                "UPDATE passes SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (self._now().utc, issued.id)
            )
            self._audit.changed("pass_revoked", issued.pid, by, id=issued.id)

    def standing(self, number: str) -> Standing | None:
        """How a pass stands, or None: it is not in this record."""
        with snapshot(self._db):
            row = self._db.execute("SELECT used, revoked_at IS NOT NULL FROM passes WHERE id = ?", (number,)).fetchone()
        return Standing(row[0], bool(row[1])) if row else None

    def spend(self, number: str) -> Reason | None:
        """Use it once more. None: written down, durably, before this returned. Else why nothing was used."""
        with transaction(self._db):
            spent = self._db.execute(
                "UPDATE passes SET used = used + 1 WHERE id = ? AND revoked_at IS NULL AND (uses = 0 OR used < uses)",
                (number,),
            ).rowcount
            if spent:
                return None
            standing = self.standing(number)
        if standing is None:
            return Reason.NOT_ENROLLED
        return Reason.REVOKED if standing.revoked else Reason.USED_UP
