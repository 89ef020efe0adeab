"""The page with recorded states, for work on it: `python -m tests.web.demo [STATE] [PORT]`.

Without a state it walks through all of them, two seconds each.
"""

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from appliance.settings import SiteConfig
from appliance.web.app import build_app
from appliance.web.server import PageServer, bound_port, make_server
from tests.web import states

SITE = SiteConfig(site="hq", door="front", timezone="Europe/Berlin")


def serve(
    state: str | None,
    port: int,
    fault: Callable[[], None] = lambda: None,
    simulated: bool = True,
) -> PageServer:
    """A server that shows one state for good, or all in turn."""
    names = list(states.STATES)

    def chosen() -> tuple[states.Statuses, states.Events]:
        return states.STATES[state or names[int(time.monotonic() / 2) % len(names)]]()

    def latest(limit: int) -> Sequence[dict[str, Any]]:
        fault()
        return chosen()[1][-limit:]

    app = build_app(
        lambda: chosen()[0],
        latest,
        SITE,
        "0.1.0",
        simulated,
        passive_threshold=0.7,
        clock=lambda: states.MONO,
        wall=lambda: states.UTC,
        start_seconds=0,
    )
    return make_server(app, "127.0.0.1", port)


@contextlib.contextmanager
def running(server: PageServer, sockets: list[socket.socket] | None = None) -> Iterator[str]:
    """Serve in a thread; gives the address."""
    thread = threading.Thread(target=server.run, args=(sockets,))
    thread.start()
    try:
        while (port := bound_port(server)) is None:
            assert thread.is_alive()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        thread.join(10)


if __name__ == "__main__":
    known = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] in states.STATES else None
    serve(known, int(sys.argv[2]) if len(sys.argv) > 2 else 8480).run()
