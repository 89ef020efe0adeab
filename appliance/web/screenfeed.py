"""Feeds the visitor's screens: reads two statuses often, in a thread of its own that no disk holds up."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from appliance.web import plain
from appliance.web.reader import packed
from appliance.web.screen import Steady, screen
from appliance.web.visitor import ReadScreen, Visitor

TICK_SECONDS = 0.03
"""An answer must show within 100 ms of the decision, and there are pipes and paint after this."""
ANYWAY_SECONDS = 0.1
"""Statuses that have not changed are judged again this often: time passes for them too."""
MAX_SCREENS = 4


class ScreenFeed:
    """A source for `Stream`: the message `screen`, the same for every screen of this door."""

    def __init__(self, visitor: Visitor, read: ReadScreen, clock: Callable[[], float], start_seconds: float) -> None:
        """For `start_seconds` a door that has said nothing yet is starting."""
        self._read, self._clock, self._answer_seconds = read, clock, visitor.config.answer_seconds
        self._start_seconds = start_seconds
        self._began = clock()
        self._steady = Steady()
        self._stamp = visitor.stamp
        self._seen: object = None
        self._judged_at = float("-inf")
        self._last: dict[str, bytes] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="screen-reader")

    async def messages(self, _every: int = 1) -> dict[str, bytes]:
        """`screen` as JSON."""
        seen, mono = self._stamp() if self._stamp else None, self._clock()
        if self._stamp is None or seen != self._seen or mono - self._judged_at >= ANYWAY_SECONDS:
            self._seen, self._judged_at = seen, mono
            self._last = await asyncio.get_running_loop().run_in_executor(self._thread, self._messages)
        return self._last

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
