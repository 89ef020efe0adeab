"""Whose face should be enrolled anew: another model's templates match nobody, and faces change with the years."""

from pathlib import Path

from sqlite_utils import Database

from appliance.config import Config
from appliance.errors import ModelError
from appliance.store.database import snapshot
from appliance.vision.models import Manifest, models_dir

TERM_YEARS = 5
"""Templates older than this are to be renewed. Of adults 99 % are still recognised after six years at FMR 1e-4
(Best-Rowden and Jain 2018, IEEE TPAMI 40(1)); a year is kept in hand, and the young change faster."""
_YEAR = 365.25 * 86400

ANEW = "needs enrolling anew"
OLD = f"face older than {TERM_YEARS} years: renew it"


def current_model(config: Config) -> str | None:
    """The id that the embedder's templates bear (`Embedder.id`); None where its manifest cannot be read."""
    directory = Path(config.paths.models) if config.paths.models else models_dir()
    try:
        slots = Manifest.read(directory / "manifest.toml").slots
    except ModelError:
        return None
    return f"sha256:{slots['embedder'].sha256[:12]}" if "embedder" in slots else None


def renewals(db: Database, model: str | None, utc: float) -> dict[str, tuple[str, ...]]:
    """Remarks by pid, of those who have templates and any to be made. Raises StoreError."""
    with snapshot(db):
        rows = db.execute("SELECT pid, SUM(model = ?), MAX(at) FROM templates GROUP BY pid", (model,)).fetchall()
    found = {pid: _remarks(model is None or bool(current), utc - newest) for pid, current, newest in rows}
    return {pid: remarks for pid, remarks in found.items() if remarks}


def _remarks(current: bool, age: float) -> tuple[str, ...]:
    if not current:
        return (ANEW,)
    return (OLD,) if age > TERM_YEARS * _YEAR else ()
