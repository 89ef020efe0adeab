"""Templates at rest: rotated, sealed under their person's key, and never without a consent."""

from collections.abc import Callable, Collection
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from appliance.errors import EnrolmentError
from appliance.facts import TEMPLATE_DIMENSIONS, ClockQuality, Moment, Vector
from appliance.store.database import snapshot, transaction, truncate_log
from appliance.store.events import EventLog
from appliance.store.faces import gallery, of_length_one, place
from appliance.store.lookalikes import mark, near
from appliance.store.person import Audit, nobody, unaided_clock
from appliance.store.sealing import Keys, fit, salt


def add_templates(
    db: Database,
    keys: Keys,
    pid: str,
    vectors: Vector,
    model: str,
    *,
    by: str,
    source: str = "photo",
    log: EventLog | None = None,
    now: Callable[[], Moment] = unaided_clock,
    alike: Collection[str] | None = None,
) -> None:
    """Store (n, 160) float32 templates of one person, made by `model`, with their line in the record.

    `source` is `photo` or `live`. `alike`: pids of others who look like this person, as `lookalikes.near`
    finds them; None: they are found here, which reads all templates. All of them are marked.

    Raises EnrolmentError (no consent that stands, or not templates), UnknownPersonError, StoreError.
    """
    if vectors.ndim != 2 or vectors.shape[1] != TEMPLATE_DIMENSIONS or not np.isfinite(vectors).all():
        raise EnrolmentError(f"templates must be (n, {TEMPLATE_DIMENSIONS}) finite numbers, not {vectors.shape}")
    if not of_length_one(vectors).all():
        raise EnrolmentError("a template's length must be 1: this one matches nobody; take the photo again")
    fit(db, keys)
    at = now()
    if alike is None:
        alike = near(*gallery(db, keys, model, now, suspended=True), vectors)
    rotated = _little_endian(vectors @ keys.rotation(salt(db, "site_salt")))
    with transaction(db):
        wrapped, consent = _standing(db, pid, at.utc)
        sealer = keys.person(pid, wrapped)
        for row in rotated:
            number = str(uuid4())
            sealed = sealer.seal(row.tobytes(), place(pid, number, model))
            db.table("templates").insert(
                {
                    "id": number,
                    "pid": pid,
                    "consent": consent,
                    "model": model,
                    "sealed": sealed,
                    "source": source,
                    "at": at.utc,
                }
            )
        audit = Audit(db, log, now)
        audit.changed("templates_added", pid, by, count=len(vectors), model=model, source=source)
        if others := mark(db, pid, alike):
            for marked in (pid, *others):
                audit.changed("alike_set", marked, by)


def remove_templates(
    db: Database, pid: str, *, by: str, log: EventLog | None = None, now: Callable[[], Moment] = unaided_clock
) -> int:
    """Delete all templates of one person, of any model; their consent stands. Returns how many. Raises StoreError."""
    with transaction(db):
        count: int = db.execute("DELETE FROM templates WHERE pid = ?", (pid,)).rowcount
        if count:
            Audit(db, log, now).changed("templates_removed", pid, by, count=count)
    return count


def expire_consents(db: Database, log: EventLog, now: Callable[[], Moment]) -> int:
    """For the hourly job: withdraw consents whose term is over, which deletes their templates. Needs no key.

    Returns how many; 0 while the clock is unknown. Raises StoreError.
    """
    at = now()
    if at.quality is ClockQuality.UNKNOWN:
        return 0
    with transaction(db):
        over = db.execute(
            "SELECT pid FROM consents WHERE withdrawn_at IS NULL AND expires_at <= ?", (at.utc,)
        ).fetchall()
        for (pid,) in over:
            db.execute("UPDATE consents SET withdrawn_at = ? WHERE pid = ? AND withdrawn_at IS NULL", (at.utc, pid))
            Audit(db, log, now).changed("consent_expired", pid, "retention")
    if over:
        truncate_log(db)
    return len(over)


def count_other_models(db: Database, model: str) -> int:
    """How many templates were made by another model, and so match nobody until their people enrol again."""
    with snapshot(db):
        return int(db.execute("SELECT COUNT(*) FROM templates WHERE model <> ?", (model,)).fetchone()[0])


def _standing(db: Database, pid: str, utc: float) -> tuple[bytes, int]:
    """The person's wrapped key and the consent that stands now."""
    person = db.execute("SELECT person_key FROM people WHERE pid = ?", (pid,)).fetchone()
    if person is None:
        raise nobody(pid)
    consent = db.execute(
        "SELECT id FROM consents WHERE pid = ? AND withdrawn_at IS NULL AND expires_at > ?", (pid, utc)
    ).fetchone()
    if consent is None:
        raise EnrolmentError(f"{pid} has no consent that stands: show them the notice and record it first")
    return person[0], consent[0]


def _little_endian(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(vectors, dtype="<f4")
