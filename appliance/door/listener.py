"""The thread that waits on the doorline and hands its facts to the loop."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from appliance.door.inbox import Item, PinUnusable, Post, Refusals
from appliance.errors import DoorlineError
from appliance.facts import PassShown, PinEntry
from appliance.system.doorline import Budget, Doorline, PinDigits, Refused

log = logging.getLogger(__name__)

REPORT_SECONDS = 10.0
"""Refused datagrams are counted, and told of this often: a storm fills neither the log nor the record."""
PAUSE_SECONDS = 0.002
"""Wait after each refused datagram beyond REFUSED_PER_SECOND: a storm gets a sliver of the processor."""
REFUSED_PER_SECOND = 200.0
POLL_SECONDS = 0.5
RETRY_SECONDS = 2.0


class Listener(threading.Thread):
    """Opens the doorline, as often as it takes, and receives until close()."""

    def __init__(
        self,
        open_line: Callable[[], Doorline],
        digest: Callable[[str], bytes | None],
        inbox: Post,
        passes: Callable[[PassShown], None] | None = None,
    ) -> None:
        """`passes` reads visitors' passes, and must not wait; without it they are thrown away."""
        super().__init__(name="doorline", daemon=True)
        self._passes = passes
        self._open_line, self._digest, self._inbox = open_line, digest, inbox
        self._refused: Counter[str] = Counter()
        self._report_at = 0.0
        self._budget = Budget(REFUSED_PER_SECOND, REFUSED_PER_SECOND)
        self._ending = threading.Event()

    def run(self) -> None:
        """Until close()."""
        said = ""
        while not self._ending.is_set():
            try:
                line = self._open_line()
            except DoorlineError as error:
                if str(error) != said:
                    log.error("%s; until then nobody comes in by face", error)
                said = str(error)
                self._ending.wait(RETRY_SECONDS)
                continue
            try:
                self._receive(line)
            finally:
                line.close()

    def close(self) -> None:
        """End the thread, within a second. May be called twice."""
        self._ending.set()
        self.join(2 * POLL_SECONDS)

    def _receive(self, line: Doorline) -> None:
        while not self._ending.is_set():
            got = line.receive(timeout=POLL_SECONDS)
            now = time.monotonic()
            if isinstance(got, Refused):
                self._refused[got.fault.value] += 1
                if not self._budget.take(now):
                    time.sleep(PAUSE_SECONDS)
            elif isinstance(got, PassShown):
                if self._passes is not None:
                    self._passes(got)
            elif got is not None:
                self._inbox.put(self._hashed(got) if isinstance(got, PinDigits) else got)
            self._report(now)

    def _hashed(self, pin: PinDigits) -> Item:
        digest = self._digest(pin.digits)
        return PinEntry(digest, pin.keypad, pin.entered_at) if digest is not None else PinUnusable(pin.keypad)

    def _report(self, now: float) -> None:
        if self._refused and now >= self._report_at:
            counts = dict(self._refused)
            self._refused.clear()
            self._report_at = now + REPORT_SECONDS
            log.warning("doorline: datagrams refused: %s", ", ".join(f"{n} {word}" for word, n in counts.items()))
            self._inbox.put(Refusals(counts))
