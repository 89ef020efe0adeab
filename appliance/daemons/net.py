"""The net process: the page in the main thread, the broker link in one beside it. No GPIO, no camera."""

import asyncio
import logging
import signal
import socket
import threading
import time
from pathlib import Path

from appliance import __version__
from appliance.config import Config, digest
from appliance.daemons.duties import LatestEvents, keep, listen, tidy
from appliance.daemons.orders import desk
from appliance.daemons.visitor import visitor
from appliance.fleet.uplink import Uplink, make_uplink
from appliance.store.database import FILE, connect
from appliance.store.events import EventLog
from appliance.system import notify
from appliance.system.parent import end_with_supervisor
from appliance.system.status import StatusFile, read_status
from appliance.web.app import build_app
from appliance.web.server import PageServer, make_server

log = logging.getLogger(__name__)

STUCK_SECONDS = 120.0
"""Name servers that do not answer hold the link up for a minute; beyond this the process ends, to start anew."""
FAREWELL_SECONDS = 4.0


def main(config: Config) -> int:
    """Serve until SIGTERM. Returns 1 if the link hung. Raises ConfigError: the page's address, mqtt.commands_key."""
    end_with_supervisor()
    stop = threading.Event()
    for which in (signal.SIGTERM, signal.SIGINT):  # uvicorn takes them over and raises them again on its way out
        signal.signal(which, lambda *_: stop.set())
    run, state = Path(config.paths.run), Path(config.paths.state)
    simulated = config.pins.driver == "mock"
    app = build_app(
        lambda: {name: read_status(run / name / "status.json") for name in ("door", "vision", "net")},
        LatestEvents(state / FILE, config.site),
        config.site,
        __version__,
        simulated,
        passive_threshold=config.liveness.passive_threshold,
        visitor=visitor(config),
    )
    page, listener = make_server(app, config.web.host, config.web.port), listen(config.web)
    duties = [keep("retention", lambda: tidy(state / FILE, config.retention, bool(config.mqtt.host), stop), stop)]
    orders = desk(config) if config.mqtt.host else None
    uplink = make_uplink(config.mqtt, config.site, run, state, simulated, desk=orders) if config.mqtt.host else None
    if uplink is not None:
        duties.append(keep("broker", lambda: uplink.run(lambda: _record(config), stop), stop))
    log.info("page on http://%s:%d/", *listener.getsockname()[:2])
    healthy = asyncio.run(_serve(page, listener, uplink, StatusFile(run / "net" / "status.json")))
    notify.stopping()
    stop.set()
    for duty in duties if healthy else ():
        duty.join(FAREWELL_SECONDS)
    return 0 if healthy else 1


def _record(config: Config) -> EventLog:
    return EventLog(connect(Path(config.paths.state, FILE)), config=digest(config))


async def _serve(page: PageServer, listener: socket.socket, uplink: Uplink | None, status: StatusFile) -> bool:
    """The page, and each second a word to systemd and to the status file. False: the broker link hangs."""
    serving = asyncio.create_task(page.serve(sockets=[listener]))
    port, ready, healthy = listener.getsockname()[1], False, True
    while healthy and not (await asyncio.wait([serving], timeout=1.0 if ready else 0.1))[0]:
        mqtt = "off" if uplink is None else "online" if uplink.online else "offline"
        status.publish({"mqtt": mqtt, "outbox": uplink.waiting if uplink else 0, "port": port})
        if page.started and not ready:
            ready = True
            notify.ready(f"page on port {port}")
        notify.watchdog()
        if uplink is not None and time.monotonic() - uplink.beat > STUCK_SECONDS:
            log.error("the broker link has hung for %.0f s; ending, to start anew", STUCK_SECONDS)
            healthy, page.should_exit = False, True
    await serving
    return healthy
