"""How those fare that the door hears from: vision, the keypad, the store, and whoever writes on the doorline."""

from collections.abc import Mapping
from typing import Any

from appliance.door.inbox import (
    Item,
    KeypadState,
    PanelMissed,
    PanelState,
    PinUnusable,
    ReaderState,
    Refusals,
    StoreState,
)
from appliance.door.report import Report
from appliance.facts import Alive

VISION_SECONDS = 5.0
"""Vision is lost after this long without a heartbeat; it sends one a second."""

News = tuple[str, Mapping[str, Any]]
"""`why` and `detail` of an event for the record."""


class Peers:
    """Keeps the report up to date, and says what is worth an event: each loss once, and each return."""

    def __init__(self, report: Report, now: float) -> None:
        self._report = report
        self._alive_at: float | None = now
        self._vision_lost = self._keypad_lost = False
        self._reader = self._panel = "ok"

    def hear(self, item: Item) -> News | None:
        """One of them speaks."""
        news: News | None = None
        match item:
            case Alive(_, at, detail):
                news = self._alive(at, detail)
            case KeypadState(state):
                news = self._keypad(state)
            case ReaderState(state):
                news = self._reader_state(state)
            case PanelState(state):
                news = self._panel_state(state)
            case PanelMissed(cause):
                news = "panel_missed", {"cause": cause}
            case StoreState(state):
                news = self._store(state)
            case Refusals(counts):
                news = "doorline_refused", dict(counts)
            case PinUnusable(keypad):
                news = "pin_unusable", {"keypad": keypad}
        return news

    def watch(self, now: float) -> News | None:
        """Somebody should have spoken."""
        if self._alive_at is None or now - self._alive_at <= VISION_SECONDS:
            return None
        self._alive_at, self._vision_lost = None, True
        self._report.vision = "lost"
        return "vision_lost", {}

    def _alive(self, at: float, detail: str) -> News | None:
        lost, self._vision_lost = self._vision_lost, False
        self._alive_at, self._report.vision = at, detail
        return ("vision_back", {"detail": detail}) if lost else None

    def _keypad(self, state: str) -> News | None:
        lost, self._keypad_lost = self._keypad_lost, state == "lost"
        self._report.keypad = state
        if state == "lost":
            return "keypad_lost", {}
        return ("keypad_back", {}) if lost and state == "ok" else None

    def _reader_state(self, state: str) -> News | None:
        before, self._reader = self._reader, state
        if state == before:
            return None
        return {"lost": "reader_lost", "unproven": "reader_unproven"}.get(state, "reader_back"), {"reader": "osdp"}

    def _panel_state(self, state: str) -> News | None:
        before, self._panel = self._panel, state
        if state == before:
            return None
        return {"lost": "panel_lost", "unproven": "panel_unproven"}.get(state, "panel_back"), {"panel": "osdp"}

    def _store(self, state: str) -> News | None:
        before, self._report.store = self._report.store, state
        if state == "failed":
            return "store_lost", {}
        return ("store_back", {}) if before == "failed" else None
