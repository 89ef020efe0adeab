"""The door's line to the broker: keeps it up, drains the outbox, reports state, judges what comes in.

One thread runs it and owns all of it. What it learns of the network it gets from `Broker.turn`;
what it must send it reads from the store. A lost connection is a BrokerError, and the next one
starts from the store again.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from appliance import __version__
from appliance.errors import BrokerError
from appliance.facts import Moment
from appliance.fleet import topics
from appliance.fleet.backlog import Backlog
from appliance.fleet.broker import REFUSED, Answer, Arrival, Broker, Will
from appliance.fleet.desk import Desk
from appliance.fleet.discovery import announcement
from appliance.fleet.downlink import Downlink
from appliance.fleet.inbound import Limiter
from appliance.fleet.machine import figures
from appliance.fleet.outbox import WINDOW, Ask, Backoff, Outbox
from appliance.fleet.topics import Names, Payload
from appliance.settings import MqttConfig, SiteConfig
from appliance.store.chain import StoredEvent
from appliance.store.events import EventLog
from appliance.system import clock
from appliance.system.status import read_status

log = logging.getLogger(__name__)

TURN_SECONDS = 0.05
SETTLE_SECONDS = 0.2
"""Acknowledgements are gathered this long: each settling is a transaction that waits for the disk."""
SETTLE_ROWS = 500
STATE_SECONDS = 0.5
COUNT_SECONDS = 2.0
HEALTH_SECONDS = 60.0
FAREWELL_SECONDS = 2.0


class Uplink:
    """Call `run` in a thread of its own; the other attributes may be read from any thread."""

    def __init__(
        self,
        broker: Broker,
        site: SiteConfig,
        *,
        clock: Callable[[], Moment],
        read_door: Callable[[], Mapping[str, Any] | None],
        read_figures: Callable[[], Mapping[str, float]],
        version: str,
        outbox: Outbox,
        backoff: Backoff,
        announce: Payload | None = None,
        desk: Desk | None = None,
    ) -> None:
        """`announce` is the Home Assistant discovery message, kept retained under its own topic.

        `desk` carries out signed commands; None: every command is rejected.
        """
        self._broker = broker
        self._site = site
        self._names = Names(site.site, site.door)
        self._clock = clock
        self._read_door = read_door
        self._read_figures = read_figures
        self._version = version
        self._outbox = outbox
        self._backoff = backoff
        self._announce = announce
        self._backlog = Backlog()
        self._events: dict[int, int] = {}  # token -> seq
        self._others: dict[int, str] = {}  # token -> topic
        self._downlink = Downlink(self._names, desk, self._tell, outbox.host_has)
        self._refusals: dict[str, Limiter] = {}
        self._reported: Payload | None = None
        self._due: dict[str, float] = {}
        self._began = time.monotonic()
        self.online = False
        self.waiting = 0
        """Unsettled events, counted every other second."""
        self.beat = time.monotonic()
        """Monotonic time of the last sign of life of the thread."""

    def run(self, open_record: Callable[[], EventLog], stop: threading.Event) -> None:
        """Until `stop`. Raises StoreError: the record cannot be read or written; then call it again, later."""
        self.beat = time.monotonic()
        record = open_record()
        while not stop.is_set():
            lived = self._session(record, stop)
            if stop.is_set():
                return
            wait = self._backoff.after(lived)
            log.info("next attempt at the broker in %.0f s", wait)
            until = time.monotonic() + wait
            while time.monotonic() < until and not stop.wait(0.2):
                self._sign_of_life(record)

    def _session(self, record: EventLog, stop: threading.Event) -> float:
        """One connection from greeting to loss or farewell. Returns the seconds that it lived."""
        connected = None
        try:
            birth = int(self._clock().utc * 1000)
            self._sign_of_life(record)
            self._connect(birth)
            connected = time.monotonic()
            self._begin(record, birth)
            while not stop.is_set():
                self._turn(record)
            self._farewell(record, birth)
        except BrokerError as error:
            log.error("%s", error)
            if connected is not None:
                self._lost(record, time.monotonic() - connected)
        except BaseException:
            self._broker.abandon()
            raise
        finally:
            self.online = False
        return 0.0 if connected is None else time.monotonic() - connected

    def _lost(self, record: EventLog, lived: float) -> None:
        now = time.monotonic()
        record.settle(self._outbox.done)
        self._outbox.settled(self._outbox.done)
        for seq in self._outbox.lost(lived, now):
            log.error("the broker hangs up on event %d; it is kept, and its topic rests for a while (ACL?)", seq)
        if self._outbox.cautious:
            log.warning("the broker keeps hanging up; events go one at a time, to find which it does not like")

    def _connect(self, birth: int) -> None:
        will = Will(self._names.conn, topics.encode(topics.conn("lost", birth)))
        self._broker.connect(will, self._downlink.topics)

    def _begin(self, record: EventLog, birth: int) -> None:
        self._backlog = Backlog()
        self._events.clear()
        self._others.clear()
        self._due.clear()
        self._reported = None
        self._outbox.rewind(record.head()[0], min(WINDOW, self._broker.limits.in_flight), time.monotonic())
        self._say(self._names.conn, topics.conn("online", birth))
        if self._announce is not None and not self._outbox.cautious:
            self._say(self._names.discovery, self._announce)
        self.online = True
        log.info("connected to the broker; %d events wait", self.waiting)

    def _turn(self, record: EventLog) -> None:
        for happened in self._broker.turn(TURN_SECONDS):
            self._take_in(happened, record)
        now = time.monotonic()
        self._downlink.watch(self._clock())
        self._settle(record, now)
        # Live events first; the backlog gets what they leave.
        if self._is_due("live", 0.02, now):
            self._send(self._outbox.ask_live(), record, now)
        self._send(self._outbox.ask_backlog(now), record, now)
        self._report(now)
        self._sign_of_life(record)
        if self._outbox.stalled(now):
            self._broker.close()
            raise BrokerError(
                f"the broker took none of {self._outbox.in_flight} events for a while; connecting anew, "
                "and what it did not acknowledge is sent again"
            )

    def _send(self, ask: Ask, record: EventLog, now: float) -> None:
        if not ask.room:
            return
        found = record.unsettled(ask.limit, after=ask.after) if ask.live else self._backlog.read(ask, record)
        rows = {stored.seq: stored for stored in found}
        chosen = self._outbox.take(ask, [(seq, self._topic(rows[seq])) for seq in rows], now)
        for seq in chosen:
            payload = topics.encode(rows[seq].wire(self._site))
            topic = self._topic(rows[seq])
            if len(payload) + len(topic) + 16 > self._broker.limits.packet_bytes:
                self._refused(topic, seq, "larger than the broker takes (its maximum packet size)", now)
            else:
                self._events[self._broker.publish(topic, payload, qos=1)] = seq

    def _topic(self, stored: StoredEvent) -> str:
        return self._names.event(stored.type)

    def _say(self, topic: str, payload: Payload, retain: bool = True) -> None:
        self._others[self._broker.publish(topic, topics.encode(payload), qos=1, retain=retain)] = topic

    def _tell(self, result: Payload) -> None:
        self._say(self._names.result, result, retain=False)

    def _take_in(self, happened: Answer | Arrival, record: EventLog) -> None:
        if isinstance(happened, Arrival):
            self._downlink.hear(happened, record, self._clock())
            return
        now = time.monotonic()
        seq = self._events.pop(happened.token, None)
        topic = self._others.pop(happened.token, None)
        if seq is not None and happened.code < REFUSED:
            self._outbox.accepted(seq, now)
        elif seq is not None:
            self._refused(self._outbox.topic(seq), seq, happened.reason, now)
        elif topic is not None and happened.code >= REFUSED:
            log.error("the broker refuses %s: %s; let this door write there (ACL)", topic, happened.reason)

    def _refused(self, topic: str, seq: int, reason: str, now: float) -> None:
        pause = self._outbox.refused(seq, now)
        if self._refusals.setdefault(topic, Limiter(60.0)).passes(now):
            log.error(
                "the broker refuses %s: %s; let this door write there (ACL). The events are kept; next try in %.0f s",
                topic,
                reason,
                pause,
            )

    def _settle(self, record: EventLog, now: float) -> None:
        done = self._outbox.done
        if done and (len(done) >= SETTLE_ROWS or self._is_due("settle", SETTLE_SECONDS, now)):
            record.settle(done)
            self._outbox.settled(done)

    def _report(self, now: float) -> None:
        if self._is_due("state", STATE_SECONDS, now):
            state = topics.state(self._site.door, self._read_door(), self._clock())
            if not topics.same_state(state, self._reported):
                self._say(self._names.state, state)
                self._reported = state
        if self._is_due("health", HEALTH_SECONDS, now):
            figures = {"up_s": now - self._began, "outbox": self.waiting, **self._read_figures()}
            payload = topics.health(self._site.door, self._clock(), self._version, figures)
            self._broker.publish(self._names.health, topics.encode(payload), qos=0)

    def _farewell(self, record: EventLog, birth: int) -> None:
        """Say that we go, wait for what is in flight a little, settle it."""
        self._say(self._names.conn, topics.conn("closing", birth))
        until = time.monotonic() + FAREWELL_SECONDS
        while (self._others or self._outbox.in_flight) and time.monotonic() < until:
            for happened in self._broker.turn(TURN_SECONDS):
                self._take_in(happened, record)
        record.settle(self._outbox.done)
        self._broker.close()

    def _sign_of_life(self, record: EventLog) -> None:
        self.beat = time.monotonic()
        if self._is_due("count", COUNT_SECONDS, self.beat):
            record.own_up(self._clock())
            self.waiting = record.count_unsettled()

    def _is_due(self, duty: str, seconds: float, now: float) -> bool:
        if now < self._due.get(duty, 0.0):
            return False
        self._due[duty] = now + seconds
        return True


def make_uplink(
    mqtt: MqttConfig, site: SiteConfig, run: Path, state: Path, simulated: bool, *, desk: Desk | None = None
) -> Uplink:
    """The uplink as the net process runs it, reading the door's status and the machine's figures."""
    names = Names(site.site, site.door)
    return Uplink(
        Broker(mqtt, f"lintel-{site.site}-{site.door}"),
        site,
        clock=clock.now,
        read_door=lambda: read_status(run / "door" / "status.json"),
        read_figures=lambda: figures(state),
        version=__version__,
        outbox=Outbox(),
        backoff=Backoff(random.random),
        announce=announcement(names, __version__, simulated),
        desk=desk,
    )
