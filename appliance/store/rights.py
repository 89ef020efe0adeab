"""What the door needs of the people. Names stay sealed: nobody's rights may hang on a record not needed for them."""

import logging
from types import MappingProxyType

from sqlite_utils import Database

from appliance.access.roster import Roster, RosterPerson
from appliance.errors import StoreError
from appliance.store.database import lenient, roster_version
from appliance.store.sealing import Keys

log = logging.getLogger(__name__)

_RIGHTS = """
    SELECT people.pid, suspended, extended, valid_from, valid_until, expires_at,
        EXISTS (SELECT 1 FROM templates WHERE templates.pid = people.pid)
    FROM people LEFT JOIN consents ON consents.pid = people.pid AND withdrawn_at IS NULL
"""

_TABLES = (("pins", "pin"), ("duress_pins", "duress"))
"""Where PINs are, and the place that each is sealed for."""


def read(db: Database, keys: Keys, utc: float, damaged: set[str]) -> Roster:
    """Everybody's rights at `utc`, inside a snapshot.

    A PIN that cannot be unsealed is left out; its pid is logged unless it is in `damaged`, and put there.
    Raises StoreError.
    """
    with lenient(db):
        member = groups(db)
        people = {
            pid: RosterPerson(
                pid=pid,
                active=not suspended,
                extended=bool(extended),
                consent=expires_at is not None and utc < expires_at,
                valid_from=valid_from,
                valid_until=valid_until,
                groups=member.get(pid, frozenset()),
                has_templates=bool(templates),
                consent_until=expires_at,
            )
            for pid, suspended, extended, valid_from, valid_until, expires_at, templates in db.execute(_RIGHTS)
        }
        ordinary, duress = pins(db, keys, damaged)
        cards = dict(db.execute("SELECT digest, pid FROM cards").fetchall())
    return Roster(
        MappingProxyType(people),
        MappingProxyType(ordinary),
        roster_version(db),
        MappingProxyType(cards),
        MappingProxyType(duress),
    )


def groups(db: Database) -> dict[str, frozenset[str]]:
    """The groups of everybody who is in any."""
    found: dict[str, set[str]] = {}
    for member, group in db.execute("SELECT pid, name FROM memberships"):
        found.setdefault(member, set()).add(group)
    return {member: frozenset(names) for member, names in found.items()}


def pins(db: Database, keys: Keys, damaged: set[str]) -> tuple[dict[bytes, str], dict[bytes, str]]:
    """Whose each PIN is, the ordinary ones and those for duress. `damaged` as for `read`."""
    ordinary, duress = (_pins(db, keys, table, place, damaged) for table, place in _TABLES)
    return ordinary, duress


def _pins(db: Database, keys: Keys, table: str, place: str, damaged: set[str]) -> dict[bytes, str]:
    found = {}
    rows = db.execute(f"SELECT pid, person_key, sealed FROM {table} JOIN people USING (pid)")  # noqa: S608 - constants
    for pid, wrapped, sealed in rows:
        try:
            found[keys.person(pid, wrapped).unseal(sealed, f"{place}:{pid}")] = pid
        except StoreError as error:
            if pid not in damaged:
                log.error("the PIN of %s opens nothing: %s; give them a new one", pid, error)
            damaged.add(pid)
    return found
