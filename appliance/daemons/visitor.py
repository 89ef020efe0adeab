"""What the visitor's screen may do to the world: pass a PIN to the door, put a call for help on record."""

import time
from collections.abc import Callable
from pathlib import Path

from appliance.config import Config
from appliance.errors import ConfigError, DoorlineError
from appliance.facts import Event, EventType
from appliance.settings import ScreenConfig
from appliance.store.database import FILE, connect
from appliance.store.events import EventLog
from appliance.system import clock
from appliance.system.doorline import DoorlineSender, PinDigits
from appliance.system.status import read_status
from appliance.web.visitor import Means, ReadScreen, Visitor

LONGEST_HELP, LONGEST_ADDRESS = 80, 200


def visitor(config: Config) -> Visitor:
    """What the net process gives the screen. Raises ConfigError."""
    run = Path(config.paths.run)
    means = visitor_means(run, Path(config.paths.state) / FILE)
    days = config.retention.events_days
    return Visitor(checked(config.screen), means, screen_reader(run), screen_stamp(run), events_days=days)


def visitor_means(run: Path, file: Path) -> Means:
    """`run`: where the sockets and statuses are; `file`: the record."""
    door = DoorlineSender(run / "door" / "doorline.sock")

    def send_pin(digits: str) -> bool:
        try:
            return door.send(PinDigits(digits, "screen", time.monotonic()))
        except DoorlineError:
            return False

    def call_help() -> bool:
        # A connection belongs to one thread, and calls are rare: each opens its own.
        db = connect(file)
        try:
            EventLog(db).append(Event(EventType.SYS, "help_called", clock.now(), by="screen"))
        finally:
            db.close()
        return (read_status(run / "net" / "status.json") or {}).get("mqtt") == "online"

    return Means(send_pin, call_help)


def screen_reader(run: Path) -> ReadScreen:
    """The two statuses that the screen follows."""
    return lambda: {name: read_status(run / name / "status.json") for name in ("door", "vision")}


def screen_stamp(run: Path) -> Callable[[], object]:
    """Differs once one of them was written anew; each writing is a file of its own."""
    paths = [run / name / "status.json" for name in ("door", "vision")]

    def stamp() -> object:
        found = []
        for path in paths:
            try:
                told = path.stat()
                found.append((told.st_ino, told.st_mtime_ns))
            except OSError:
                found.append((0, 0))
        return tuple(found)

    return stamp


def checked(config: ScreenConfig) -> ScreenConfig:
    """The same settings. Raises ConfigError: a line that does not fit, an address that is none."""
    for key, most in (("help_text", LONGEST_HELP), ("notice_url", LONGEST_ADDRESS)):
        text = getattr(config, key)
        if len(text) > most or not (text.isprintable() or not text):
            raise ConfigError(f"screen.{key}: must be one line of at most {most} characters")
    if config.notice_url and not config.notice_url.startswith(("https://", "http://")):
        raise ConfigError(f"screen.notice_url = {config.notice_url!r}: must begin with https:// or http://")
    return config
