"""The live view on a real terminal: what is shown, and what the keys do."""

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console

from appliance.commands.live import LiveView
from appliance.commands.session import DAEMONS, Session
from appliance.commands.snapshot import Process, Snapshot
from appliance.commands.supervisor import rss_mb

EVENTS_SHOWN = 40
LOG_SHOWN = 40
DOOR_KEYS = "0123456789#*roft"
"""What the door's terminal keypad understands: digits, enter, clear; and the simulated hand: the way-out button,
the door, the fire alarm, the case."""


def show(session: Session, turns: Iterable[float]) -> None:
    """Draw for as long as there are turns, or until `q`. Without a terminal, a line an event."""
    config = session.config
    typed = Typed(session.supervisor.type_keys, config.keypad.idle_seconds)
    with (
        LiveView(
            Console(),
            session.simulated,
            session.url,
            place=f"{config.site.site} / {config.site.door}",
            timezone=config.site.timezone,
            passive_threshold=config.liveness.passive_threshold,
        ) as view,
        _keys() as read_keys,
    ):
        for wait in turns:
            now = time.monotonic()
            view.update(_snapshot(session, typed.shown(now)))
            for key in read_keys(wait):
                typed.take(key, time.monotonic())
            if typed.quit:
                return


class Typed:
    """Keys on their way to the door; counts digits for the view and never keeps them."""

    def __init__(self, press: Callable[[str], None], idle_seconds: float) -> None:
        self._press = press
        self._idle_seconds = idle_seconds
        self._digits = 0
        self._at = 0.0
        self.quit = False

    def take(self, key: str, now: float) -> None:
        """One key, at `now` (monotonic s). Enter is `#`, backspace is `*`; what means nothing is passed over."""
        key = {"\n": "#", "\r": "#", "\x7f": "*"}.get(key, key)
        if key in ("q", "\x04"):
            self.quit = True
        elif key in DOOR_KEYS:
            self._digits = self.shown(now) + 1 if key.isdecimal() else 0
            self._at = now
            self._press(key)

    def shown(self, now: float) -> int:
        """Digits typed that the door has not forgotten yet."""
        return self._digits if now - self._at < self._idle_seconds else 0


def _snapshot(session: Session, typed: int) -> Snapshot:
    children = session.supervisor.children
    return Snapshot(
        mono=time.monotonic(),
        utc=time.time(),
        status=session.statuses,
        events=session.wire_events(EVENTS_SHOWN),
        processes=[
            Process(name, pid := children[name].pid, rss_mb(pid) if pid else 0.0, children[name].restarts)
            for name in DAEMONS
        ],
        log=session.log.latest(LOG_SHOWN),
        typed=typed,
    )


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Single keys without echo, where standard input is a terminal; waits at most the seconds given."""
    if not sys.stdin.isatty():
        yield _no_keys
        return
    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    try:
        tty.setcbreak(handle)
        yield lambda seconds: os.read(handle, 64).decode("ascii", "ignore") if _readable(handle, seconds) else ""
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)


def _readable(handle: int, seconds: float) -> bool:
    return bool(select.select([handle], [], [], seconds)[0])


def _no_keys(seconds: float) -> str:
    time.sleep(seconds)
    return ""
