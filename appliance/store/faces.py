"""The templates that may be matched, read fast: all of them at a start, and then only of whom something changed."""

import logging
from collections.abc import Callable, Collection, Iterable

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from appliance.errors import StoreError
from appliance.facts import TEMPLATE_DIMENSIONS, Moment
from appliance.store.database import snapshot
from appliance.store.person import unaided_clock
from appliance.store.sealing import Keys, Sealer, fit, salt

log = logging.getLogger(__name__)

TEMPLATE_BYTES = 4 * TEMPLATE_DIMENSIONS
LENGTH = 0.01
"""How far a template's length may be from 1."""

_Row = tuple[bytes, bytes, int, bytes]
"""pid, template's id, consent, sealed. Ids as bytes: a damaged one is one row's fault, and decoding a column in
SQLite's own way costs as much as unsealing it."""


def gallery(
    db: Database,
    keys: Keys,
    model: str,
    now: Callable[[], Moment] = unaided_clock,
    *,
    suspended: bool = False,
    only: Collection[str] | None = None,
) -> tuple[list[str], NDArray[np.float32]]:
    """Templates that may be matched now: pid of each row, and (n, 160) float32.

    Only of `model`, and of people whose consent stands within its term and who are not suspended;
    with `suspended` those too, to find out whether a face is enrolled already. `only`: of these
    people. A damaged template is left out, and its person's pid is logged. Raises KeyFileError
    (another device's key), StoreError.
    """
    fit(db, keys)
    with snapshot(db):
        wrapped, standing = _people(db, suspended, only), _consents(db, now().utc, only)
        rows: Iterable[_Row] = _rows(db, model, only)
        pids, plain = _opened(keys, rows, model, wrapped, standing)
    if not pids:
        return [], np.empty((0, TEMPLATE_DIMENSIONS), dtype=np.float32)
    rotated = np.frombuffer(b"".join(plain), dtype="<f4").reshape(-1, TEMPLATE_DIMENSIONS)
    # The inverse of a rotation is its transpose.
    vectors = rotated @ keys.rotation(salt(db, "site_salt")).T
    sound = of_length_one(vectors)
    if not sound.all():
        for who in sorted({pid for pid, fine in zip(pids, sound, strict=True) if not fine}):
            log.error("a template of %s matches nobody: its length is not 1; enrol them again", who)
        pids, vectors = [pid for pid, fine in zip(pids, sound, strict=True) if fine], vectors[sound]
    return pids, np.ascontiguousarray(vectors, dtype=np.float32)


def of_length_one(vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of (n, 160) can be templates: (n,) booleans. Turning and storing as float32 costs far less than LENGTH."""
    fine: NDArray[np.bool_] = np.abs(np.linalg.norm(vectors, axis=1) - 1) <= LENGTH  # not-a-number is not
    return fine


def faces_version(db: Database) -> int:
    """A number that grows with every change to a template, a consent or a suspension. Raises StoreError."""
    return int(db.execute("SELECT COALESCE(MAX(seq), 0) FROM face_changes").fetchone()[0])


def faces_changed(db: Database, since: int) -> frozenset[str] | None:
    """Whose faces may have changed after that version. Raises StoreError.

    None: too long ago to tell, or somebody was erased since, whom nothing names any more: read all.
    """
    first, last = db.execute("SELECT COALESCE(MIN(seq), 1), COALESCE(MAX(seq), 0) FROM face_changes").fetchone()
    if not first - 1 <= since <= last:
        return None
    found = frozenset(pid for (pid,) in db.execute("SELECT pid FROM face_changes WHERE seq > ?", (since,)))
    return None if "" in found else found


def consents_ending(db: Database, begin: float, end: float) -> frozenset[str]:
    """Whose consent runs out between two times (UTC epoch seconds), whichever is the later. Raises StoreError."""
    rows = db.execute(
        "SELECT pid FROM consents WHERE withdrawn_at IS NULL AND expires_at BETWEEN ? AND ?",
        (min(begin, end), max(begin, end)),
    )
    return frozenset(pid for (pid,) in rows)


def place(pid: str, number: str, model: str) -> str:
    """What a sealed template is bound to."""
    return f"template:{pid}:{number}:{model}"


def _people(db: Database, suspended: bool, only: Collection[str] | None) -> dict[bytes, bytes]:
    """Wrapped keys by pid."""
    query = "SELECT CAST(pid AS BLOB), person_key FROM people WHERE suspended <= ?"
    if only is None:
        return dict(db.execute(query, (suspended,)).fetchall())
    found = [db.execute(f"{query} AND pid = ?", (suspended, pid)).fetchone() for pid in only]
    return dict(row for row in found if row is not None)


def _consents(db: Database, utc: float, only: Collection[str] | None) -> set[int]:
    query = "SELECT id FROM consents WHERE withdrawn_at IS NULL AND expires_at > ?"
    if only is None:
        return {number for (number,) in db.execute(query, (utc,))}
    return {number for pid in only for (number,) in db.execute(f"{query} AND pid = ?", (utc, pid))}


def _rows(db: Database, model: str, only: Collection[str] | None) -> Iterable[_Row]:
    query = "SELECT CAST(pid AS BLOB), CAST(id AS BLOB), consent, sealed FROM templates WHERE model = ?"
    if only is None:
        yield from db.execute(query, (model,))
        return
    for pid in only:
        yield from db.execute(f"{query} AND pid = ?", (model, pid))


def _opened(
    keys: Keys, rows: Iterable[_Row], model: str, wrapped: dict[bytes, bytes], standing: set[int]
) -> tuple[list[str], list[bytes]]:
    """Owner and bytes of each template that can be unsealed. A person's templates mostly lie side by side."""
    pids: list[str] = []
    plain: list[bytes] = []
    damaged: dict[str, StoreError] = {}
    last, pid = b"", ""
    sealer: Sealer | None = None
    for owner, number, consent, sealed in rows:
        if consent not in standing or owner not in wrapped:
            continue
        try:
            if owner != last:
                last, pid, sealer = owner, owner.decode(errors="replace"), None
                sealer = keys.person(pid, wrapped[owner])
            if sealer is None:
                continue
            found = sealer.unseal(sealed, place(pid, number.decode(errors="replace"), model))
            if len(found) != TEMPLATE_BYTES:
                raise StoreError(f"a template of {len(found)} bytes: must be {TEMPLATE_BYTES}; enrol this person again")
        except StoreError as error:
            damaged.setdefault(pid, error)
            continue
        plain.append(found)
        pids.append(pid)
    for who, fault in damaged.items():
        log.error("a template of %s matches nobody: %s; enrol them again", who, fault)
    return pids, plain
