"""Style sheets, scripts and symbols, read once from the package and served from memory.

A name is looked up in a table, so no path of a request ever reaches the disk. Each address carries
the digest of its content and may be kept for good; one without it is checked by ETag.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file."""

    content: bytes
    media_type: str
    digest: str


def load() -> Mapping[str, Asset]:
    """Every file of web/static by name."""
    found = {}
    for entry in (files("appliance.web") / "static").iterdir():
        media_type = _TYPES.get("." + entry.name.rpartition(".")[2])
        if media_type:
            content = entry.read_bytes()
            found[entry.name] = Asset(content, media_type, hashlib.sha256(content).hexdigest()[:16])
    return found


def answer(assets: Mapping[str, Asset], request: Request) -> Response:
    """The file that the path names, 304 if the browser has it, or 404."""
    asset = assets.get(request.path_params["name"])
    if asset is None:
        return Response("There is no such file.\n", 404, media_type="text/plain")
    tag = f'"{asset.digest}"'
    fixed = request.query_params.get("v") == asset.digest
    headers = {"ETag": tag, "Cache-Control": "public, max-age=31536000, immutable" if fixed else "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(asset.content, headers=headers, media_type=asset.media_type)
