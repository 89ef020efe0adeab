"""The slow hash of a PIN, and the keyed one of a card, for the threads that take them in."""

import threading
from typing import Protocol


class Key(Protocol):
    """The device key (`system.keys.DeviceKey`), which takes long to import: the way out does not wait for it."""

    def pin_digest(self, digits: str, salt: bytes) -> bytes:
        """32 bytes."""

    def card_digest(self, text: str) -> bytes:
        """32 bytes."""


class PinHash:
    """Holds key and salt once the store has them; until then no PIN can be checked."""

    def __init__(self) -> None:
        self._secret: tuple[Key, bytes] | None = None
        # One at a time: two would take twice the memory and be no faster on a small board.
        self._turn = threading.Lock()

    def give(self, key: Key, salt: bytes) -> None:
        """From now on PINs can be hashed."""
        self._secret = (key, salt)

    def digest(self, digits: str) -> bytes | None:
        """32 bytes after some 50 ms, or None while there is no key."""
        secret = self._secret
        if secret is None:
            return None
        with self._turn:
            return secret[0].pin_digest(digits, secret[1])

    def card(self, text: str) -> bytes | None:
        """32 bytes of a card's number at once, or None while there is no key."""
        secret = self._secret
        return None if secret is None else secret[0].card_digest(text)
