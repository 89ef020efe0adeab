"""A reader on an RS-485 line, by OSDP (IEC 60839-11-5) with its secure channel. The only file that imports libosdp.

The appliance is the control panel. Nothing is taken from a reader that has not proven its key:
without the secure channel a number could be put on the wire by anybody with two clips. The key
that every reader is shipped with is no key.
"""

import logging
import os
import stat
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from appliance.door.cards import Digest, post
from appliance.door.inbox import PinUnusable, Post, ReaderState
from appliance.door.pinpad import Pinpad
from appliance.door.wiegand import MOST_BITS, Fault, decode
from appliance.errors import KeyFileError, ReaderError
from appliance.facts import PinEntry
from appliance.settings import OsdpConfig

log = logging.getLogger(__name__)

NAME = "osdp"
KEY_BYTES = 16
DEFAULT_KEY = bytes(range(0x30, 0x40))
"""SCBK-D, which the standard prints for everybody to read."""
TURN_SECONDS = 0.02
PROOF_SECONDS = 5.0
"""A reader that has not proven its key within this is lost, or an impostor."""
ANEW_SECONDS = 15.0
"""Then the exchange begins anew: by itself libosdp leaves a failing reader alone for minutes."""
RETRY_SECONDS = 2.0
READ_BYTES = 1024
_SPEEDS = {rate: getattr(termios, f"B{rate}") for rate in (9600, 19200, 38400, 57600, 115200)}
_KEYS = {0x7F: "*", 0x0D: "#"} | {ord(digit): digit for digit in "0123456789*#"}
"""The standard's codes for the two keys that are no digits, and what some readers send instead."""


def read_key(path: Path) -> bytes:
    """The reader's key: 32 hex digits in a file for this user alone. Raises KeyFileError."""
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path} cannot be read: {error}; write the reader's key there as 32 hex digits") from None
    if stat.S_IMODE(mode) & 0o137:
        raise KeyFileError(f"{path} has mode {stat.S_IMODE(mode):04o}, which lets others at it; run: chmod 0600 {path}")
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyFileError(f"{path} holds no key of {KEY_BYTES} bytes; write it as {2 * KEY_BYTES} hex digits")
    if key == DEFAULT_KEY:
        raise KeyFileError(f"{path} holds the key that every reader is shipped with; set another in the reader")
    return key


def bits_of(data: bytes, length: int) -> tuple[int, ...] | None:
    """The first `length` bits, or None where there are not as many, or more than any card has."""
    if not 0 < length <= min(8 * len(data), MOST_BITS):
        return None
    return tuple(data[place // 8] >> (7 - place % 8) & 1 for place in range(length))


class SerialLine:
    """Bytes to and from the reader, as libosdp wants them: neither method waits nor raises."""

    id = 1

    def __init__(self, path: str, baud: int) -> None:
        """Raises ReaderError: no such line, or it may not be opened."""
        self.received = 0
        self.broken: OSError | None = None
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
            tty.setraw(self._handle)
            settings = termios.tcgetattr(self._handle)
            settings[4] = settings[5] = _SPEEDS[baud]
            termios.tcsetattr(self._handle, termios.TCSANOW, settings)
        except (OSError, termios.error) as error:
            raise ReaderError(f"reader at {path}: {error}; check osdp.device, its cable and group dialout") from None

    def read(self, most: int) -> bytes:
        """At most so many bytes, or none."""
        try:
            data = os.read(self._handle, min(most, READ_BYTES))
        except BlockingIOError:
            return b""
        except OSError as error:
            self.broken = error
            return b""
        self.received += len(data)
        return data

    def write(self, data: bytes) -> int:
        """How many bytes the line took."""
        try:
            return os.write(self._handle, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self.broken = error
            return 0

    def flush(self) -> None:
        """What is left of an old exchange is thrown away."""
        try:
            termios.tcflush(self._handle, termios.TCIFLUSH)
        except termios.error as error:
            self.broken = OSError(*error.args)

    def close(self) -> None:
        """Once."""
        os.close(self._handle)


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
        self._ending = threading.Event()

    def close(self) -> None:
        """End the thread within a moment. May be called twice."""
        self._ending.set()

    def run(self) -> None:
        """Until close()."""
        while not self._ending.is_set():
            try:
                with self._line() as (line, panel):
                    self._poll(line, panel)
            except (ReaderError, KeyFileError) as error:
                if str(error) != self._said:
                    log.error("%s; until then the reader opens nothing", error)
                self._said = str(error)
                self._tell("lost")
            self._pad.forget()
            self._ending.wait(RETRY_SECONDS)

    @contextmanager
    def _line(self) -> Iterator[tuple[SerialLine, Any]]:
        try:
            osdp: Any = import_module("osdp")
            flags = [osdp.LibFlag.EnforceSecure]
        except (ImportError, AttributeError):  # another package bears the same name
            raise ReaderError("a reader by OSDP needs the package libosdp; install it: pip install libosdp") from None
        key = read_key(Path(self._config.key_file))
        line = SerialLine(self._config.device, self._config.baud)
        try:
            info = osdp.PDInfo(self._config.address, line, scbk=key, flags=flags, name="reader")
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
        proven_at, heard = time.monotonic(), 0
        while not self._ending.wait(TURN_SECONDS):
            panel.ctx.refresh()
            if line.broken is not None:
                raise ReaderError(f"reader at {self._config.device} is gone: {line.broken}; plug it in again")
            now, secure = time.monotonic(), bool(panel.ctx.sc_status() & 1)
            while (event := panel.get_event(self._config.address, timeout=-1)) is not None:
                if secure:
                    self._take(event, now)
            self._pad.idle(now)
            if secure:
                proven_at, heard = now, line.received
                self._tell("ok")
            elif now - proven_at > PROOF_SECONDS:
                # It speaks, but not as one that knows the key: set wrongly, or not our reader.
                self._tell("unproven" if line.received > heard else "lost")
            if now - proven_at > ANEW_SECONDS:
                return

    def _take(self, event: dict[str, Any], now: float) -> None:
        osdp: Any = import_module("osdp")
        data = bytes(event.get("data", b""))
        if event.get("event") == osdp.Event.CardRead:
            bits = bits_of(data, int(event.get("length", 0)))
            raw = event.get("format") != osdp.CardFormat.ASCII
            post(decode(bits) if bits and raw else Fault.LENGTH, NAME, now, self._card, self._inbox)
        elif event.get("event") == osdp.Event.KeyPress:
            for code in data:
                self._press(_KEYS.get(code, ""), now)

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
