"""What the net process does beside its page: threads that are kept running, and the address the page listens on."""

import errno
import logging
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.errors import ConfigError, LintelError
from appliance.settings import RetentionConfig, SiteConfig, WebConfig
from appliance.store.database import connect
from appliance.store.enrolments import expire_consents
from appliance.store.events import EventLog
from appliance.system import clock

log = logging.getLogger(__name__)

AGAIN_SECONDS = 10.0
TIDY_SECONDS = 3600.0


def keep(name: str, work: Callable[[], None], stop: threading.Event) -> threading.Thread:
    """Run `work` in a thread; when it breaks, say so and start it anew a little later."""

    def run() -> None:
        while not stop.is_set():
            try:
                work()
                return
            except LintelError as error:
                log.error("%s: %s; tried again in %.0f s", name, error, AGAIN_SECONDS)
            except Exception:
                log.exception("%s broke; started again in %.0f s", name, AGAIN_SECONDS)
            stop.wait(AGAIN_SECONDS)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def tidy(file: Path, retention: RetentionConfig, delivered: bool, stop: threading.Event) -> None:
    """Every hour: delete what is too old, and templates whose consent ran out; thin out what waits for a host.

    `delivered`: there is a host. Raises StoreError.
    """
    db = connect(file)
    record = EventLog(db)
    while True:
        ended = expire_consents(db, record, clock.now)
        if ended:
            log.info("%d consents ran out; their templates are erased", ended)
        gone = record.prune(clock.now(), retention.events_days, undelivered=not delivered)
        thinned = record.thin(clock.now(), retention.outbox_mb * 2**20) if delivered else 0
        if gone or thinned:
            log.info("record: %d events were too old, %d undelivered ones were thinned out", gone, thinned)
        if stop.wait(TIDY_SECONDS):
            return


class LatestEvents:
    """The newest events in their wire form, for the page. Opens the database in the thread that asks first."""

    def __init__(self, file: Path, site: SiteConfig) -> None:
        self._file = file
        self._site = site
        self._record: EventLog | None = None

    def __call__(self, count: int) -> list[dict[str, Any]]:
        """At most `count`, oldest first. Raises StoreError."""
        if self._record is None:
            self._record = EventLog(connect(self._file))
        return [event.wire(self._site) for event in self._record.latest(count)]


def listen(config: WebConfig) -> socket.socket:
    """The page's socket, bound before anything else starts. Raises ConfigError."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family)
    except OSError as error:
        remedy = {
            errno.EADDRINUSE: "another program listens there: stop it, or choose another port",
            errno.EACCES: "this user may not: choose a port from 1024 on",
            errno.EADDRNOTAVAIL: "this machine has no such address: correct web.host",
        }.get(error.errno or 0, "correct web.host and web.port")
        raise ConfigError(
            f"web.host = {config.host!r}, web.port = {config.port}: {os.strerror(error.errno or 0)}; {remedy}"
        ) from error
