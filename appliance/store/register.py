"""People as an administrator sees them. A damaged record concerns one person, and is shown with the remedy."""

from typing import Any

from sqlite_utils import Database

from appliance.errors import StoreError
from appliance.store import rights
from appliance.store.consent import Consent
from appliance.store.database import lenient
from appliance.store.person import UNREADABLE, Person
from appliance.store.sealing import Keys, Sealer

_PERSONS = """
    SELECT people.*, names.sealed AS name, notice, given_at, recorded_by, expires_at,
        pins.sealed AS pin, duress_pins.sealed AS duress,
        EXISTS (SELECT 1 FROM cards WHERE cards.pid = people.pid) AS has_card,
        (SELECT COUNT(*) FROM passes WHERE passes.pid = people.pid AND revoked_at IS NULL AND ends > :utc
            AND (uses = 0 OR used < uses)) AS passes,
        (SELECT COUNT(*) FROM templates WHERE templates.pid = people.pid) AS templates
    FROM people LEFT JOIN names USING (pid) LEFT JOIN pins USING (pid) LEFT JOIN duress_pins USING (pid)
    LEFT JOIN consents ON consents.pid = people.pid AND withdrawn_at IS NULL
    WHERE :pid IS NULL OR people.pid = :pid
"""


def persons(db: Database, keys: Keys, utc: float, pid: str | None = None) -> list[Person]:
    """Everybody, or whoever has that pid, inside a snapshot. `utc` (epoch seconds): whose passes still open."""
    with lenient(db):
        groups = rights.groups(db)
        rows = list(db.query(_PERSONS, {"pid": pid, "utc": utc}))
    return [_person(row, groups.get(row["pid"], frozenset()), keys) for row in rows]


def _person(row: dict[str, Any], groups: frozenset[str], keys: Keys) -> Person:
    name, remark = _opened(row, keys)
    consent = None
    if row["notice"] is not None:
        consent = Consent(row["notice"], row["given_at"], row["recorded_by"], row["expires_at"])
    return Person(
        pid=row["pid"],
        name=name,
        suspended=bool(row["suspended"]),
        extended=bool(row["extended"]),
        groups=groups,
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        added_at=row["added_at"],
        consent=consent,
        has_pin=row["pin"] is not None,
        templates=row["templates"],
        has_card=bool(row["has_card"]),
        passes=row["passes"],
        has_duress_pin=row["duress"] is not None,
        remark=remark,
    )


def _opened(row: dict[str, Any], keys: Keys) -> tuple[str, str]:
    """The name, and what is wrong with the sealed records."""
    pid = row["pid"]
    try:
        sealer = keys.person(pid, row["person_key"])
    except StoreError:
        return UNREADABLE, "the key of their records is damaged: remove them and add them anew"
    faults = []
    if not _opens(sealer, row["pin"], f"pin:{pid}"):
        faults.append("the PIN is damaged: give them a new one")
    if not _opens(sealer, row["duress"], f"duress:{pid}"):
        faults.append("the PIN for duress is damaged: give them a new one")
    try:
        name = sealer.unseal(row["name"] or b"", f"name:{pid}").decode()
    except (StoreError, UnicodeDecodeError):
        name = UNREADABLE
        faults.insert(0, "the name is damaged: rename them")
    return name, "; ".join(faults)


def _opens(sealer: Sealer, sealed: bytes | None, place: str) -> bool:
    try:
        return sealed is None or bool(sealer.unseal(sealed, place))
    except StoreError:
        return False
