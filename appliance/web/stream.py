"""Server-sent events: the newest state to a few watchers, at most ten times a second, on change only.

A watcher holds one pending message of each kind. A slow one gets the newest when it is ready again,
and one that takes nothing for a while is dropped, so no queue can grow.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from appliance.web.reader import packed

MAX_WATCHERS = 8
TICK_SECONDS = 0.1
EVENTS_EVERY = 5
"""Ticks between reads of the record while nothing new is named."""
BEAT_SECONDS = 5.0
"""A `beat` this often lets the page notice a machine that hangs with its sockets open."""
STALLED_SECONDS = 10.0
"""A watcher that takes no byte for this long is dropped."""
_log = logging.getLogger(__name__)
_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]


class Source(Protocol):
    """Where messages come from (`reader.Reader`, `screenfeed.ScreenFeed`)."""

    async def messages(self, every: int) -> dict[str, bytes]:
        """The newest message of each kind, as JSON without line breaks."""


class Watcher:
    """One open page: the newest of each message that it has not had yet."""

    def __init__(self) -> None:
        self.closed = False
        self._had: dict[str, bytes] = {}
        self._pending: dict[str, bytes] = {}
        self._ready = asyncio.Event()

    def offer(self, messages: Mapping[str, bytes]) -> None:
        """Note what changed; an older message of the same kind is replaced."""
        for kind, message in messages.items():
            if self._had.get(kind) != message:
                self._had[kind] = self._pending[kind] = message
                self._ready.set()

    def close(self) -> None:
        """End the stream at the next chance."""
        self.closed = True
        self._ready.set()

    async def take(self, seconds: float) -> dict[str, bytes]:
        """What is pending, waiting at most so long; empty if nothing came."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), seconds)
        self._ready.clear()
        taken, self._pending = self._pending, {}
        return taken


class Stream:
    """ASGI endpoint of the stream. One task reads for all watchers, and only while there is one."""

    def __init__(
        self,
        source: Source,
        hello: Callable[[], Mapping[str, Any]],
        *,
        tick_seconds: float = TICK_SECONDS,
        most: int = MAX_WATCHERS,
    ) -> None:
        """`most` watchers at once, told of a change within `tick_seconds` and what the reading takes."""
        self._source, self._hello = source, hello
        self._tick_seconds, self._most = tick_seconds, most
        self._watchers: set[Watcher] = set()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def watchers(self) -> int:
        """How many pages are open."""
        return len(self._watchers)

    def close(self) -> None:
        """End every stream, now and from now on, so that the server can stop at once."""
        self._closing = True
        for watcher in self._watchers:
            watcher.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one watcher until it leaves, stalls or the server stops."""
        if self._closing or len(self._watchers) >= self._most:
            full = JSONResponse({"error": f"{self._most} pages are open already; close one."}, 503)
            full.headers["Retry-After"] = "5"
            await full(scope, receive, send)
            return
        watcher = Watcher()
        self._watchers.add(watcher)
        self._read_on()
        leaving = asyncio.create_task(_leave(receive, watcher))
        try:
            await self._serve(watcher, send)
        except TimeoutError:
            _log.info("a page took nothing for %.0f s and was dropped", STALLED_SECONDS)
        finally:
            leaving.cancel()
            self._watchers.discard(watcher)

    async def _serve(self, watcher: Watcher, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await _write(send, b"retry: 1000\n" + _lines("hello", packed(self._hello())))
        while not watcher.closed:
            taken = await watcher.take(BEAT_SECONDS)
            if not watcher.closed:
                taken = taken or {"beat": packed(self._hello())}
                await _write(send, b"".join(_lines(kind, message) for kind, message in taken.items()))
        await _write(send, b"", more=False)

    def _read_on(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while self._watchers:
                messages = await self._source.messages(EVENTS_EVERY)
                for watcher in self._watchers:
                    watcher.offer(messages)
                await asyncio.sleep(self._tick_seconds)
        finally:
            # Should reading ever fail, pages must see a closed stream rather than an old state.
            for watcher in self._watchers:
                watcher.close()


async def _leave(receive: Receive, watcher: Watcher) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    watcher.close()


async def _write(send: Send, body: bytes, more: bool = True) -> None:
    await asyncio.wait_for(send({"type": "http.response.body", "body": body, "more_body": more}), STALLED_SECONDS)


def _lines(kind: str, message: bytes) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + message + b"\n\n"
