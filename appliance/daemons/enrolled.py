"""The gallery that the vision process matches against, kept as the store has it."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sqlite_utils import Database

from appliance.config import Config
from appliance.errors import KeyFileError, StoreError
from appliance.facts import TEMPLATE_DIMENSIONS, Moment, Vector
from appliance.store.calibration import load
from appliance.store.database import FILE, connect, data_version
from appliance.store.faces import consents_ending, faces_changed, faces_version, gallery
from appliance.system import clock
from appliance.system.keys import DeviceKey
from appliance.vision.gallery import Gallery

log = logging.getLogger(__name__)

REFRESH_SECONDS = 60.0
"""A consent that ends by the clock changes no row: it is looked for this often all the same."""
RETRY_SECONDS = 1.0
FEW = 200
"""So many people are changed in the gallery as it stands; for more it is read anew."""


class Enrolled:
    """Takes changes over from the store. A broken store keeps nobody: no face opens on old rights."""

    def __init__(self, config: Config, model: str, now: Callable[[], Moment] = clock.now) -> None:
        self._state = Path(config.paths.state)
        self._now = now
        self._model = model
        self._db: Database | None = None
        self._gallery: Gallery | None = None
        self._seen = self._version = -1
        self._read_at = float("-inf")
        self._consents_at = float("-inf")
        self._consents_utc = 0.0
        self._broken = ""
        self.site: tuple[tuple[float, float], ...] = ()
        """The site's own (FMR, cosine) table, if it was calibrated with this model."""

    def fresh(self, now: float) -> Gallery | None:
        """The gallery if it or `site` has changed since the last call, else None; perhaps the same one, changed."""
        if self._broken and now - self._read_at < RETRY_SECONDS:
            return None
        try:
            if self._db is None:
                self._db = connect(self._state / FILE)
            seen = data_version(self._db)
            if self._gallery is not None and seen == self._seen and now - self._read_at < REFRESH_SECONDS:
                return None
            calibrated = load(self._db, self._model)
            site = calibrated.bounds if calibrated else ()
            changed = self._changed(self._db, now) or site != self.site
            self.site = site
            self._seen, self._read_at = seen, now
        except (StoreError, KeyFileError) as error:
            return self._nobody(str(error), now)
        self._broken = ""
        return self._gallery if changed else None

    def _changed(self, db: Database, now: float) -> bool:
        """Take over what is new, and say whether anything was. Raises StoreError, KeyFileError."""
        # Before the rows are read: what changes meanwhile is then read once more.
        version, utc = faces_version(db), self._now().utc
        people = faces_changed(db, self._version)
        if people is not None and now - self._consents_at >= REFRESH_SECONDS:
            # Looks at every consent: not for each event that somebody writes.
            people |= consents_ending(db, self._consents_utc, utc)
            self._consents_at, self._consents_utc = now, utc
        self._version = version
        if self._gallery is None or people is None or len(people) > FEW:
            owners, vectors = gallery(db, DeviceKey.load(self._state), self._model, self._now)
            self._gallery = self._all(owners, vectors)
            self._consents_at, self._consents_utc = now, utc
            log.info("gallery: %d templates of %d people", len(owners), len(set(owners)))
            return True
        if people:
            owners, vectors = gallery(db, DeviceKey.load(self._state), self._model, self._now, only=people)
            of_each = np.array(owners, dtype=object)
            for person in people:
                self._replace(self._gallery, person, vectors[of_each == person])
        return bool(people)

    def _replace(self, faces: Gallery, person: str, vectors: Vector) -> None:
        try:
            faces.replace(person, vectors)
        except ValueError as error:
            log.error("%s matches nobody: %s; enrol them again", person, error)
            faces.replace(person, vectors[:0])

    def _all(self, owners: list[str], vectors: Vector) -> Gallery:
        try:
            return Gallery.of(owners, vectors.reshape(-1, TEMPLATE_DIMENSIONS), self._model)
        except ValueError:
            # Somebody's are no templates: the others' count all the same.
            faces, of_each = Gallery.empty(self._model), np.array(owners, dtype=object)
            for person in sorted(set(owners)):
                self._replace(faces, person, vectors[of_each == person])
            return faces

    def _nobody(self, why: str, now: float) -> Gallery:
        if why != self._broken:
            log.error("no face can be matched: %s", why)
        self._broken, self._gallery, self._read_at = why, None, now
        if self._db is not None:
            self._db.close()
            self._db = None
        return Gallery.empty(self._model)
