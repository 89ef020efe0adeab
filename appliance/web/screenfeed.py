"""Feeds the visitor's screens: reads two statuses often, in a thread of its own that no disk holds up."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from appliance.web import plain
from appliance.web.reader import packed
from appliance.web.screen import Steady, screen

TICK_SECONDS = 0.03
"""An answer must show within 100 ms of the decision, and there are pipes and paint after this."""
MAX_SCREENS = 4

ReadScreen = Callable[[], Mapping[str, Mapping[str, Any] | None]]
"""Gives the door's and the vision process's statuses."""


class ScreenFeed:
    """A source for `Stream`: the message `screen`, the same for every screen of this door."""

    def __init__(
        self, read: ReadScreen, clock: Callable[[], float], *, answer_seconds: float, start_seconds: float
    ) -> None:
        self._read, self._clock, self._answer_seconds = read, clock, answer_seconds
        self._start_seconds = start_seconds
        self._began = clock()
        self._steady = Steady()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="screen-reader")

    async def messages(self, _every: int = 1) -> dict[str, bytes]:
        """`screen` as JSON."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._messages)

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _messages(self) -> dict[str, bytes]:
        status = plain.mapping(self._read())
        mono = self._clock()
        door, vision = (plain.status(name, status.get(name)) for name in ("door", "vision"))
        starting = mono - self._began < self._start_seconds
        wanted = screen(door, vision, mono, answer_seconds=self._answer_seconds, starting=starting)
        return {"screen": packed(asdict(self._steady.next(wanted, mono)))}
