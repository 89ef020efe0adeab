"""What the door's wiring needs out of the settings. What is wrong here costs faces or PINs, never the way out."""

import logging
import os
import pwd
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from appliance.access.ledger import Ledger
from appliance.access.proof import Rules
from appliance.access.terms import door_rules
from appliance.config import Config, digest
from appliance.door.asks import Asks, Record
from appliance.door.cards import WiegandReader, send
from appliance.door.feedback import Feedback
from appliance.door.inbox import Inbox, Post
from appliance.door.journal import Store
from appliance.door.keypad import Keypad, opener
from appliance.door.listener import Listener
from appliance.door.osdp import OsdpReader
from appliance.door.osdpout import OsdpOut
from appliance.door.panel import Panel, Register, Way
from appliance.door.passdesk import Papers, PassDesk
from appliance.door.passgate import PassGate
from appliance.door.pinhash import PinHash
from appliance.door.pins import Lines, Switch
from appliance.door.report import Report
from appliance.errors import LockError, ModelError
from appliance.system.doorline import Doorline
from appliance.system.manifest import embedder_id, folder

log = logging.getLogger(__name__)

Publish = Callable[[Mapping[str, Any]], None]

AGAIN_SECONDS = 1.0

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
        passive_frames=config.liveness.passive_frames,
        exit_reader=config.access.exit_reader,
        level=config.liveness.level,
    )


def both(one: Publish, other: Publish) -> Publish:
    """Tells two the same."""

    def tell(status: Mapping[str, Any]) -> None:
        one(status)
        other(status)

    return tell


def uid(user: str) -> int:
    """The uid whose datagrams are believed; empty: this process's own."""
    if not user:
        return os.getuid()
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        log.error("user %s does not exist: its datagrams are refused; create it, or correct [users]", user)
        return NOBODY


def asks(config: Config, record: Record, report: Report, desk: PassDesk | None) -> Asks:
    """Who may come in, by this site's settings and its clock on the wall."""
    ledger = Ledger(partial(door_rules, settings=config.access), ZoneInfo(config.site.timezone))
    return Asks(record, report, rules=rules(config), ledger=ledger, passes=PassGate(desk.spend) if desk else None)


def store_opener(config: Config, pins: PinHash) -> Callable[[], Store]:
    """What opens the store, in the thread that calls it."""

    def open_store() -> Store:
        # Database and cryptography take a second to import on a small board: the way out works before that.
        from appliance.door.memory import Memory  # noqa: PLC0415

        return Memory(Path(config.paths.state), pins, digest(config), door=config.site.door)

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


def listener(config: Config, run: Path, pins: PinHash, inbox: Post, desk: PassDesk | None) -> Listener:
    """The thread that hears vision and net, each by its user."""
    vision, net, path = uid(config.users.vision), uid(config.users.net), run / "doorline.sock"
    return Listener(lambda: Doorline(path, vision, net), pins.digest, inbox, desk.show if desk else None)


def on_stop(stop: Callable[[], None]) -> None:
    """Call this when the process is told to end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


class Part(Protocol):
    """A thread of the door's."""

    name: str

    def run(self) -> None:
        """Its work."""

    def start(self) -> None:
        """Once."""

    def close(self) -> None:
        """End it. May be called twice."""


def keep(part: Part) -> Part:
    """Before its start: when its run() breaks, say so and run it anew a little later. The way out needs none."""
    work = part.run

    def run() -> None:
        while True:
            try:
                work()
                return
            except Exception:
                log.exception("%s broke; started again in %.0f s", part.name, AGAIN_SECONDS)
            time.sleep(AGAIN_SECONDS)

    part.run = run  # type: ignore[method-assign]
    return part


def watch(switches: Iterable[Switch], inbox: Inbox) -> None:
    """Hear of edges. A line that cannot be watched is still read four times a second."""
    for switch in switches:
        try:
            switch.watch(inbox.edge)
        except LockError as error:
            log.error("%s; its level is read instead", error)


def inputs(
    config: Config, lines: Lines, pins: PinHash, inbox: Post, other_keys: Callable[[str], None] | None
) -> list[Part]:
    """The threads that take cards and PINs in, of what is wired."""
    parts: list[Part] = []
    if lines.reader is not None:
        reader = WiegandReader(pins.card, inbox)
        try:
            for bit, line in enumerate(lines.reader):
                line.watch(partial(reader.pulse, bit))
            parts.append(reader)
        except LockError as error:
            log.error("%s; the door goes on without its card reader", error)
    if config.osdp.device:
        parts.append(OsdpReader(config.osdp, config.keypad.idle_seconds, pins.digest, pins.card, inbox))
    if (keys := opener(config.keypad)) is not None:
        parts.append(Keypad(keys, config.keypad.idle_seconds, pins.digest, inbox, other_keys))
    return parts


def other_panel(
    config: Config, lines: Lines, inbox: Post, lamps: Feedback
) -> tuple[Callable[[str], None] | None, list[Part]]:
    """Who is told of whom the door was opened for, and the threads that tell another panel, if there is one."""

    def open_register() -> Register:
        from appliance.store.database import FILE, connect  # noqa: PLC0415
        from appliance.store.people import People  # noqa: PLC0415
        from appliance.system.keys import DeviceKey  # noqa: PLC0415

        state = Path(config.paths.state)
        db = connect(state / FILE, busy_seconds=1.0)
        return Register(People(db, DeviceKey.load(state)), db.close)

    ways: list[Way] = []
    parts: list[Part] = []
    if lines.panel is not None:
        d0, d1 = lines.panel
        ways.append(lambda card, _at: send(card, d0, d1))
    if config.osdp_out.device:
        tamper = lines.switches.get("tamper")
        out = OsdpOut(config.osdp_out, inbox, lambda: tamper is not None and tamper.active, lamps.panel_said)
        ways.append(out.card)
        parts.append(out)
    if not ways:
        return None, []
    panel = Panel(open_register, ways, inbox)
    return panel.granted, [panel, *parts]
