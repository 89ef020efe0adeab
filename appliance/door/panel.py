"""The appliance as the reader of somebody else's panel: whoever was let in, that person's card number is sent on."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from appliance.door.inbox import PanelMissed, Post
from appliance.door.wiegand import Card, card_of
from appliance.errors import CardError, LockError

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


Way = Callable[[Card, float], None]
"""Takes a card, and when the door was opened (monotonic seconds). May raise LockError."""


class Panel(threading.Thread):
    """Sends in a thread of its own: a number takes some 80 ms on Wiegand's wires."""

    def __init__(self, open_register: Callable[[], Register], ways: Sequence[Way], inbox: Post) -> None:
        """`open_register` runs in this thread; it may raise StoreError and KeyFileError."""
        super().__init__(name="panel", daemon=True)
        self._open, self._ways, self._inbox = open_register, ways, inbox
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
                self._inbox.put(PanelMissed("full"))
            try:
                self._send(*granted)
            except (OSError, CardError) as error:  # StoreError and KeyFileError are such
                log.error("the panel was not told: %s", error)
                self._inbox.put(PanelMissed("record"))

    def _send(self, pid: str, at: float) -> None:
        # Opened each time: seldom, and so a card just given is known.
        register = self._open()
        try:
            number = register.numbers.card_of(pid)
        finally:
            register.close()
        if number is None:
            log.warning("the panel was not told: %s has no card; give one with lintel people set-card", pid)
            self._inbox.put(PanelMissed("no_card"))
        elif time.monotonic() - at > LATEST_SECONDS:
            log.warning("the panel was not told of %s: the number was found too late", pid)
            self._inbox.put(PanelMissed("late"))
        else:
            self._hand_on(card_of(number), at)

    def _hand_on(self, card: Card, at: float) -> None:
        for way in self._ways:
            try:
                way(card, at)
            except LockError as error:  # the other way may still work
                log.error("the panel was not told: %s", error)
                self._inbox.put(PanelMissed("line"))

    def _put(self, item: tuple[str, float] | None) -> None:
        try:
            self._granted.put_nowait(item)
        except queue.Full:
            self._missed += 1  # said by the thread: the loop must not wait for whoever reads the log
