"""The keypad on the wall, or the terminal in its place. The only file that imports evdev.

The PIN goes through the slow hash in the keypad's thread; digits never leave it.
"""

import contextlib
import logging
import os
import select
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from appliance.door.inbox import KeypadState, PinUnusable, Post
from appliance.door.pinpad import KEYS, Pinpad
from appliance.errors import KeypadError
from appliance.facts import PinEntry
from appliance.settings import KeypadConfig

log = logging.getLogger(__name__)

NAME = "keypad"
RETRY_SECONDS = 2.0
POLL_SECONDS = 1.0
SLOW_SECONDS = 1.0
"""The hash takes a twentieth of this here, and a fifth on a slow board."""
EV_KEY, PRESSED = 1, 1  # linux/input.h; a release has value 0, a repeat 2

_NAMES = {"ENTER": "#", "KPENTER": "#", "NUMERIC_POUND": "#", "KPASTERISK": "*", "NUMERIC_STAR": "*"}
_NAMES |= {"BACKSPACE": "*", "ESC": "*", "DELETE": "*"}
_NAMES |= {f"{prefix}{digit}": str(digit) for prefix in ("", "KP", "NUMERIC_") for digit in range(10)}
KEY_NAMES = {f"KEY_{name}": key for name, key in _NAMES.items()}
"""Linux key names (linux/input-event-codes.h) to the twelve keys."""


class Keys(Protocol):
    """A source of keys."""

    def read(self, timeout: float) -> str | None:
        """Keys pressed, `` after `timeout` seconds without any, None at the end. Raises KeypadError: unplugged."""

    def close(self) -> None:
        """May be called twice."""


class TerminalKeys:
    """Keys from standard input; a line's end is `#`."""

    def __init__(self, handle: int = 0) -> None:
        self._handle = handle

    def read(self, timeout: float) -> str | None:
        """See Keys."""
        try:
            if not select.select([self._handle], [], [], timeout)[0]:
                return ""
            data = os.read(self._handle, 64)
        except (OSError, ValueError):  # closed under us
            return None
        return data.decode("ascii", "ignore").replace("\n", "#") if data else None

    def close(self) -> None:
        """See Keys."""


def library() -> Any:
    """The package evdev. Raises KeypadError: it is not installed."""
    try:
        import evdev  # noqa: PLC0415 - only where a keypad is wired
    except ImportError:
        raise KeypadError(
            "a USB keypad needs the package evdev; run deploy/install.sh again, or pip install evdev"
        ) from None
    return evdev


class EvdevKeys:
    """A USB keypad, for this process alone."""

    def __init__(self, path: str) -> None:
        """`path` empty: the first device that has all ten digits. Raises KeypadError: none there, not readable."""
        evdev = library()
        self._keys: dict[int, str] = {
            evdev.ecodes.ecodes[n]: k for n, k in KEY_NAMES.items() if n in evdev.ecodes.ecodes
        }
        try:
            self._device: Any = evdev.InputDevice(path or self._first(evdev))
            self._device.grab()  # digits must not reach a console as well
        except OSError as error:
            raise KeypadError(
                f"keypad {path or 'of any kind'}: {error.strerror or error}; "
                "plug it in, and check keypad.device and group input"
            ) from None

    def read(self, timeout: float) -> str | None:
        """See Keys."""
        try:
            if not select.select([self._device.fd], [], [], timeout)[0]:
                return ""
            pressed = [e.code for e in self._device.read() if e.type == EV_KEY and e.value == PRESSED]
            return "".join(self._keys.get(code, "") for code in pressed)
        except (OSError, ValueError) as error:
            raise KeypadError(f"keypad is gone: {error}; plug it in again") from None

    def close(self) -> None:
        """See Keys."""
        self._device.close()

    @staticmethod
    def _first(evdev: Any) -> str:
        digits = {evdev.ecodes.ecodes[f"KEY_{n}"] for n in range(10)}
        pad_digits = {evdev.ecodes.ecodes[f"KEY_KP{n}"] for n in range(10)}
        for path in sorted(evdev.list_devices()):
            with contextlib.closing(evdev.InputDevice(path)) as device:
                has = set(device.capabilities().get(EV_KEY, ()))
            if digits <= has or pad_digits <= has:
                return str(path)
        raise FileNotFoundError("no input device has ten digits")


def opener(config: KeypadConfig) -> Callable[[], Keys] | None:
    """How to open the source that is set, or None if there is no keypad."""
    if config.source == "evdev":
        return lambda: EvdevKeys(config.device)
    return TerminalKeys if config.source == "terminal" else None


class Keypad(threading.Thread):
    """Reads keys for ever, and opens the source again when it is unplugged."""

    def __init__(
        self,
        open_keys: Callable[[], Keys],
        idle_seconds: float,
        digest: Callable[[str], bytes | None],
        inbox: Post,
        other_keys: Callable[[str], None] | None = None,
    ) -> None:
        """`digest` is the slow hash, None while there is no key. `other_keys` gets what is no keypad's key."""
        super().__init__(name="keypad", daemon=True)
        self._open, self._digest, self._inbox, self._other_keys = open_keys, digest, inbox, other_keys
        self._pad = Pinpad(idle_seconds)
        self._state = ""
        self._ending = threading.Event()

    def run(self) -> None:
        """Until close(), or the terminal's end."""
        while not self._ending.is_set():
            self._pad.forget()  # however the last turn ended, half a PIN from before it is nobody's
            try:
                if self._read_all():
                    self._tell("none")
                    return
            except KeypadError as error:
                if self._state != "lost":
                    log.warning("%s", error)
                self._tell("lost")
            self._ending.wait(RETRY_SECONDS)

    def close(self) -> None:
        """End the thread within a second. May be called twice."""
        self._ending.set()

    def _read_all(self) -> bool:
        """Read until unplugged (raises KeypadError), or until the source ends (True)."""
        keys = self._open()
        try:
            self._tell("ok")
            while not self._ending.is_set():
                pressed = keys.read(POLL_SECONDS)
                read_at = time.monotonic()
                if pressed is None:
                    return True
                for key in pressed:
                    self._press(key, read_at)
                if time.monotonic() - read_at > SLOW_SECONDS:
                    self._start_over(keys)
                self._pad.idle(time.monotonic())
        finally:
            keys.close()
        return True

    def _start_over(self, keys: Keys) -> None:
        """The hash held this thread up. When the keys that waited were pressed nobody knows: they count for nothing."""
        log.warning("keypad: the hash of a PIN took long; what was typed meanwhile is forgotten")
        keys.read(0)
        self._pad.forget()

    def _press(self, key: str, now: float) -> None:
        if key not in KEYS and self._other_keys is not None:
            self._other_keys(key)
        digits = self._pad.press(key, now)
        if digits is not None:
            digest = self._digest(digits)
            self._inbox.put(PinEntry(digest, NAME, now) if digest is not None else PinUnusable(NAME))

    def _tell(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self._inbox.put(KeypadState(state))
