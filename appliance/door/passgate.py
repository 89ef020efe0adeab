"""Between a pass that may open and the door: its use must be on the disk first. Belongs to the loop."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from appliance.access.passes import REST_SECONDS, PassEntry
from appliance.access.proof import AGE_SECONDS
from appliance.door.inbox import Spent
from appliance.facts import Decision, Reason

Spend = Callable[[int, str], None]
"""(ticket, pass id): write a use, answer with `Spent`. Never waits (`passdesk.PassDesk.spend`)."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    decision: Decision
    entry: PassEntry


class PassGate:
    """Grants of passes whose use is being written."""

    def __init__(self, spend: Spend | None = None) -> None:
        """Without `spend` no pass opens."""
        self._spend = spend
        self._waiting: dict[int, _Waiting] = {}
        self._opened: dict[str, float] = {}
        self._tickets = 0

    def ask(self, decision: Decision, entry: PassEntry, now: float) -> Decision | None:
        """The refusal, or None: granted, once `answer` brings the disk's word."""
        if not decision.granted or entry.shown is None:
            return decision
        if self._spend is None:
            return _refused(decision, Reason.UNRECORDED)
        number = entry.shown.id
        self._opened = {old: at for old, at in self._opened.items() if now - at < REST_SECONDS}
        if number in self._opened:
            return _refused(decision, Reason.REPLAYED)
        self._opened[number] = now
        self._tickets += 1
        self._waiting[self._tickets] = _Waiting(decision, entry)
        self._spend(self._tickets, number)
        return None

    def answer(
        self, spent: Spent, now: float, weigh: Callable[[PassEntry], Decision]
    ) -> tuple[Decision, PassEntry] | None:
        """What became of a grant. A use written too late is lost: nobody may stand there any more.

        `weigh` decides once more: the person may have been suspended, or a lockdown begun, while the disk wrote.
        """
        waiting = self._waiting.pop(spent.ticket, None)
        if waiting is None:
            return None
        reason = spent.refused
        if reason is None and not now - waiting.entry.taken_at <= 2 * AGE_SECONDS:
            reason = Reason.STALE
        if reason is None:
            # The disk's time is allowed for above; all else is asked of this moment.
            again = weigh(replace(waiting.entry, taken_at=now))
            reason = None if again.granted else again.reason
        if reason is not None and waiting.entry.shown is not None:
            self._opened.pop(waiting.entry.shown.id, None)
        return (waiting.decision if reason is None else _refused(waiting.decision, reason)), waiting.entry


def _refused(decision: Decision, reason: Reason) -> Decision:
    return replace(decision, granted=False, reason=reason, unlock_seconds=0.0)
