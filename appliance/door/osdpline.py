"""What both ends of OSDP (IEC 60839-11-5) need: the key, the serial line, libosdp, and who is believed on it.

The only file that imports libosdp.
"""

import os
import stat
import termios
import time
import tty
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from appliance.errors import KeyFileError, ReaderError

KEY_BYTES = 16
DEFAULT_KEY = bytes(range(0x30, 0x40))
"""SCBK-D, which the standard prints for everybody to read."""
TURN_SECONDS = 0.02
PROOF_SECONDS = 5.0
"""Who has not proven the key within this is lost, or an impostor."""
ANEW_SECONDS = 15.0
"""Then the exchange begins anew, with the key as the file has it by then."""
READ_BYTES = 1024
_SPEEDS = {rate: getattr(termios, f"B{rate}") for rate in (9600, 19200, 38400, 57600, 115200)}


def library() -> Any:
    """The package libosdp. Raises ReaderError: it is not installed."""
    try:
        osdp: Any = import_module("osdp")
        osdp.LibFlag.EnforceSecure  # noqa: B018 - another package bears the same name, and has no such flag
    except (ImportError, AttributeError):
        raise ReaderError(
            "OSDP needs the package libosdp; run deploy/install.sh again, or pip install libosdp"
        ) from None
    return osdp


def read_key(path: Path) -> bytes:
    """The line's key: 32 hex digits in a file for this user alone. Raises KeyFileError."""
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path} cannot be read: {error}; write the line's key there as 32 hex digits") from None
    if stat.S_IMODE(mode) & 0o137:
        raise KeyFileError(f"{path} has mode {stat.S_IMODE(mode):04o}, which lets others at it; run: chmod 0600 {path}")
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyFileError(f"{path} holds no key of {KEY_BYTES} bytes; write it as {2 * KEY_BYTES} hex digits")
    if key == DEFAULT_KEY:
        raise KeyFileError(f"{path} holds the key that every device is shipped with; set another at both ends")
    return key


class SerialLine:
    """Bytes to and from the other end, as libosdp wants them: neither method waits nor raises."""

    id = 1

    def __init__(self, path: str, baud: int, setting: str = "osdp.device") -> None:
        """Raises ReaderError: no such line, or it may not be opened; `setting` is where its name stands."""
        self.received = 0
        self.heard_at = time.monotonic()
        """When the last byte came, or when the line was opened."""
        self.asked_at = self.heard_at
        """When a question was sent last that was no repetition: only then had the one before been answered well."""
        self._sequence = 0
        self.broken: OSError | None = None
        handle = -1
        try:
            self._handle = handle = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
            tty.setraw(handle)
            settings = termios.tcgetattr(handle)
            settings[4] = settings[5] = _SPEEDS[baud]
            termios.tcsetattr(handle, termios.TCSANOW, settings)
        except (OSError, termios.error) as error:
            if handle >= 0:  # tried again every two seconds: the handles would run out
                os.close(handle)
            raise ReaderError(f"line {path}: {error}; check {setting}, its cable and group dialout") from None

    def read(self, most: int) -> bytes:
        """At most so many bytes, or none."""
        try:
            data = os.read(self._handle, min(most, READ_BYTES))
        except BlockingIOError:
            return b""
        except OSError as error:
            self.broken = error
            return b""
        if data:
            self.received, self.heard_at = self.received + len(data), time.monotonic()
        return data

    def write(self, data: bytes) -> int:
        """How many bytes the line took."""
        start = data.find(0x53)
        if 0 <= start < len(data) - 4 and (sequence := data[start + 4] & 3) != self._sequence:
            self._sequence, self.asked_at = sequence, time.monotonic()
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


@dataclass(slots=True)
class Proof:
    """Whether the other end has proven its key, by what was heard of it. Times are monotonic seconds."""

    at: float
    """When it last had, or when the exchange began."""
    heard: int = 0
    """Bytes received by then."""
    spoke_at: float | None = None
    """When it was heard first since."""

    def judge(self, now: float, secure: bool, received: int) -> str | None:
        """`ok`; `unproven`: it speaks as one without the key; `lost`: it is silent; None: too soon to tell."""
        if secure:
            self.at, self.heard, self.spoke_at = now, received, None
            return "ok"
        if self.spoke_at is None and received > self.heard:
            self.spoke_at = now
        if now - self.at <= PROOF_SECONDS:
            return None
        if self.spoke_at is None:
            return "lost"
        # One that is back after a silence is given the time to prove itself.
        return "unproven" if now - self.spoke_at > PROOF_SECONDS else None

    def over(self, now: float) -> bool:
        """Better begun anew."""
        return now - self.at > ANEW_SECONDS
