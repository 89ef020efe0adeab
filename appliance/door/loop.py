"""The door's loop: one inbox, one machine, one lock. It never touches a disk, a network or a slow hash.

Order of a grant: decide, write the event durably, drive the relay. A disk that has not answered
after RECORD_SECONDS is not waited for any longer. The way out and fire wait for nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from appliance.access.decide import Asked, Rules, decide
from appliance.access.lockout import Lockouts, Outcome, keypad_subject
from appliance.access.passes import PassEntry
from appliance.access.roster import Roster
from appliance.door.inbox import (
    Edge,
    History,
    Inbox,
    Item,
    RosterLoaded,
    Spent,
    Written,
)
from appliance.door.lock import Lock
from appliance.door.machine import Contact, Door, Fire, Input, Output, Tamper
from appliance.door.passgate import PassGate
from appliance.door.peers import News, Peers
from appliance.door.report import Report, access_event, keypad_of
from appliance.errors import LockError
from appliance.facts import (
    AdminUnlock,
    CardEntry,
    Decision,
    DoorCommand,
    Event,
    EventType,
    Match,
    Moment,
    PinEntry,
    Reason,
    RexPress,
)
from appliance.system import notify

RECORD_SECONDS = 0.1
"""How long a grant waits for its event to reach the disk."""
IDLE_SECONDS = 0.25
"""How often the levels of all switches are read again: an edge may have got lost."""
BEAT_SECONDS = 1.0
"""Watchdog and status at least this often."""
VITAL = ("rex", "fire")
"""Switches without which there is no way out: one that cannot be read ends the loop, and it starts anew."""
UNLOCK_IDS_KEPT = 4096
OUTCOMES_KEPT = 1000


class Switch(Protocol):
    """A button or contact (`pins.Switch`)."""

    @property
    def active(self) -> bool:
        """Its level now. Raises LockError."""


class Record(Protocol):
    """Where events go (`journal.Journal`). Neither method waits."""

    def put(self, event: Event, ticket: int | None = None) -> None:
        """Write it; answer the ticket with `Written`."""

    def late(self, ticket: int) -> None:
        """It was not waited for."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A grant whose event is on its way to the disk."""

    decision: Decision
    compute_ms: float | None
    due: float


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
        rules: Rules,
        report: Report,
        now: Callable[[], Moment],
        moved: Callable[[DoorCommand], None] | None = None,
        passes: PassGate | None = None,
        granted: Callable[[str], None] | None = None,
    ) -> None:
        """`moved` is told of each command once driven (the simulated hand), `granted` of whom it was for (a panel)."""
        self._granted = granted
        self._passes = passes or PassGate()
        self._door, self._lock, self._switches, self._inbox = door, lock, switches, inbox
        self._record, self._rules, self._report, self._now, self._moved = record, rules, report, now, moved
        self._roster = Roster()
        self._lockouts = Lockouts()
        self._outcomes: list[tuple[Outcome, float]] = []
        self._history_due = True
        self._unlock_ids: dict[str, None] = {}
        self._pending: dict[int, Pending] = {}
        self._tickets = 0
        self._levels: dict[str, bool] = {}
        self._unreadable: set[str] = set()
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
        read = {name: self._read(name, switch) for name, switch in self._switches.items()}
        self._levels = {name: active for name, active in read.items() if active is not None}
        out = self._door.begin(now, contact_open=self._levels.get("contact"), fire=self._levels.get("fire", False))
        self._drive(out)
        self._step(now, Tamper(self._levels.get("tamper", False)))
        self._publish(now.mono)

    def wait(self, now: float) -> float:
        """Seconds until something is due even if nobody writes."""
        due = [self._door.deadline, self._levels_at + IDLE_SECONDS, self._beat_at + BEAT_SECONDS]
        due += [pending.due for pending in self._pending.values()]
        return max(0.0, min(due) - now)

    def turn(self, item: Item | None) -> None:
        """One item, or none, and whatever is due."""
        now = self._now()
        # Levels first: a button lost as an edge must not wait behind a busy inbox.
        if now.mono >= self._levels_at + IDLE_SECONDS:
            self._read_levels(now)
        if item is not None:
            self._take(now, item)
        self._overdue(now)
        if now.mono >= self._door.deadline:
            self._step(now, None)
        self._sys(self._peers.watch(now.mono))
        self._publish(now.mono)
        if now.mono >= self._beat_at + BEAT_SECONDS:
            self._beat_at = now.mono
            self._lock.drive(self._door.lock)  # whatever else may have touched the line
            notify.watchdog()
            self._say_dropped()

    def _take(self, now: Moment, item: Item) -> None:
        match item:
            case Edge(name, active, at):
                self._level(now, name, active, at)
            case Match() | PinEntry() | CardEntry() | PassEntry() | AdminUnlock():
                self._asked(now, item)
            case Spent():
                if (answered := self._passes.answer(item, now.mono, partial(self._weigh, now))) is not None:
                    self._conclude(now, *answered)
            case Written():
                self._written(now, item)
            case RosterLoaded(roster):
                self._roster, self._report.roster = roster, roster.loaded_version
            case History():
                self._remember(item)
            case _:
                self._sys(self._peers.hear(item))

    # --- who may come in

    def _asked(self, now: Moment, credential: Asked) -> None:
        decision = self._weigh(now, credential)
        if isinstance(credential, AdminUnlock):
            decision = self._once(credential.id, decision)
        if isinstance(credential, PassEntry):
            weighed = self._passes.ask(decision, credential, now.mono)
            if weighed is None:
                return  # nothing opens before its use is on the disk
            decision = weighed
        self._conclude(now, decision, credential)

    def _weigh(self, now: Moment, credential: Asked) -> Decision:
        return decide(credential, self._roster, now, self._lockouts, self._rules, lockdown=self._door.lockdown)

    def _conclude(self, now: Moment, decision: Decision, credential: Asked) -> None:
        self._count(Outcome(decision.reason, decision.by, decision.person, keypad_of(credential)), now.mono)
        event = access_event(decision, credential, now)
        if not decision.granted:
            self._report.answered(decision, now.mono)
            self._record.put(event)
            return
        self._tickets += 1
        compute_ms = credential.compute_ms if isinstance(credential, Match) else None
        self._pending[self._tickets] = Pending(decision, compute_ms, now.mono + RECORD_SECONDS)
        self._record.put(event, self._tickets)

    def _once(self, unlock_id: str, decision: Decision) -> Decision:
        if unlock_id in self._unlock_ids:
            return replace(decision, granted=False, reason=Reason.REPLAYED, unlock_seconds=0.0)
        self._unlock_ids[unlock_id] = None
        if len(self._unlock_ids) > UNLOCK_IDS_KEPT:
            del self._unlock_ids[next(iter(self._unlock_ids))]
        return decision

    def _count(self, outcome: Outcome, now: float) -> None:
        self._lockouts = self._lockouts.after(outcome, now)
        if self._history_due and len(self._outcomes) < OUTCOMES_KEPT:
            self._outcomes.append((outcome, now))

    def _remember(self, history: History) -> None:
        """Count what the record tells, then again what has happened since the start."""
        lockouts = Lockouts()
        for outcome, at in (*history.outcomes, *self._outcomes):
            lockouts = lockouts.after(outcome, at)
        self._lockouts, self._history_due = lockouts, False
        self._outcomes.clear()
        self._unlock_ids.update(dict.fromkeys(history.unlock_ids))

    def _written(self, now: Moment, written: Written) -> None:
        if written.last is not None:
            self._report.last(written.last)
        for ticket in written.tickets:
            if (pending := self._pending.pop(ticket, None)) is not None:
                self._act(now, pending, late=not written.durable)

    def _overdue(self, now: Moment) -> None:
        for ticket in [ticket for ticket, pending in self._pending.items() if pending.due <= now.mono]:
            self._record.late(ticket)
            self._act(now, self._pending.pop(ticket), late=True)

    def _act(self, now: Moment, pending: Pending, *, late: bool) -> None:
        detail: dict[str, Any] = {} if pending.compute_ms is None else {"compute_ms": round(pending.compute_ms, 1)}
        if late:
            detail["late"] = True
        self._drive(self._door.step(now, pending.decision), pending.decision.since, detail)
        person = pending.decision.person
        if self._granted is not None and person is not None and self._door.lock is DoorCommand.RELEASE:
            self._granted(person)
        held_back = self._door.lock is not DoorCommand.RELEASE  # a lockdown has begun meanwhile
        told = replace(pending.decision, reason=Reason.LOCKDOWN) if held_back else pending.decision
        self._report.answered(told, self._now().mono)

    # --- the door itself

    def _read_levels(self, now: Moment) -> None:
        self._levels_at = now.mono
        for name, switch in self._switches.items():
            if (active := self._read(name, switch)) is not None:
                self._level(now, name, active, now.mono)

    def _read(self, name: str, switch: Switch) -> bool | None:
        """Its level; None: it cannot be read, and the door does without. Raises LockError for the vital ones."""
        try:
            return switch.active
        except LockError:
            if name in VITAL:
                raise
            if name not in self._unreadable:
                self._unreadable.add(name)
                self._sys(("line_lost", {"line": name}))
            return None

    def _level(self, now: Moment, name: str, active: bool, at: float) -> None:
        changed, self._levels[name] = self._levels.get(name) is not active, active
        if name == "rex":
            # Held down it keeps asking, so that the lock does not fall while someone leans on it.
            if active:
                self._drive(self._door.step(now, RexPress(at)), at, {})
        elif changed:
            given: dict[str, Input] = {"contact": Contact(active), "tamper": Tamper(active), "fire": Fire(active)}
            self._drive(self._door.step(now, given[name]), at, {})

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
        until = self._lockouts.until([keypad_subject("keypad")], now)
        screen_until = self._lockouts.until([keypad_subject("screen")], now)
        self._report.publish(self._door, now, locked_out=until is not None, screen_until=screen_until)

    def _say_dropped(self) -> None:
        dropped, self._dropped = self._inbox.dropped - self._dropped, self._inbox.dropped
        if dropped:
            self._sys(("inbox_full", {"dropped": dropped}))

    def _sys(self, news: News | None) -> None:
        if news is not None:
            why, detail = news
            self._record.put(Event(EventType.SYS, why, self._now(), by="door", detail=dict(detail)))
