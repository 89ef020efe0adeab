"""Uvicorn, set up for a small page on loopback."""

import ipaddress
import socket

import uvicorn
from starlette.applications import Starlette

from appliance.errors import ConfigError

MAX_CONNECTIONS = 64
MAX_HEADERS = 16 * 1024


class PageServer(uvicorn.Server):
    """Ends open streams first when told to stop; they would hold the process for as long as a page is open."""

    def __init__(self, config: uvicorn.Config, app: Starlette) -> None:
        super().__init__(config)
        self.app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, after the streams."""
        for stream in self.app.state.streams:
            stream.close()
        await super().shutdown(sockets)


def make_server(app: Starlette, host: str, port: int) -> PageServer:
    """Build the server; `.run()` serves until SIGTERM or SIGINT, `.should_exit = True` stops it from a thread.

    Raises ConfigError: `host` is not a loopback address. The page has no accounts yet.
    """
    if not _is_loopback(host):
        raise ConfigError(f"web.host = {host!r}: the page has no accounts yet; use 127.0.0.1 (and an SSH tunnel)")
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http="h11",
        ws="none",
        loop="asyncio",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        h11_max_incomplete_event_size=MAX_HEADERS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=1,
        backlog=MAX_CONNECTIONS,
    )
    return PageServer(config, app)


def bound_port(server: uvicorn.Server) -> int | None:
    """The port it listens on once it does; for `port = 0`."""
    if not server.started:
        return None
    return int(server.servers[0].sockets[0].getsockname()[1])


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
