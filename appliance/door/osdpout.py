"""The appliance as the reader of somebody else's panel, by OSDP with its secure channel enforced.

Over an unproven line nothing is sent: whoever taps it would learn numbers that open doors. Of what the
panel orders, lamps and buzzer are shown and the rest is refused; it may set no key, no speed and no output.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.door.inbox import PanelMissed, PanelState, Post
from appliance.door.osdpline import TURN_SECONDS, Proof, SerialLine, library, read_key
from appliance.door.wiegand import Card, encode
from appliance.errors import KeyFileError, LockError, ReaderError
from appliance.settings import OsdpOutConfig

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
LATEST_SECONDS = 3.0
"""A number sent later than this after the grant would open for whoever stands there by then."""
SILENT_SECONDS = 3.0
"""Panels ask several times a second; the standard gives a line up after 8 s."""
ROOM = 8
READ_ID = (1, 1, 0x020000, 1, 1)
"""Version, model, maker (an unassigned, locally administered number), serial number, firmware."""
_SET_TEMPORARY, _LED_RED, _LED_GREEN = 2, 1, 2
"""OSDP's codes of a lamp that is set for a while, and of its colours."""


def packed(card: Card) -> tuple[int, bytes]:
    """How many bits, and the bits from the first on, the last byte filled with 0."""
    bits = encode(card)
    size = -(-len(bits) // 8)
    return len(bits), int("".join(map(str, bits)).ljust(8 * size, "0"), 2).to_bytes(size, "big")


class OsdpOut(threading.Thread):
    """Answers the panel for ever, and opens the line again when it is gone."""

    def __init__(
        self, config: OsdpOutConfig, inbox: Post, tampered: Callable[[], bool], show: Callable[[bool], None]
    ) -> None:
        """`tampered`: whether the case is open; may raise LockError. `show`: the panel lets in (True) or refuses."""
        super().__init__(name="osdp_out", daemon=True)
        self._config, self._inbox, self._tampered, self._show = config, inbox, tampered, show
        self._cards: queue.Queue[tuple[Card, float]] = queue.Queue(ROOM)
        self._sent_at: float | None = None
        self._open_case = False
        self._state = self._said = ""
        self._ending = threading.Event()

    def card(self, card: Card, at: float) -> None:
        """Send it; `at` is when the door was opened (monotonic seconds). Never waits."""
        try:
            self._cards.put_nowait((card, at))
        except queue.Full:
            self._inbox.put(PanelMissed("full"))

    def close(self) -> None:
        """End the thread within a moment. May be called twice."""
        self._ending.set()

    def run(self) -> None:
        """Until close()."""
        while not self._ending.is_set():
            try:
                with self._line() as (line, reader):
                    self._answer(line, reader)
            except (ReaderError, KeyFileError) as error:
                if str(error) != self._said:
                    log.error("%s; until then the panel is told of nobody", error)
                self._said = str(error)
                self._tell("lost")
            self._missed(reader=None)
            self._ending.wait(RETRY_SECONDS)

    @contextmanager
    def _line(self) -> Iterator[tuple[SerialLine, Any]]:
        osdp = library()
        key = read_key(Path(self._config.key_file))
        line = SerialLine(self._config.device, self._config.baud, "osdp_out.device")
        cap = osdp.Capability
        try:
            known = [(cap.CardDataFormat, 1, 1), (cap.LEDControl, 1, 1), (cap.AudibleControl, 1, 1)]
            known += [
                (cap.CheckCharacter, 1, 0),
                (cap.CommunicationSecurity, 1, 0),
                (cap.ContactStatusMonitoring, 1, 1),
            ]
            info = osdp.PDInfo(
                self._config.address, line, scbk=key, flags=[osdp.LibFlag.EnforceSecure], id=osdp.PdId(*READ_ID)
            )
            try:
                reader = osdp.PeripheralDevice(
                    info,
                    osdp.PDCapabilities(known),
                    log_level=osdp.LogLevel.Critical,
                    command_handler=self._obey,
                    event_completion_handler=self._done,
                )
            except (RuntimeError, TypeError, ValueError) as error:
                raise ReaderError(f"panel at {self._config.device}: libosdp refuses it: {error!r}") from None
            yield line, reader
        finally:
            self._sent_at = None
            line.close()

    def _answer(self, line: SerialLine, reader: Any) -> None:
        """Until close(), or the exchange is better begun anew. Raises ReaderError once the line is gone."""
        proof = Proof(time.monotonic())
        self._open_case = False  # a panel that begins anew is told anew
        while not self._ending.wait(TURN_SECONDS):
            reader.ctx.refresh()
            while reader.get_command(timeout=-1) is not None:
                pass  # the wrapper keeps each; they were obeyed while refreshing
            if line.broken is not None:
                raise ReaderError(f"panel at {self._config.device} is gone: {line.broken}; plug it in again")
            now = time.monotonic()
            secure = bool(reader.ctx.is_sc_active()) and now - line.heard_at < SILENT_SECONDS
            if secure:
                self._send(reader, now)
            elif self._sent_at is not None:
                reader.ctx.flush_events()  # it must not wait for whoever asks next
                self._sent_at = None
                self._inbox.put(PanelMissed("line"))
            self._missed(reader)
            if (state := proof.judge(now, secure, line.received)) is not None:
                self._tell(state)
            if proof.over(now):
                return

    # --- to the panel

    def _send(self, reader: Any, now: float) -> None:
        osdp = library()
        if (open_case := self._case()) is not self._open_case:
            self._open_case = open_case
            reader.ctx.submit_event({"event": osdp.Event.Status, **self._status()})
        if self._sent_at is not None:
            return  # one at a time, so that an answer is known to be this one's
        try:
            card, at = self._cards.get_nowait()
        except queue.Empty:
            return
        if now - at > LATEST_SECONDS:
            self._inbox.put(PanelMissed("late"))
            return
        bits, data = packed(card)
        self._sent_at = at
        event = {"event": osdp.Event.CardRead, "reader_no": 0, "format": osdp.CardFormat.Wiegand, "direction": 0}
        if reader.ctx.submit_event({**event, "length": bits, "data": data}) not in (True, 0, None):
            self._sent_at = None
            self._inbox.put(PanelMissed("line"))

    def _missed(self, reader: Any) -> None:
        """What could not be sent in time is thrown away and said."""
        now = time.monotonic()
        if self._sent_at is not None and now - self._sent_at > LATEST_SECONDS:
            self._sent_at = None
            if reader is not None:
                reader.ctx.flush_events()
            self._inbox.put(PanelMissed("line"))
        while self._cards.queue and now - self._cards.queue[0][1] > LATEST_SECONDS:
            self._cards.get_nowait()
            self._inbox.put(PanelMissed("line"))

    def _done(self, event: dict[str, Any], status: int) -> None:
        osdp = library()
        if event.get("event") == osdp.Event.CardRead and status == osdp.CompletionStatus.Ok:
            self._sent_at = None

    # --- from the panel

    def _obey(self, command: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        """The answer to libosdp: 0 and a report, or below 0 for what is not done here."""
        kinds = library().Command
        match command.get("command"):
            case kinds.LED:
                if command.get("temporary") and command.get("control_code") == _SET_TEMPORARY:
                    self._lamp(command.get("on_color"))
                return 0, None
            case kinds.Buzzer:
                return 0, None
            case kinds.Status:
                return 0, {"command": kinds.Status, **self._status()}
        return -1, None

    def _lamp(self, colour: object) -> None:
        if colour in (_LED_RED, _LED_GREEN):
            self._show(colour == _LED_GREEN)

    def _status(self) -> dict[str, Any]:
        return {"type": library().StatusReportType.Local, "report": bytes([self._case(), 0])}

    def _case(self) -> bool:
        try:
            return self._tampered()
        except LockError:
            return True  # a line that cannot be read may have been cut

    def _tell(self, state: str) -> None:
        if state != self._state:
            self._state = state
            if state != "lost":
                self._said = ""
            if state == "unproven":
                log.error("the panel does not prove its key: it is told of nobody; check osdp_out.key_file")
            self._inbox.put(PanelState(state))
