"""From keys to a finished PIN. Pure: it knows no device, clock or thread."""

LONGEST = 8
"""Digits of the longest PIN."""
KEYS = frozenset("0123456789#*")


class Pinpad:
    """Digits, `#` to enter, `*` to clear. Digits are forgotten after a pause."""

    def __init__(self, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._digits = ""
        self._last_key_at = 0.0

    def press(self, key: str, now: float) -> str | None:
        """One key at `now` (monotonic seconds). Returns the digits at `#`, if there are any.

        What is longer than any PIN comes out one digit too long: it is wrong, and counts as wrong.
        """
        self.idle(now)
        if key not in KEYS:
            return None
        self._last_key_at = now
        if key == "#":
            entered, self._digits = self._digits, ""
            return entered or None
        self._digits = "" if key == "*" else (self._digits + key)[: LONGEST + 1]
        return None

    def idle(self, now: float) -> None:
        """Time has passed without a key."""
        if now - self._last_key_at >= self._idle_seconds:
            self.forget()

    def forget(self) -> None:
        """Drop what was typed."""
        self._digits = ""

    def __repr__(self) -> str:
        return f"Pinpad({len(self._digits)} digits typed)"
