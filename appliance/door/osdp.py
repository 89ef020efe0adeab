"""A reader on an RS-485 line, by OSDP (IEC 60839-11-5) with its secure channel.

The appliance is the control panel. Nothing is taken from a reader that has not proven its key:
without the secure channel a number could be put on the wire by anybody with two clips. The key
that every reader is shipped with is no key.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.door.cards import Digest, post
from appliance.door.inbox import PinUnusable, Post, ReaderState
from appliance.door.osdpline import TURN_SECONDS, Proof, SerialLine, library, read_key
from appliance.door.pinpad import Pinpad
from appliance.door.wiegand import MOST_BITS, Fault, decode
from appliance.errors import KeyFileError, ReaderError
from appliance.facts import PinEntry
from appliance.settings import OsdpConfig

log = logging.getLogger(__name__)

NAME = "osdp"
RETRY_SECONDS = 2.0
UNANSWERED_SECONDS = 1.0
"""Answers that are cut short libosdp 3.2.9 asks for again for 10 s, and calls the channel sound meanwhile."""
SETTLE_SECONDS = 1.0
"""A reader keeps what was read while nobody asked, and hands it over when the line is back: at one piece a poll."""
_KEYS = {0x7F: "*", 0x0D: "#"} | {ord(digit): digit for digit in "0123456789*#"}
"""The standard's codes for the two keys that are no digits, and what some readers send instead."""


def bits_of(data: bytes, length: int) -> tuple[int, ...] | None:
    """The first `length` bits, or None where there are not as many, or more than any card has."""
    if not 0 < length <= min(8 * len(data), MOST_BITS):
        return None
    return tuple(data[place // 8] >> (7 - place % 8) & 1 for place in range(length))


class Settling:
    """Whether what a reader says is news, and not kept from the time when nobody asked."""

    def __init__(self) -> None:
        self._at: float | None = None

    def over(self, now: float, secure: bool) -> bool:
        """At `now` (monotonic seconds) with the channel standing or not."""
        if not secure:
            self._at = None
        elif self._at is None:
            self._at = now + SETTLE_SECONDS
        return self._at is not None and now >= self._at


class OsdpReader(threading.Thread):
    """Polls the reader for ever, and opens the line again when it is gone."""

    def __init__(
        self, config: OsdpConfig, idle_seconds: float, digest: Callable[[str], bytes | None], card: Digest, inbox: Post
    ) -> None:
        """`digest` is the slow hash of a PIN, `card` the keyed one of a card; None while there is no key."""
        super().__init__(name="osdp", daemon=True)
        self._config, self._digest, self._card, self._inbox = config, digest, card, inbox
        self._pad = Pinpad(idle_seconds)
        self._state = self._said = ""
        self._asked_at = 0.0
        self._ending = threading.Event()

    def close(self) -> None:
        """End the thread within a moment. May be called twice."""
        self._ending.set()

    def run(self) -> None:
        """Until close()."""
        while not self._ending.is_set():
            self._pad.forget()
            try:
                with self._line() as (line, panel):
                    self._poll(line, panel)
            except (ReaderError, KeyFileError) as error:
                if str(error) != self._said:
                    log.error("%s; until then the reader opens nothing", error)
                self._said = str(error)
                self._tell("lost")
            self._ending.wait(RETRY_SECONDS)

    @contextmanager
    def _line(self) -> Iterator[tuple[SerialLine, Any]]:
        osdp = library()
        key = read_key(Path(self._config.key_file))
        line = SerialLine(self._config.device, self._config.baud)
        try:
            info = osdp.PDInfo(self._config.address, line, scbk=key, flags=[osdp.LibFlag.EnforceSecure], name="reader")
            # Not started: its own thread would keep a process alive that wants to end.
            try:
                panel = osdp.ControlPanel([info], log_level=osdp.LogLevel.Critical)
            except (RuntimeError, TypeError, ValueError) as error:
                raise ReaderError(f"reader at {self._config.device}: libosdp refuses it: {error!r}") from None
            yield line, panel
        finally:
            line.close()

    def _poll(self, line: SerialLine, panel: Any) -> None:
        """Until close(), or the reader is better asked anew. Raises ReaderError once the line is gone."""
        proof, settling = Proof(time.monotonic()), Settling()
        while not self._ending.wait(TURN_SECONDS):
            panel.ctx.refresh()
            if line.broken is not None:
                raise ReaderError(f"reader at {self._config.device} is gone: {line.broken}; plug it in again")
            now, secure = time.monotonic(), bool(panel.ctx.sc_status() & 1)
            settled = settling.over(now, secure and now - line.asked_at < UNANSWERED_SECONDS)
            if not settled:
                self._pad.forget()  # half a PIN from before the line failed is nobody's
            while (event := panel.get_event(self._config.address, timeout=-1)) is not None:
                if secure:
                    self._take(event, now if settled else self._asked_at, settled)
            self._pad.idle(now)
            if settled:
                self._asked_at = now
            if (state := proof.judge(now, settled, line.received)) is not None:
                self._tell(state)
            if proof.over(now):
                return

    def _take(self, event: dict[str, Any], at: float, settled: bool) -> None:
        """`at`: the earliest it can have been read."""
        osdp = library()
        data = bytes(event.get("data", b""))
        if event.get("event") == osdp.Event.CardRead:
            bits = bits_of(data, int(event.get("length", 0)))
            raw = event.get("format") != osdp.CardFormat.ASCII
            post(decode(bits) if bits and raw else Fault.LENGTH, NAME, at, self._card, self._inbox)
        elif settled and event.get("event") == osdp.Event.KeyPress:
            for code in data:
                self._press(_KEYS.get(code, ""), at)

    def _press(self, key: str, now: float) -> None:
        digits = self._pad.press(key, now)
        if digits is not None:
            digest = self._digest(digits)
            self._inbox.put(PinEntry(digest, NAME, now) if digest is not None else PinUnusable(NAME))

    def _tell(self, state: str) -> None:
        if state != self._state:
            self._state = state
            if state != "lost":
                self._said = ""
            if state == "unproven":
                log.error("the reader does not prove its key: nothing it says is taken; check osdp.key_file")
            self._inbox.put(ReaderState(state))
