"""What comes down to the door: acknowledgements, commands, the site's mode. Judged, answered or dropped."""

import logging
from collections.abc import Callable, Sequence

from appliance.facts import Event, EventType, Moment
from appliance.fleet import topics
from appliance.fleet.broker import Arrival
from appliance.fleet.desk import Desk, Reply
from appliance.fleet.inbound import BadMessage, Limiter, read_ack, read_command
from appliance.fleet.topics import Names, Payload
from appliance.store.events import EventLog
from appliance.system.doorline import Budget

log = logging.getLogger(__name__)


class Downlink:
    """Belongs to the uplink's thread. Nothing that is not proved does anything."""

    def __init__(
        self,
        names: Names,
        desk: Desk | None,
        tell: Callable[[Payload], None],
        host_has: Callable[[int, float], None],
    ) -> None:
        """`tell` publishes a result; `host_has(seq, mono)` hears how far the host has committed."""
        self._names, self._desk = names, desk
        self._tell, self._host_has = tell, host_has
        self._bad, self._refused, self._replies = Limiter(60.0), Limiter(60.0), Limiter(1.0)
        self._challenges, self._signed = Budget(2, 8), Budget(10, 20)

    @property
    def topics(self) -> tuple[str, ...]:
        """To subscribe to."""
        own = (self._names.ack, self._names.command)
        return own if self._desk is None else (*own, self._names.mode)

    def hear(self, arrival: Arrival, record: EventLog, now: Moment) -> None:
        """Take one message in. Raises StoreError: the record cannot be written."""
        try:
            if arrival.topic == self._names.ack:
                self._host_has(read_ack(arrival.payload).seq, now.mono)
            elif arrival.topic == self._names.command:
                self._command(arrival, record, now)
            elif arrival.topic == self._names.mode and self._desk is not None:
                if self._signed.take(now.mono):
                    self._answer(self._desk.mode(arrival.payload, now), record, now)
            else:
                raise BadMessage("topic")
        except BadMessage as fault:
            self._report_bad(arrival, str(fault), record, now)
            if arrival.topic == self._names.command and not arrival.retained:
                self._reject(None, str(fault), now)

    def watch(self, now: Moment) -> None:
        """Say what has become of commands under way."""
        for reply in self._desk.watch(now) if self._desk is not None else ():
            self._say(reply, now)

    def _command(self, arrival: Arrival, record: EventLog, now: Moment) -> None:
        command = read_command(arrival.payload, arrival.retained)
        if self._desk is None:
            self._reject(command.id, "unknown_key" if command.signed else "unsigned", now)
        elif command.asks_challenge:
            if self._challenges.take(now.mono):
                nonce = self._desk.challenges.issue(now.mono)
                self._tell(topics.result(self._names.door, command.id, "accepted", "challenge", now, challenge=nonce))
        elif not command.signed:
            self._answer([Reply(command.id, "rejected", "unsigned", proved=False)], record, now)
        elif self._signed.take(now.mono):
            self._answer(self._desk.command(arrival.payload, now), record, now)

    def _answer(self, replies: Sequence[Reply], record: EventLog, now: Moment) -> None:
        for reply in replies:
            if reply.outcome != "accepted":
                self._report_refused(reply, record, now)
            if reply.proved:
                self._say(reply, now)
            else:
                self._reject(reply.id, reply.why, now)

    def _say(self, reply: Reply, now: Moment) -> None:
        log.info("command %s: %s (%s)", reply.id, reply.outcome, reply.why)
        self._tell(topics.result(self._names.door, reply.id, reply.outcome, reply.why, now))

    def _reject(self, command: str | None, why: str, now: Moment) -> None:
        """To who proved nothing: at most one answer a second, whoever shouts."""
        if self._replies.passes(now.mono):
            log.warning("command rejected: %s", why)
            self._tell(topics.result(self._names.door, command, "rejected", why, now))

    def _report_refused(self, reply: Reply, record: EventLog, now: Moment) -> None:
        """A command that nobody could prove, or that came twice, is worth a look: an event, at most one a minute."""
        count = self._refused.passes(now.mono)
        if count:
            detail = {"outcome": reply.outcome, "fault": reply.why, "proved": reply.proved, "count": count}
            record.append(Event(EventType.SYS, "command_refused", now, detail=detail))

    def _report_bad(self, arrival: Arrival, fault: str, record: EventLog, now: Moment) -> None:
        count = self._bad.passes(now.mono)
        if not count:
            return
        known = {self._names.ack: "ack", self._names.command: "cmd", self._names.mode: "mode"}
        leaf = known.get(arrival.topic, "other")
        log.warning("bad message on dn/%s dropped: %s, %d bytes (%d so far)", leaf, fault, len(arrival.payload), count)
        detail = {"topic": leaf, "fault": fault, "count": count}
        record.append(Event(EventType.SYS, "bad_message", now, detail=detail))
