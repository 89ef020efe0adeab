"""The two orders that shut a door to everybody outside: its own, and the whole site's. Either holds by itself.

Each side lifts only its own. An order that cannot be read stands, by nobody knows whom.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sqlite_utils import Database

from appliance.store.database import snapshot

Side = Literal["local", "site"]
KEYS: Mapping[Side, str] = {"local": "lockdown", "site": "lockdown_site"}
"""Where each side's order is kept in `meta`: a damaged one is one side's."""


@dataclass(frozen=True, slots=True)
class Order:
    """One side's order. None: cannot be read any more, or was not said."""

    by: str | None = None
    why: str | None = None
    at: float | None = None
    """When this door took it, UTC epoch seconds of its own clock."""
    issued: float | None = None
    """When it was signed, on the clock of whoever signed it."""


def standing(db: Database) -> dict[Side, Order]:
    """The orders that stand, the door's own first; none: no lockdown. Raises StoreError."""
    query = "SELECT key, CAST(value AS BLOB) FROM meta WHERE key IN (?, ?)"
    with snapshot(db):
        found: dict[str, bytes] = dict(db.execute(query, tuple(KEYS.values())).fetchall())
    return {side: _read(found[key]) for side, key in KEYS.items() if key in found}


def greatest_number(db: Database) -> int:
    """The greatest number of a site's message that the record tells of; 0: of none. Raises StoreError."""
    query = (
        "SELECT MAX(CASE WHEN json_valid (detail) THEN json_extract (detail, '$.seq') END) FROM events "
        "WHERE why IN ('site_lockdown_on', 'site_lockdown_off')"
    )
    with snapshot(db):
        found = db.execute(query).fetchone()[0]
    return found if isinstance(found, int) else 0


def put(db: Database, side: Side, order: Order) -> None:
    """Write it in place of what that side had ordered, inside a transaction."""
    told: dict[str, str | float | None] = {"by": order.by, "why": order.why, "at": order.at}
    if order.issued is not None:
        told["issued"] = order.issued
    value = json.dumps(told, ensure_ascii=False)
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (KEYS[side], value))


def lift(db: Database, side: Side) -> None:
    """That side's order stands no more, inside a transaction."""
    db.execute("DELETE FROM meta WHERE key = ?", (KEYS[side],))


def _read(value: bytes) -> Order:
    try:
        told = json.loads(value)
    except (ValueError, TypeError, RecursionError):
        return Order()
    if not isinstance(told, dict):
        return Order()
    return Order(_text(told.get("by")), _text(told.get("why")), _time(told.get("at")), _time(told.get("issued")))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _time(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
