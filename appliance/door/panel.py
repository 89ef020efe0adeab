"""The appliance as the reader of somebody else's panel: whoever was let in, that person's card number is sent on."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from appliance.door.cards import Out, send
from appliance.door.wiegand import card_of
from appliance.errors import CardError

log = logging.getLogger(__name__)

ROOM = 8
LATEST_SECONDS = 3.0
"""A number sent later than this after the grant would open for whoever stands there by then."""


class Numbers(Protocol):
    """What the panel needs of the record (`store.people.People`)."""

    def card_of(self, pid: str) -> str | None:
        """`BITS:FACILITY:NUMBER`, or None. Raises StoreError."""


@dataclass(frozen=True, slots=True)
class Register:
    """The open record."""

    numbers: Numbers
    close: Callable[[], None]


class Panel(threading.Thread):
    """Sends in a thread of its own: a number takes some 80 ms on the wire."""

    def __init__(self, open_register: Callable[[], Register], d0: Out, d1: Out) -> None:
        """`open_register` runs in this thread; it may raise StoreError and KeyFileError."""
        super().__init__(name="panel", daemon=True)
        self._open, self._d0, self._d1 = open_register, d0, d1
        self._granted: queue.Queue[tuple[str, float] | None] = queue.Queue(ROOM)
        self._missed = self._missed_told = 0

    def granted(self, pid: str) -> None:
        """The door was opened for this person. Never waits."""
        self._put((pid, time.monotonic()))

    def close(self) -> None:
        """End the thread. May be called twice."""
        self._put(None)
        self.join(2.0)

    def run(self) -> None:
        """Until close()."""
        while (granted := self._granted.get()) is not None:
            missed = self._missed
            if missed > self._missed_told:
                log.warning("the panel was not told of %d: too many wait", missed - self._missed_told)
                self._missed_told = missed
            try:
                self._send(*granted)
            except (OSError, CardError) as error:  # StoreError, KeyFileError and LockError are such
                log.error("the panel was not told: %s", error)

    def _send(self, pid: str, at: float) -> None:
        # Opened each time: seldom, and so a card just given is known.
        register = self._open()
        try:
            number = register.numbers.card_of(pid)
        finally:
            register.close()
        if number is None:
            log.warning("the panel was not told: %s has no card; give one with lintel people set-card", pid)
        elif time.monotonic() - at > LATEST_SECONDS:
            log.warning("the panel was not told of %s: the number was found too late", pid)
        else:
            send(card_of(number), self._d0, self._d1)

    def _put(self, item: tuple[str, float] | None) -> None:
        try:
            self._granted.put_nowait(item)
        except queue.Full:
            self._missed += 1  # said by the thread: the loop must not wait for whoever reads the log
