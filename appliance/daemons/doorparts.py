"""What the door's wiring needs out of the settings. What is wrong here costs faces or PINs, never the way out."""

import logging
import os
import pwd
from collections.abc import Callable
from functools import partial
from pathlib import Path

from appliance.access.decide import Rules
from appliance.config import Config
from appliance.door.cards import WiegandReader
from appliance.door.inbox import Post
from appliance.door.journal import Store
from appliance.door.passdesk import Papers, PassDesk
from appliance.door.pinhash import PinHash
from appliance.door.pins import PulseIn
from appliance.errors import ModelError
from appliance.system.manifest import embedder_id, folder

log = logging.getLogger(__name__)

NOBODY = -2
"""A uid that no process has."""


def rules(config: Config) -> Rules:
    """The rules of this door. Without a manifest no face opens."""
    try:
        models = frozenset([embedder_id(folder(config.paths.models))])
    except ModelError as error:
        log.error("%s; until then nobody comes in by face", error)
        models = frozenset()
    return Rules(
        unlock_seconds=config.door.unlock_seconds,
        extended_unlock_seconds=config.door.extended_unlock_seconds,
        models=models,
        margin=config.recognition.margin,
        votes=config.recognition.votes,
        passive_threshold=config.liveness.passive_threshold,
    )


def uid(user: str) -> int:
    """The uid whose datagrams are believed; empty: this process's own."""
    if not user:
        return os.getuid()
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        log.error("user %s does not exist: its datagrams are refused; create it, or correct [users]", user)
        return NOBODY


def store_opener(state: Path, pins: PinHash) -> Callable[[], Store]:
    """What opens the store, in the thread that calls it."""

    def open_store() -> Store:
        # Database and cryptography take a second to import on a small board: the way out works before that.
        from appliance.door.memory import Memory  # noqa: PLC0415

        return Memory(state, pins)

    return open_store


def pass_desk(config: Config, inbox: Post) -> PassDesk | None:
    """The thread that reads visitors' passes, if they are wanted."""
    if not config.passes.camera:
        return None

    def open_papers() -> Papers:
        # As above: imported in the thread that waits anyway.
        from appliance.store.database import FILE, connect  # noqa: PLC0415
        from appliance.store.passes import Passbook  # noqa: PLC0415
        from appliance.system.keys import DeviceKey  # noqa: PLC0415
        from appliance.system.passkey import PassKey  # noqa: PLC0415

        state = Path(config.paths.state)
        key = PassKey(DeviceKey.load(state))
        db = connect(state / FILE, busy_seconds=1.0)
        return Papers(Passbook(db), key.verify, db.close)

    return PassDesk(open_papers, config.site.site, config.site.door, inbox)


def card_reader(lines: tuple[PulseIn, PulseIn], pins: PinHash, inbox: Post) -> WiegandReader:
    """The thread that takes cards in from two lines."""
    reader = WiegandReader(pins.card, inbox)
    for bit, line in enumerate(lines):
        line.watch(partial(reader.pulse, bit))
    return reader
