"""What a signed command may do to this door: ask it to unlock, put a lockdown in the store, write the record."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from sqlite_utils import Database

from appliance.config import Config
from appliance.errors import ConfigError, DoorlineError
from appliance.facts import AdminUnlock, ClockQuality, Event, Moment
from appliance.fleet.commands import LARGEST_SEQ, SiteMode, Verifier
from appliance.fleet.desk import Desk
from appliance.store.chain import StoredEvent
from appliance.store.database import FILE, NoValueError, connect, meta, transaction
from appliance.store.events import EventLog
from appliance.store.lockdown import Order, greatest_number, standing
from appliance.store.rulebook import Rulebook
from appliance.system import clock
from appliance.system.doorline import DoorlineSender
from appliance.system.status import read_status

log = logging.getLogger(__name__)

MODE_SEQ = "mode_seq"
ROWS = 200


def desk(config: Config) -> Desk | None:
    """Where commands arrive; None without a key. Raises ConfigError: the key's file cannot be used."""
    if not config.mqtt.commands_key:
        return None
    run = Path(config.paths.run) / "door"
    orders = Orders(Path(config.paths.state) / FILE, run / "doorline.sock", run / "status.json")
    return Desk(Verifier(public_key(config.mqtt.commands_key)), config.site, orders)


def public_key(file: str) -> Ed25519PublicKey:
    """The key in a PEM file. Raises ConfigError."""
    remedy = "put an Ed25519 public key (PEM) there, or leave it empty: then no command is obeyed"
    try:
        key = load_pem_public_key(Path(file).read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"mqtt.commands_key = {file!r}: {error}; {remedy}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"mqtt.commands_key = {file!r}: not an Ed25519 key; {remedy}")
    return key


class Orders:
    """`fleet.desk.Hands` on this machine. Opens the store in the thread that asks first."""

    def __init__(self, file: Path, doorline: Path, status: Path) -> None:
        self._file, self._status = file, status
        self._door = DoorlineSender(doorline)
        self._told = False
        self._opened: tuple[Database, Rulebook, EventLog] | None = None

    def unlock(self, by: str, name: str, at: float) -> bool:
        """Ask the door; False: it is away."""
        try:
            # The order's own time: one that waited for a slow disk is stale, and the door will say so.
            return self._door.send(AdminUnlock(by, name, at))
        except DoorlineError:
            return False

    def lockdown(self, on: bool, by: str, why: str) -> bool:
        """Order or lift this door's own; the door follows within a quarter of a second. Raises StoreError."""
        db, rules, _ = self._open()
        with transaction(db):
            rules.set_lockdown(on, by, why)
            return "site" in standing(db)

    def take_mode(self, mode: SiteMode, by: str, why: str, now: Moment) -> str:
        """See `Hands`. All of it or nothing. Raises StoreError."""
        db, rules, _ = self._open()
        with transaction(db):
            orders, newest = standing(db), self._taken(db)
            above = mode.seq > (greatest_number(db) if newest is None else newest)
            if not mode.lockdown and not above:
                return "seq"
            if not mode.lockdown and _older(mode, orders.get("site"), now):
                return "iat"
            rules.set_lockdown(mode.lockdown, by, why, side="site", issued=mode.iat, seq=mode.seq)
            if above:
                db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (MODE_SEQ, mode.seq))
            return "local_lockdown" if not mode.lockdown and "local" in orders else ""

    def mode_seq(self) -> int:
        """Raises StoreError."""
        return self._taken(self._open()[0]) or 0

    def _taken(self, db: Database) -> int | None:
        """The newest number taken. None: damaged, so that nobody knows which messages are old."""
        try:
            value = meta(db, MODE_SEQ)
        except NoValueError:
            return 0
        if type(value) is int and 0 <= value < LARGEST_SEQ:
            return value
        if not self._told:
            log.error(
                "the number of the site's newest mode is damaged: until one comes with a number above all in the "
                "record, only a lockdown is taken; publish the site's mode with a higher number"
            )
        self._told = True
        return None

    def note(self, event: Event) -> None:
        """Raises StoreError."""
        self._open()[2].append(event)

    def head(self) -> int:
        """Raises StoreError."""
        return self._open()[2].head()[0]

    def since(self, seq: int) -> Sequence[StoredEvent]:
        """At most ROWS of them. Raises StoreError."""
        return self._open()[2].after(seq, ROWS)

    def door(self) -> Mapping[str, Any] | None:
        """The door's status."""
        return read_status(self._status)

    def _open(self) -> tuple[Database, Rulebook, EventLog]:
        if self._opened is None:
            db = connect(self._file)
            log = EventLog(db)
            self._opened = db, Rulebook(db, log=log, now=clock.now), log
        return self._opened


def _older(mode: SiteMode, order: Order | None, now: Moment) -> bool:
    """Whether it was signed before the lockdown that it would lift: by the host's clock, else by this door's."""
    if order is None:
        return False
    if order.issued is not None:
        return mode.iat < order.issued
    return now.quality is not ClockQuality.UNKNOWN and order.at is not None and mode.iat < int(order.at)
