"""Whose faces come too near another person's to prove alone who somebody is."""

from collections.abc import Collection, Sequence

import numpy as np
from sqlite_utils import Database

from appliance.facts import Vector

ALIKE_COSINE = 0.48
"""Of two templates from here on their people are marked: FMR 1e-5 of the embedder that is shipped
(models/manifest.toml). With three templates each, 1 person in 110 is marked by chance among 100, 1 in 11 among
1000: give larger galleries a higher one, as commands/enrolment.py does. One that is as near as a match is not
enrolled at all, so few are marked where few are enrolled."""


def near(owners: Sequence[str], enrolled: Vector, vectors: Vector, cosine: float = ALIKE_COSINE) -> frozenset[str]:
    """Owners of templates within `cosine` of any of `vectors`: (n, 160) with n owners, and (m, 160)."""
    if not len(owners) or not len(vectors):
        return frozenset()
    scores = (_unit(enrolled) @ _unit(vectors).T).max(axis=1)
    return frozenset(owner for owner, score in zip(owners, scores, strict=True) if score >= cosine)


def mark(db: Database, pid: str, others: Collection[str]) -> list[str]:
    """Note that this person looks like each of these, as far as they are still enrolled. Inside a transaction.

    Returns whom of them the mark is new for.
    """
    return [other for other in sorted(set(others) - {pid}) if _mark(db, *sorted((pid, other)))]


def _mark(db: Database, first: str, second: str) -> bool:
    sql = "INSERT OR IGNORE INTO lookalikes SELECT one.pid, two.pid FROM people AS one, people AS two "
    return bool(db.execute(f"{sql} WHERE one.pid = ? AND two.pid = ?", (first, second)).rowcount)


def _unit(vectors: Vector) -> Vector:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    # A vector without length is near nobody.
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)
