"""The page's endpoints. Plain callables come in, a Starlette app comes out; it writes nothing anywhere."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from appliance.errors import LintelError
from appliance.settings import SiteConfig
from appliance.web import assets
from appliance.web.guard import SECURITY_HEADERS, Guard
from appliance.web.reader import LatestEvents, Reader, ReadStatus
from appliance.web.screenfeed import MAX_SCREENS, ScreenFeed
from appliance.web.screenfeed import TICK_SECONDS as SCREEN_TICK_SECONDS
from appliance.web.screenpages import ScreenPages
from appliance.web.stream import Stream
from appliance.web.view import START_SECONDS, fresh
from appliance.web.visitor import Visitor

MAX_EVENTS = 200
DEFAULT_EVENTS = 50


def build_app(
    read_status: ReadStatus,
    latest_events: LatestEvents,
    site: SiteConfig,
    version: str,
    simulated: bool,
    *,
    passive_threshold: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
    start_seconds: float = START_SECONDS,
    visitor: Visitor | None = None,
) -> Starlette:
    """Build the app of the first page and the visitor's screen.

    `read_status()` gives `{"door": {...} | None, "vision": ..., "net": ...}`; `latest_events(n)` the
    newest n events in their wire form, in any order. Both are called from one thread of the app's
    own, never two at once: open the database in there (lazily), not where the app is built.
    `visitor`: what the screen at `/door` is given; None: it can only be looked at.
    For `start_seconds` a process that has said nothing yet is no alarm.
    `close()` of each of `app.state.streams` ends open ones; `server.PageServer` does it on its way out.
    """
    reader = Reader(
        read_status,
        latest_events,
        ZoneInfo(site.timezone),
        clock,
        passive_threshold=passive_threshold,
        start_seconds=start_seconds,
    )

    def hello() -> dict[str, object]:
        return {"mono": round(clock(), 3), "utc": round(wall(), 3), "version": version}

    stream = Stream(reader, hello)
    pages = Pages(site, version, simulated)
    data = Data(reader, hello, version, clock)
    given = visitor or Visitor()
    feed = ScreenFeed(given, given.read or read_status, clock, start_seconds)
    screens = Stream(feed, hello, tick_seconds=SCREEN_TICK_SECONDS, most=MAX_SCREENS)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        for open_stream in app.state.streams:
            open_stream.close()
        reader.close()
        feed.close()

    app = Starlette(
        routes=[
            Route("/", pages.now, name="now"),
            Route("/static/{name}", pages.static, name="static"),
            Route("/now.json", data.now),
            Route("/events.json", data.events),
            Route("/status.json", data.status),
            Route("/stream", stream),
            Route("/healthz", data.healthz),
            *ScreenPages(pages.render, given, clock).routes(),
            Route("/door/stream", screens),
        ],
        middleware=[Middleware(Guard)],
        exception_handlers={HTTPException: pages.refused, Exception: _broken},
        lifespan=lifespan,
    )
    app.state.stream = stream
    app.state.streams = (stream, screens)
    return app


class Pages:
    """What a browser shows. The markup never changes while the process runs, so it is rendered once."""

    def __init__(self, site: SiteConfig, version: str, simulated: bool) -> None:
        self._assets = assets.load()
        self._templates = Environment(
            loader=PackageLoader("appliance.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._shared = {"site": site, "version": version, "simulated": simulated, "asset": self._address}
        self._now = self.render("now.html")

    async def now(self, _: Request) -> Response:
        """The first page; a script fills it from the stream."""
        return HTMLResponse(self._now, headers={"Cache-Control": "no-cache"})

    async def static(self, request: Request) -> Response:
        """A file of web/static."""
        return assets.answer(self._assets, request)

    async def refused(self, _: Request, error: Exception) -> Response:
        """A page for an address that is not there, or the like."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        return HTMLResponse(self.render("missing.html"), status)

    def render(self, name: str, **values: Any) -> str:
        """A template, filled."""
        return self._templates.get_template(name).render(self._shared, **values)

    def _address(self, name: str) -> str:
        return f"/static/{name}?v={self._assets[name].digest}"


class Data:
    """The same as JSON, for scripts and for the page's own."""

    def __init__(
        self, reader: Reader, hello: Callable[[], dict[str, object]], version: str, clock: Callable[[], float]
    ) -> None:
        self._reader = reader
        self._hello = hello
        self._version = version
        self._clock = clock

    async def now(self, _: Request) -> Response:
        """One message of each kind that the stream sends, for a page without a stream."""
        messages = await self._reader.messages()
        hello = JSONResponse(self._hello()).body
        body = b",".join(b'"%s":%s' % (kind.encode(), bytes(part)) for kind, part in messages.items())
        return Response(b'{"hello":' + bytes(hello) + b"," + body + b"}", media_type="application/json")

    async def events(self, request: Request) -> Response:
        """The newest events, newest first; `limit` is 1 to 200."""
        asked = request.query_params.get("limit", str(DEFAULT_EVENTS))
        if not (asked.isascii() and asked.isdigit() and 1 <= int(asked[:9]) <= MAX_EVENTS):
            return JSONResponse({"error": f"limit = {asked[:40]}: must be 1 to {MAX_EVENTS}"}, 400)
        try:
            return JSONResponse({"events": await self._reader.events(int(asked))})
        except (LintelError, OSError) as error:
            return JSONResponse({"error": f"The record of events cannot be read: {error}"[:300]}, 503)

    async def status(self, _: Request) -> Response:
        """What each process last told; null for one that told nothing."""
        return JSONResponse({"mono": self._clock(), **await self._reader.status()})

    async def healthz(self, _: Request) -> Response:
        """That this process answers, and which others have spoken lately."""
        status = await self._reader.status()
        spoke = {name: fresh(told, self._clock()) is not None for name, told in status.items()}
        return JSONResponse({"ok": True, "version": self._version, **spoke})


async def _broken(_: Request, __: Exception) -> Response:
    """Starlette logs the cause; a visitor of the page learns only where to look."""
    why = "Something broke while answering. The log of the net process says what.\n"
    return Response(why, 500, {**SECURITY_HEADERS, "Cache-Control": "no-store"}, media_type="text/plain")
