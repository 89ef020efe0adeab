"""What a request must be before any page sees it, and what every answer carries.

The page listens on loopback without accounts, so the danger is another site in the same browser:
a name that resolves to 127.0.0.1 (DNS rebinding), a frame, a script. Hence the checks of Host and
Fetch Metadata, and a policy under which the page runs only its own files.
"""

import re
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_PATH = 256
MAX_QUERY = 512
MAX_BODY = 256
POSTS = frozenset({"/door/pin", "/door/help"})
"""What may be sent; everything else is read."""
_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            # No string becomes markup or code, whatever a script does with it.
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


class Guard:
    """ASGI middleware: refuses what is not a plain GET, or a small POST to POSTS, to this machine from this page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a good request; answer a bad one here. Either answer carries the security headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _secure(MutableHeaders(scope=message))
            await send(message)

        refusal = refuse(scope)
        await (refusal or self._app)(scope, receive, guarded)


def _secure(headers: MutableHeaders) -> None:
    for name, value in SECURITY_HEADERS.items():
        headers[name] = value
    headers.setdefault("Cache-Control", "no-store")


def refuse(scope: Scope) -> PlainTextResponse | None:
    """The answer to a request that may not pass, or None."""
    headers = Headers(scope=scope)
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        return _no(421, "This page answers only to localhost, 127.0.0.1 and [::1]. Open it under one of these.")
    return _refuse_method(scope, headers)


def _refuse_method(scope: Scope, headers: Headers) -> PlainTextResponse | None:
    if scope["method"] == "POST" and scope["path"] in POSTS:
        return _refuse_post(headers)
    if scope["method"] != "GET":
        return _no(405, "This page can only be read: use GET.", {"Allow": "GET"})
    if len(scope["path"]) > MAX_PATH or len(scope["query_string"]) > MAX_QUERY:
        return _no(414, f"The address is too long: at most {MAX_PATH} characters and {MAX_QUERY} after the `?`.")
    if headers.get("content-length", "0").strip("0") or "transfer-encoding" in headers:
        return _no(413, "Send no body with a GET.")
    if not _from_here(headers, scope["path"]):
        return _no(403, "Another site asked for this. Open the page itself.")
    return None


def _refuse_post(headers: Headers) -> PlainTextResponse | None:
    """Strict: a browser names the origin of every POST, and only the screen itself may send one."""
    origins, site = headers.getlist("origin"), headers.get("sec-fetch-site", "same-origin")
    if origins != [f"http://{headers['host']}"] or site != "same-origin":
        return _no(403, "Only the door's own screen may send this.")
    if headers.get("content-type", "").lower() != "application/json":
        return _no(415, "Send JSON.")
    length = headers.get("content-length", "")
    if "transfer-encoding" in headers or not (length.isascii() and length.isdigit()):
        return _no(411, "Say how long the body is.")
    if int(length[:9]) > MAX_BODY:
        return _no(413, f"The body is too long: at most {MAX_BODY} bytes.")
    return None


def _from_here(headers: Headers, path: str) -> bool:
    """Browsers say where a request starts; others (curl) say nothing. Following a link to the page is fine."""
    if headers.get("sec-fetch-site", "none") in ("same-origin", "none"):
        return True
    return path == "/" and headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"


def _no(status: int, why: str, headers: Mapping[str, str] | None = None) -> PlainTextResponse:
    return PlainTextResponse(why + "\n", status, {**(headers or {}), "Connection": "close"})
