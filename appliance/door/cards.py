"""Cards: from a reader's frames to entries for the loop, and a number sent on to somebody else's panel."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from appliance.door.inbox import PinUnusable, Post
from appliance.door.wiegand import BIT_SECONDS, GAP_SECONDS, PULSE_SECONDS, Card, Fault, Frames, decode, encode
from appliance.facts import CardEntry
from appliance.system.doorline import Budget

log = logging.getLogger(__name__)

NAME = "wiegand"
IDLE_SECONDS = 1.0
ROOM = 1024
"""Pulses that may wait; a card has 37 at most."""

FAULTS_A_SECOND, FAULTS_AT_ONCE = 0.2, 5
"""Frames that are no card, told to the record; the others are counted."""

Digest = Callable[[str], bytes | None]
"""From `Card.text` to 32 bytes; None while there is no key."""


def post(found: Card | Fault, reader: str, at: float, digest: Digest, inbox: Post) -> None:
    """Tell the loop what a reader sent. The number itself goes no further than here."""
    if isinstance(found, Fault):
        log.warning("%s: what it sent is no card: %s", reader, found)
        inbox.put(CardEntry(None, reader, at))
        return
    hashed = digest(found.text)
    inbox.put(CardEntry(hashed, reader, at) if hashed is not None else PinUnusable(reader))


class WiegandReader(threading.Thread):
    """Collects bits that the lines' callbacks bring, and decodes each frame."""

    def __init__(self, digest: Digest, inbox: Post) -> None:
        super().__init__(name="wiegand", daemon=True)
        self._digest, self._inbox = digest, inbox
        self._pulses: deque[tuple[int, float]] = deque(maxlen=ROOM)
        self._wake = threading.Condition()
        self._ending = False
        self._faults, self._untold = Budget(FAULTS_A_SECOND, FAULTS_AT_ONCE), 0

    def pulse(self, bit: int, at: float) -> None:
        """A line was pulled to ground (`pins.PulseIn`), from the driver's thread."""
        with self._wake:
            self._pulses.append((bit, at))
            self._wake.notify()

    def close(self) -> None:
        """End the thread. May be called twice."""
        with self._wake:
            self._ending = True
            self._wake.notify()

    def run(self) -> None:
        """Until close()."""
        frames = Frames()
        while not self._ending:
            with self._wake:
                if not self._pulses and not self._ending:
                    self._wake.wait(GAP_SECONDS if frames.busy else IDLE_SECONDS)
                pulses = list(self._pulses)
                self._pulses.clear()
            for bit, at in pulses:
                self._tell(frames.pulse(bit, at), frames)
            if not pulses:
                self._tell(frames.ended(time.monotonic()), frames)

    def _tell(self, frame: tuple[int, ...] | None, frames: Frames) -> None:
        if frame is None:
            return
        found = decode(frame)
        # A line that flutters makes forty frames a second; each told is a line in the record.
        if isinstance(found, Fault) and not self._faults.take(time.monotonic()):
            self._untold += 1
            return
        if self._untold:
            log.warning("%s: %d more frames were no card", NAME, self._untold)
            self._untold = 0
        # The age counts from the frame's own end: this thread may have been held up since.
        post(found, NAME, frames.ended_at, self._digest, self._inbox)


class Out(Protocol):
    """A line to a panel (`pins.PulseOut`)."""

    def pulse(self, seconds: float) -> None:
        """To ground for that long. Raises LockError."""


def send(card: Card, d0: Out, d1: Out, sleep: Callable[[float], None] = time.sleep) -> None:
    """Put a card's number on the two lines, as a reader does: some 75 ms for 37 bits. Raises LockError."""
    for bit in encode(card):
        (d1 if bit else d0).pulse(PULSE_SECONDS)
        sleep(BIT_SECONDS)
    sleep(2 * GAP_SECONDS)  # so that the panel never takes two cards for one
