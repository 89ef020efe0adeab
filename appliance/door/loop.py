"""The door's loop: one inbox, one machine, one lock. It never touches a disk, a network or a slow hash.

Order of a grant: decide, write the event durably, drive the relay. A disk that has not answered
after RECORD_SECONDS is not waited for any longer. The way out and fire wait for nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from math import inf
from typing import Any

from appliance.access.passes import PassEntry
from appliance.door.asks import RECORD_SECONDS, Asks, Grant, Record
from appliance.door.inbox import Edge, History, Inbox, Item, Noted, RosterLoaded, Spent, Written
from appliance.door.levels import VITAL, Levels, Switch
from appliance.door.lock import Lock
from appliance.door.machine import Door, Free, Input, Lockdown, Output, Tamper
from appliance.door.peers import News, Peers
from appliance.door.report import Report
from appliance.facts import (
    AdminUnlock,
    CardEntry,
    DoorCommand,
    Event,
    EventType,
    Match,
    Moment,
    Passing,
    PinEntry,
    Reason,
    RexPress,
)
from appliance.system import notify

__all__ = ["RECORD_SECONDS", "VITAL", "Loop", "Record", "Switch"]

IDLE_SECONDS = 0.25
"""How often the levels of all switches are read again: an edge may have got lost."""
BEAT_SECONDS = 1.0
"""Watchdog and status at least this often."""


class Loop:
    """Owns the door. Everything here runs in one thread."""

    def __init__(
        self,
        *,
        door: Door,
        lock: Lock,
        switches: Mapping[str, Switch],
        inbox: Inbox,
        record: Record,
        asks: Asks,
        report: Report,
        now: Callable[[], Moment],
        moved: Callable[[DoorCommand], None] | None = None,
        granted: Callable[[str], None] | None = None,
    ) -> None:
        """`moved` is told of each command once driven (the simulated hand), `granted` of whom it was for (a panel)."""
        self._granted = granted
        self._door, self._lock, self._inbox, self._asks = door, lock, inbox, asks
        self._record, self._report, self._now, self._moved = record, report, now, moved
        self._levels = Levels(switches, self._sys)
        self._levels_at = self._beat_at = 0.0
        self._peers = Peers(report, now().mono)
        self._dropped = 0
        self._stopping = False

    def stop(self) -> None:
        """End run() within IDLE_SECONDS. May be called from a signal handler or another thread."""
        self._stopping = True

    def run(self) -> None:
        """Until stop(). Raises LockError: the lines cannot be driven or read."""
        self.begin()
        notify.ready(self._door.state.value)
        while not self._stopping:
            self.turn(self._inbox.get(self.wait(self._now().mono)))
        self._sys(("stopped", {}))

    def begin(self) -> None:
        """Take the door as it stands."""
        now = self._now()
        self._beat_at = now.mono
        self._sys(("started", {"simulated": self._report.simulated}))
        levels = self._levels.begin()
        out = self._door.begin(now, contact_open=levels.get("contact"), fire=levels.get("fire", False))
        self._drive(out)
        self._step(now, Tamper(levels.get("tamper", False)))
        self._publish(now.mono)

    def wait(self, now: float) -> float:
        """Seconds until something is due even if nobody writes."""
        due = [self._door.deadline, self._levels_at + IDLE_SECONDS, self._beat_at + BEAT_SECONDS, *self._asks.due]
        return max(0.0, min(due) - now)

    def turn(self, item: Item | None) -> None:
        """One item, or none, and whatever is due."""
        now = self._now()
        # Levels first: a button lost as an edge must not wait behind a busy inbox.
        if now.mono >= self._levels_at + IDLE_SECONDS:
            self._levels_at = now.mono
            for name, active in self._levels.read():
                self._level(now, name, active, now.mono)
        if self._door.free and not self._asks.free(now):
            self._step(now, Free(-inf))
        if item is not None:
            self._take(now, item)
        self._act_on(now, self._asks.overdue(now.mono))
        if now.mono >= self._door.deadline:
            self._step(now, None)
        self._sys(self._peers.watch(now.mono))
        self._publish(now.mono)
        if now.mono >= self._beat_at + BEAT_SECONDS:
            self._beat_at = now.mono
            self._lock.drive(self._door.lock)  # whatever else may have touched the line
            notify.watchdog()
            self._asks.free(now)  # when its hours end is worked out now, not while somebody waits
            self._say_dropped()

    def _take(self, now: Moment, item: Item) -> None:
        lockdown = self._door.lockdown
        match item:
            case Edge(name, active, at):
                self._level(now, name, active, at)
            case Match() | PinEntry() | CardEntry() | PassEntry() | AdminUnlock():
                self._asks.ask(now, item, lockdown=lockdown)
            case Spent():
                self._asks.spent(now, item, lockdown=lockdown)
            case Written():
                if item.last is not None:
                    self._report.last(item.last)
                self._act_on(now, self._asks.written(item))
            case Noted(number):
                self._asks.noted(number)
            case RosterLoaded():
                self._asks.load(item, now)
                self._step(now, Lockdown(item.book.lockdown))
            case History():
                self._asks.remember(item)
            case Passing():
                self._step(now, item)
            case _:
                self._sys(self._peers.hear(item))

    def _act_on(self, now: Moment, grants: Iterable[Grant]) -> None:
        for grant in grants:
            self._act(now, grant)

    def _act(self, now: Moment, grant: Grant) -> None:
        decision = grant.decision
        detail: dict[str, Any] = {} if grant.compute_ms is None else {"compute_ms": round(grant.compute_ms, 1)}
        if grant.late:
            detail["late"] = True
        self._drive(self._door.step(now, decision), decision.since, detail)
        for companion in grant.companions:
            self._step(now, replace(decision, person=companion))
        if grant.free_until is not None and self._asks.free(now):
            self._step(now, Free(grant.free_until))
        # In a lockdown the lock may be released all the same, for somebody on the way out: no grant of this one.
        released = self._door.lock is DoorCommand.RELEASE and not self._door.lockdown
        if released:
            self._levels.granted()
        if self._granted is not None and decision.person is not None and released and not decision.leaving:
            self._granted(decision.person)  # somebody else's panel counts entries
        # Not released: a lockdown has begun meanwhile.
        told = decision if released else replace(decision, reason=Reason.LOCKDOWN)
        self._report.answered(told, self._now().mono)

    # --- the door itself

    def _level(self, now: Moment, name: str, active: bool, at: float) -> None:
        if (given := self._levels.hear(name, active, now.mono, at)) is not None:
            if name == "contact" and self._levels.pressed:
                self._step(now, RexPress(now.mono))  # a door that falls shut does not lock on who still presses
            self._drive(self._door.step(now, given), at, {})

    def _step(self, now: Moment, given: Input) -> None:
        self._drive(self._door.step(now, given))

    def _drive(self, out: list[Output], since: float | None = None, detail: Mapping[str, Any] | None = None) -> None:
        """Drive first, record after; `latency_ms` runs from `since` to the moment the line has changed."""
        edge = self._now().mono
        for command in out:
            if isinstance(command, DoorCommand):
                self._lock.drive(command)
                edge = self._now().mono
                if self._moved is not None:
                    self._moved(command)
        for event in out:
            if isinstance(event, Event):
                self._record.put(self._timed(event, since, edge, detail or {}))

    def _timed(self, event: Event, since: float | None, edge: float, detail: Mapping[str, Any]) -> Event:
        if event.why != "unlocked" or since is None:
            return event
        return replace(event, detail={"latency_ms": round((edge - since) * 1000, 2), **detail})

    # --- what others are told

    def _publish(self, now: float) -> None:
        until, screen_until = (self._asks.locked_out(keypad, now) for keypad in ("keypad", "screen"))
        self._report.publish(self._door, now, locked_out=until is not None, screen_until=screen_until)

    def _say_dropped(self) -> None:
        dropped, self._dropped = self._inbox.dropped - self._dropped, self._inbox.dropped
        if dropped:
            self._sys(("inbox_full", {"dropped": dropped}))

    def _sys(self, news: News | None) -> None:
        if news is not None:
            why, detail = news
            self._record.put(Event(EventType.SYS, why, self._now(), by="door", detail=dict(detail)))
