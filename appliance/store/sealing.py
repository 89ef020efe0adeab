"""What the store asks of the device key, and whether the key fits the database.

`system.keys.DeviceKey` is the one implementation. The store knows only this, so that it and
the machine's side stay apart.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from appliance.errors import KeyFileError
from appliance.store.database import meta, missing, transaction


class Sealer(Protocol):
    """Authenticated encryption bound to a place."""

    def seal(self, plaintext: bytes, place: str) -> bytes:
        """Encrypt for one place."""

    def unseal(self, sealed: bytes, place: str) -> bytes:
        """Undo it. Raises StoreError."""


class Keys(Protocol):
    """The device key, as far as the store needs it."""

    def check_value(self) -> bytes:
        """Tells one device key from another."""

    def new_person_key(self, pid: str) -> bytes:
        """A fresh key, wrapped."""

    def person(self, pid: str, wrapped: bytes) -> Sealer:
        """What seals that person's records."""

    def pin_digest(self, digits: str, salt: bytes) -> bytes:
        """The slow hash of a PIN."""

    def card_digest(self, text: str) -> bytes:
        """The keyed hash of a card's number."""

    def rotation(self, site: bytes) -> NDArray[np.float32]:
        """(160, 160) float32 orthogonal."""


def fit(db: Database, keys: Keys) -> None:
    """Check that this key made this database; a database without one takes this key for good.

    Raises KeyFileError: another device's key.
    """
    try:
        known = meta(db, "key_check")
    except KeyError:
        with transaction(db):
            db.execute("INSERT OR IGNORE INTO meta VALUES ('key_check', ?)", (keys.check_value(),))
        known = meta(db, "key_check")
    if known != keys.check_value():
        raise KeyFileError(
            "the device key does not fit this database: it is another device's, or was made anew after the old one "
            "was lost; restore device.key from the backup of this database, or move the database away and enrol again"
        )


def keyed(db: Database) -> bool:
    """True: a device key has made this database its own, so a new one must not be created."""
    try:
        meta(db, "key_check")
    except KeyError:
        return False
    return True


def salt(db: Database, name: str) -> bytes:
    """`pin_salt` or `site_salt`: 16 random bytes, made with the database. Raises StoreError: lost."""
    value = meta(db, name)
    if not isinstance(value, bytes):
        raise missing(db, name)
    return value
