"""The visitor's screen: its page, its words and prompts, and the two things a visitor may send."""

import asyncio
import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from appliance.errors import LintelError
from appliance.system.doorline import Budget
from appliance.web import languages
from appliance.web.qr import qr_path
from appliance.web.screen import TONES
from appliance.web.visitor import Visitor

PIN_RATE, PIN_BURST = 0.5, 4
"""PINs a second in the long run and at once; the door counts wrong ones and pauses besides."""
HELP_SECONDS = 60.0
"""Calls within this time of one another are one call."""
_DIGITS = re.compile(r"[0-9]{4,16}")
_ANSWER = {"Cache-Control": "no-store"}
_log = logging.getLogger(__name__)


class ScreenPages:
    """Endpoints under /door."""

    def __init__(
        self, render: Callable[..., str], visitor: Visitor, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`render(template, **values)`."""
        self._means, self._clock = visitor.means, clock
        self._languages = visitor.languages or languages.load()
        self._pins = Budget(PIN_RATE, PIN_BURST)
        self._help: tuple[float, bool] | None = None
        self._calling = asyncio.Lock()
        self._speech = _speech()
        self._words = json.dumps(
            {code: _shown(language, visitor.events_days) for code, language in self._languages.items()},
            ensure_ascii=False,
        ).encode()
        default = self._languages.get(visitor.config.language) or next(iter(self._languages.values()))
        self._page = render(
            "door.html",
            screen=visitor.config,
            language=default,
            languages=tuple(self._languages.values()),
            shows=TONES,
            words=_shown(default, visitor.events_days)["words"],
            qr=qr_path(visitor.config.notice_url),
        )

    def routes(self) -> list[Route]:
        """The routes; the stream is the app's."""
        return [
            Route("/door", self.page),
            Route("/door/words.json", self.words),
            Route("/door/speech/{language}/{name}", self.speech),
            Route("/door/pin", self.pin, methods=["POST"]),
            Route("/door/help", self.help, methods=["POST"]),
        ]

    async def page(self, _: Request) -> Response:
        """The screen; a script fills it from the stream."""
        return HTMLResponse(self._page, headers={"Cache-Control": "no-cache"})

    async def words(self, _: Request) -> Response:
        """All languages."""
        return Response(self._words, media_type="application/json", headers={"Cache-Control": "no-cache"})

    async def speech(self, request: Request) -> Response:
        """A spoken prompt."""
        spoken = self._speech.get(f"{request.path_params['language']}/{request.path_params['name']}")
        if spoken is None:
            return Response("There is no such prompt.\n", 404, media_type="text/plain")
        return Response(spoken, media_type="audio/ogg", headers={"Cache-Control": "public, max-age=86400"})

    async def pin(self, request: Request) -> Response:
        """Digits typed by the visitor, on to the door; the answer comes by the stream. They are kept nowhere."""
        digits = await _digits(request)
        if digits is None:
            return _refusal(400, 'Send {"digits": "…"} with 4 to 16 digits.')
        if self._means is None:
            return _refusal(503, "This page has no door.")
        if not self._pins.take(self._clock()):
            return JSONResponse({"error": "Too many PINs. Wait a little."}, 429, {**_ANSWER, "Retry-After": "2"})
        if not self._means.send_pin(digits):
            return _refusal(503, "The door does not answer.")
        return JSONResponse({"sent": True}, 202, _ANSWER)

    async def help(self, request: Request) -> Response:
        """A call for help, into the record and so to the hosts."""
        if await _body(request) != {}:
            return _refusal(400, "Send {}.")
        if self._means is None:
            return _refusal(503, "This page has no door.")
        async with self._calling:
            if self._help is None or self._clock() - self._help[0] >= HELP_SECONDS:
                try:
                    reached = await asyncio.to_thread(self._means.call_help)
                except (LintelError, OSError) as error:
                    _log.error("a call for help could not be recorded: %s", error)
                    return _refusal(503, "The call could not be recorded.")
                self._help = self._clock(), reached
            return JSONResponse({"reached": self._help[1]}, 202, _ANSWER)


async def _body(request: Request) -> Any:
    """The JSON of a body, None if it is none. The guard has seen to its length."""
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        return None


async def _digits(request: Request) -> str | None:
    body = await _body(request)
    if not isinstance(body, dict) or body.keys() != {"digits"}:
        return None
    digits = body["digits"]
    return digits if isinstance(digits, str) and _DIGITS.fullmatch(digits) else None


def _refusal(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status, _ANSWER)


def _shown(language: languages.Language, events_days: int) -> dict[str, Any]:
    record = language.words["notice_record"].replace("{n}", str(events_days))
    return {
        "name": language.name,
        "dir": language.dir,
        "screens": language.screens,
        "words": {**language.words, "notice_record": record},
    }


def _speech() -> Mapping[str, bytes]:
    """Every prompt by `language/screen.ogg`, in memory: no path of a request reaches the disk."""
    root = files("appliance.web") / "speech"
    folders = [entry for entry in root.iterdir() if entry.is_dir()] if root.is_dir() else []
    return {
        f"{folder.name}/{entry.name}": entry.read_bytes()
        for folder in folders
        for entry in folder.iterdir()
        if entry.name.endswith(".ogg")
    }
