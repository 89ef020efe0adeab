"""Everybody who may open the door: who they are, what they agreed to, and how they are erased.

Every change is one transaction with its line in the record, which names the `pid` only. The
name and the PIN's digest are sealed under the person's own key.
"""

from collections.abc import Iterable, Sequence
from unicodedata import normalize
from uuid import uuid4

from appliance.access.roster import Roster
from appliance.access.schedule import Term
from appliance.errors import CardError
from appliance.store import register, rights
from appliance.store.consent import Consent
from appliance.store.database import snapshot, transaction, truncate_log
from appliance.store.person import Person, UnknownPersonError, clean_name
from appliance.store.pinholders import PinHolders

PREFIX_LENGTH = 6
"""Fewest characters of a pid that `find` takes for one."""


class People(PinHolders):
    """The people in one database. One per connection, so one per thread.

    Methods that take `pid` raise UnknownPersonError; all raise StoreError. `by` is who changes
    it: an administrator's id, `cli`.
    """

    def add(
        self,
        name: str,
        *,
        by: str,
        consent: Consent | None = None,
        groups: Iterable[str] = (),
        extended: bool = False,
        valid_from: float | None = None,
        valid_until: float | None = None,
    ) -> Person:
        """A new person. Without a consent they can have a PIN but no template.

        Raises BadNameError, and ScheduleError: a validity that ends before it begins.
        """
        Term(valid_from, valid_until)
        name, pid = clean_name(name), str(uuid4())
        wrapped = self._keys.new_person_key(pid)
        sealed = self._keys.person(pid, wrapped).seal(name.encode(), f"name:{pid}")
        with transaction(self._db):
            self._db.table("people").insert(
                {
                    "pid": pid,
                    "person_key": wrapped,
                    "extended": int(extended),
                    "valid_from": valid_from,
                    "valid_until": valid_until,
                    "added_at": self._now().utc,
                }
            )
            self._db.table("names").insert({"pid": pid, "sealed": sealed})
            self._audit.changed("person_added", pid, by)
            if consent:
                self.give_consent(pid, consent, by)
            if groups := frozenset(groups):
                self.set_groups(pid, groups, by)
        return self.get(pid)

    def get(self, pid: str) -> Person:
        """Whoever has this pid."""
        with snapshot(self._db):
            return self._persons(self._known(pid))[0]

    def find(self, text: str) -> Person:
        """By pid, by the first characters of one (6 at least), or by a name that only one person has."""
        wanted, everybody = normalize("NFC", text).strip(), self.list()
        found = [p for p in everybody if wanted.casefold() == p.name.casefold() or wanted.lower() == p.pid]
        if not found and len(wanted) >= PREFIX_LENGTH:
            found = [p for p in everybody if p.pid.startswith(wanted.lower())]
        if not found:
            raise UnknownPersonError(f"nobody is called {text!r}; `lintel people list` shows everybody")
        if len(found) > 1:
            pids = ", ".join(person.pid for person in found)
            raise UnknownPersonError(f"{text!r} could be {len(found)} people: {pids}; give the id")
        return found[0]

    def list(self) -> list[Person]:
        """Everybody, by name."""
        with snapshot(self._db):
            return sorted(self._persons(), key=lambda person: (person.name.casefold(), person.pid))

    def rename(self, pid: str, name: str, by: str) -> None:
        """Correct a name."""
        sealed = self._sealer(pid).seal(clean_name(name).encode(), f"name:{pid}")
        sql = "INSERT INTO names VALUES (?, ?) ON CONFLICT (pid) DO UPDATE SET sealed = excluded.sealed"
        self._change("renamed", pid, by, sql, pid, sealed)

    def remove(self, pid: str, by: str) -> bool:
        """Erase a person: their key, name, PIN, consents and templates, in the file and in its log.

        Events keep the pid, which then stands for nobody. False if a reader held on to the log;
        then the next checkpoint overwrites it.
        """
        self._change("person_removed", pid, by, "DELETE FROM people WHERE pid = ?", pid)
        return truncate_log(self._db)

    def give_consent(self, pid: str, consent: Consent, by: str) -> None:
        """Record a consent; one that stands already is replaced, and its templates stay."""
        with transaction(self._db):
            self._known(pid)
            fields = (consent.notice, consent.given_at, consent.recorded_by, consent.expires_at)
            renewed = self._db.execute(
                "UPDATE consents SET notice = ?, given_at = ?, recorded_by = ?, expires_at = ? "
                "WHERE pid = ? AND withdrawn_at IS NULL",
                (*fields, pid),
            ).rowcount
            if not renewed:
                self._db.execute(
                    "INSERT INTO consents (notice, given_at, recorded_by, expires_at, pid) VALUES (?, ?, ?, ?, ?)",
                    (*fields, pid),
                )
            self._audit.changed("consent_given", pid, by, notice=consent.notice)

    def withdraw_consent(self, pid: str, by: str) -> bool:
        """End the consent and delete every template made under it. The PIN stays. Returns as `remove`."""
        sql = "UPDATE consents SET withdrawn_at = ? WHERE pid = ? AND withdrawn_at IS NULL"
        self._change("consent_withdrawn", pid, by, sql, self._now().utc, pid)
        return truncate_log(self._db)

    def suspend(self, pid: str, by: str) -> None:
        """Nothing opens the door for them until `resume`."""
        self._change("suspended", pid, by, "UPDATE people SET suspended = 1 WHERE pid = ?", pid)

    def resume(self, pid: str, by: str) -> None:
        """Undo `suspend`."""
        self._change("resumed", pid, by, "UPDATE people SET suspended = 0 WHERE pid = ?", pid)

    def set_extended(self, pid: str, extended: bool, by: str) -> None:
        """Whether the door stays open longer for them."""
        why = "extended_on" if extended else "extended_off"
        self._change(why, pid, by, "UPDATE people SET extended = ? WHERE pid = ?", int(extended), pid)

    def set_validity(self, pid: str, valid_from: float | None, valid_until: float | None, by: str) -> None:
        """From when and until when they may enter: UTC epoch seconds, None for no limit. Raises ScheduleError."""
        Term(valid_from, valid_until)
        sql = "UPDATE people SET valid_from = ?, valid_until = ? WHERE pid = ?"
        self._change("validity_set", pid, by, sql, valid_from, valid_until, pid)

    def set_groups(self, pid: str, groups: Iterable[str], by: str) -> None:
        """Put them in exactly these groups."""
        wanted = sorted({clean_name(group) for group in groups})
        with transaction(self._db):
            self._change("groups_set", pid, by, "DELETE FROM memberships WHERE pid = ?", pid)
            self._db.conn.executemany("INSERT INTO memberships VALUES (?, ?)", [(pid, group) for group in wanted])

    def set_card(self, pid: str, text: str, by: str) -> None:
        """Give a person the card with this number, `BITS:FACILITY:NUMBER`, instead of the one they had.

        Its keyed hash is stored, and the number sealed under the person's own key. Raises CardError: it is
        somebody else's.
        """
        digest = self._keys.card_digest(text)
        sealed = self._sealer(pid).seal(text.encode(), f"card:{pid}")
        with transaction(self._db):
            self._known(pid)
            holder = self._db.execute("SELECT pid FROM cards WHERE digest = ?", (digest,)).fetchone()
            if holder is not None and holder[0] != pid:
                raise CardError("this card is somebody else's already; take it away from them first, or use another")
            self._db.execute("DELETE FROM cards WHERE pid = ?", (pid,))
            sql = "INSERT INTO cards (digest, pid, set_at, sealed) VALUES (?, ?, ?, ?)"
            self._change("card_set", pid, by, sql, digest, pid, self._now().utc, sealed)

    def card_of(self, pid: str) -> str | None:
        """The number of a person's card, `BITS:FACILITY:NUMBER`; None if they have none, or are gone."""
        with snapshot(self._db):
            row = self._db.execute(
                "SELECT person_key, sealed FROM cards JOIN people USING (pid) WHERE pid = ?", (pid,)
            ).fetchone()
        if row is None or row[1] is None:
            return None
        return self._keys.person(pid, row[0]).unseal(row[1], f"card:{pid}").decode()

    def remove_card(self, pid: str, by: str) -> None:
        """No card opens the door for them."""
        self._change("card_removed", pid, by, "DELETE FROM cards WHERE pid = ?", pid)

    def roster(self) -> Roster:
        """What the door needs to decide. Consents whose term is over now do not count.

        A PIN whose record is damaged is left out, and logged once; everybody else's rights are current.
        """
        with snapshot(self._db):
            return rights.read(self._db, self._keys, self._now().utc, self._damaged)

    def _persons(self, pid: str | None = None) -> Sequence[Person]:
        return register.persons(self._db, self._keys, self._now().utc, pid)
