"""Reads the statuses and the record, in one thread of its own, and words them for the page.

SQLite connections belong to one thread, and a disk may be slow: so every read happens in a single
worker thread, one at a time, and never in the event loop.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from appliance.errors import LintelError
from appliance.web import plain
from appliance.web.rows import Row, merged, rows
from appliance.web.view import Now, now

ROWS = 40
"""Events on the page."""
_DAEMONS = ("door", "vision", "net")
_log = logging.getLogger(__name__)
T = TypeVar("T")

ReadStatus = Callable[[], Mapping[str, Mapping[str, Any] | None]]
LatestEvents = Callable[[int], Sequence[Mapping[str, Any]]]


class Reader:
    """Turns two plain callables into the messages that pages get."""

    def __init__(
        self,
        read_status: ReadStatus,
        latest_events: LatestEvents,
        zone: ZoneInfo,
        clock: Callable[[], float],
        *,
        passive_threshold: float | None,
        start_seconds: float,
    ) -> None:
        self._read_status = read_status
        self._latest_events = latest_events
        self._zone = zone
        self._clock = clock
        self._start_seconds = start_seconds
        self._began = clock()
        self._passive_threshold = passive_threshold
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="page-reader")
        self._listed: Sequence[Row] = ()
        self._view: Now | None = None
        self._trouble: str | None = None
        self._reads = 0
        self._last_seq: object = None

    def close(self) -> None:
        """Let the worker thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def messages(self, every: int = 1) -> dict[str, bytes]:
        """`now` and `events` as JSON. The record is read on every n-th call, and when the door names a new event."""
        return await self._in_thread(lambda: self._messages(every))

    async def status(self) -> dict[str, dict[str, Any] | None]:
        """The three statuses, cut to their contract."""
        return await self._in_thread(self._status)

    async def events(self, limit: int) -> list[dict[str, Any]]:
        """The newest events, cut to their contract. Raises StoreError, OSError: the record cannot be read."""
        return await self._in_thread(lambda: self._events(limit))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _status(self) -> dict[str, dict[str, Any] | None]:
        found = plain.mapping(self._read_status())
        return {name: plain.status(name, found.get(name)) for name in _DAEMONS}

    def _events(self, limit: int) -> list[dict[str, Any]]:
        known = (plain.event(event) for event in self._latest_events(limit))
        listed = [event for event in known if event]
        return sorted(listed, key=lambda event: plain.whole(event.get("seq")) or 0, reverse=True)[:limit]

    def _messages(self, every: int) -> dict[str, bytes]:
        status = self._status()
        last = plain.mapping(plain.mapping(status["door"]).get("last")).get("seq")
        if self._reads % every == 0 or last != self._last_seq:
            self._read_record()
        self._reads += 1
        self._last_seq = last
        mono = self._clock()
        view = self._view = now(
            status,
            self._listed,
            mono,
            passive_threshold=self._passive_threshold,
            before=self._view,
            starting=mono - self._began < self._start_seconds,
        )
        return {
            "now": packed(asdict(view)),
            "events": packed({"rows": [asdict(row) for row in self._listed], "trouble": self._trouble}),
        }

    def _read_record(self) -> None:
        trouble = None
        try:
            self._listed = merged(rows(self._events(ROWS), self._zone))
        except (LintelError, OSError) as error:
            trouble = f"The record of events cannot be read: {error}"[:300]
            if trouble != self._trouble:
                _log.warning("%s", trouble)
        self._trouble = trouble


def packed(message: Mapping[str, Any]) -> bytes:
    """Compact JSON without line breaks, which would end a server-sent event."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
