"""Who may come in: everything between a credential and the moment at which the door may act on its grant.

Belongs to the loop's thread. It decides, remembers, and hands the record what is to be written; the
loop drives the lock. A grant waits here for its event to reach the disk, RECORD_SECONDS at most.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from appliance.access.decide import Answer, decide
from appliance.access.ledger import Ledger, Note
from appliance.access.lockout import Lockouts, Outcome, pin_subjects
from appliance.access.passes import PassEntry
from appliance.access.proof import Asked, Known, Rules
from appliance.access.roster import Roster
from appliance.door.inbox import History, RosterLoaded, Spent, Written
from appliance.door.passgate import PassGate
from appliance.door.report import Report, access_event, alarm_events, companion_event, keypad_of
from appliance.facts import AdminUnlock, Decision, Event, Match, Moment, Reason

RECORD_SECONDS = 0.1
"""How long a grant waits for its event to reach the disk."""
UNLOCK_IDS_KEPT = 4096
OUTCOMES_KEPT = 1000


class Record(Protocol):
    """Where events go (`journal.Journal`). No method waits."""

    def put(self, event: Event, ticket: int | None = None) -> None:
        """Write it; answer the ticket with `Written`."""

    def late(self, ticket: int) -> None:
        """It was not waited for."""

    def note(self, note: Note) -> None:
        """Remember it for the next start, after the events put so far; answer with `Noted`."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What the door is to act on now."""

    decision: Decision
    companions: tuple[str, ...] = ()
    """Pids of those who enter along."""
    free_until: float | None = None
    """Monotonic seconds until which the door then stays unlocked; None: it relocks."""
    compute_ms: float | None = None
    late: bool = False
    """Its event is not on the disk yet."""


@dataclass(frozen=True, slots=True)
class _Pending:
    grant: Grant
    due: float


class Asks:
    """Judges whoever asks, at one door."""

    def __init__(
        self,
        record: Record,
        report: Report,
        *,
        rules: Rules,
        ledger: Ledger | None = None,
        passes: PassGate | None = None,
    ) -> None:
        self._record, self._report, self._rules = record, report, rules
        self._ledger, self._passes = ledger or Ledger(), passes or PassGate()
        self._roster: Roster | None = None
        self._lockouts = Lockouts()
        self._outcomes: list[tuple[Outcome, float]] = []
        self._history_due = True
        self._unlock_ids: dict[str, None] = {}
        self._pending: dict[int, _Pending] = {}
        self._tickets = 0

    @property
    def due(self) -> Iterator[float]:
        """When pending grants will not be waited for any longer, monotonic seconds."""
        return (pending.due for pending in self._pending.values())

    def load(self, loaded: RosterLoaded, now: Moment) -> None:
        """The people and the rules as the store has them now."""
        self._ledger.load(loaded.book, now)
        self._roster, self._report.roster = loaded.roster, loaded.roster.loaded_version

    def noted(self, number: int) -> None:
        """The store remembers everything up to this note."""
        self._ledger.written(number)

    def free(self, now: Moment) -> bool:
        """Whether free access may go on."""
        return self._roster is not None and self._ledger.free(now)

    def locked_out(self, keypad: str, now: float) -> float | None:
        """When PINs are taken there again, monotonic seconds; None: they are."""
        return self._lockouts.until(pin_subjects(keypad), now)

    def ask(self, now: Moment, credential: Asked, *, lockdown: bool) -> None:
        """Somebody asks."""
        answer = self._weigh(now, credential, lockdown)
        if isinstance(credential, AdminUnlock):
            answer = replace(answer, decision=self._once(credential.id, answer.decision))
        if isinstance(credential, PassEntry):
            weighed = self._passes.ask(answer.decision, credential, now.mono)
            if weighed is None:
                return  # nothing opens before its use is on the disk
            answer = replace(answer, decision=weighed)
        self._conclude(now, answer, credential)

    def spent(self, now: Moment, spent: Spent, *, lockdown: bool) -> None:
        """The use of a pass is on the disk, or is not."""
        again: list[Answer] = []

        def weigh(entry: PassEntry) -> Decision:
            again.append(self._weigh(now, entry, lockdown))
            return again[-1].decision

        if (found := self._passes.answer(spent, now.mono, weigh)) is not None:
            decision, entry = found
            verdict = again[-1].verdict if again else None
            self._conclude(now, Answer(decision, verdict), entry)

    def remember(self, history: History) -> None:
        """Count what the record tells, then again what has happened since the start."""
        lockouts = Lockouts()
        for outcome, at in (*history.outcomes, *self._outcomes):
            lockouts = lockouts.after(outcome, at)
        self._lockouts, self._history_due = lockouts, False
        self._outcomes.clear()
        self._unlock_ids.update(dict.fromkeys(history.unlock_ids))

    def written(self, written: Written) -> Iterator[Grant]:
        """The journal answers: what the door may act on now."""
        for ticket in written.tickets:
            if (pending := self._pending.pop(ticket, None)) is not None:
                yield replace(pending.grant, late=not written.durable)

    def overdue(self, now: float) -> Iterator[Grant]:
        """What the disk has taken too long for."""
        for ticket in [ticket for ticket, pending in self._pending.items() if pending.due <= now]:
            self._record.late(ticket)
            yield replace(self._pending.pop(ticket).grant, late=True)

    def _weigh(self, now: Moment, credential: Asked, lockdown: bool) -> Answer:
        ledger = self._ledger
        known = Known(
            self._roster,
            self._lockouts,
            self._rules,
            ledger.rules,
            ledger.state,
            ledger.zone,
            lockdown=lockdown,
            turns=ledger.turns,
        )
        return decide(credential, known, now)

    def _conclude(self, now: Moment, answer: Answer, credential: Asked) -> None:
        decision, verdict = answer.decision, answer.verdict
        self._count(Outcome(decision.reason, decision.by, decision.person, keypad_of(credential)), now.mono)
        notes = self._ledger.keep(verdict, now) if verdict is not None and answer.after is not None else []
        event = access_event(answer, credential, now)
        if decision.granted:
            self._tickets += 1
            self._pending[self._tickets] = _Pending(_grant(answer, credential), now.mono + RECORD_SECONDS)
            self._record.put(event, self._tickets)
            for pid in verdict.companions if verdict is not None else ():
                self._record.put(companion_event(pid, decision, now))
        else:
            self._report.answered(decision, now.mono, answer.needs)
            self._record.put(event)
        for alarm in alarm_events(answer, now):
            self._record.put(alarm)
        for note in notes:
            self._record.note(note)

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


def _grant(answer: Answer, credential: Asked) -> Grant:
    verdict = answer.verdict
    compute_ms = credential.compute_ms if isinstance(credential, Match) else None
    if verdict is None:
        return Grant(answer.decision, compute_ms=compute_ms)
    return Grant(answer.decision, verdict.companions, verdict.free_until, compute_ms)
