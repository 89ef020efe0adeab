"""The visitor's hand on a simulated door: only where the pins are simulated too."""

import threading
import time
from typing import Protocol

from appliance.facts import DoorCommand

OPEN_AFTER_SECONDS = 1.0
CLOSE_AFTER_SECONDS = 2.0
PRESS_SECONDS = 0.15
"""How long the request-to-exit button stays down."""


class Bench(Protocol):
    """The far end of the simulated wires (`pins.Bench`)."""

    def set(self, name: str, *, open_: bool) -> None:
        """Open or close a switch."""


class Hand:
    """Opens the door a second after it is released and lets it fall shut two seconds later.

    Keys: `r` presses the request-to-exit button, `o` opens or shuts the door by hand, `f` raises or ends
    the fire alarm, `t` opens or shuts the case.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._released = False
        self._open = {"contact": False, "fire": False, "tamper": False}
        self._due: dict[str, float] = {}
        self._wake = threading.Condition()
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="hand", daemon=True)
        self._thread.start()

    def lock_moved(self, command: DoorCommand) -> None:
        """The lock was driven."""
        with self._wake:
            released = command is DoorCommand.RELEASE
            if released and not self._released and not self._open["contact"]:
                self._due["open"] = time.monotonic() + OPEN_AFTER_SECONDS
            if not released:
                self._due.pop("open", None)
            self._released = released
            self._wake.notify()

    def key(self, key: str) -> None:
        """A key that is none of the keypad's."""
        with self._wake:
            name = {"o": "contact", "f": "fire", "t": "tamper"}.get(key)
            if key == "r":
                self._bench.set("rex", open_=False)
                self._due["let_go"] = time.monotonic() + PRESS_SECONDS
            elif name:
                self._due.pop("open", None)
                self._due.pop("close", None)
                self._set(name, not self._open[name])
            self._wake.notify()

    def close(self) -> None:
        """End the thread. May be called twice."""
        with self._wake:
            self._stop = True
            self._wake.notify()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        with self._wake:
            while not self._stop:
                now = time.monotonic()
                for what in [what for what, at in self._due.items() if at <= now]:
                    del self._due[what]
                    self._do(what, now)
                next_at = min(self._due.values(), default=None)
                self._wake.wait(None if next_at is None else max(0.0, next_at - time.monotonic()))

    def _do(self, what: str, now: float) -> None:
        if what == "let_go":
            self._bench.set("rex", open_=True)
        elif what == "open":
            self._set("contact", True)
            self._due["close"] = now + CLOSE_AFTER_SECONDS
        else:
            self._set("contact", False)

    def _set(self, name: str, open_: bool) -> None:
        self._open[name] = open_
        self._bench.set(name, open_=open_)
